//! Looking at a database file without knowing its tables, for audits.
//!
//! Invariants: nothing is written; every value of every row is shown, as SQLite has it.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use crate::StoreError;
use crate::database::prepare;

/// A database file, open for reading.
#[derive(Debug)]
pub struct Inspection {
    connection: Connection,
}

/// An entry of the schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// A stored value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Nothing,
    /// An integer.
    Number(i64),
    /// A floating point number.
    Real(f64),
    /// Text, UTF-8 or not.
    Text(&'a [u8]),
    /// A blob.
    Bytes(&'a [u8]),
}

impl Inspection {
    /// Opens a file that is there. Another process may be writing to it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        prepare(&connection)?;
        Ok(Self { connection })
    }

    /// What the schema has but for what SQLite makes by itself, by name.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        let sql =
            "SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_autoindex\\_%' ESCAPE '\\'";
        let mut statement = self.connection.prepare(&format!("{sql} ORDER BY name"))?;
        let entries =
            statement.query_map([], |row| Ok(Entry { kind: row.get(0)?, name: row.get(1)? }))?.collect();
        Ok::<_, rusqlite::Error>(entries).and_then(|entries| entries).map_err(Into::into)
    }

    /// The names of a table's columns, hidden and generated ones too, in their order.
    pub fn columns(&self, table: &str) -> Result<Vec<String>, StoreError> {
        let mut statement = self.connection.prepare("SELECT name FROM pragma_table_xinfo(?1)")?;
        let names: Result<_, rusqlite::Error> = statement.query_map([table], |row| row.get(0))?.collect();
        Ok(names?)
    }

    /// Shows each row of a table as its values, in the order of its columns; returns how many rows there are.
    pub fn rows(&self, table: &str, mut see: impl FnMut(&[Value<'_>])) -> Result<u64, StoreError> {
        let quoted = table.replace('"', "\"\"");
        let mut statement = self.connection.prepare(&format!("SELECT * FROM \"{quoted}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns);
            for column in 0..columns {
                values.push(match row.get_ref(column)? {
                    ValueRef::Null => Value::Nothing,
                    ValueRef::Integer(number) => Value::Number(number),
                    ValueRef::Real(number) => Value::Real(number),
                    ValueRef::Text(text) => Value::Text(text),
                    ValueRef::Blob(bytes) => Value::Bytes(bytes),
                });
            }
            see(&values);
            count += 1;
        }
        Ok(count)
    }
}
