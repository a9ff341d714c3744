//! One measurement: a fresh server, the generator as a child, the server stopped again.
//!
//! Invariant: whatever fails, no server is left running.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::ValueEnum as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::plan::{DRAIN, Measurement, OWN, Script};
use crate::load::figures::Figures;
use crate::peers::work::Work;
use crate::peers::{Ability, Peer, peer};
use crate::row::Row;

/// The processor of the generator.
const GENERATOR_PROCESSOR: &str = "1";
/// Whose rows those of the client are.
const CLIENT: &str = "tacite";

/// What the generator is told for W3.
const ACCEPT: [&str; 1] = ["offline-send"];
const ACCEPT_AND_KILL: [&str; 3] = ["offline-send", "--kill-after", "0"];
const COME_BACK: [&str; 1] = ["offline-drain"];
const FEWER: [&str; 2] = ["--messages", "2000"];
/// What the client is told in a quick run.
const SMALL_VAULT: [&str; 4] = ["--messages", "5000", "--missed", "500"];

/// See the module.
pub(super) struct Runner {
    work: Work,
    directory: PathBuf,
    quick: bool,
    peers: BTreeMap<String, Box<dyn Peer>>,
}

/// A row of the client's.
#[derive(Debug, Deserialize)]
struct ClientRow {
    measurement: String,
    figures: Figures,
}

impl Runner {
    pub(super) fn new(directory: &Path, quick: bool) -> Result<Self> {
        let work = Work::open(directory)?;
        Ok(Self { work, directory: directory.canonicalize()?, quick, peers: BTreeMap::new() })
    }

    /// Installs and seeds the peers; gives those that are there, in order.
    pub(super) fn prepare(&mut self, names: &[String], failures: &mut Vec<String>) -> Vec<String> {
        let mut there = Vec::new();
        for name in names {
            eprintln!("preparing {name}");
            let prepared = peer(name, &self.work).and_then(|mut peer| {
                peer.prepare()?;
                Ok(peer)
            });
            match prepared {
                Ok(peer) => {
                    self.peers.insert(name.clone(), peer);
                    there.push(name.clone());
                }
                Err(error) => {
                    eprintln!("    failed: {error:#}");
                    failures.push(format!("{name}: {error:#}"));
                }
            }
        }
        there
    }

    pub(super) fn can(&self, name: &str, ability: Ability) -> bool {
        self.peers.get(name).is_some_and(|peer| peer.abilities().contains(&ability))
    }

    /// Runs one measurement on one peer.
    pub(super) fn measure(
        &mut self,
        measurement: &Measurement,
        name: &str,
        repetition: u32,
    ) -> Result<Vec<Row>> {
        let peer = self.peers.get_mut(name).context("a peer that was not prepared")?.as_mut();
        let mut bench = Bench { peer, authority: self.work.authority(), quick: self.quick };
        let outcome = bench.run(measurement);
        // Also after a failure; and if that fails too, the first one says more.
        let stopped = bench.peer.stop();
        let figures = outcome?;
        must_have_ended(name, stopped)?;
        let row = |(measurement, Figures(figures)): (&str, Figures)| Row {
            peer: name.to_owned(),
            measurement: measurement.to_owned(),
            repetition,
            figures,
        };
        Ok(figures.into_iter().map(row).collect())
    }

    /// Measures the client, on all processors: there is nothing else running.
    pub(super) fn client(&self, repetition: u32) -> Result<Vec<Row>> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("client").arg("--work").arg(&self.directory);
        if self.quick {
            command.args(SMALL_VAULT);
        }
        let rows: Vec<ClientRow> = output_of(command)?;
        let row = |ClientRow { measurement, figures }| Row {
            peer: CLIENT.to_owned(),
            measurement,
            repetition,
            figures: figures.0,
        };
        Ok(rows.into_iter().map(row).collect())
    }
}

/// Ours must end when asked to. How another's server ends is not what is measured; it is gone in any case.
fn must_have_ended(name: &str, stopped: Result<()>) -> Result<()> {
    match stopped {
        Err(error) if !OWN.contains(&name) => {
            eprintln!("    {name}: {error:#}");
            Ok(())
        }
        outcome => outcome,
    }
}

