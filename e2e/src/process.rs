//! A running program: its lines as they come, and every way of ending it.
//!
//! Invariants: a program ends at the latest with its [`Running`]; its pipes are always drained, so it never waits for us.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use anyhow::{Context, Result, bail};

/// A program that was started and has not been waited for.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    log: PathBuf,
    /// Set before it is told to end.
    is_ending: Arc<AtomicBool>,
}

/// What a program left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// What was run, for people.
    pub name: String,
    /// The exit status; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Everything on stdout.
    pub stdout: String,
    /// Everything on stderr.
    pub stderr: String,
}

impl Running {
    /// Starts `command`; stdout becomes [`Running::next_line`] and is also appended to `log`, as is stderr.
    pub fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let name = name_of(command);
        let mut file = OpenOptions::new().create(true).append(true).open(log).context("a log file")?;
        let stderr = file.try_clone()?;
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn();
        let mut child = spawned.with_context(|| format!("`{name}` could not be started"))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let (sender, lines) = channel();
        let is_ending = Arc::new(AtomicBool::new(false));
        thread::spawn(move || {
            for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).into_owned();
                // Neither a full disk nor a listener that has gone may stop the draining.
                let _written = writeln!(file, "{line}");
                let _heard = sender.send(line);
            }
        });
        Ok(Self { name, child, lines, log: log.to_owned(), is_ending })
    }

    /// The same for a program without which nobody else would ever come to an end: if it ends without being told to, the
    /// whole test process fails at once and shows the last lines of `log`, instead of waiting for ever.
    pub fn start_relied_on(command: &mut Command, log: &Path) -> Result<Self> {
        let mut running = Self::start(command, log)?;
        let (sender, lines) = channel();
        let said = std::mem::replace(&mut running.lines, lines);
        let (name, log) = (running.name.clone(), running.log.clone());
        let is_ending = Arc::clone(&running.is_ending);
        thread::spawn(move || {
            for line in said {
                let _heard = sender.send(line);
            }
            if !is_ending.load(Ordering::SeqCst) {
                eprintln!("`{name}` ended without being told to:\n{}", tail(&log));
                std::process::exit(101);
            }
        });
        Ok(running)
    }

    /// The next line of stdout, without its end, once there is one; an error if the program ends before.
    pub fn next_line(&mut self) -> Result<String> {
        let Ok(line) = self.lines.recv() else {
            let status = self.child.wait()?;
            bail!("`{}` ended ({status}) before it said what was awaited:\n{}", self.name, tail(&self.log));
        };
        Ok(line)
    }

    /// The lines of stdout until the program ends, and how it ended.
    pub fn wait(mut self) -> Result<(Vec<String>, ExitStatus)> {
        self.is_ending.store(true, Ordering::SeqCst);
        let lines = self.lines.iter().collect();
        Ok((lines, self.child.wait()?))
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// `kill -9`: the program has no chance to do anything more.
    pub fn kill(mut self) -> Result<()> {
        self.is_ending.store(true, Ordering::SeqCst);
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM; follow with [`Running::wait`].
    pub fn terminate(&self) -> Result<()> {
        self.signal("TERM")
    }

    /// Sends SIGINT, as Ctrl+C does; follow with [`Running::wait`].
    pub fn interrupt(&self) -> Result<()> {
        self.signal("INT")
    }

    /// The operating system's number for it.
    #[must_use]
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    fn signal(&self, signal: &str) -> Result<()> {
        self.is_ending.store(true, Ordering::SeqCst);
        let status =
            Command::new("kill").arg(format!("-{signal}")).arg(self.child.id().to_string()).status()?;
        if !status.success() {
            bail!("`{}` is no longer there to be told {signal}", self.name);
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::SeqCst);
        // It may have ended by itself; then there is nothing to kill.
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Finished {
    /// Runs `command` to its end.
    pub fn of(command: &mut Command) -> Result<Self> {
        let name = name_of(command);
        let output = command
            .stdin(Stdio::null())
            .output()
            .with_context(|| format!("`{name}` could not be started"))?;
        Ok(Self {
            name,
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Itself, if the exit status is `code`.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code != Some(code) {
            let ended = self.code.map_or("a signal".to_owned(), |code| code.to_string());
            bail!("`{}` ended with {ended} instead of {code}:\n{}{}", self.name, self.stdout, self.stderr);
        }
        Ok(self)
    }
}

/// The last lines of a file.
fn tail(log: &Path) -> String {
    let log = std::fs::read(log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn name_of(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or_default();
    let words: Vec<_> =
        std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn lines_come_in_order_and_the_end_is_told() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let log = directory.path().join("log");
        let mut running = Running::start(&mut shell("echo one; echo two; echo why >&2; exit 3"), &log)?;
        assert_eq!(running.next_line()?, "one");
        assert_eq!(running.next_line()?, "two");
        let error = running.next_line().unwrap_err().to_string();
        assert!(error.contains("why"), "{error}");
        assert_eq!(running.wait()?.1.code(), Some(3));
        Ok(())
    }

    #[test]
    fn a_signal_is_delivered() -> Result<()> {
        let directory = tempfile::tempdir()?;
        let script = "trap 'echo told; exit 0' TERM; echo ready; while true; do sleep 0.1; done";
        let mut running = Running::start(&mut shell(script), &directory.path().join("log"))?;
        assert_eq!(running.next_line()?, "ready");
        running.terminate()?;
        let (lines, status) = running.wait()?;
        assert_eq!((lines, status.code()), (vec!["told".to_owned()], Some(0)));
        Ok(())
    }

    #[test]
    fn an_unexpected_status_shows_what_was_printed() -> Result<()> {
        let finished = Finished::of(&mut shell("echo out; echo err >&2; exit 4"))?;
        assert_eq!(finished.clone().expect(4)?.stdout, "out\n");
        let error = finished.expect(0).unwrap_err().to_string();
        assert!(error.contains("4 instead of 0") && error.contains("out\nerr"), "{error}");
        Ok(())
    }
}
