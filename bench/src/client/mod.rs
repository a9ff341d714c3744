//! W6: what a client can do: start, send, receive, catch up.
//!
//! The client is the real one, with its vault on disk; the server is a stand-in ([`stand_in`]) that does as little as a server may,
//! behind real TLS where the whole way is measured. Every commit is durable, so the disk counts: what it takes is measured too.
//!
//! Invariant: a measurement runs in a process of its own and never sees what another one did to a vault.

mod door;
mod meter;
mod missed;
mod person;
mod seed;
mod stand_in;
pub mod task;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde::Serialize;
use tacite_wire::Frame;

use self::door::Door;
use self::missed::SENDERS;
use self::person::{REGISTRATION_ID, account_of};
use self::seed::OWNER;
use self::stand_in::StandIn;
use self::task::{Figures, Task};

/// Messages of the measurements that go one by one or all at once; fewer if fewer were missed.
const SOME: u32 = 2000;

/// What to measure.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The bench's work directory: on the disk that is to be measured.
    #[arg(long)]
    work: PathBuf,
    /// Only these.
    #[arg(long, value_delimiter = ',')]
    only: Vec<Measurement>,
    /// Messages that the vault holds.
    #[arg(long, default_value_t = 100_000)]
    messages: u32,
    /// Messages that were missed.
    #[arg(long, default_value_t = 10_000)]
    missed: u32,
}

/// A measurement of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Measurement {
    /// From the vault's key to the first page.
    Start,
    /// From what a person wants to the frame.
    Send,
    /// From the frame to the view.
    Receive,
    /// Everything that was missed.
    Sync,
}

impl Measurement {
    const ALL: [Self; 4] = [Self::Start, Self::Send, Self::Receive, Self::Sync];

    const fn name(self) -> &'static str {
        match self {
            Self::Start => "W6/start",
            Self::Send => "W6/send",
            Self::Receive => "W6/receive",
            Self::Sync => "W6/sync",
        }
    }

    const fn tasks(self) -> &'static [Task] {
        match self {
            Self::Start => &[Task::Start],
            Self::Send => &[Task::SendOne, Task::SendMany],
            Self::Receive => &[Task::ReceiveOne],
            Self::Sync => &[Task::Sync],
        }
    }
}

/// What a measurement gave.
#[derive(Debug, PartialEq, Serialize)]
pub struct Measured {
    /// `W6/start`, …
    pub measurement: &'static str,
    /// By name.
    pub figures: Figures,
}

/// Measures what is wanted, one after the other.
pub fn run(arguments: &Arguments) -> Result<Vec<Measured>> {
    let directory = arguments.work.join("client");
    fs::create_dir_all(&directory).context("the work directory")?;
    let mut measured = Vec::new();
    let bench = Bench::prepare(&directory, arguments)?;
    for measurement in Measurement::ALL {
        if !arguments.only.is_empty() && !arguments.only.contains(&measurement) {
            continue;
        }
        let mut figures = BTreeMap::new();
        for task in measurement.tasks() {
            figures.extend(bench.measure(*task)?);
        }
        figures.insert("durable_write_us_p50".to_owned(), meter::durable_write_us(&directory)?);
        if measurement == Measurement::Start {
            figures.insert("vault_seconds".to_owned(), bench.vault_seconds);
        }
        measured.push(Measured { measurement: measurement.name(), figures });
    }
    Ok(measured)
}

/// What all measurements begin with.
struct Bench {
    directory: PathBuf,
    /// A vault with sessions.
    vault: PathBuf,
    /// What was missed, in a file and here.
    missed: PathBuf,
    frames: Vec<Frame>,
    /// How long it took to fill the vault; 0: it was there.
    vault_seconds: f64,
}

impl Bench {
    fn prepare(directory: &Path, arguments: &Arguments) -> Result<Self> {
        let (used, vault_seconds) = seed::vault(directory, arguments.messages)?;
        let vault = directory.join("prepared.db");
        seed::copy(&used, &vault)?;
        let frames = missed::prepare(&vault, arguments.missed)?;
        let missed = directory.join("missed");
        missed::save(&missed, &frames)?;
        Ok(Self { directory: directory.to_owned(), vault, missed, frames, vault_seconds })
    }

    /// Lets a process of its own carry out one task, with a server if it needs one.
    fn measure(&self, task: Task) -> Result<Figures> {
        let vault = self.directory.join("measured.db");
        seed::copy(&self.vault, &vault)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let count = u32::try_from(self.frames.len())?;
        match task {
            Task::Start => self.spawn(task, &vault, count),
            Task::SendOne | Task::ReceiveOne => self.spawn(task, &vault, count.min(SOME)),
            Task::SendMany => runtime.block_on(self.serve(task, &vault, count.min(SOME), Vec::new())),
            Task::Sync => runtime.block_on(self.serve(task, &vault, count, self.frames.clone())),
        }
    }

    async fn serve(&self, task: Task, vault: &Path, count: u32, waiting: Vec<Frame>) -> Result<Figures> {
        let door = Door::open().await?;
        let (address, pin) = door.place()?;
        let mut opened = person::open(vault)?;
        let tx = opened.transaction()?;
        tx.save_server(&person::server(&address.to_string(), Some(pin)))?;
        tx.commit()?;
        drop(opened);
        let (owner_id, _) = account_of(OWNER)?;
        let mut server = StandIn::default();
        server.add(owner_id, REGISTRATION_ID, [5; 33]);
        for number in 1..=SENDERS {
            server.add(account_of(number)?.0, REGISTRATION_ID, [5; 33]);
        }
        server.let_wait(owner_id, waiting.into_iter());
        let command = self.command(task, vault, count)?;
        let mut measured = tokio::task::spawn_blocking(move || figures_of(command));
        tokio::select! {
            ended = door.serve(&mut server, owner_id) => ended?,
            figures = &mut measured => return figures?,
        }
        measured.await?
    }

    fn spawn(&self, task: Task, vault: &Path, count: u32) -> Result<Figures> {
        figures_of(self.command(task, vault, count)?)
    }

    fn command(&self, task: Task, vault: &Path, count: u32) -> Result<Command> {
        let task = task.to_possible_value().context("a task without a name")?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["client-task", "--task", task.get_name(), "--count", &count.to_string()]);
        command.arg("--vault").arg(vault).arg("--missed").arg(&self.missed);
        Ok(command)
    }
}

fn figures_of(mut command: Command) -> Result<Figures> {
    let output = command.stderr(Stdio::inherit()).output().context("the process of a measurement")?;
    ensure!(output.status.success(), "a measurement failed: {}", output.status);
    serde_json::from_slice(&output.stdout).context("figures")
}
