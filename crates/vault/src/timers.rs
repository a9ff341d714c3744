//! How the messages of a conversation disappear.
//!
//! Invariants: where nobody has said anything, it is [`Expiry::DEFAULT`]; the latest setting counts, whichever comes first, so both
//! sides end up with the same one.

use tacite_model::{AccountId, Expiry, Timestamp};

use crate::{Transaction, VaultError, column};

/// A setting of a conversation's timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerSetting {
    /// How new messages disappear; `None`: not by themselves.
    pub expiry: Option<Expiry>,
    /// When it was set, by the clock of whoever set it.
    pub set_at: Timestamp,
    /// Who set it.
    pub set_by: AccountId,
}

impl Transaction<'_> {
    /// How new messages with somebody disappear; `None`: not by themselves.
    pub fn timer(&self, peer_id: AccountId) -> Result<Option<Expiry>, VaultError> {
        let sql = "SELECT expiry_after_ms, expiry_start FROM timers WHERE peer_id = ?1";
        let timer = self.first(sql, &[peer_id.as_bytes()], column::expiry)?;
        Ok(timer.unwrap_or(Some(Expiry::DEFAULT)))
    }

    /// When a timer set now must claim to be set, to count as the latest.
    pub fn next_timer_at(&self, peer_id: AccountId, now: Timestamp) -> Result<Timestamp, VaultError> {
        let sql = "SELECT set_at_ms FROM timers WHERE peer_id = ?1";
        let latest = self.first(sql, &[peer_id.as_bytes()], |row| column::time(row, "set_at_ms"))?;
        Ok(latest.map_or(now, |latest| now.max(latest.plus_ms(1))))
    }

    /// Sets how new messages with somebody disappear; false, and nothing has changed, if a later setting is known already.
    pub fn set_timer(&self, peer_id: AccountId, setting: TimerSetting) -> Result<bool, VaultError> {
        let sql = "INSERT INTO timers (peer_id, expiry_after_ms, expiry_start, set_at_ms, set_by) \
            VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET expiry_after_ms = ?2, expiry_start = ?3, \
            set_at_ms = ?4, set_by = ?5 WHERE (set_at_ms, set_by) < (?4, ?5)";
        let (after_ms, start) = column::expiry_values(setting.expiry);
        let set_at = column::time_value(setting.set_at);
        let changed =
            self.execute(sql, &[peer_id.as_bytes(), &after_ms, &start, &set_at, setting.set_by.as_bytes()])?;
        Ok(changed == 1)
    }
}
