//! Counting by valgrind's callgrind.
//!
//! Invariant: the child gets no environment of this process but where its programs and temporary files are, so that
//! nothing that somebody has set changes a count.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::paths::HotPath;

/// Instructions that one operation of a path takes.
pub(super) fn per_operation(path: &HotPath, directory: &Path) -> Result<f64> {
    let once = instructions(path, path.count, directory)?;
    let twice = instructions(path, 2 * path.count, directory)?;
    let Some(difference) = twice.checked_sub(once) else {
        bail!("{}: twice the work took fewer instructions", path.name);
    };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let difference = difference as f64;
    Ok(difference / f64::from(path.count))
}

/// Instructions of all threads of one process that does the work `count` times.
fn instructions(path: &HotPath, count: u32, directory: &Path) -> Result<u64> {
    let out = directory.join(format!("{}.out", path.name.replace(' ', "-")));
    let program = std::env::current_exe().context("this program's own file is not to be found")?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--quiet"]).arg(format!("--callgrind-out-file={}", out.display()));
    command.arg(program).args(["hot-path", path.name]).arg(count.to_string());
    command.env_clear();
    for name in ["PATH", "TMPDIR"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    // One arena for all threads: which thread comes first would decide how many are made.
    command.env("MALLOC_ARENA_MAX", "1");
    let output =
        command.output().context("valgrind could not be started; it comes with the package valgrind")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{} under valgrind: {}\n{said}", path.name, output.status);
    }
    let profile = fs::read(&out).with_context(|| format!("callgrind wrote no {}", out.display()))?;
    total(&profile).with_context(|| format!("{} holds no total", out.display()))
}

/// The sum that stands in a profile.
fn total(profile: &[u8]) -> Option<u64> {
    let mut lines = profile.split(|byte| *byte == b'\n').rev();
    let total = lines.find_map(|line| line.strip_prefix(b"totals:"))?;
    std::str::from_utf8(total).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_stands_at_the_end_of_a_profile() {
        let profile = b"version: 1\nevents: Ir\nsummary: 99\n\nfn=(1) main\n3 99\n\ntotals: 1234567\n";
        assert_eq!(total(profile), Some(1_234_567));
        assert_eq!(total(b"version: 1\nevents: Ir\n"), None);
        assert_eq!(total(b"totals: many\n"), None);
    }
}