/// A server under one measurement.
struct Bench<'p> {
    peer: &'p mut dyn Peer,
    authority: PathBuf,
    quick: bool,
}

impl Bench<'_> {
    fn run(&mut self, measurement: &Measurement) -> Result<Vec<(&'static str, Figures)>> {
        self.peer.fresh()?;
        let processes = self.peer.start()?;
        match measurement.script {
            Script::Load(words, in_quick) => {
                let more = if self.quick { in_quick } else { &[] };
                Ok(vec![(measurement.name, self.load(&processes, &[words, more])?)])
            }
            Script::AcceptAndDrain => {
                let accepted = self.load(&processes, &[&ACCEPT, self.fewer()])?;
                let drained = self.load(&processes, &[&COME_BACK, self.fewer()])?;
                Ok(vec![(measurement.name, accepted), (DRAIN, drained)])
            }
            Script::Kill => {
                let accepted = self.load(&processes, &[&ACCEPT_AND_KILL, self.fewer()])?;
                self.peer.kill()?;
                let processes = self.peer.start().context("it does not start again after kill -9")?;
                let drained = self.load(&processes, &[&COME_BACK, self.fewer()])?;
                let accepted = accepted.0.get("accepted").copied().context("nothing was accepted")?;
                Ok(vec![(measurement.name, drained.with("accepted", accepted))])
            }
        }
    }

    fn fewer(&self) -> &'static [&'static str] {
        if self.quick { &FEWER } else { &[] }
    }

    /// Lets the generator work, on its own processor.
    fn load(&self, processes: &[i32], words: &[&[&str]]) -> Result<Figures> {
        ensure!(!processes.is_empty(), "the server has no process");
        let protocol = self.peer.protocol().to_possible_value().context("a protocol without a name")?;
        let processes: Vec<String> = processes.iter().map(ToString::to_string).collect();
        let mut command = Command::new("taskset");
        command.args(["-c", GENERATOR_PROCESSOR]).arg(std::env::current_exe()?);
        command.args(["load", "--protocol", protocol.get_name(), "--address", &self.peer.address()]);
        command.arg("--ca").arg(&self.authority).args(["--server-pid", &processes.join(",")]);
        if let Some(people) = self.peer.people() {
            command.arg("--people").arg(people);
        }
        command.args(words.concat());
        output_of(command)
    }
}

/// What a child says in JSON.
fn output_of<T: DeserializeOwned>(mut command: Command) -> Result<T> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} could not be started", command.get_program().display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}: {}", output.status, said.trim());
    }
    if !said.trim().is_empty() {
        eprintln!("    {}", said.trim().replace('\n', "\n    "));
    }
    serde_json::from_slice(&output.stdout).context("the figures cannot be read")
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::*;

    #[test]
    fn only_our_servers_must_end_when_asked_to() {
        let is_failure = |name| must_have_ended(name, Err(anyhow!("it does not end"))).is_err();
        assert!(OWN.into_iter().all(is_failure));
        assert!(!is_failure("prosody"));
        assert!(must_have_ended("tacite", Ok(())).is_ok());
    }

    #[test]
    fn what_a_child_says_is_read_and_its_failure_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo '{\"lost\": 0, \"per_second\": 5.5}'"]);
        let figures: Figures = output_of(command).unwrap();
        assert_eq!(figures, Figures::default().with("lost", 0.0).with("per_second", 5.5));
        let mut command = Command::new("sh");
        command.args(["-c", "echo 'the server is away' >&2; exit 3"]);
        let error = output_of::<Figures>(command).unwrap_err().to_string();
        assert!(error.contains("the server is away") && error.contains('3'), "{error}");
    }

    #[test]
    fn rows_of_the_client_are_as_it_prints_them() {
        let text = r#"[{"measurement": "W6/start", "figures": {"start_ms_p50": 31.5}}]"#;
        let rows: Vec<ClientRow> = serde_json::from_str(text).unwrap();
        assert_eq!(rows[0].measurement, "W6/start");
        assert_eq!(rows[0].figures, Figures::default().with("start_ms_p50", 31.5));
    }
}
