//! `cargo xtask test`: everything that must hold before a change is taken; what CI runs.
//!
//! Invariants: stages run one after the other, the quick ones first; the first that fails ends the run. Each prints a
//! headline and its outcome.

use anyhow::{Context, Result};

use crate::{prerequisites, requirements, tidy, workspace};

/// The crates that must also build for the browser.
const WASM_CRATES: [&str; 6] =
    ["tacite-model", "tacite-wire", "tacite-signal", "tacite-seal", "tacite-vault", "tacite-core"];

type Stage = (&'static str, fn() -> Result<()>);

const STAGES: [Stage; 7] = [
    ("what is needed", needs),
    ("formatting", || cargo(&["fmt", "--all", "--check"])),
    ("house rules", tidy::run),
    ("lints", || cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])),
    ("the browser's crates", wasm),
    ("tests", || cargo(&["test", "--workspace", "--no-fail-fast"])),
    ("requirements", requirements::check_names),
];

/// Runs all stages; the error names the one that failed.
pub(crate) fn run() -> Result<()> {
    for (name, stage) in STAGES {
        println!("== {name}");
        stage().with_context(|| format!("test: failed at: {name}"))?;
        println!("== {name}: ok\n");
    }
    println!("test: ok");
    Ok(())
}

fn needs() -> Result<()> {
    prerequisites::native()?;
    prerequisites::lints()?;
    prerequisites::peers()?;
    prerequisites::wasm()
}

fn wasm() -> Result<()> {
    let mut check = workspace::cargo();
    check.args(["check", "--target", prerequisites::WASM_TARGET]);
    for name in WASM_CRATES {
        check.args(["--package", name]);
    }
    workspace::run(&mut check)
}

fn cargo(arguments: &[&str]) -> Result<()> {
    workspace::run(workspace::cargo().args(arguments))
}
