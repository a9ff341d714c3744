//! `tacite-bench measure`: runs the measurements, each on a fresh server, and reports.
//!
//! Invariants: one server runs at a time, on the first processor, and the generator on the second; a measurement that fails
//! is told and stops no other; what was measured is on disk after each of them.

mod plan;
mod run;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

use self::plan::{Measurement, Workload};
use self::run::Runner;
use crate::report::machine::Machine;
use crate::report::statistics::{Summaries, Summary};
use crate::report::{Measured, Report};

/// How often those are run again of which every run was disturbed.
const ROUNDS_AGAIN: u32 = 2;
/// Peers of others, all of them.
const ALL: &str = "all";

/// What to measure, and how to report it.
#[derive(Debug, clap::Args)]
pub struct Measure {
    /// Also measure what people would pick instead: all, or these, separated by commas.
    #[arg(long, value_name = "NAMES", num_args = 0..=1, require_equals = true, default_missing_value = ALL)]
    peers: Option<String>,
    /// Only these workloads, separated by commas: W1 to W7, linear.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<Workload>,
    /// How often each measurement runs.
    #[arg(long, default_value_t = 3)]
    repetitions: u32,
    /// For a moment only, to try the bench.
    #[arg(long)]
    quick: bool,
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Where certificates, seeds, data, logs and results are kept.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench")]
    work: PathBuf,
    /// Where a complete run (`--peers`, everything, not quick) puts its plots and tables; others leave them in the work directory.
    #[arg(long, value_name = "DIRECTORY")]
    docs: Option<PathBuf>,
}

impl Measure {
    /// Measures. Gives what is to be printed, and whether everything could be measured.
    pub fn run(&self) -> Result<(String, bool)> {
        ensure!(Machine::this().cores >= 2, "a server and its generator need a processor each");
        let mut runner = Runner::new(&self.work, self.quick)?;
        let mut measured = Measured { machine: Machine::this(), quick: self.quick, ..Measured::default() };
        let peers = runner.prepare(&self.peer_names(), &mut measured.failures);
        let steps = plan::steps(&self.only, &peers, |peer, ability| runner.can(peer, ability));
        let with_client = plan::has_client(&self.only);
        let total = (steps.len() + usize::from(with_client)) * self.repetitions as usize;
        let mut done = 0;
        for repetition in 1..=self.repetitions {
            for (measurement, peer) in &steps {
                done += 1;
                eprintln!("[{done}/{total}] {} of {peer}", measurement.name);
                let rows = runner.measure(measurement, peer, repetition);
                self.keep(&mut measured, rows, &format!("{} of {peer}", measurement.name))?;
            }
            if with_client {
                done += 1;
                eprintln!("[{done}/{total}] W6");
                let rows = runner.client(repetition);
                self.keep(&mut measured, rows, "W6")?;
            }
        }
        self.measure_again(&mut runner, &steps, &mut measured)?;
        let is_whole = measured.failures.is_empty();
        let report = Report::of(measured);
        self.publish(&report)?;
        Ok((if self.json { report.to_json()? } else { report.to_text() }, is_whole))
    }

    /// Gives those another chance that were never measured undisturbed.
    fn measure_again(
        &self,
        runner: &mut Runner,
        steps: &[(Measurement, &str)],
        measured: &mut Measured,
    ) -> Result<()> {
        for again in 1..=ROUNDS_AGAIN {
            let so_far = Summaries::of(&measured.rows);
            for (measurement, peer) in steps {
                if so_far.find(peer, measurement.name).is_some_and(Summary::is_disturbed) {
                    eprintln!("[again] {} of {peer}", measurement.name);
                    let rows = runner.measure(measurement, peer, self.repetitions + again);
                    self.keep(measured, rows, &format!("{} of {peer}", measurement.name))?;
                }
            }
        }
        Ok(())
    }

    fn peer_names(&self) -> Vec<String> {
        let others: Vec<&str> = match self.peers.as_deref() {
            None => Vec::new(),
            Some(ALL) => crate::peers::OTHERS.to_vec(),
            Some(names) => names.split(',').collect(),
        };
        let mut names: Vec<String> = plan::OWN.map(str::to_owned).to_vec();
        for other in others {
            if !names.iter().any(|name| name == other) {
                names.push(other.to_owned());
            }
        }
        names
    }

    /// Adds what a measurement gave, or why it gave nothing, and writes everything down.
    fn keep(&self, measured: &mut Measured, rows: Result<Vec<crate::row::Row>>, what: &str) -> Result<()> {
        match rows {
            Ok(rows) => {
                for row in &rows {
                    let noise = if row.is_disturbed() { "; others disturbed it" } else { "" };
                    eprintln!("    {}{noise}", in_short(row));
                }
                measured.rows.extend(rows);
            }
            Err(error) => {
                eprintln!("    failed: {error:#}");
                measured.failures.push(format!("{what}: {error:#}"));
            }
        }
        let path = self.work.join("results.json");
        let text = serde_json::to_vec_pretty(measured)?;
        fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))
    }

    fn publish(&self, report: &Report) -> Result<()> {
        let is_complete = self.peers.as_deref() == Some(ALL) && self.only.is_empty() && !self.quick;
        if let Some(directory) = self.docs.as_ref().filter(|_| is_complete) {
            return report.publish(directory);
        }
        let directory = self.work.join("plots");
        report.draw(&directory)?;
        eprintln!("plots: {}", directory.display());
        Ok(())
    }
}

/// What one wants to see at once.
fn in_short(row: &crate::row::Row) -> String {
    const WANTED: [&str; 12] = [
        "per_second",
        "cpu_us_per_message",
        "cpu_us_per_delivery",
        "latency_us_p99",
        "bytes_per_link",
        "log_ins_per_second",
        "start_ms_p50",
        "drained",
        "lost",
        "doubled",
        "misordered",
        "failed_links",
    ];
    let told = WANTED.iter().filter_map(|name| Some((name, row.figures.get(*name)?)));
    let told: Vec<String> = told.map(|(name, value)| format!("{name} {value:.1}")).collect();
    format!("{}: {}", row.measurement, told.join(", "))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        measure: Measure,
    }

    fn peers(words: &[&str]) -> Vec<String> {
        let words = [&["bench"], words].concat();
        Line::try_parse_from(words).map(|line| line.measure.peer_names()).unwrap_or_default()
    }

    #[test]
    fn ours_run_always_and_others_when_asked_for() {
        assert_eq!(peers(&[]), plan::OWN);
        let all = peers(&["--peers"]);
        assert_eq!(all[..3], plan::OWN);
        assert_eq!(all.len(), 3 + crate::peers::OTHERS.len() - 1);
        assert_eq!(peers(&["--peers=nats"])[3..], ["nats"]);
        // A name behind a blank is no name of a peer.
        assert_eq!(peers(&["--peers", "nats"]), Vec::<String>::new());
    }

    #[test]
    fn workloads_are_separated_by_commas() {
        let line = Line::try_parse_from(["bench", "--only", "W1,linear"]).unwrap();
        assert_eq!(line.measure.only, [Workload::W1, Workload::Linear]);
        assert!(Line::try_parse_from(["bench", "--only", "W9"]).is_err());
    }
}
