//! What the bench is to show, and whether it does.
//!
//! Invariant: a goal compares medians of one report; what was not measured is neither met nor missed.

use std::fmt;

use serde::Serialize;

use super::format;
use super::statistics::{STEADY, Spread, Summaries};

/// The measurements that goals name.
const WINDOW_1: &str = "W1/window 1";
const WINDOW_8: &str = "W1/window 8";
/// A kilobyte has 1,000 bytes here: the stricter reading.
const LINK_BYTES_MAX: f64 = 16_000.0;
/// How much dearer a message or a link may be at sixteen times the load and count as the same: what runs differ by.
const STRAIGHT_MAX: f64 = 1.1;

/// One goal.
#[derive(Debug, Clone, Copy)]
struct Goal {
    name: &'static str,
    value: Value,
    bound: Bound,
}

/// How the value of a goal is computed.
#[derive(Debug, Clone, Copy)]
enum Value {
    /// The median of a figure.
    Median(Figure),
    /// The largest of a figure, over all runs.
    Most(Figure),
    /// The quotient of two medians.
    Ratio(Figure, Figure),
}

/// Peer, measurement, name.
#[derive(Debug, Clone, Copy)]
struct Figure(&'static str, &'static str, &'static str);

#[derive(Debug, Clone, Copy)]
enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// How a goal stands.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The goal.
    pub goal: &'static str,
    /// What is compared with the bound.
    pub computed_as: String,
    /// What it is to be.
    pub bound: String,
    /// What it is; `None`: not measured.
    pub value: Option<f64>,
    /// Whether that is well.
    pub verdict: Verdict,
    /// Whether it rests on disturbed runs alone.
    pub disturbed: bool,
}

/// Whether a goal is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// Something that it is computed from was not measured.
    NotMeasured,
}

use Bound::{AtLeast, AtMost};
use Value::{Median, Most, Ratio};

const fn tacite(measurement: &'static str, figure: &'static str) -> Figure {
    Figure("tacite", measurement, figure)
}

const fn limit(measurement: &'static str, figure: &'static str) -> Figure {
    Figure("relay-limit", measurement, figure)
}

const fn goal(name: &'static str, value: Value, bound: Bound) -> Goal {
    Goal { name, value, bound }
}

const CPU: &str = "cpu_us_per_message";
const RATE: &str = "per_second";
const PER_DELIVERY: &str = "cpu_us_per_delivery";

/// In the order of the workloads.
const GOALS: &[Goal] = &[
    goal("W1 costs no more than two hops", Ratio(tacite(WINDOW_1, CPU), limit(WINDOW_1, CPU)), AtMost(2.0)),
    goal(
        "W1 ten times as fast as Prosody",
        Ratio(tacite(WINDOW_1, RATE), Figure("prosody", WINDOW_1, RATE)),
        AtLeast(10.0),
    ),
    goal(
        "W1 ten times as fast as ejabberd",
        Ratio(tacite(WINDOW_1, RATE), Figure("ejabberd", WINDOW_1, RATE)),
        AtLeast(10.0),
    ),
    goal(
        "W1 four times as fast as mosquitto",
        Ratio(tacite(WINDOW_8, RATE), Figure("mosquitto", WINDOW_8, RATE)),
        AtLeast(4.0),
    ),
    goal(
        "W1 hardly slower than the limit",
        Ratio(tacite(STEADY, "latency_us_p99"), limit(STEADY, "latency_us_p99")),
        AtMost(1.5),
    ),
    goal("W1 loses nothing, window 1", Most(tacite(WINDOW_1, "lost")), AtMost(0.0)),
    goal("W1 loses nothing, window 8", Most(tacite(WINDOW_8, "lost")), AtMost(0.0)),
    goal("W2 a small link, of 5,000", Median(tacite("W2/5000", "bytes_per_link")), AtMost(LINK_BYTES_MAX)),
    goal("W2 a small link, of 10,000", Median(tacite("W2/10000", "bytes_per_link")), AtMost(LINK_BYTES_MAX)),
    goal("W3 takes messages durably", Median(tacite("W3/accept", RATE)), AtLeast(25_000.0)),
    goal("W3 all survive kill -9", Most(tacite("W3/kill", "lost")), AtMost(0.0)),
    goal("W3 none comes twice after kill -9", Most(tacite("W3/kill", "doubled")), AtMost(0.0)),
    goal(
        "W4 a mood costs little more per delivery, one by one",
        Ratio(tacite("W4/window 1", PER_DELIVERY), limit("W4/window 1", PER_DELIVERY)),
        AtMost(1.5),
    ),
    goal(
        "W4 a mood costs little more per delivery, in a burst",
        Ratio(tacite("W4/burst", PER_DELIVERY), limit("W4/burst", PER_DELIVERY)),
        AtMost(1.5),
    ),
    goal(
        "W5 split costs no more than four times",
        Ratio(Figure("tacite-split", WINDOW_1, CPU), tacite(WINDOW_1, CPU)),
        AtMost(4.0),
    ),
    goal("W5 all survive kill -9", Most(Figure("tacite-split", "W3/kill", "lost")), AtMost(0.0)),
    goal("W6 starts at once", Median(tacite("W6/start", "start_ms_p50")), AtMost(200.0)),
    goal("W6 catches up fast", Median(tacite("W6/sync", RATE)), AtLeast(2000.0)),
    goal(
        "CPU grows straight, 16 times the people who write as often",
        Ratio(tacite("linear/people 16×", CPU), tacite("linear/people 1×", CPU)),
        AtMost(STRAIGHT_MAX),
    ),
    goal(
        "CPU grows straight, 16 times the pairs at full speed",
        Ratio(tacite("linear/pairs 16×", CPU), tacite("linear/pairs 1×", CPU)),
        AtMost(STRAIGHT_MAX),
    ),
    goal(
        "memory grows straight, 16 times the links",
        Ratio(tacite("linear/links 16×", "bytes_per_link"), tacite("linear/links 1×", "bytes_per_link")),
        AtMost(STRAIGHT_MAX),
    ),
];

