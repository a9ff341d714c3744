//! A transaction of the vault. Its reads and writes stand in the modules of their topics.
//!
//! Invariants: dropped without [`Transaction::commit`], it never happened; numbers ascend within one [`crate::Vault`];
//! the engine can tell whether the transaction of its last input was committed, whatever others came between; what a
//! committed transaction erased stands in no file any more.

use std::cell::Cell;

use rusqlite::{Connection, Row, ToSql};

use crate::VaultError;

/// Reads and writes of a vault that become durable together.
#[derive(Debug)]
pub struct Transaction<'vault> {
    inner: rusqlite::Transaction<'vault>,
    connection: &'vault Connection,
    number: u64,
    /// Whether it serves an input of the engine.
    claimed: bool,
    /// Whether it erased what may still stand in the write-ahead log.
    erased: Cell<bool>,
    /// Number of the latest claimed transaction that was committed.
    last_claimed: &'vault mut u64,
}

impl<'vault> Transaction<'vault> {
    pub(crate) fn begin(
        connection: &'vault Connection,
        number: u64,
        last_claimed: &'vault mut u64,
    ) -> Result<Self, VaultError> {
        let inner =
            rusqlite::Transaction::new_unchecked(connection, rusqlite::TransactionBehavior::Immediate)?;
        Ok(Self { inner, connection, number, claimed: false, erased: Cell::new(false), last_claimed })
    }

    /// Makes all writes durable. If something was erased, the write-ahead log is emptied, because it still holds the pages as
    /// they were; should that fail, it is done when the vault is opened next.
    pub fn commit(self) -> Result<(), VaultError> {
        self.inner.commit()?;
        if self.claimed {
            *self.last_claimed = self.number;
        }
        if self.erased.get() {
            empty_log(self.connection)?;
        }
        Ok(())
    }

    /// Notes that this transaction erases something for good.
    pub(crate) fn note_erased(&self) {
        self.erased.set(true);
    }

    /// Which transaction of this open vault this is, from 1 on.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// Takes this transaction for one input of the engine; false if it was taken before.
    pub const fn claim(&mut self) -> bool {
        let is_free = !self.claimed;
        self.claimed = true;
        is_free
    }

    /// The number of the latest claimed transaction that was committed; 0 if none was since the vault was opened.
    #[must_use]
    pub const fn last_claimed(&self) -> u64 {
        *self.last_claimed
    }

    /// Runs a statement that changes rows; returns how many.
    pub(crate) fn execute(&self, sql: &str, values: &[&dyn ToSql]) -> Result<usize, VaultError> {
        Ok(self.inner.prepare_cached(sql)?.execute(values)?)
    }

    /// The first row of a query, if there is one.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, VaultError>,
    ) -> Result<Option<T>, VaultError> {
        let mut statement = self.inner.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        rows.next()?.map(read).transpose()
    }

    /// All rows of a query.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        values: &[&dyn ToSql],
        read: impl Fn(&Row<'_>) -> Result<T, VaultError>,
    ) -> Result<Vec<T>, VaultError> {
        let mut statement = self.inner.prepare_cached(sql)?;
        let mut rows = statement.query(values)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// Whether a query has any row.
    pub(crate) fn exists(&self, sql: &str, values: &[&dyn ToSql]) -> Result<bool, VaultError> {
        Ok(self.inner.prepare_cached(sql)?.exists(values)?)
    }
}

/// Brings everything from the write-ahead log into the database and cuts the log to nothing.
pub(crate) fn empty_log(connection: &Connection) -> Result<(), VaultError> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(())
}
