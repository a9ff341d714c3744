//! Counts of now against recorded ones.
//!
//! Invariant: all is well only if every path was recorded and none got dearer than the tolerance.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::recorded::{Recorded, Toolchain};

/// How much dearer a path may get. The compiler's choices move one that was not touched by up to 4.7 %; threads, clocks and hash
/// seeds move some by up to 1 %.
const TOLERANCE_PERCENT: f64 = 5.0;

/// How each path stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Comparison {
    lines: Vec<Line>,
    /// What was counted with other means than the recorded counts, for instance another compiler.
    other_means: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Line {
    name: String,
    recorded: Option<f64>,
    counted: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    Cheaper,
    Dearer,
    New,
    Gone,
}

impl Comparison {
    /// Compares.
    pub(super) fn new(recorded: &Recorded, toolchain: &Toolchain, counted: &BTreeMap<String, f64>) -> Self {
        let names: BTreeSet<&String> = recorded.instructions.keys().chain(counted.keys()).collect();
        let line = |name: &String| Line {
            name: name.clone(),
            recorded: recorded.instructions.get(name).copied(),
            counted: counted.get(name).copied(),
        };
        let means = |toolchain: &Toolchain| {
            [toolchain.rustc.clone(), toolchain.architecture.clone(), toolchain.valgrind.clone()]
        };
        let (then, now) = (means(&recorded.toolchain), means(toolchain));
        let differing = then.iter().zip(&now).filter(|(then, now)| then != now);
        Self {
            lines: names.into_iter().map(line).collect(),
            other_means: differing
                .map(|(then, now)| format!("recorded with {then}, this is {now}"))
                .collect(),
        }
    }

    /// Whether nothing got dearer and everything was recorded.
    #[must_use]
    pub(super) fn is_well(&self) -> bool {
        self.lines.iter().all(|line| matches!(line.verdict(), Verdict::Same | Verdict::Cheaper))
    }
}

impl Line {
    fn change_percent(&self) -> Option<f64> {
        let (recorded, counted) = (self.recorded?, self.counted?);
        Some((counted - recorded) / recorded * 100.0)
    }

    fn verdict(&self) -> Verdict {
        match (self.recorded, self.change_percent()) {
            (None, _) => Verdict::New,
            (Some(_), None) => Verdict::Gone,
            (Some(_), Some(change)) if change > TOLERANCE_PERCENT => Verdict::Dearer,
            (Some(_), Some(change)) if change < -TOLERANCE_PERCENT => Verdict::Cheaper,
            (Some(_), Some(_)) => Verdict::Same,
        }
    }
}

impl Verdict {
    const fn text(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Cheaper => "cheaper: record it",
            Self::Dearer => "DEARER",
            Self::New => "NOT RECORDED",
            Self::Gone => "GONE",
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.lines.iter().map(|line| line.name.len()).max().unwrap_or(0);
        writeln!(f, "{:width$}  {:>12}  {:>12}  {:>8}", "instructions", "recorded", "now", "change")?;
        let or_blank = |value: Option<f64>| value.map_or(String::from("–"), |value| format!("{value:.1}"));
        for line in &self.lines {
            let change = line.change_percent().map_or(String::new(), |change| format!("{change:+.2} %"));
            let row = format!(
                "{:width$}  {:>12}  {:>12}  {change:>8}  {}",
                line.name,
                or_blank(line.recorded),
                or_blank(line.counted),
                line.verdict().text()
            );
            writeln!(f, "{}", row.trim_end())?;
        }
        for other in &self.other_means {
            writeln!(f, "Counted with other means: {other}.")?;
        }
        let verdicts: Vec<Verdict> = self.lines.iter().map(Line::verdict).collect();
        if verdicts.iter().any(|verdict| *verdict != Verdict::Same) {
            writeln!(f, "If this is as it should be: cargo xtask bench --guard --record")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toolchain(rustc: &str) -> Toolchain {
        Toolchain {
            rustc: rustc.to_owned(),
            architecture: String::from("x86_64"),
            valgrind: String::from("valgrind-3"),
        }
    }

    fn counts(route: f64) -> BTreeMap<String, f64> {
        BTreeMap::from([(String::from("route"), route), (String::from("encode"), 500.0)])
    }

    fn against_1000(route: f64) -> Comparison {
        let recorded = Recorded { toolchain: toolchain("rustc 1"), instructions: counts(1000.0) };
        Comparison::new(&recorded, &toolchain("rustc 1"), &counts(route))
    }

    #[test]
    fn within_the_tolerance_all_is_well_and_one_past_it_fails() {
        for (route, well) in [(1000.0, true), (1050.0, true), (1050.1, false), (2000.0, false), (10.0, true)]
        {
            assert_eq!(against_1000(route).is_well(), well, "{route}");
        }
        let text = against_1000(1060.0).to_string();
        assert!(text.contains("route") && text.contains("+6.00 %") && text.contains("DEARER"), "{text}");
        assert!(text.contains("--record"), "{text}");
        assert!(!against_1000(1049.0).to_string().contains("--record"));
    }

    #[test]
    fn what_got_cheaper_is_to_be_recorded_so_that_it_stays_so() {
        let comparison = against_1000(900.0);
        assert!(comparison.is_well());
        let text = comparison.to_string();
        assert!(text.contains("-10.00 %") && text.contains("cheaper: record it"), "{text}");
    }

    #[test]
    fn a_path_that_was_not_recorded_or_is_gone_fails() {
        let recorded = Recorded { toolchain: toolchain("rustc 1"), instructions: counts(1000.0) };
        let mut more = counts(1000.0);
        more.insert(String::from("park"), 3.0);
        let with_new = Comparison::new(&recorded, &recorded.toolchain, &more);
        assert!(!with_new.is_well());
        assert!(with_new.to_string().contains("NOT RECORDED"));
        more.remove("route");
        more.remove("park");
        let with_gone = Comparison::new(&recorded, &recorded.toolchain, &more);
        assert!(!with_gone.is_well());
        assert!(with_gone.to_string().contains("GONE"));
    }

    #[test]
    fn another_compiler_is_named() {
        let recorded = Recorded { toolchain: toolchain("rustc 1"), instructions: counts(1000.0) };
        let text = Comparison::new(&recorded, &toolchain("rustc 2"), &counts(1000.0)).to_string();
        assert!(text.contains("recorded with rustc 1, this is rustc 2"), "{text}");
        assert!(!text.contains("valgrind"), "{text}");
    }
}
