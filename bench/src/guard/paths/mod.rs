//! The hot paths: what a server does for every message.
//!
//! Invariants: the same work in every run: ids from a fixed seed, no chance and no clock but where the path itself asks for
//! one; preparing costs the same however often the work is done.

mod delivery;
mod frames;
mod link;
mod material;
mod stores;

use anyhow::Result;

/// One path.
pub(super) struct HotPath {
    /// As it is recorded.
    pub(super) name: &'static str,
    /// How often the work is done when it is counted; a multiple of what the path does in one go.
    pub(super) count: u32,
    /// Does the work so many times.
    pub(super) run: fn(u32) -> Result<()>,
}

/// All of them.
pub(super) const PATHS: &[HotPath] = &[
    HotPath { name: "frame decode", count: 2000, run: frames::decode },
    HotPath { name: "encode", count: 2000, run: frames::encode },
    HotPath { name: "route", count: 2000, run: delivery::route },
    HotPath { name: "park", count: 2000, run: delivery::park },
    HotPath { name: "link", count: 64 * link::TOGETHER, run: link::relay },
    HotPath { name: "enqueue", count: 256, run: stores::enqueue },
    HotPath { name: "group commit", count: 2 * stores::GROUP, run: stores::group_commit },
    HotPath { name: "group commit of bodies", count: 2 * stores::GROUP, run: stores::group_commit_of_bodies },
];

#[cfg(test)]
mod tests {
    use super::*;

    // What callgrind counts is the work, not an error.
    #[test]
    fn every_path_does_its_work() {
        for path in PATHS {
            let is_group = path.name.starts_with("group");
            assert!(!is_group || path.count % stores::GROUP == 0, "{}: no whole groups", path.name);
            let count = if is_group { stores::GROUP } else { 3 };
            (path.run)(count).unwrap_or_else(|error| panic!("{}: {error:#}", path.name));
        }
    }
}
