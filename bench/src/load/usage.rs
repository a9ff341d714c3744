//! Processor time and memory of process trees, from what the kernel tells in `/proc` (proc(5)).
//!
//! Invariants: a server's children count as the server; what nobody here used was used by others. What all processors spent
//! is told by how long they were idle: that the kernel measures, while it only samples who worked, at each tick, and who sleeps
//! by a timer is seen too often or never.

use std::collections::HashMap;
use std::fs;

use anyhow::{Context as _, Result};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::{Pid, SysconfVar, sysconf};
use tokio::time::Instant;

use super::figures::number;

/// The processes of the server under load.
#[derive(Debug, Clone)]
pub struct ServerProcesses(Vec<i32>);

/// What had been used up at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    at: Instant,
    server_us: f64,
    generator_us: f64,
    /// How long the machine's processors had nothing to do.
    idle_us: f64,
    /// What the host took from them.
    steal_us: f64,
    processors: f64,
}

/// What was used between two moments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spent {
    /// How long it was, in seconds.
    pub seconds: f64,
    /// Processor time of the server, in microseconds.
    pub server_us: f64,
    /// The server's share of one processor.
    pub server_cpu: f64,
    /// The generator's share of one processor.
    pub generator_cpu: f64,
    /// Everybody else's share of one processor.
    pub other_cpu: f64,
    /// The host's share of one processor.
    pub steal: f64,
}

impl ServerProcesses {
    /// The server is these processes, by id, and all that descend from them.
    #[must_use]
    pub fn new(roots: Vec<i32>) -> Self {
        Self(roots)
    }

    /// The ids of all of them now.
    pub fn ids(&self) -> Result<Vec<i32>> {
        Ok(self.tree()?.into_keys().collect())
    }

    /// What has been used up until now.
    pub fn usage(&self) -> Result<Usage> {
        let tick_us = 1e6 / sysconf_value(SysconfVar::CLK_TCK)?;
        let server_us = self.tree()?.into_keys().map(cpu_us).sum();
        let generator_us = cpu_us(Pid::this().as_raw());
        let stat = fs::read_to_string("/proc/stat").context("reading /proc/stat")?;
        let Machine { processors, idle, steal } =
            Machine::read(&stat).context("/proc/stat is not as expected")?;
        Ok(Usage {
            at: Instant::now(),
            server_us,
            generator_us,
            idle_us: idle * tick_us,
            steal_us: steal * tick_us,
            processors,
        })
    }

    /// What has been used since `start`.
    pub fn since(&self, start: &Usage) -> Result<Spent> {
        Ok(self.usage()?.minus(start))
    }

    /// Resident memory, in bytes.
    pub fn rss_bytes(&self) -> Result<u64> {
        let page_bytes = sysconf_value(SysconfVar::PAGE_SIZE)?;
        let pages: u64 = self.tree()?.into_values().map(|process| process.rss_pages).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole pages, whole bytes"
        )]
        Ok((number(pages) * page_bytes) as u64)
    }

    /// Ends the processes as a power cut would (SIGKILL).
    pub fn kill(&self) -> Result<()> {
        for process in &self.0 {
            kill(Pid::from_raw(*process), Signal::SIGKILL)
                .with_context(|| format!("killing process {process}"))?;
        }
        Ok(())
    }

    fn tree(&self) -> Result<HashMap<i32, Process>> {
        let mut all = HashMap::new();
        for entry in fs::read_dir("/proc").context("reading /proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
            // A process may end while we look.
            let Ok(stat) = fs::read_to_string(format!("/proc/{id}/stat")) else { continue };
            if let Some(process) = Process::read(&stat) {
                all.insert(id, process);
            }
        }
        Ok(descendants(&self.0, all))
    }
}

