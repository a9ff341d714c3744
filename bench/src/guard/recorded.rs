//! `guard.toml`: the counts to compare with, and what they were counted with.
//!
//! Invariant: the file is written as a whole and sorted, so that a change of it shows what changed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

const HEAD: &str = "# Instructions that one operation of each hot path takes (bench/src/guard/paths).\n\
                    # Written by: cargo xtask bench --guard --record\n\n";

/// See the module.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Recorded {
    pub(super) toolchain: Toolchain,
    /// By path.
    pub(super) instructions: BTreeMap<String, f64>,
}

/// What made and counted the instructions; other ones count differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Toolchain {
    /// Of the compiler.
    pub(super) rustc: String,
    /// The processor's kind: counts of two kinds have nothing to do with each other.
    pub(super) architecture: String,
    /// Of the counter.
    pub(super) valgrind: String,
}

impl Toolchain {
    pub(super) fn of_this_machine() -> Result<Self> {
        Ok(Self {
            rustc: version(Command::new("rustc").current_dir(env!("CARGO_MANIFEST_DIR")))?,
            architecture: std::env::consts::ARCH.to_owned(),
            valgrind: version(&mut Command::new("valgrind"))?,
        })
    }
}

fn version(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.arg("--version").output();
    let output = output.with_context(|| format!("{program} is needed and could not be started"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

impl Recorded {
    pub(super) fn read(file: &Path) -> Result<Self> {
        let text = fs::read_to_string(file)
            .with_context(|| format!("{} is not there: record it with --record", file.display()))?;
        toml::from_str(&text).with_context(|| format!("{} cannot be read", file.display()))
    }

    pub(super) fn write(&self, file: &Path) -> Result<()> {
        fs::write(file, self.to_text()?).with_context(|| format!("{} cannot be written", file.display()))
    }

    fn to_text(&self) -> Result<String> {
        let mut rounded = self.clone();
        for count in rounded.instructions.values_mut() {
            *count = (*count * 10.0).round() / 10.0;
        }
        Ok([HEAD, &toml::to_string(&rounded)?].concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_again() {
        let recorded = Recorded {
            toolchain: Toolchain {
                rustc: String::from("rustc 1"),
                architecture: String::from("x86_64"),
                valgrind: String::from("valgrind-3"),
            },
            instructions: BTreeMap::from([(String::from("route"), 1000.25), (String::from("encode"), 7.0)]),
        };
        let text = recorded.to_text().unwrap();
        assert!(text.starts_with("# Instructions"), "{text}");
        let again: Recorded = toml::from_str(&text).unwrap();
        assert_eq!(again.toolchain, recorded.toolchain);
        assert_eq!(
            again.instructions.into_iter().collect::<Vec<_>>(),
            [(String::from("encode"), 7.0), (String::from("route"), 1000.3)]
        );
    }

    // The guard of a fresh checkout has something to compare with.
    #[test]
    fn the_file_of_the_repository_names_every_path() {
        let recorded = Recorded::read(&super::super::recorded_file()).unwrap();
        let mut names: Vec<_> = super::super::PATHS.iter().map(|path| path.name).collect();
        names.sort_unstable();
        assert_eq!(recorded.instructions.keys().collect::<Vec<_>>(), names);
    }
}
