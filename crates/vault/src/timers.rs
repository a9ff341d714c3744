//! How the messages of a conversation disappear.
//!
//! Invariant: where nobody has said anything, it is [`Expiry::DEFAULT`].

use tacite_model::{AccountId, Expiry};

use crate::{Transaction, VaultError, column};

impl Transaction<'_> {
    /// How new messages with somebody disappear; `None`: not by themselves.
    pub fn timer(&self, peer_id: AccountId) -> Result<Option<Expiry>, VaultError> {
        let sql = "SELECT expiry_after_ms, expiry_start FROM timers WHERE peer_id = ?1";
        let timer = self.first(sql, &[peer_id.as_bytes()], column::expiry)?;
        Ok(timer.unwrap_or(Some(Expiry::DEFAULT)))
    }

    /// Sets how new messages with somebody disappear.
    pub fn set_timer(&self, peer_id: AccountId, expiry: Option<Expiry>) -> Result<(), VaultError> {
        let sql =
            "INSERT OR REPLACE INTO timers (peer_id, expiry_after_ms, expiry_start) VALUES (?1, ?2, ?3)";
        let (after_ms, start) = column::expiry_values(expiry);
        self.execute(sql, &[peer_id.as_bytes(), &after_ms, &start])?;
        Ok(())
    }
}