impl Usage {
    fn minus(&self, start: &Self) -> Spent {
        let seconds = (self.at - start.at).as_secs_f64();
        let share = |us: f64| us / 1e6 / seconds;
        let server_us = self.server_us - start.server_us;
        let generator_us = self.generator_us - start.generator_us;
        let steal_us = self.steal_us - start.steal_us;
        let busy_us = self.processors * seconds * 1e6 - (self.idle_us - start.idle_us) - steal_us;
        Spent {
            seconds,
            server_us,
            server_cpu: share(server_us),
            generator_cpu: share(generator_us),
            other_cpu: share(busy_us - server_us - generator_us),
            steal: share(steal_us),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: i32,
    rss_pages: u64,
}

impl Process {
    /// Reads `/proc/PID/stat`. The command's name may hold blanks: fields count from its closing parenthesis.
    fn read(stat: &str) -> Option<Self> {
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(Self { parent: fields.get(1)?.parse().ok()?, rss_pages: fields.get(21)?.parse().ok()? })
    }
}

fn descendants(roots: &[i32], all: HashMap<i32, Process>) -> HashMap<i32, Process> {
    let parents: HashMap<i32, i32> = all.iter().map(|(id, process)| (*id, process.parent)).collect();
    let belongs = |id: i32| {
        std::iter::successors(Some(id), |id| parents.get(id).copied().filter(|parent| parent != id))
            .any(|ancestor| roots.contains(&ancestor))
    };
    all.into_iter().filter(|(id, _)| belongs(*id)).collect()
}

/// Processor time of a process to the nanosecond, in microseconds; 0 if it has ended.
fn cpu_us(process: i32) -> f64 {
    let time = clock_getcpuclockid(Pid::from_raw(process)).and_then(clock_gettime);
    time.map_or(0.0, |time| std::time::Duration::from(time).as_secs_f64() * 1e6)
}

/// What `/proc/stat` tells of all processors together, in ticks.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Machine {
    processors: f64,
    /// With nothing to do, or waiting for a disk.
    idle: f64,
    steal: f64,
}

impl Machine {
    /// Reads `/proc/stat`: a line for all processors, then one for each.
    fn read(stat: &str) -> Option<Self> {
        let ticks: Vec<f64> =
            stat.lines().next()?.split_whitespace().skip(1).map_while(|ticks| ticks.parse().ok()).collect();
        let [_user, _nice, _system, idle, waiting, _interrupts, _soft_interrupts, steal, ..] = ticks[..]
        else {
            return None;
        };
        let of_one = stat.lines().skip(1).take_while(|line| line.starts_with("cpu"));
        let processors = number(u64::try_from(of_one.count()).ok()?);
        Some(Self { processors, idle: idle + waiting, steal })
    }
}

fn sysconf_value(name: SysconfVar) -> Result<f64> {
    let value = sysconf(name)?.with_context(|| format!("{name:?} is not known"))?;
    Ok(number(u64::try_from(value)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let stat =
            "42 (a) b (c) S 7 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 99 1234 321 18446744073709551615";
        assert_eq!(Process::read(stat), Some(Process { parent: 7, rss_pages: 321 }));
        assert_eq!(Process::read("42 (a) S 7"), None);
    }

    #[test]
    fn the_tree_holds_children_of_children_and_nobody_else() {
        let process = |parent| Process { parent, rss_pages: 0 };
        let all = [(1, 0), (10, 1), (11, 10), (12, 11), (20, 1)].map(|(id, parent)| (id, process(parent)));
        let mut tree: Vec<i32> = descendants(&[10, 99], HashMap::from(all)).into_keys().collect();
        tree.sort_unstable();
        assert_eq!(tree, [10, 11, 12]);
    }

    #[test]
    fn waiting_and_idling_are_not_work() {
        let stat = "cpu  10 20 30 4000 500 6 7 80 9 9\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 1 2\n";
        let machine = Machine { processors: 2.0, idle: 4500.0, steal: 80.0 };
        assert_eq!(Machine::read(stat), Some(machine));
        assert_eq!(Machine::read("cpu 1 2 3"), None);
    }

    #[test]
    fn what_nobody_here_used_was_used_by_others() {
        let start = Usage {
            at: Instant::now(),
            server_us: 100.0,
            generator_us: 50.0,
            idle_us: 500.0,
            steal_us: 0.0,
            processors: 2.0,
        };
        let end = Usage {
            at: start.at + std::time::Duration::from_secs(2),
            server_us: 1_000_100.0,
            generator_us: 500_050.0,
            idle_us: 2_280_500.0,
            steal_us: 20_000.0,
            processors: 2.0,
        };
        let spent = end.minus(&start);
        let expected = Spent {
            seconds: 2.0,
            server_us: 1e6,
            server_cpu: 0.5,
            generator_cpu: 0.25,
            other_cpu: 0.1,
            steal: 0.01,
        };
        assert!((spent.other_cpu - expected.other_cpu).abs() < 1e-9, "{spent:?}");
        assert_eq!(Spent { other_cpu: expected.other_cpu, ..spent }, expected);
    }

    #[test]
    fn our_own_process_has_a_time_and_memory() {
        let own = ServerProcesses::new(vec![Pid::this().as_raw()]);
        assert!(own.usage().expect("usage").server_us > 0.0);
        assert!(own.rss_bytes().expect("memory") > 0);
    }
}
