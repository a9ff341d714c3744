//! One module for each command, and the way from the command line to it.
//!
//! Invariant: a command that uses the network runs within a session that is ended properly, whatever became of the
//! command.

mod account;
mod contacts;
mod history;
mod listen;
mod message;
mod papers;
mod send;
mod settings;
mod status;

use std::time::Duration;

use tacite_client::Session;
use tokio::runtime::{Builder, Runtime};

use crate::arguments::{Arguments, Command, Common, Contacts};
use crate::failure::Failure;
use crate::online::Online;
use crate::opening::{self, Opened};
use crate::output::Output;
use crate::signals;

/// How long a command may take if the person does not say.
const TIME: Duration = Duration::from_secs(30);
/// How long a look at the server may take for a command that can answer without.
const GLANCE: Duration = Duration::from_secs(5);

/// Runs the command of a command line.
pub(crate) fn run(arguments: &Arguments, output: &mut Output) -> Result<(), Failure> {
    let common = &arguments.common;
    match &arguments.command {
        Command::Register(register) => account::register(common, register, output),
        Command::Login(secrets) => account::log_in(common, secrets, output),
        Command::Logout => account::log_out(common, output),
        Command::Contacts(Contacts::List { offline }) => contacts::list(common, *offline, output),
        Command::Contacts(contacts) => contacts::change(common, contacts, output),
        Command::Send(send) => send::run(common, send, output),
        Command::React(react) => message::react(common, react, output),
        Command::Edit(edit) => message::edit(common, edit, output),
        Command::Delete(delete) => message::delete(common, delete, output),
        Command::Timer(timer) => message::timer(common, timer, output),
        Command::Listen(listen) => listen::run(common, listen, output),
        Command::History(history) => history::run(common, history, output),
        Command::Settings(settings) => settings::run(common, settings, output),
        Command::Status(status) => status::run(common, status, output),
        Command::Completions { shell } => papers::completions(*shell),
        Command::Man { directory } => papers::manual(directory.as_deref()),
    }
}

/// Runs something within a session over an opened profile and ends the session. `time`: how long all may take.
fn within_session(
    common: &Common,
    mut opened: Opened,
    time: impl Into<Option<Duration>>,
    output: &mut Output,
    work: impl AsyncFnOnce(&mut Online, &mut Output) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let options = opening::session_options(common, &mut opened.vault)?;
    let Opened { vault, profile } = opened;
    let outcome = runtime()?.block_on(async {
        let mut online = Online::new(Session::start(vault, options)?, time.into());
        let done = tokio::select! {
            done = work(&mut online, output) => done,
            wanted = signals::end_is_wanted() => Err(wanted.map_or_else(Failure::from, |()| Failure::interrupted())),
        };
        // If the engine has failed, its own account of it says more than what the command saw.
        online.close().await.and(done)
    });
    drop(profile);
    outcome
}

/// The time that the command line gives, or the usual one.
fn time(common: &Common, usual: Duration) -> Duration {
    common.timeout.map_or(usual, Duration::from_secs)
}

/// The engine has a thread of its own; one more is enough for the link.
fn runtime() -> Result<Runtime, Failure> {
    Ok(Builder::new_multi_thread().worker_threads(1).enable_all().build()?)
}
