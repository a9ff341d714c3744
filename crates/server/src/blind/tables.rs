//! Every table, column and value of the databases, against the lists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use tacite_depot::inspect::{Inspection, Value};
use tacite_depot::{BodyName, StoreError};

use super::Findings;
use super::schema::{DATABASES, Database, Shape, Table};

/// A body that waits.
pub(super) struct Waiting {
    pub(super) name: BodyName,
    pub(super) body: Vec<u8>,
}

/// Bodies that are taken as samples at most.
const SAMPLES_MAX: usize = 200;

/// Checks the databases; returns bodies that wait in the depot, which no other file may hold.
pub(super) fn check(databases: &[(&str, PathBuf)], findings: &mut Findings) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    for (name, path) in databases {
        let database = DATABASES.iter().find(|database| database.name == *name);
        let Some(database) = database.filter(|_| path.is_file()) else {
            findings.unchecked(path, "the database is not there");
            continue;
        };
        match check_database(path, database, findings, &mut waiting) {
            Ok(rows) => findings
                .checked
                .push(format!("{}: every table, column and value, {rows} rows", path.display())),
            Err(error) => findings.unchecked(path, format!("it cannot be read: {error}")),
        }
    }
    waiting
}

fn check_database(
    path: &Path,
    database: &Database,
    findings: &mut Findings,
    waiting: &mut Vec<Waiting>,
) -> Result<u64, StoreError> {
    let inspection = Inspection::open(path)?;
    let mut tables = BTreeSet::new();
    for entry in inspection.entries()? {
        match entry.kind.as_str() {
            "table" => drop(tables.insert(entry.name)),
            "index" => {}
            kind => findings.violation(path, entry.name, format!("a {kind}, and there may be none")),
        }
    }
    let mut rows = 0;
    for table in database.tables {
        if tables.remove(table.name) {
            rows += check_table(path, &inspection, table, findings, waiting)?;
        } else {
            findings.unchecked(path, format!("there is no table {}: it is of another release", table.name));
        }
    }
    for table in tables {
        findings.violation(path, table, "a table that may not be");
    }
    Ok(rows)
}

fn check_table(
    path: &Path,
    inspection: &Inspection,
    table: &Table,
    findings: &mut Findings,
    waiting: &mut Vec<Waiting>,
) -> Result<u64, StoreError> {
    let columns = inspection.columns(table.name)?;
    let shapes: Vec<_> = columns.iter().map(|column| shape_of(table, column)).collect();
    for (column, shape) in columns.iter().zip(&shapes) {
        if shape.is_none() {
            let place = format!("{}.{column}", table.name);
            findings.violation(path, place, "a column that may not be");
        }
    }
    for (name, _) in table.columns.iter().filter(|(name, _)| !columns.iter().any(|column| column == name)) {
        findings
            .unchecked(path, format!("there is no column {}.{name}: it is of another release", table.name));
    }
    // One finding a column: a damaged table would fill the screen.
    let mut wrong = vec![0_u64; columns.len()];
    let rows = inspection.rows(table.name, |values| {
        for ((value, shape), wrong) in values.iter().zip(&shapes).zip(&mut wrong) {
            *wrong += u64::from(shape.is_some_and(|shape| !fits(*value, shape)));
        }
        if let ("bodies", [Value::Bytes(name), Value::Bytes(body), ..]) = (table.name, values)
            && let Ok(name) = (*name).try_into()
            && waiting.len() < SAMPLES_MAX
        {
            waiting.push(Waiting { name: BodyName(name), body: body.to_vec() });
        }
    })?;
    for ((column, shape), wrong) in columns.iter().zip(&shapes).zip(wrong) {
        if let (Some(shape), 1..) = (shape, wrong) {
            let what = format!("{wrong} values are not {}", shape.description());
            findings.violation(path, format!("{}.{column}", table.name), what);
        }
    }
    Ok(rows)
}

fn shape_of(table: &Table, column: &str) -> Option<Shape> {
    table.columns.iter().find(|(name, _)| *name == column).map(|(_, shape)| *shape)
}

fn fits(value: Value<'_>, shape: Shape) -> bool {
    match (value, shape) {
        (Value::Bytes(bytes), Shape::Bytes(least, most)) => (least..=most).contains(&bytes.len()),
        (Value::Bytes(bytes), Shape::BytesOrEmpty(length)) => bytes.is_empty() || bytes.len() == length,
        (Value::Number(number), Shape::Number(least, most)) => (least..=most).contains(&number),
        (Value::Text(text), Shape::Text(least, most)) => {
            (least..=most).contains(&text.len()) && text.iter().all(|byte| (b' '..=b'~').contains(byte))
        }
        _ => false,
    }
}
