//! A real `tacited` on a data directory of its own.
//!
//! Invariants: it keeps its port over restarts, as a server does; data and logs stand in directories that hold nothing
//! else, so that they can be searched.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{Binaries, Finished, Mode, Running};

/// A server, running or not.
#[derive(Debug)]
pub struct Server {
    binaries: Binaries,
    options: Vec<String>,
    directory: PathBuf,
    address: SocketAddr,
    invitation: String,
    /// Whether nothing that it logs can be written.
    log_is_lost: bool,
    /// `None` while it is down.
    running: Option<Running>,
}

impl Server {
    /// Starts a server with nothing in `directory`, on any free port of the loopback interface. `options`: more for its
    /// command line, now and at each restart.
    pub fn start(binaries: &Binaries, directory: &Path, mode: Mode, options: &[&str]) -> Result<Self> {
        fs::create_dir_all(directory.join("logs"))?;
        let mode = ["--delivery-mode", mode.as_str()];
        let options: Vec<String> = mode.iter().chain(options).map(|word| (*word).to_owned()).collect();
        let mut command = command(binaries, directory, 0, &options);
        let mut running = Running::start_relied_on(&mut command, &log_file(directory))?;
        let address = said(&mut running, "address")?.parse().context("the server's address")?;
        let invitation = said(&mut running, "invitation")?;
        Ok(Self {
            binaries: binaries.clone(),
            options,
            directory: directory.to_owned(),
            address,
            invitation,
            log_is_lost: false,
            running: Some(running),
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The first invitation, which it printed when it started with nothing.
    #[must_use]
    pub fn first_invitation(&self) -> &str {
        &self.invitation
    }

    /// A new invitation for `uses` people.
    pub fn invite(&self, uses: u32) -> Result<String> {
        let mut command = Command::new(&self.binaries.tacited);
        command.arg("invite").arg("--data-dir").arg(self.data());
        command
            .args(["--port", &self.address.port().to_string(), "--uses", &uses.to_string()])
            .args(&self.options);
        let finished = Finished::of(&mut command)?.expect(0)?;
        let link = finished.stdout.split_whitespace().find(|word| word.starts_with("tacite://"));
        link.map(str::to_owned).context("`tacited invite` printed no link")
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.running.take().context("the server is already down")?.kill()
    }

    /// SIGTERM; waits until it has ended and expects exit status 0.
    pub fn stop(&mut self) -> Result<()> {
        let running = self.running.take().context("the server is already down")?;
        running.terminate()?;
        expect_clean(running)
    }

    /// Ctrl+C; waits until it has ended and expects exit status 0.
    pub fn interrupt(&mut self) -> Result<()> {
        let running = self.running.take().context("the server is already down")?;
        running.interrupt()?;
        expect_clean(running)
    }

    /// Starts it again on the same data and port.
    pub fn restart(&mut self) -> Result<()> {
        let mut command = command(&self.binaries, &self.directory, self.address.port(), &self.options);
        let log = if self.log_is_lost { PathBuf::from("/dev/full") } else { log_file(&self.directory) };
        let mut running = Running::start_relied_on(&mut command, &log)?;
        said(&mut running, "address")?;
        self.running = Some(running);
        Ok(())
    }

    /// From the next start on nothing that it logs can be written, as on a full disk.
    pub const fn lose_logs(&mut self) {
        self.log_is_lost = true;
    }

    /// The operating system's number for it, while it is up.
    pub fn process_id(&self) -> Result<u32> {
        self.running.as_ref().map(Running::process_id).context("the server is down")
    }

    /// `tacited verify-blind` on its data and logs; `options`: more for its command line.
    pub fn audit(&self, options: &[&str]) -> Result<Finished> {
        let mut command = Command::new(&self.binaries.tacited);
        command.arg("verify-blind").arg("--data-dir").arg(self.data());
        command.arg("--log").arg(log_file(&self.directory)).args(options);
        Finished::of(&mut command)
    }

    /// Its data directory.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The directory of its logs: everything that it ever printed.
    #[must_use]
    pub fn logs(&self) -> PathBuf {
        self.directory.join("logs")
    }
}

fn command(binaries: &Binaries, directory: &Path, port: u16, options: &[String]) -> Command {
    let mut command = Command::new(&binaries.tacited);
    command.arg("--data-dir").arg(directory.join("data"));
    command.args(["--address", "127.0.0.1", "--port", &port.to_string(), "--debug"]);
    command.args(options);
    command
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("logs/tacited.log")
}

/// What stands behind `word: ` on the next line of stdout that begins so.
fn said(running: &mut Running, word: &str) -> Result<String> {
    loop {
        let line = running.next_line()?;
        if let Some(rest) = line.strip_prefix(word).and_then(|rest| rest.strip_prefix(':')) {
            return Ok(rest.trim().to_owned());
        }
    }
}

fn expect_clean(running: Running) -> Result<()> {
    let (_, status) = running.wait()?;
    if status.code() != Some(0) {
        bail!("the server ended with {status}");
    }
    Ok(())
}
