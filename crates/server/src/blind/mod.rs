//! `tacited verify-blind`: an audit of a running installation. Does it hold nothing but what it may?
//!
//! | part | looks at |
//! |---|---|
//! | [`tables`] | every table, column and value of the databases, against the lists of [`schema`] |
//! | [`bytes`] | every other file, for bytes of bodies that wait now and for what the operator asks to look for |
//! | [`pages`] | the unused pages of the depot's file: deleted bytes must be overwritten |
//! | [`dependencies`] | what the program was built of |
//!
//! What such an audit can show, and what not: `docs/decisions/audit.md`.
//!
//! Invariants: nothing is changed; no finding holds a byte of what it is about; what could not be looked at is said and is
//! not success.

mod bytes;
mod dependencies;
mod pages;
mod schema;
mod spellings;
mod tables;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What to look at.
#[derive(Debug, Clone, Default)]
pub struct Audit {
    /// The data directory.
    pub data_dir: PathBuf,
    /// The databases that this process should have: `accounts`, `router`, `depot`, and their files.
    pub databases: Vec<(&'static str, PathBuf)>,
    /// The program.
    pub binary: PathBuf,
    /// Where the logs went. `None`: nobody said.
    pub logs: Option<Vec<PathBuf>>,
    /// Bytes that must stand nowhere, unless they are part of a body that waits in the depot.
    pub needles: Vec<Vec<u8>>,
}

/// What an audit found.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Findings {
    /// What was looked at, one sentence each.
    pub checked: Vec<String>,
    /// What must not be.
    pub violations: Vec<Finding>,
    /// What could not be looked at.
    pub unchecked: Vec<Finding>,
}

/// Something found: where and what. Never the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which file.
    pub file: PathBuf,
    /// Where in it: a byte, a table and column, a dependency; empty: the file as such.
    pub place: String,
    /// A sentence.
    pub what: String,
}

/// Performs an audit. Blocks.
#[must_use]
pub fn verify(audit: &Audit) -> Findings {
    let mut findings = Findings::default();
    let waiting = tables::check(&audit.databases, &mut findings);
    bytes::check(audit, &waiting, &mut findings);
    pages::check(&audit.databases, &mut findings);
    dependencies::check(&audit.binary, &mut findings);
    findings
}

impl Findings {
    /// 0: everything was looked at and holds; 1: something must not be; 2: something could not be looked at.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match (self.violations.is_empty(), self.unchecked.is_empty()) {
            (false, _) => 1,
            (true, false) => 2,
            (true, true) => 0,
        }
    }

    fn violation(&mut self, file: &Path, place: impl fmt::Display, what: impl Into<String>) {
        self.violations.push(Finding { file: file.to_owned(), place: place.to_string(), what: what.into() });
    }

    fn unchecked(&mut self, file: &Path, what: impl Into<String>) {
        self.unchecked.push(Finding { file: file.to_owned(), place: String::new(), what: what.into() });
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for sentence in &self.checked {
            writeln!(f, "checked: {sentence}")?;
        }
        for finding in &self.violations {
            writeln!(f, "VIOLATION: {finding}")?;
        }
        for finding in &self.unchecked {
            writeln!(f, "not checked: {finding}")?;
        }
        f.write_str(match self.exit_code() {
            0 => "blind: everything was checked and holds\n",
            1 => "blind: NO\n",
            _ => "blind: not everything could be checked\n",
        })
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, place, what } = self;
        if !file.as_os_str().is_empty() {
            write!(f, "{}: ", file.display())?;
        }
        if !place.is_empty() {
            write!(f, "{place}: ")?;
        }
        f.write_str(what)
    }
}
