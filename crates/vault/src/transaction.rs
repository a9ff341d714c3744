//! A transaction of the vault. Its reads and writes stand in the modules of their topics.
//!
//! Invariants: dropped without [`Transaction::commit`], it never happened; numbers ascend within one [`crate::Vault`];
//! the engine can tell whether the transaction of its last input was committed, whatever others came between.

use rusqlite::{Connection, Row, ToSql};

use crate::VaultError;

/// Reads and writes of a vault that become durable together.
#[derive(Debug)]
pub struct Transaction<'vault> {
    inner: rusqlite::Transaction<'vault>,
    number: u64,
    /// Whether it serves an input of the engine.
    claimed: bool,
    /// Number of the latest claimed transaction that was committed.
    last_claimed: &'vault mut u64,
}

impl<'vault> Transaction<'vault> {
    pub(crate) fn begin(
        connection: &'vault mut Connection,
        number: u64,
        last_claimed: &'vault mut u64,
    ) -> Result<Self, VaultError> {
        let inner = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        Ok(Self { inner, number, claimed: false, last_claimed })
    }

    /// Makes all writes durable.
    pub fn commit(self) -> Result<(), VaultError> {
        self.inner.commit()?;
        if self.claimed {
            *self.last_claimed = self.number;
        }
        Ok(())
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
