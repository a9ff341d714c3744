//! What the person lets others know.
//!
//! Invariant: everything is on until it is switched off.

use crate::{Transaction, VaultError};

/// What the person lets others know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// That messages were read.
    pub read_receipts: bool,
    /// Whether they are online or busy; who does not tell is not told either.
    pub presence: bool,
    /// That they are typing.
    pub typing: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { read_receipts: true, presence: true, typing: true }
    }
}

impl Transaction<'_> {
    /// The settings.
    pub fn settings(&self) -> Result<Settings, VaultError> {
        let settings = self.first("SELECT read_receipts, presence, typing FROM settings", &[], |row| {
            Ok(Settings {
                read_receipts: row.get("read_receipts")?,
                presence: row.get("presence")?,
                typing: row.get("typing")?,
            })
        })?;
        Ok(settings.unwrap_or_default())
    }

    /// Stores the settings.
    pub fn save_settings(&self, settings: Settings) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO settings (only_row, read_receipts, presence, typing) VALUES (1, ?1, ?2, ?3)";
        self.execute(sql, &[&settings.read_receipts, &settings.presence, &settings.typing])?;
        Ok(())
    }
}
