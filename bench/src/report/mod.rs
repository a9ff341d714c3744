//! What a bench says in the end: medians with their spread, ratios, goals; as text, JSON, Markdown and plots.
//!
//! Invariants: everything is computed from the rows alone; runs that others disturbed are named at the top.

mod format;
pub mod goals;
pub mod machine;
#[cfg(test)]
mod planted;
mod plots;
pub mod statistics;
mod svg;
mod table;
mod tables;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use self::goals::Outcome;
use self::machine::Machine;
use self::statistics::Summaries;
use self::table::Table;
use crate::row::Row;

/// Between these lines of the page stands what the bench writes.
const BEGIN: &str = "<!-- written by cargo xtask bench: begin -->";
const END: &str = "<!-- written by cargo xtask bench: end -->";
/// The page.
const PAGE: &str = "README.md";

/// What was measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// On which machine.
    pub machine: Machine,
    /// Whether it ran for a moment only, to try the bench: the figures mean little.
    pub quick: bool,
    /// Every run.
    pub rows: Vec<Row>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

/// The same with what follows from it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    #[serde(flatten)]
    measured: Measured,
    disturbed_runs: usize,
    medians: Summaries,
    goals: Vec<Outcome>,
}

/// `tacite-bench report`.
#[derive(Debug, clap::Args)]
pub struct ReportAgain {
    /// What `measure --json` printed, or the results.json of its work directory. Of what was measured in several, the last counts.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write the plots and the page's tables here.
    #[arg(long, value_name = "DIRECTORY")]
    docs: Option<PathBuf>,
}

impl ReportAgain {
    /// Gives what is to be printed.
    pub fn run(&self) -> Result<String> {
        let mut measured = Measured::default();
        for file in &self.files {
            let text = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
            let more: Measured = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no result of the bench", file.display()))?;
            measured.add(more);
        }
        let report = Report::of(measured);
        if let Some(directory) = &self.docs {
            report.publish(directory)?;
        }
        if self.json { report.to_json() } else { Ok(report.to_text()) }
    }
}

impl Measured {
    /// Takes in a later result; what it measured again replaces what was there.
    fn add(&mut self, later: Self) {
        let is_again = |row: &Row| {
            let same = |other: &Row| other.peer == row.peer && other.measurement == row.measurement;
            later.rows.iter().any(same)
        };
        self.rows.retain(|row| !is_again(row));
        self.rows.extend(later.rows);
        self.failures.extend(later.failures);
        self.quick |= later.quick;
        self.machine = later.machine;
    }
}

impl Report {
    /// Draws the conclusions.
    #[must_use]
    pub fn of(measured: Measured) -> Self {
        let medians = Summaries::of(&measured.rows);
        Self {
            disturbed_runs: measured.rows.iter().filter(|row| row.is_disturbed()).count(),
            goals: goals::outcomes(&medians),
            medians,
            measured,
        }
    }

    /// For the terminal.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{}\n", self.measured.machine.sentence());
        for warning in self.warnings() {
            let _ = writeln!(text, "!!! {warning}");
        }
        for table in self.measurements().iter().chain([&tables::goals(&self.goals)]) {
            let _ = write!(text, "\n{}", table.to_text());
        }
        text
    }

    /// One object: machine, rows, medians, goals.
    pub fn to_json(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Draws the plots and writes the tables into the page of `directory`; gives the names of the plots.
    pub fn publish(&self, directory: &Path) -> Result<()> {
        self.draw(directory)?;
        let path = directory.join(PAGE);
        let page = match fs::read_to_string(&path) {
            Ok(page) => page,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                format!("# Benchmarks\n\n{BEGIN}\n{END}\n")
            }
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        let page = self.put_into(&page).with_context(|| format!("{}", path.display()))?;
        fs::write(&path, page).with_context(|| format!("{} cannot be written", path.display()))
    }

    /// Draws the plots only.
    pub fn draw(&self, directory: &Path) -> Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("{} cannot be made", directory.display()))?;
        for (name, svg) in plots::draw(&self.medians) {
            let path = directory.join(name);
            fs::write(&path, svg).with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }

    /// The page with this report's tables and plots in their place.
    fn put_into(&self, page: &str) -> Result<String> {
        let Some((before, (_, after))) =
            page.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?)))
        else {
            bail!("it has no place for the tables: the lines {BEGIN} and {END} are not there");
        };
        Ok(format!("{before}{BEGIN}\n{}{END}{after}", self.to_markdown()))
    }

    fn to_markdown(&self) -> String {
        let mut text = format!("\n{}\n\n", self.measured.machine.sentence());
        for warning in self.warnings() {
            let _ = writeln!(text, "**{warning}**\n");
        }
        let _ = writeln!(text, "{}", tables::goals(&self.goals).to_markdown());
        for (name, _) in plots::draw(&self.medians) {
            let _ = writeln!(text, "![{}]({name})", name.trim_end_matches(".svg"));
        }
        text.push('\n');
        for table in self.measurements() {
            let _ = writeln!(text, "{}", table.to_markdown());
        }
        text
    }

    fn measurements(&self) -> Vec<Table> {
        let mut tables = tables::measurements(&self.medians);
        tables.extend(tables::growth(&self.medians));
        tables
    }

    /// What whoever reads the figures must know first.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.measured.quick {
            warnings.push(String::from("A quick run, to try the bench: the figures mean little."));
        }
        let runs = self.measured.rows.len();
        if self.disturbed_runs > 0 {
            let alone = self.medians.0.iter().filter(|summary| summary.is_disturbed()).count();
            let of_these = match alone {
                0 => String::from("are left out."),
                alone => format!(
                    "are left out, but for {alone} of {} measurements there is no other: they are marked.",
                    self.medians.0.len()
                ),
            };
            let disturbed = self.disturbed_runs;
            let warning = format!(
                "The machine was noisy: in {disturbed} of {runs} runs others took more than 7.5 % of the two processors, or in \
                 a steady run the host more than half a percent. These runs {of_these}"
            );
            warnings.push(warning);
        }
        warnings.extend(self.measured.failures.iter().map(|failure| format!("Not measured: {failure}")));
        warnings
    }
}

