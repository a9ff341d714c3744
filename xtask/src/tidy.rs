//! `cargo xtask tidy`: the house rules that neither the compiler nor clippy checks.
//!
//! Each check is a module with one function from what it looks at to its findings, and tests that plant a violation.
//! Invariants: checks only read; they look at what git tracks or would track.

mod banned_words;
mod dependencies;
mod file_length;
mod lint_table;
mod machine_traces;
mod module_doc;
mod printing;
mod requirements_line;
mod source;

use std::fmt;

use anyhow::{Context, Result, bail};

use crate::{requirements, workspace};
use source::SourceFile;

/// Prints every violation of the house rules; an error if there is one.
pub(crate) fn run() -> Result<()> {
    let findings = findings()?;
    for finding in &findings {
        println!("{finding}");
    }
    if !findings.is_empty() {
        bail!("tidy: {} found", findings.len());
    }
    println!("tidy: ok");
    Ok(())
}

/// One violation: where and what.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// From 1; `None` if it concerns the whole file.
    line: Option<usize>,
    what: String,
}

impl Finding {
    fn in_file(file: &SourceFile, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line: None, what: what.into() }
    }

    fn at_line(file: &SourceFile, line: usize, what: impl Into<String>) -> Self {
        Self { path: file.path.clone(), line: Some(line), what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.path, self.what),
            None => write!(f, "{}: {}", self.path, self.what),
        }
    }
}

fn findings() -> Result<Vec<Finding>> {
    let files = source::tracked_files(&workspace::root())?;
    let graph = dependencies::Graph::from_metadata(&workspace::metadata()?)?;
    let rows = requirements::list::read(&workspace::root()).context("docs/requirements.toml")?;

    let mut findings = dependencies::check(&graph);
    findings.extend(requirements_line::check(&files, &requirements::list::counts(&rows)));
    for file in &files {
        findings.extend(banned_words::check(file));
        findings.extend(file_length::check(file));
        findings.extend(lint_table::check(file));
        findings.extend(machine_traces::check(file));
        findings.extend(module_doc::check(file));
        findings.extend(printing::check(file));
    }
    Ok(findings)
}
