//! What this process has used, and how fast the disk under it is.
//!
//! Invariant: times come from clocks that nobody sets.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use nix::time::{ClockId, clock_gettime};

/// Writes that are made durable to find out what one costs.
const DISK_WRITES: usize = 200;
/// About what one commit of a vault writes.
const DISK_WRITE_BYTES: usize = 16 * 1024;

/// A stopwatch for time and for this process's CPU.
#[derive(Debug)]
pub(super) struct Watch {
    begun: Instant,
    cpu: Duration,
}

impl Watch {
    /// Starts now.
    #[expect(clippy::disallowed_methods, reason = "a stopwatch")]
    pub(super) fn start() -> Result<Self> {
        Ok(Self { cpu: cpu()?, begun: Instant::now() })
    }

    /// Since the start.
    pub(super) fn time(&self) -> Duration {
        self.begun.elapsed()
    }

    /// What all threads of this process have used since the start.
    pub(super) fn cpu(&self) -> Result<Duration> {
        Ok(cpu()?.saturating_sub(self.cpu))
    }
}

/// Memory of this process that is resident now, and at most so far, bytes.
pub(super) fn resident_bytes() -> Result<(f64, f64)> {
    let status = fs::read_to_string("/proc/self/status").context("what this process uses")?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches(" kB").parse::<f64>().ok()
    };
    let now = field("VmRSS:").context("a process without memory")?;
    let most = field("VmHWM:").context("a process without memory")?;
    Ok((now * 1024.0, most * 1024.0))
}

/// How long it takes to append to a file in `directory` and to make that durable, microseconds: half of the times less.
pub(super) fn durable_write_us(directory: &Path) -> Result<f64> {
    let path = directory.join("disk");
    let mut file = File::create(&path).context("a file to try the disk with")?;
    let block = vec![7; DISK_WRITE_BYTES];
    let mut times = Vec::with_capacity(DISK_WRITES);
    for _ in 0..DISK_WRITES {
        let watch = Watch::start()?;
        file.write_all(&block)?;
        file.sync_all()?;
        times.push(watch.time());
    }
    fs::remove_file(&path)?;
    Ok(microseconds(percentile(&mut times, 50)))
}

/// The value that `percent` of the values do not exceed; zero of none.
pub(super) fn percentile(times: &mut [Duration], percent: usize) -> Duration {
    times.sort_unstable();
    let at = (times.len() * percent).div_ceil(100).max(1);
    times.get(at - 1).copied().unwrap_or_default()
}

/// A time in microseconds.
pub(super) fn microseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn cpu() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).context("the process's clock")?;
    Ok(Duration::from(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(ms: &[u64]) -> Vec<Duration> {
        ms.iter().map(|ms| Duration::from_millis(*ms)).collect()
    }

    #[test]
    fn percentiles_are_values_that_occur() {
        let mut few = times(&[30, 10, 20]);
        assert_eq!(percentile(&mut few, 50), Duration::from_millis(20));
        assert_eq!(percentile(&mut few, 99), Duration::from_millis(30));
        assert_eq!(percentile(&mut few, 1), Duration::from_millis(10));
        assert_eq!(percentile(&mut [], 50), Duration::ZERO);
        let mut hundred = times(&(1..=100).collect::<Vec<_>>());
        assert_eq!(percentile(&mut hundred, 99), Duration::from_millis(99));
    }

    #[test]
    fn a_process_has_memory_and_uses_its_cpu() {
        let watch = Watch::start().unwrap();
        let (now, most) = resident_bytes().unwrap();
        assert!(now > 0.0 && most >= now * 0.5);
        assert!(watch.cpu().unwrap() > Duration::ZERO);
    }
}
