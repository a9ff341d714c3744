//! From runs to medians with their spread.
//!
//! Invariants: runs that others disturbed do not count as long as there are others; faults (messages lost, …) always count.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::row::Row;

/// The measurement in which messages come at their time, and of which the slowest are asked for.
pub(super) const STEADY: &str = "W1/2000 per second";
/// What others may take of one CPU before a run counts as disturbed: 7.5 % of the two that are used. (Up to that are processors
/// busy with themselves when they fall asleep and wake up ten thousand times a second.)
const OTHERS_SHARE_MAX: f64 = 0.15;
/// What the host may take of one CPU before the slowest hundredth of messages says more of it than of the server: messages that
/// come at their time, whatever becomes of those before, also come while a processor stands still.
const STEAL_SHARE_MAX: f64 = 0.01;
/// What can be told of shares at all, in seconds of one CPU: a few ticks of the kernel.
const OTHERS_SECONDS_MIN: f64 = 0.05;

/// Figures that should be 0, whatever happens on the machine.
pub(super) const FAULTS: [&str; 4] = ["lost", "doubled", "misordered", "failed_links"];

/// A figure over several runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

/// One measurement of one peer over all its runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The server.
    pub peer: String,
    /// The workload and its setting.
    pub measurement: String,
    /// How often it ran.
    pub runs: usize,
    /// How many of these were disturbed.
    pub disturbed_runs: usize,
    /// By name.
    pub figures: BTreeMap<String, Spread>,
}

/// All measurements, in the order in which they first ran.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Summaries(pub Vec<Summary>);

impl Spread {
    /// Of some values; `None` if there are none.
    #[must_use]
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (least, most) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len() % 2 == 1 {
            values[middle]
        } else {
            f64::midpoint(values[middle - 1], values[middle])
        };
        Some(Self { median, least, most })
    }
}

impl Row {
    /// Whether others took so much of the machine that the figures say more about them.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        let figure = |name: &str| self.figures.get(name).copied();
        let others = figure("other_cpu").unwrap_or(0.0) + figure("steal").unwrap_or(0.0);
        let seconds = figure("seconds").unwrap_or(1.0);
        others * seconds > (OTHERS_SHARE_MAX * seconds).max(OTHERS_SECONDS_MIN)
            || self.measurement == STEADY && figure("steal") > Some(STEAL_SHARE_MAX)
    }
}

impl Summary {
    /// Whether there is no run that was not disturbed, so that disturbed ones had to do.
    #[must_use]
    pub fn is_disturbed(&self) -> bool {
        self.disturbed_runs == self.runs
    }
}

impl Summaries {
    /// Of all runs.
    #[must_use]
    pub fn of(rows: &[Row]) -> Self {
        let mut summaries: Vec<Summary> = Vec::new();
        for row in rows {
            let known =
                |summary: &Summary| summary.peer == row.peer && summary.measurement == row.measurement;
            if !summaries.iter().any(known) {
                summaries.push(summary(&row.peer, &row.measurement, rows));
            }
        }
        Self(summaries)
    }

    /// What one measurement of one peer gave.
    #[must_use]
    pub fn find(&self, peer: &str, measurement: &str) -> Option<&Summary> {
        self.0.iter().find(|summary| summary.peer == peer && summary.measurement == measurement)
    }

    /// One figure of it.
    #[must_use]
    pub fn figure(&self, peer: &str, measurement: &str, figure: &str) -> Option<Spread> {
        self.find(peer, measurement)?.figures.get(figure).copied()
    }
}

