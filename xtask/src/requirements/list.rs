//! `docs/requirements.toml`: every id with a title, the tests that show it, and what of it is missing.
//!
//! Invariants: exactly the known ids stand in it, so no requirement is forgotten by leaving it out.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::name::TestName;

/// The file, relative to the root.
const FILE: &str = "docs/requirements.toml";
/// The series of ids and the last number of each; numbers begin at 1. `T` are the hostile tests.
const SERIES: [(char, u32); 11] = [
    ('A', 9),
    ('B', 11),
    ('C', 10),
    ('D', 7),
    ('E', 7),
    ('F', 2),
    ('G', 4),
    ('H', 5),
    ('I', 7),
    ('J', 4),
    ('T', 83),
];

/// A requirement's id: `A1`, `T83`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    series: char,
    number: u32,
}

/// One requirement.
#[derive(Debug)]
pub(crate) struct Row {
    pub(super) id: Id,
    pub(super) title: String,
    /// None: the row is open.
    pub(super) tests: Vec<TestName>,
    /// What is not there yet although there are tests; keeps the row open.
    pub(super) missing: Option<String>,
}

/// Where a requirement stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowState {
    Done,
    Failing,
    Open,
}

/// How many rows stand where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) done: usize,
    pub(crate) failing: usize,
    pub(crate) open: usize,
}

/// The rows of the checkout's file, by id.
pub(crate) fn read(root: &Path) -> Result<Vec<Row>> {
    let text = std::fs::read_to_string(root.join(FILE)).context(FILE)?;
    parse(&text).context(FILE)
}

/// The counts if all named tests pass, as they do wherever the project's tests do.
pub(crate) fn counts(rows: &[Row]) -> Counts {
    Counts::of(&rows.iter().map(Row::state_if_passing).collect::<Vec<_>>())
}

impl Row {
    /// The state if all its tests pass.
    pub(super) fn state_if_passing(&self) -> RowState {
        if self.tests.is_empty() || self.missing.is_some() { RowState::Open } else { RowState::Done }
    }
}

impl RowState {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failing => "failing",
            Self::Open => "open",
        }
    }
}

impl Counts {
    pub(super) fn of(states: &[RowState]) -> Self {
        let count = |wanted| states.iter().filter(|state| **state == wanted).count();
        Self { done: count(RowState::Done), failing: count(RowState::Failing), open: count(RowState::Open) }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "requirements: {} done, {} failing, {} open", self.done, self.failing, self.open)
    }
}

impl FromStr for Id {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let known = || {
            let series = text.chars().next()?;
            let number = text.get(1..)?.parse().ok()?;
            let (_, last) = SERIES.into_iter().find(|(known, _)| *known == series)?;
            let id = Self { series, number };
            // The second condition refuses `A01`.
            ((1..=last).contains(&number) && id.to_string() == text).then_some(id)
        };
        known().with_context(|| format!("`{text}` is no requirement"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.series, self.number)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    title: String,
    #[serde(default)]
    tests: Vec<String>,
    missing: Option<String>,
}

fn parse(text: &str) -> Result<Vec<Row>> {
    let entries: BTreeMap<String, Entry> = toml::from_str(text)?;
    let mut rows = Vec::new();
    for (id, entry) in entries {
        let id: Id = id.parse()?;
        let tests = entry.tests.iter().map(|name| name.parse()).collect::<Result<_>>();
        let tests = tests.with_context(|| id.to_string())?;
        rows.push(Row { id, title: entry.title, tests, missing: entry.missing });
    }
    rows.sort_by_key(|row| row.id);
    let all =
        SERIES.into_iter().flat_map(|(series, last)| (1..=last).map(move |number| Id { series, number }));
    let absent: Vec<_> =
        all.filter(|id| !rows.iter().any(|row| row.id == *id)).map(|id| id.to_string()).collect();
    if !absent.is_empty() {
        bail!("does not list {}", absent.join(", "));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_but(left_out: &str) -> String {
        let ids = SERIES
            .into_iter()
            .flat_map(|(series, last)| (1..=last).map(move |number| format!("{series}{number}")));
        let rows: Vec<_> =
            ids.filter(|id| id != left_out).map(|id| format!("[{id}]\ntitle = \"{id}\"\n")).collect();
        rows.concat()
    }

    #[test]
    fn all_ids_are_wanted_and_no_others() {
        assert_eq!(parse(&all_but("")).unwrap().len(), 149);
        assert!(parse(&all_but("T83")).is_err());
        for other in ["A10", "K1", "T84", "T0", "A01", "A"] {
            let text = all_but("") + &format!("[{other}]\ntitle = \"a\"\n");
            assert!(parse(&text).is_err(), "{other}");
        }
    }

    #[test]
    fn rows_stand_in_the_order_of_their_ids() {
        let ids: Vec<String> = parse(&all_but("")).unwrap().iter().map(|row| row.id.to_string()).collect();
        assert_eq!(ids[7..12], ["A8", "A9", "B1", "B2", "B3"]);
        assert_eq!(ids[18..20], ["B10", "B11"]);
    }

    #[test]
    fn counts_follow_from_tests_and_what_is_missing() {
        let text = all_but("A1")
            .replace("title = \"A2\"", "title = \"a\"\ntests = [\"p::a\"]\nmissing = \"b\"")
            + "[A1]\ntitle = \"a\"\ntests = [\"p::a\", \"p/f::b\"]\n";
        let shown = counts(&parse(&text).unwrap()).to_string();
        assert_eq!(shown, "requirements: 1 done, 0 failing, 148 open");
    }

    #[test]
    fn a_misspelt_key_or_name_is_refused() {
        assert!(parse(&(all_but("A1") + "[A1]\ntitle = \"a\"\ntest = [\"p::a\"]\n")).is_err());
        assert!(parse(&(all_but("A1") + "[A1]\ntitle = \"a\"\ntests = [\"a\"]\n")).is_err());
    }
}
