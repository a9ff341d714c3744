//! How far this device has caught up with the server's record of changes.
//!
//! Invariant: the cursor is stored in the same transaction as the rows before it.

mod generation;

use tacite_model::Timestamp;

use crate::{Transaction, VaultError, column};

/// A position in the server's record of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cursor {
    /// When the last row changed.
    pub updated_at: Timestamp,
    /// Which row that was; `None` at the very start.
    pub id: Option<[u8; 16]>,
}

impl Transaction<'_> {
    /// The stored cursor; the very start if there is none.
    pub fn cursor(&self) -> Result<Cursor, VaultError> {
        let cursor = self.first("SELECT updated_at_ms, id FROM sync_cursor", &[], |row| {
            Ok(Cursor {
                updated_at: column::time(row, "updated_at_ms")?,
                id: column::optional_array(row, "id")?,
            })
        })?;
        Ok(cursor.unwrap_or_default())
    }

    /// Stores the cursor.
    pub fn save_cursor(&self, cursor: &Cursor) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO sync_cursor (only_row, updated_at_ms, id) VALUES (1, ?1, ?2)";
        let id: &[u8] = cursor.id.as_ref().map_or(&[], |id| id);
        self.execute(sql, &[&column::time_value(cursor.updated_at), &id])?;
        Ok(())
    }
}
