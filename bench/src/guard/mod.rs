//! The guard: how many instructions the hot paths of a server take, counted by valgrind's callgrind and compared with the
//! counts of `guard.toml`. Counts do not depend on how busy or how fast the machine is.
//!
//! Invariants: each path is counted in a process of its own, twice, doing the work once and doing it twice; the difference is
//! the work alone. What got dearer than the tolerance fails; so does a path that has no recorded count.

mod callgrind;
mod compare;
mod paths;
mod recorded;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use compare::Comparison;
use paths::{HotPath, PATHS};
use recorded::{Recorded, Toolchain};

/// `tacite-bench guard`.
#[derive(Debug, clap::Args)]
pub struct Guard {
    /// Record the counts instead of comparing them.
    #[arg(long)]
    record: bool,
    /// Where what callgrind wrote is kept, for `callgrind_annotate`.
    #[arg(long, default_value = "target/bench")]
    work: PathBuf,
}

/// `tacite-bench hot-path`: what callgrind looks at.
#[derive(Debug, clap::Args)]
pub struct HotPathRun {
    /// Which.
    name: String,
    /// How often.
    count: u32,
}

impl Guard {
    /// Counts every path. Gives the table to show, and whether all is well.
    pub fn run(&self) -> Result<(String, bool)> {
        let directory = self.work.join("guard");
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("{} cannot be made", directory.display()))?;
        let toolchain = Toolchain::of_this_machine()?;
        let mut counts = BTreeMap::new();
        for path in PATHS {
            eprintln!("counting: {}", path.name);
            counts.insert(path.name.to_owned(), callgrind::per_operation(path, &directory)?);
        }
        let file = recorded_file();
        if self.record {
            Recorded { toolchain, instructions: counts }.write(&file)?;
            return Ok((format!("recorded in {}\n", file.display()), true));
        }
        let recorded = Recorded::read(&file)?;
        let comparison = Comparison::new(&recorded, &toolchain, &counts);
        let mut text = comparison.to_string();
        if !comparison.is_well() {
            let _ = writeln!(text, "Where: callgrind_annotate {}/<path>.out", directory.display());
        }
        Ok((text, comparison.is_well()))
    }
}

impl HotPathRun {
    /// Does the work of one path.
    pub fn run(&self) -> Result<()> {
        match PATHS.iter().find(|path| path.name == self.name) {
            Some(HotPath { run, .. }) => run(self.count),
            None => bail!("there is no hot path {:?}", self.name),
        }
    }
}

fn recorded_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("guard.toml")
}