#[cfg(test)]
mod tests {
    use super::planted::row;
    use super::*;

    fn measured(other_cpu: f64) -> Measured {
        let run = |peer: &str, cpu: f64| {
            row(peer, "W1/window 1", &[("cpu_us_per_message", cpu), ("other_cpu", other_cpu)])
        };
        Measured { rows: vec![run("relay-limit", 6.0), run("tacite", 11.0)], ..Measured::default() }
    }

    #[test]
    fn a_noisy_machine_is_named_before_everything_else() {
        let text = Report::of(measured(0.5)).to_text();
        let second = text.lines().nth(1).unwrap();
        assert!(second.starts_with("!!! The machine was noisy: in 2 of 2 runs"), "{text}");
        assert!(text.contains("tacite (disturbed)"), "{text}");
        let quiet = Report::of(measured(0.0)).to_text();
        assert!(!quiet.contains("!!!") && quiet.contains("11.0 1.83×"), "{quiet}");
    }

    #[test]
    fn what_could_not_be_measured_is_told() {
        let failures = vec![String::from("prosody W1/window 1: it did not start")];
        let text = Report::of(Measured { failures, ..measured(0.0) }).to_text();
        assert!(text.contains("!!! Not measured: prosody W1/window 1: it did not start"), "{text}");
    }

    #[test]
    fn json_is_one_object_that_can_be_read_again() {
        let json = Report::of(measured(0.0)).to_json().unwrap();
        let value: serde_json::Value = serde_json::from_str(&json).unwrap();
        for part in ["machine", "rows", "medians", "goals", "disturbed_runs"] {
            assert!(value.get(part).is_some(), "{part}");
        }
        assert_eq!(value["goals"][0]["verdict"], "met");
        let again: Measured = serde_json::from_str(&json).unwrap();
        assert_eq!(again, measured(0.0));
    }

    #[test]
    fn a_later_result_replaces_what_it_measured_again() {
        let mut all = measured(0.0);
        let later = row("tacite", "W1/window 1", &[("cpu_us_per_message", 9.0)]);
        all.add(Measured { rows: vec![later.clone()], ..Measured::default() });
        assert_eq!(all.rows, [measured(0.0).rows[0].clone(), later]);
    }

    #[test]
    fn the_page_keeps_what_people_wrote_around_the_tables() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(PAGE);
        let report = Report::of(measured(0.0));
        report.publish(directory.path()).unwrap();
        assert!(fs::read_to_string(&path).unwrap().starts_with("# Benchmarks\n"));
        fs::write(&path, format!("# Ours\n{BEGIN}\nold\n{END}\nthe end\n")).unwrap();
        report.publish(directory.path()).unwrap();
        let page = fs::read_to_string(&path).unwrap();
        assert!(page.starts_with("# Ours\n") && page.ends_with("\nthe end\n"), "{page}");
        assert!(!page.contains("old") && page.contains("| tacite | 11.0 1.83× |"), "{page}");
        assert!(page.contains("![cpu](cpu.svg)") && directory.path().join("cpu.svg").exists());
        report.publish(directory.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), page);
        fs::write(&path, "# Without a place\n").unwrap();
        assert!(report.publish(directory.path()).is_err());
    }
}
