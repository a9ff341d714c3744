//! `tacite`: the client for terminal and scripts.
//!
//! Reads the command line and the configuration, opens the profile, and lets one command run over it.
//!
//! Invariants: results go to standard output, all else to standard error; every end has a documented exit status; on
//! Ctrl+C or SIGTERM what was begun is finished or stays in the vault, and the link is ended properly.

mod arguments;
mod commands;
mod configuration;
mod escape;
mod failure;
mod online;
mod opening;
mod output;
mod secrets;
mod signals;
mod words;

use std::process::ExitCode;

use clap::Parser as _;
use tracing_subscriber::EnvFilter;

use crate::arguments::Arguments;
use crate::failure::Failure;
use crate::output::Output;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage(&error),
    };
    let mut output = Output::new(arguments.common.json);
    log(arguments.common.debug);
    match commands::run(&arguments, &mut output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if !failure.is_silent() {
                output.failure(&failure);
            }
            failure.exit_code()
        }
    }
}

/// Help and version are asked for and succeed; anything else is wrong usage.
fn usage(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !error.use_stderr() || !json {
        // Nobody can be told if standard error is closed.
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
    }
    let text = error.to_string();
    let sentence = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
    let failure = Failure::usage(sentence, "See `tacite --help`.");
    Output::new(true).failure(&failure);
    failure.exit_code()
}

/// Our own crates only: what libraries log may hold headers, and so tokens.
fn log(debug: bool) {
    let level = if debug { "debug" } else { "warn" };
    let filter = EnvFilter::new(format!("off,tacite={level},tacite_client={level},tacite_core={level}"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
}
