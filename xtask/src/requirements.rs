//! `cargo xtask requirements`: runs the tests that `docs/requirements.toml` names and says what is done.
//!
//! Invariants: a row is done only if it names tests, nothing of it is missing, and every named test ran and passed. A
//! name that matches no test, or one that is ignored, is a failure.

mod binaries;
pub(crate) mod list;
mod name;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use serde_json::json;

use crate::{Output, workspace};
use binaries::{Outcome, TestBinary};
use list::{Counts, Row, RowState};
use name::TestName;

/// What each named test came to.
type Outcomes = BTreeMap<TestName, Outcome>;

/// Runs all named tests and prints the rows; an error if one fails.
pub(crate) fn run(output: Output) -> Result<()> {
    let rows = list::read(&workspace::root())?;
    let binaries = binaries::build()?;
    let mut outcomes = Outcomes::new();
    for (binary, names) in by_binary(&rows, &binaries, &mut outcomes) {
        if matches!(output, Output::Text) {
            eprintln!("{}: {} tests", binary.label(), names.len());
        }
        outcomes.extend(binary.run(&names)?);
    }
    let states: Vec<RowState> = rows.iter().map(|row| state(row, &outcomes)).collect();
    let counts = Counts::of(&states);
    match output {
        Output::Text => print_table(&rows, &states, &outcomes, &counts),
        Output::Json => println!("{}", as_json(&rows, &states, &outcomes, &counts)),
    }
    if counts.failing > 0 {
        bail!("{} requirements are failing", counts.failing);
    }
    Ok(())
}

/// Checks that every named test exists, without running any; an error if one does not.
pub(crate) fn check_names() -> Result<()> {
    let rows = list::read(&workspace::root())?;
    let mut outcomes = Outcomes::new();
    by_binary(&rows, &binaries::build()?, &mut outcomes);
    for (name, outcome) in &outcomes {
        println!("{name}: {}", outcome.as_str());
    }
    if !outcomes.is_empty() {
        bail!("docs/requirements.toml names {} tests that do not run", outcomes.len());
    }
    println!("requirements: {} named tests exist", named(&rows).len());
    Ok(())
}

fn named(rows: &[Row]) -> BTreeSet<&TestName> {
    rows.iter().flat_map(|row| &row.tests).collect()
}

/// The named tests, grouped by the binary that holds them. What no binary holds goes to `missing`.
fn by_binary<'a>(
    rows: &'a [Row],
    binaries: &'a [TestBinary],
    missing: &mut Outcomes,
) -> Vec<(&'a TestBinary, Vec<&'a TestName>)> {
    let mut groups: Vec<(&TestBinary, Vec<&TestName>)> =
        binaries.iter().map(|binary| (binary, Vec::new())).collect();
    for name in named(rows) {
        let group = groups.iter_mut().find(|(binary, _)| binary.holds(name));
        match group {
            Some((_, names)) => names.push(name),
            None => drop(missing.insert(name.clone(), Outcome::DoesNotExist)),
        }
    }
    groups.retain(|(_, names)| !names.is_empty());
    groups
}

fn state(row: &Row, outcomes: &Outcomes) -> RowState {
    let passed = |name: &TestName| outcomes.get(name) == Some(&Outcome::Passed);
    if row.tests.iter().all(passed) { row.state_if_passing() } else { RowState::Failing }
}

fn print_table(rows: &[Row], states: &[RowState], outcomes: &Outcomes, counts: &Counts) {
    println!("{:<4} {:<8} title", "id", "state");
    for (row, state) in rows.iter().zip(states) {
        println!("{:<4} {:<8} {}", row.id.to_string(), state.as_str(), row.title);
        if let Some(missing) = &row.missing {
            println!("{:13} missing: {missing}", "");
        }
        for name in &row.tests {
            match outcomes.get(name) {
                Some(Outcome::Passed) => {}
                outcome => println!(
                    "{:13} {}: {name}",
                    "",
                    outcome.map_or("did not run", |outcome| outcome.as_str())
                ),
            }
        }
    }
    println!("{counts}");
}

fn as_json(rows: &[Row], states: &[RowState], outcomes: &Outcomes, counts: &Counts) -> serde_json::Value {
    let test = |name: &TestName| {
        let outcome = outcomes.get(name).map_or("did not run", |outcome| outcome.as_str());
        json!({"name": name.to_string(), "outcome": outcome})
    };
    let row = |(row, state): (&Row, &RowState)| {
        let tests: Vec<_> = row.tests.iter().map(test).collect();
        json!({
            "id": row.id.to_string(),
            "title": row.title,
            "state": state.as_str(),
            "missing": row.missing,
            "tests": tests,
        })
    };
    let requirements: Vec<_> = rows.iter().zip(states).map(row).collect();
    json!({"requirements": requirements, "done": counts.done, "failing": counts.failing, "open": counts.open})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tests: &[&TestName], missing: Option<&str>) -> Row {
        let tests = tests.iter().map(|name| (*name).clone()).collect();
        Row { id: "A1".parse().unwrap(), title: "a".to_owned(), tests, missing: missing.map(str::to_owned) }
    }

    #[test]
    fn a_row_is_done_only_if_all_its_tests_ran_and_passed() {
        let one: TestName = "tacite-wire::a::one".parse().unwrap();
        let two: TestName = "tacite-wire::a::two".parse().unwrap();
        let passed = Outcomes::from([(one.clone(), Outcome::Passed), (two.clone(), Outcome::Passed)]);
        assert_eq!(state(&row(&[], None), &passed), RowState::Open);
        assert_eq!(state(&row(&[&one, &two], None), &passed), RowState::Done);
        assert_eq!(state(&row(&[&one, &two], Some("half of it")), &passed), RowState::Open);
        for other in [Outcome::Failed, Outcome::Ignored, Outcome::DoesNotExist] {
            let outcomes = Outcomes::from([(one.clone(), Outcome::Passed), (two.clone(), other)]);
            assert_eq!(state(&row(&[&one, &two], None), &outcomes), RowState::Failing);
            assert_eq!(state(&row(&[&two], Some("half of it")), &outcomes), RowState::Failing);
        }
        let only_one = Outcomes::from([(one.clone(), Outcome::Passed)]);
        assert_eq!(state(&row(&[&one, &two], None), &only_one), RowState::Failing);
    }

    #[test]
    fn json_tells_rows_and_counts() {
        let one: TestName = "tacite-wire/story::one".parse().unwrap();
        let outcomes = Outcomes::from([(one.clone(), Outcome::Failed)]);
        let counts = Counts::of(&[RowState::Failing]);
        let shown = as_json(&[row(&[&one], None)], &[RowState::Failing], &outcomes, &counts);
        let expected = json!({
            "requirements": [{
                "id": "A1", "title": "a", "state": "failing", "missing": null,
                "tests": [{"name": "tacite-wire/story::one", "outcome": "failed"}],
            }],
            "done": 0, "failing": 1, "open": 0,
        });
        assert_eq!(shown, expected);
    }
}
