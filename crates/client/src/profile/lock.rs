//! The lock of a profile: an operating system's lock on a file whose content says who holds it.
//!
//! Invariants: the lock is the operating system's, so it ends with its process, even by `kill -9`; the content is for
//! people only and decides nothing.

use std::fmt;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;

/// Most bytes that are read of what a holder wrote about itself.
const HOLDER_BYTES_MAX: u64 = 256;

/// Who holds a profile, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its process id.
    pub process: u32,
    /// What it runs, such as `tacite listen`.
    pub command: String,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub(super) struct Lock(#[expect(dead_code, reason = "the open file is the lock")] File);

/// Why a lock was not got.
#[derive(Debug)]
pub(super) enum LockError {
    /// Another process has it.
    Held(Holder),
    /// The file cannot be used.
    Io(io::Error),
}

impl Lock {
    /// Takes the lock without waiting and writes into the file who has it.
    pub(super) fn take(path: &Path, command: &str) -> Result<Self, LockError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LockError::Held(Holder::read(&mut file))),
            Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        write_holder(&mut file, command).map_err(LockError::Io)?;
        Ok(Self(file))
    }
}

impl Holder {
    /// Reads what the holder wrote. Process 0 stands for a holder that has not said who it is.
    fn read(file: &mut File) -> Self {
        let mut text = String::new();
        let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut text);
        let mut lines = text.lines();
        let process = lines.next().and_then(|line| line.parse().ok());
        let command = lines.next().unwrap_or_default();
        match (read, process) {
            (Ok(_), Some(process)) => Self { process, command: command.to_owned() },
            _ => Self { process: 0, command: String::new() },
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.process == 0 {
            return f.write_str("another process");
        }
        write!(f, "{} (process {})", self.command, self.process)
    }
}

fn write_holder(file: &mut File, command: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}\n{command}", std::process::id())?;
    file.sync_data()
}