/// How each goal stands.
#[must_use]
pub fn outcomes(summaries: &Summaries) -> Vec<Outcome> {
    GOALS.iter().map(|goal| goal.outcome(summaries)).collect()
}

impl Goal {
    fn outcome(&self, summaries: &Summaries) -> Outcome {
        let value = self.value.of(summaries);
        Outcome {
            goal: self.name,
            computed_as: self.value.to_string(),
            bound: self.bound.to_string(),
            value,
            verdict: match value {
                None => Verdict::NotMeasured,
                Some(value) if self.bound.holds(value) => Verdict::Met,
                Some(_) => Verdict::Missed,
            },
            disturbed: self.value.figures().iter().any(|figure| figure.is_disturbed(summaries)),
        }
    }
}

impl Value {
    fn of(&self, summaries: &Summaries) -> Option<f64> {
        match self {
            Median(figure) => Some(figure.of(summaries)?.median),
            Most(figure) => Some(figure.of(summaries)?.most),
            Ratio(over, under) => Some(over.of(summaries)?.median / under.of(summaries)?.median),
        }
    }

    fn figures(&self) -> Vec<Figure> {
        match *self {
            Median(figure) | Most(figure) => vec![figure],
            Ratio(over, under) => vec![over, under],
        }
    }
}

impl Figure {
    fn of(&self, summaries: &Summaries) -> Option<Spread> {
        summaries.figure(self.0, self.1, self.2)
    }

    fn is_disturbed(&self, summaries: &Summaries) -> bool {
        summaries.find(self.0, self.1).is_some_and(super::statistics::Summary::is_disturbed)
    }
}

impl Bound {
    fn holds(&self, value: f64) -> bool {
        match *self {
            AtMost(most) => value <= most,
            AtLeast(least) => value >= least,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Median(Figure(peer, measurement, figure)) => write!(f, "{measurement} {figure}: {peer}"),
            Most(Figure(peer, measurement, figure)) => write!(f, "{measurement} {figure}, all runs: {peer}"),
            Ratio(over, under) if (over.1, over.2) == (under.1, under.2) => {
                write!(f, "{} {}: {} ÷ {}", over.1, over.2, over.0, under.0)
            }
            Ratio(over, under) => write!(f, "{} {}: {} ÷ {}", over.2, over.0, over.1, under.1),
        }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AtMost(most) => write!(f, "≤ {}", format::number(most)),
            AtLeast(least) => write!(f, "≥ {}", format::number(least)),
        }
    }
}

impl Verdict {
    /// For people.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::Missed => "MISSED",
            Self::NotMeasured => "not measured",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::row;
    use super::*;

    fn outcome(rows: &[crate::row::Row], goal: &str) -> Outcome {
        let outcomes = outcomes(&Summaries::of(rows));
        outcomes.into_iter().find(|outcome| outcome.goal == goal).expect("a goal of this name")
    }

    #[test]
    fn a_ratio_is_met_at_its_bound_and_missed_one_past_it() {
        let rows =
            |cpu: f64| [row("tacite", WINDOW_1, &[(CPU, cpu)]), row("relay-limit", WINDOW_1, &[(CPU, 6.0)])];
        let met = outcome(&rows(12.0), "W1 costs no more than two hops");
        assert_eq!((met.value, met.verdict), (Some(2.0), Verdict::Met));
        assert_eq!(met.computed_as, "W1/window 1 cpu_us_per_message: tacite ÷ relay-limit");
        assert_eq!(met.bound, "≤ 2.00");
        let missed = outcome(&rows(12.06), "W1 costs no more than two hops");
        assert_eq!(missed.verdict, Verdict::Missed);
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let rows = [row("tacite", WINDOW_1, &[(CPU, 12.0)])];
        let outcome = outcome(&rows, "W1 costs no more than two hops");
        assert_eq!((outcome.value, outcome.verdict), (None, Verdict::NotMeasured));
    }

    // One lost message in one of three runs is a loss, however quiet or loud the machine was.
    #[test]
    fn a_single_loss_is_a_miss() {
        let lost =
            |lost: f64, other_cpu: f64| row("tacite", "W3/kill", &[("lost", lost), ("other_cpu", other_cpu)]);
        let rows = [lost(0.0, 0.0), lost(1.0, 0.9), lost(0.0, 0.0)];
        let outcome = outcome(&rows, "W3 all survive kill -9");
        assert_eq!((outcome.value, outcome.verdict), (Some(1.0), Verdict::Missed));
    }

    #[test]
    fn a_value_of_disturbed_runs_is_marked() {
        let rows = [row("tacite", "W3/accept", &[(RATE, 30_000.0), ("other_cpu", 0.9)])];
        let outcome = outcome(&rows, "W3 takes messages durably");
        assert_eq!((outcome.verdict, outcome.disturbed), (Verdict::Met, true));
    }
}
