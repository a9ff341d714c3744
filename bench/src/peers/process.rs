//! A server's process: pinned to the first processor, ended when nobody holds it any more.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use tokio::time::Instant;

use crate::load::open_files::allow_many_open_files;
use crate::load::usage::ServerProcesses;

const SERVER_CPU: &str = "0";
const START_PATIENCE: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(30);
const SCRIPT_PATIENCE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(50);
/// A server that listens may not yet be done with starting.
const SETTLE: Duration = Duration::from_secs(1);
const LOG_LINES_TOLD: usize = 20;

/// How to start a server.
#[derive(Debug)]
pub struct Start<'a> {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// More variables of its environment.
    pub environment: Vec<(&'static str, String)>,
    /// Whom it runs as, if we may choose; otherwise as we do.
    pub user: Option<&'a str>,
    /// Where it runs.
    pub directory: &'a Path,
    /// Where its outputs are appended to.
    pub log: &'a Path,
    /// It has started when all of these can be connected to (`HOST:PORT`).
    pub listens_at: Vec<String>,
    /// The server proper, by the name of its process, if the command is only a script around it.
    pub process_name: Option<&'a str>,
}

/// A server that runs. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    child: Child,
    server: i32,
}

impl ServerProcess {
    /// Starts a server and waits until it listens.
    pub fn start(start: &Start<'_>) -> Result<Self> {
        allow_many_open_files()?;
        for address in &start.listens_at {
            ensure!(TcpStream::connect(address).is_err(), "something else listens at {address} already");
        }
        let log = File::options().create(true).append(true).open(start.log)?;
        let child = pinned(start)
            .current_dir(start.directory)
            .envs(start.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {}", start.command.join(" ")))?;
        let server = i32::try_from(child.id())?;
        let mut process = Self { child, server };
        for address in &start.listens_at {
            process.wait_for(address, start.log)?;
        }
        sleep(SETTLE);
        if let Some(name) = start.process_name {
            process.server = named(name, server)?;
        }
        Ok(process)
    }

    /// The process to be measured, by id; its children belong to it.
    #[must_use]
    pub fn server(&self) -> i32 {
        self.server
    }

    /// Asks it to end (SIGTERM) and waits until it has.
    pub fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        ensure!(self.ends_within(STOP_PATIENCE)?, "the server does not end when asked to");
        Ok(())
    }

    /// Kills it (SIGKILL) and waits until it is gone.
    pub fn kill(mut self) -> Result<()> {
        self.kill_all()
    }

    fn kill_all(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        // A script around the server ends when the server has.
        if !self.ends_within(SCRIPT_PATIENCE)? {
            self.child.kill()?;
            self.child.wait()?;
        }
        Ok(())
    }

    fn ends_within(&mut self, patience: Duration) -> Result<bool> {
        let begin = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begin.elapsed() > patience {
                return Ok(false);
            }
            sleep(POLL);
        }
        Ok(true)
    }

    fn signal(&mut self, signal: Signal) -> Result<()> {
        // A child that was waited for has no id any more.
        if self.server != self.own_id()? || self.child.try_wait()?.is_none() {
            // The generator may have killed it before.
            let _ = kill(Pid::from_raw(self.server), signal);
        }
        Ok(())
    }

    fn own_id(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }

    fn wait_for(&mut self, address: &str, log: &Path) -> Result<()> {
        let begin = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the server ended ({status}); its log ends with:\n{}", end_of(log));
            }
            ensure!(
                begin.elapsed() < START_PATIENCE,
                "nothing listens at {address}; the log ends with:\n{}",
                end_of(log)
            );
            sleep(POLL);
        }
        Ok(())
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // Nothing can be done about a server that cannot be killed.
        let _ = self.kill_all();
    }
}

/// `taskset` pins it; `setpriv` gives it its user, and the end of the bench is its end.
fn pinned(start: &Start<'_>) -> Command {
    let mut command = Command::new("taskset");
    command.args(["-c", SERVER_CPU, "setpriv", "--pdeathsig", "KILL"]);
    if let Some(user) = start.user.filter(|_| Uid::effective().is_root()) {
        command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--init-groups"]);
    }
    command.args(&start.command);
    command
}

/// The descendant of `root` whose process has this name.
fn named(name: &str, root: i32) -> Result<i32> {
    let of_that_name =
        |id: &i32| fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|found| found.trim_end() == name);
    let ids = ServerProcesses::new(vec![root]).ids()?;
    ids.into_iter().find(of_that_name).with_context(|| format!("no process {name} has started"))
}

/// The last lines of a log.
fn end_of(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES_TOLD)..].join("\n")
}

/// Runs a command to its end, and fails if it fails.
pub fn succeed(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    Ok(())
}