fn summary(peer: &str, measurement: &str, rows: &[Row]) -> Summary {
    let all: Vec<&Row> =
        rows.iter().filter(|row| row.peer == peer && row.measurement == measurement).collect();
    let quiet: Vec<&Row> = all.iter().copied().filter(|row| !row.is_disturbed()).collect();
    let disturbed_runs = all.len() - quiet.len();
    let counted = if quiet.is_empty() { &all } else { &quiet };
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let of_runs = counted.iter().flat_map(|row| &row.figures).filter(|(name, _)| !is_fault(name));
    let faults = all.iter().flat_map(|row| &row.figures).filter(|(name, _)| is_fault(name));
    for (name, value) in of_runs.chain(faults) {
        values.entry(name).or_default().push(*value);
    }
    let spread = |(name, values): (&str, Vec<f64>)| Some((name.to_owned(), Spread::of(values)?));
    Summary {
        peer: peer.to_owned(),
        measurement: measurement.to_owned(),
        runs: all.len(),
        disturbed_runs,
        figures: values.into_iter().filter_map(spread).collect(),
    }
}

fn is_fault(name: &str) -> bool {
    FAULTS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::super::planted::row;
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_and_the_spread_around_it() {
        assert_eq!(Spread::of(vec![]), None);
        assert_eq!(Spread::of(vec![7.0]), Some(Spread { median: 7.0, least: 7.0, most: 7.0 }));
        assert_eq!(Spread::of(vec![9.0, 1.0, 4.0]), Some(Spread { median: 4.0, least: 1.0, most: 9.0 }));
        assert_eq!(Spread::of(vec![1.0, 2.0, 4.0, 9.0]), Some(Spread { median: 3.0, least: 1.0, most: 9.0 }));
    }

    #[test]
    fn a_run_is_disturbed_beyond_seven_percent_and_a_half_of_two_processors() {
        for (other_cpu, steal, seconds, disturbed) in [
            (0.0, 0.0, 10.0, false),
            (0.15, 0.0, 10.0, false),
            (0.08, 0.08, 10.0, true),
            (0.4, 0.0, 0.1, false),
            (0.6, 0.0, 0.1, true),
        ] {
            let figures = [("other_cpu", other_cpu), ("steal", steal), ("seconds", seconds)];
            assert_eq!(row("tacite", "W1/window 1", &figures).is_disturbed(), disturbed, "{figures:?}");
        }
        assert!(!row("tacite", "W6/start", &[("start_ms_p50", 5.0)]).is_disturbed());
    }

    #[test]
    fn the_run_that_asks_for_the_slowest_is_disturbed_by_a_hundredth_that_the_host_takes() {
        for (steal, disturbed) in [(0.0, false), (0.01, false), (0.011, true)] {
            let figures = [("steal", steal), ("seconds", 6.0)];
            assert_eq!(row("tacite", STEADY, &figures).is_disturbed(), disturbed, "{steal}");
            assert!(!row("tacite", "W1/window 1", &figures).is_disturbed());
        }
    }

    #[test]
    fn disturbed_runs_do_not_count_while_there_are_others_but_their_faults_do() {
        let run = |rate: f64, other_cpu: f64, lost: f64| {
            row("tacite", "W1/window 1", &[("per_second", rate), ("other_cpu", other_cpu), ("lost", lost)])
        };
        let summaries = Summaries::of(&[run(100.0, 0.0, 0.0), run(10.0, 0.5, 3.0), run(200.0, 0.0, 0.0)]);
        let summary = summaries.find("tacite", "W1/window 1").unwrap();
        assert_eq!((summary.runs, summary.disturbed_runs, summary.is_disturbed()), (3, 1, false));
        assert_eq!(summary.figures["per_second"], Spread { median: 150.0, least: 100.0, most: 200.0 });
        assert_eq!(summary.figures["lost"], Spread { median: 0.0, least: 0.0, most: 3.0 });

        let summaries = Summaries::of(&[run(10.0, 0.5, 0.0)]);
        assert!(summaries.find("tacite", "W1/window 1").unwrap().is_disturbed());
        assert_eq!(summaries.figure("tacite", "W1/window 1", "per_second"), Spread::of(vec![10.0]));
        assert_eq!(summaries.figure("tacite", "W1/window 8", "per_second"), None);
    }
}
