//! `cargo xtask`: the project's own tools. `cargo xtask help` lists them.
//!
//! Invariants: nothing outside the checkout is written, except toolchain parts and packages that a command says it
//! installs. Results go to stdout, a command's exit status says whether it holds.

#![expect(clippy::print_stdout, reason = "a tool for the terminal of a developer; its stdout is its result")]

mod bench;
mod demo;
mod prerequisites;
mod requirements;
mod sim;
mod test;
mod tidy;
mod up;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
cargo xtask COMMAND

  up                            build and run a server on this machine, and say what to do next
  demo [--json]                 two people meet through a real server, from scratch
  test                          formatting, house rules, lints, the wasm build and all tests; what CI runs
  sim --seed N                  one simulated world, step by step
  sim --seeds COUNT [--from N]  many worlds, and their sum; --plant NAME breaks them on purpose
  bench [--only W1,…] [--json]  how fast the server and the client are, three times each, against the goals
  bench --peers                 the same beside other servers, which are installed; writes docs/benchmarks
  bench --guard [--record]      instructions of the hot paths, against those recorded in bench/guard.toml
  tidy                          the house rules alone
  requirements [--json]         run the tests named in docs/requirements.toml and print what is done
  requirements --check-names    only check that every named test exists
  help                          this text";

/// How a result is shown.
#[derive(Clone, Copy)]
pub(crate) enum Output {
    /// Lines for people.
    Text,
    /// One JSON object.
    Json,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[&str]) -> Result<()> {
    match arguments {
        ["test"] => test::run(),
        ["sim", options @ ..] => sim::run(options),
        ["bench", options @ ..] => bench::run(options),
        ["tidy"] => tidy::run(),
        ["up"] => up::run(),
        ["demo"] => demo::run(Output::Text),
        ["demo", "--json"] => demo::run(Output::Json),
        ["requirements"] => requirements::run(Output::Text),
        ["requirements", "--json"] => requirements::run(Output::Json),
        ["requirements", "--check-names"] => requirements::check_names(),
        [] | ["help" | "--help" | "-h"] => {
            println!("{HELP}");
            Ok(())
        }
        _ => bail!("no such command: {}\n\n{HELP}", arguments.join(" ")),
    }
}
