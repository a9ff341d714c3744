//! How many files (and so connections) a process may have open.

use anyhow::{Context as _, Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Enough for 10,000 connections, on either side.
const NEEDED: u64 = 12_000;

/// Raises the limit of this process, and of those that it starts, so that every workload fits.
pub fn allow_many_open_files() -> Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft >= NEEDED {
        return Ok(());
    }
    setrlimit(Resource::RLIMIT_NOFILE, NEEDED, hard.max(NEEDED))
        .or_else(|_| setrlimit(Resource::RLIMIT_NOFILE, hard, hard))
        .context("raising the limit of open files")?;
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    ensure!(soft >= NEEDED, "only {soft} open files are allowed, {NEEDED} are needed: see `ulimit -n`");
    Ok(())
}
