//! `tacite-bench`: runs the bench, or one part of it. `cargo xtask bench` builds and calls it.
//!
//! Invariant: what a person asked for goes to standard output, what happens meanwhile to standard error.

#![expect(clippy::print_stdout, reason = "a program for the terminal; its stdout is its result")]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Measures Tacite against what people would pick instead")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {}

fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    match task {}
}
