//! `cargo xtask sim`: simulated worlds, built with optimisation because many are wanted.
//!
//! Invariant: the program decides; its last line and its exit status are this command's.

use anyhow::Result;

use crate::workspace;

/// Hands the options to the program.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    let mut command = workspace::cargo();
    command.args(["run", "--quiet", "--release", "--package", "tacite-sim", "--"]).args(options);
    workspace::run(&mut command)
}
