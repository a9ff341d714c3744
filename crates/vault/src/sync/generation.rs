//! By what a vault notices that it is an older copy of itself.
//!
//! Invariants: the generation only ever grows, and has grown on disk before the server is told of it; while the published keys
//! are stale, they are to be replaced as a whole.

use crate::{Transaction, VaultError};

impl Transaction<'_> {
    /// How far this vault has come; 0: no link yet.
    pub fn generation(&self) -> Result<u64, VaultError> {
        let stored = self.first("SELECT generation FROM generation", &[], |row| {
            u64::try_from(row.get::<_, i64>("generation")?).map_err(|_| VaultError::Damaged("generation"))
        })?;
        Ok(stored.unwrap_or(0))
    }

    /// Lets the generation grow to `generation`; a lower one changes nothing. Values beyond `i64::MAX` are stored as that.
    pub fn raise_generation(&self, generation: u64) -> Result<(), VaultError> {
        let sql = "INSERT INTO generation (only_row, generation, keys_stale) VALUES (1, ?1, 0) \
            ON CONFLICT (only_row) DO UPDATE SET generation = max(generation, excluded.generation)";
        self.execute(sql, &[&i64::try_from(generation).unwrap_or(i64::MAX)])?;
        Ok(())
    }

    /// Lets the generation grow by so much; not beyond `i64::MAX`.
    pub fn grow_generation(&self, by: usize) -> Result<(), VaultError> {
        let grown = self.generation()?.saturating_add(by as u64);
        self.raise_generation(grown)
    }

    /// Whether the server may hold one-time keys whose private halves are not here.
    pub fn are_keys_stale(&self) -> Result<bool, VaultError> {
        self.exists("SELECT 1 FROM generation WHERE keys_stale = 1", &[])
    }

    /// Notes that, or that the keys were replaced.
    pub fn set_keys_stale(&self, stale: bool) -> Result<(), VaultError> {
        let sql = "INSERT INTO generation (only_row, generation, keys_stale) VALUES (1, 0, ?1) \
            ON CONFLICT (only_row) DO UPDATE SET keys_stale = excluded.keys_stale";
        self.execute(sql, &[&stale])?;
        Ok(())
    }
}
