//! What a process has in its memory, as its owner can read it on Linux.
//!
//! Invariant: every part that the process can write to is read, or was given back meanwhile.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};

/// Every writable part.
pub fn of(process_id: u32) -> Result<Vec<Vec<u8>>> {
    let maps = fs::read_to_string(format!("/proc/{process_id}/maps"))?;
    let memory = File::open(format!("/proc/{process_id}/mem"))?;
    let mut parts = Vec::new();
    let is_writable = |line: &&str| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw"));
    for line in maps.lines().filter(is_writable) {
        let range = line.split(' ').next().and_then(|range| range.split_once('-'));
        let (begin, end) = range.context("a range of addresses")?;
        let (begin, end) = (u64::from_str_radix(begin, 16)?, u64::from_str_radix(end, 16)?);
        let mut part = vec![0; usize::try_from(end - begin)?];
        // Parts come and go while the process runs.
        if memory.read_exact_at(&mut part, begin).is_ok() {
            parts.push(part);
        }
    }
    Ok(parts)
}

/// Whether these bytes stand in one of the parts.
#[must_use]
pub fn holds(memory: &[Vec<u8>], bytes: &[u8]) -> bool {
    memory.iter().any(|part| part.windows(bytes.len()).any(|window| window == bytes))
}
