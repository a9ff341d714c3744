//! What the machine gives: memory, room on the disk, file descriptors.
//!
//! Invariant: what cannot be found out counts as free, so that a server on an unusual system serves.

use std::fs;
use std::path::Path;

use crate::shedding::Free;

/// What is free now. Blocks for as long as the file system takes to answer.
pub(crate) fn free(data_dir: &Path) -> Free {
    let system = fs::read_to_string("/proc/meminfo").ok().and_then(|text| available_bytes(&text));
    let group = group_free_bytes();
    Free {
        memory_bytes: system.unwrap_or(u64::MAX).min(group.unwrap_or(u64::MAX)),
        disk_bytes: disk_free_bytes(data_dir).unwrap_or(u64::MAX),
    }
}

/// Lets the process open as many files, and so links, as it may at all.
pub(crate) fn raise_descriptor_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        if current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_err() {
            tracing::warn!(?current, "the number of open files stays limited");
        }
    }
}

#[cfg(unix)]
fn disk_free_bytes(path: &Path) -> Option<u64> {
    let room = rustix::fs::statvfs(path).ok()?;
    Some(room.f_bavail.saturating_mul(room.f_frsize))
}

#[cfg(not(unix))]
fn disk_free_bytes(_: &Path) -> Option<u64> {
    None
}

/// What the process's control group (version 2) leaves of its limit, if it has one.
fn group_free_bytes() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let group = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let directory = Path::new("/sys/fs/cgroup").join(group);
    let read = |name| fs::read_to_string(directory.join(name)).ok();
    group_left_bytes(&read("memory.max")?, &read("memory.current")?, &read("memory.stat")?)
}

/// Limit less use; what only caches files can be had back.
fn group_left_bytes(limit: &str, used: &str, statistics: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let cached =
        statistics.lines().find_map(|line| number(line.strip_prefix("inactive_file ")?)).unwrap_or(0);
    Some(number(limit)?.saturating_sub(number(used)?.saturating_sub(cached)))
}

/// `MemAvailable` of `/proc/meminfo`.
fn available_bytes(text: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    rest.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| kilobytes.saturating_mul(1024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn available_memory_is_read() {
        let text = "MemTotal:       24684932 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\nBuffers: 7 kB\n";
        assert_eq!(available_bytes(text), Some(2048 * 1024));
        assert_eq!(available_bytes("MemTotal: 1 kB\n"), None);
    }

    #[test]
    fn a_group_without_a_limit_has_none() {
        let statistics = "anon 500\ninactive_file 200\n";
        assert_eq!(group_left_bytes("1000\n", "700\n", statistics), Some(500));
        assert_eq!(group_left_bytes("1000\n", "700\n", ""), Some(300));
        assert_eq!(group_left_bytes("1000\n", "2700\n", statistics), Some(0));
        assert_eq!(group_left_bytes("max\n", "700\n", statistics), None);
    }

    #[test]
    fn this_machine_can_be_asked() {
        let place = tempfile::tempdir().unwrap();
        assert!(free(place.path()).disk_bytes > 0);
        assert_eq!(free(Path::new("/there/is/no/such/place")).disk_bytes, u64::MAX);
    }

    #[cfg(unix)]
    #[test]
    fn t68_the_process_may_open_all_files_that_it_is_allowed() {
        raise_descriptor_limit();
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
    }
}
