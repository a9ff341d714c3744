//! `tacite-bench`: runs the bench, or one part of it. `cargo xtask bench` builds and calls it.
//!
//! Invariant: what a person asked for goes to standard output, what happens meanwhile to standard error.

use std::io::{Write, stdout};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use tacite_bench::client;
use tacite_bench::guard::{Guard, HotPathRun};
use tacite_bench::load::command::Load;
use tacite_bench::measure::Measure;
use tacite_bench::peers::serve::Serve;
use tacite_bench::report::ReportAgain;

#[derive(Debug, Parser)]
#[command(about = "Measures Tacite against what people would pick instead")]
struct Arguments {
    #[command(subcommand)]
    task: Duty,
}

#[derive(Debug, Subcommand)]
enum Duty {
    /// Measure what a client can do (W6).
    Client(client::Arguments),
    /// Be the client of one measurement.
    #[command(hide = true)]
    ClientTask(client::task::Arguments),
    /// Count the instructions of the hot paths and compare them with the recorded counts.
    Guard(Guard),
    /// Load one server that runs, and print the figures.
    Load(Load),
    /// Start one server and leave it running until Enter.
    Serve(Serve),
    /// Run the measurements, each on a fresh server, and report.
    Measure(Measure),
    /// Report again what was measured before.
    Report(ReportAgain),
    /// Do the work of one hot path, to be counted.
    #[command(hide = true)]
    HotPath(HotPathRun),
}

fn main() -> ExitCode {
    let Arguments { task } = Arguments::parse();
    match run(task, &mut stdout()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tacite-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Duty, out: &mut impl Write) -> Result<ExitCode> {
    match task {
        Duty::Client(arguments) => {
            serde_json::to_writer_pretty(&mut *out, &client::run(&arguments)?)?;
            writeln!(out)?;
        }
        Duty::ClientTask(arguments) => serde_json::to_writer(out, &client::task::run(&arguments)?)?,
        Duty::Guard(guard) => {
            let (table, is_well) = guard.run()?;
            write!(out, "{table}")?;
            return Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Duty::Load(load) => {
            serde_json::to_writer(&mut *out, &load.run()?)?;
            writeln!(out)?;
        }
        Duty::HotPath(path) => path.run()?,
        Duty::Serve(serve) => serve.run(out)?,
        Duty::Measure(measure) => {
            let (report, is_whole) = measure.run()?;
            write!(out, "{report}")?;
            return Ok(if is_whole { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Duty::Report(report) => write!(out, "{}", report.run()?)?,
    }
    Ok(ExitCode::SUCCESS)
}
