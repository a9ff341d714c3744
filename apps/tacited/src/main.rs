//! `tacited`: the server program. Reads what it is to be, starts it, prints how to connect, ends cleanly on Ctrl+C and SIGTERM.
//!
//! Exit codes: 0 ended as asked; 1 could not start; 2 wrong use of the command line or the configuration. Those of
//! `verify-blind` stand in its help.

mod arguments;
mod logs;
mod report;

use std::net::SocketAddr;
use std::process::ExitCode;

use arguments::{Arguments, Blind, Command, Part};
use clap::Parser as _;
use tacite_server::Settings;
use tacite_server::blind::{Audit, verify};

/// What this program was built of, where `verify-blind` finds it (see `build.rs`).
#[used]
static DEPENDENCIES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/dependencies"));

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logs::start(arguments.debug, arguments.log_json);
    let settings = match arguments.settings() {
        Ok(settings) => settings,
        Err(error) => return fail(2, &error),
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    match arguments.command {
        None => runtime.block_on(run(settings)),
        Some(Command::Invite { uses }) => runtime.block_on(invite(&settings, uses)),
        Some(Command::ServePart { part, part_address }) => {
            let part_address = part_address.unwrap_or(part.default_address());
            runtime.block_on(serve_part(settings, part, part_address))
        }
        Some(Command::VerifyBlind(blind)) => verify_blind(settings, &blind),
    }
}

/// With one core, one thread: handing tasks from one to another costs, and gains nothing.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let has_one_core = std::thread::available_parallelism().is_ok_and(|cores| cores.get() == 1);
    let mut builder = if has_one_core {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

async fn run(settings: Settings) -> ExitCode {
    let running = match tacite_server::start(settings).await {
        Ok(running) => running,
        Err(error) => return fail(1, &error),
    };
    let end = match asked_to_end() {
        Ok(end) => end,
        Err(error) => return fail(1, &error),
    };
    report::started(&running);
    end.await;
    running.stop().await;
    ExitCode::SUCCESS
}

async fn serve_part(settings: Settings, part: Part, part_address: SocketAddr) -> ExitCode {
    let started = match part {
        Part::Accounts => tacite_server::start_accounts(settings, part_address).await,
        Part::Depot => tacite_server::start_depot(settings, part_address).await,
    };
    let running = match started {
        Ok(running) => running,
        Err(error) => return fail(1, &error),
    };
    let end = match asked_to_end() {
        Ok(end) => end,
        Err(error) => return fail(1, &error),
    };
    report::part_started(&running);
    end.await;
    running.stop().await;
    ExitCode::SUCCESS
}

async fn invite(settings: &Settings, uses: u32) -> ExitCode {
    match tacite_server::invite(settings, uses).await {
        Ok(invitation) => {
            report::invitation(&invitation, uses);
            ExitCode::SUCCESS
        }
        Err(error) => fail(1, &error),
    }
}

fn verify_blind(settings: Settings, blind: &Blind) -> ExitCode {
    let binary = match blind.binary.clone().map_or_else(std::env::current_exe, Ok) {
        Ok(binary) => binary,
        Err(error) => return fail(2, &error),
    };
    let mut databases = settings.databases();
    databases.retain(|(name, _)| blind.part.is_none_or(|part| *name == part.name()));
    let findings = verify(&Audit {
        databases,
        data_dir: settings.data_dir,
        binary,
        logs: (blind.no_log || !blind.log.is_empty()).then(|| blind.log.clone()),
        needles: blind.needles(),
    });
    report::audited(&findings, blind.json);
    ExitCode::from(findings.exit_code())
}

/// From now on Ctrl+C and SIGTERM end nothing by themselves; the future waits for one of them. To be called before it is said
/// that the program runs, so that whoever heard that can end it cleanly.
#[cfg(unix)]
fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Waits for Ctrl+C.
#[cfg(not(unix))]
fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move { drop(interrupt.recv().await) })
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    report::failed(error);
    ExitCode::from(code)
}
