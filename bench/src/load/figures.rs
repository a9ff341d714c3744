//! The figures of one run, by name.
//!
//! Invariant: a name ends in its unit (see [`crate::row`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::connection::FailedLinks;
use super::usage::Spent;

/// What a run gave, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figures(pub BTreeMap<String, f64>);

impl Figures {
    /// Begins with what was used while the run was measured.
    #[must_use]
    pub fn of(spent: &Spent, failed: &FailedLinks) -> Self {
        Self::default()
            .with("seconds", spent.seconds)
            .with("server_cpu", spent.server_cpu)
            .with("generator_cpu", spent.generator_cpu)
            .with("other_cpu", spent.other_cpu)
            .with("steal", spent.steal)
            .with_count("failed_links", failed.count())
    }

    /// Adds a figure; one that is not a number (nothing came in) is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: f64) -> Self {
        if value.is_finite() {
            self.0.insert(name.to_owned(), value);
        }
        self
    }

    /// Adds a count.
    #[must_use]
    pub fn with_count(self, name: &str, count: u64) -> Self {
        self.with(name, number(count))
    }

    /// Adds `NAME_p50` and `NAME_p99` of times in nanoseconds, as microseconds; nothing without times.
    #[must_use]
    pub fn with_percentiles(self, name: &str, mut times_ns: Vec<u64>) -> Self {
        times_ns.sort_unstable();
        let at_percent = |percent: usize| {
            let last = times_ns.len().checked_sub(1)?;
            Some(number(times_ns[(times_ns.len() * percent / 100).min(last)]) / 1000.0)
        };
        match (at_percent(50), at_percent(99)) {
            (Some(p50), Some(p99)) => {
                self.with(&format!("{name}_p50"), p50).with(&format!("{name}_p99"), p99)
            }
            _ => self,
        }
    }

    /// Takes figures out that mean nothing in this run.
    #[must_use]
    pub fn without(mut self, names: &[&str]) -> Self {
        for name in names {
            self.0.remove(*name);
        }
        self
    }
}

/// A count as a number to calculate with.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts here stay far below 2^53")]
pub fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times_in_microseconds() {
        let figures =
            Figures::default().with_percentiles("latency_us", (1..=1000).rev().map(|us| us * 1000).collect());
        let expected = Figures::default().with("latency_us_p50", 501.0).with("latency_us_p99", 991.0);
        assert_eq!(figures, expected);
        let one = Figures::default().with_percentiles("latency_us", vec![2500]);
        assert_eq!(one, Figures::default().with("latency_us_p50", 2.5).with("latency_us_p99", 2.5));
    }

    #[test]
    fn what_cannot_be_told_is_left_out() {
        let figures =
            Figures::default().with("cpu_us_per_message", 5.0 / 0.0).with_percentiles("latency_us", vec![]);
        assert_eq!(figures, Figures::default());
    }

    #[test]
    fn figures_are_one_json_object() {
        let figures = Figures::default().with_count("delivered", 3);
        assert_eq!(serde_json::to_string(&figures).expect("serialises"), r#"{"delivered":3.0}"#);
    }
}
