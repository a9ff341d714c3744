//! The vault's own time, by which messages disappear (T64).
//!
//! Invariants: it runs with the device's clock and never steps back. When the clock is set back, it goes on from where it was,
//! so no message lives longer; when the clock is set forward, it follows, so messages end early rather than late.

use tacite_model::Timestamp;

use crate::{Transaction, VaultError, column};

/// Steps of the clock forward that need not be stored: what a step back right after may cost, milliseconds.
const UNSTORED_MS_MAX: u64 = 1000;

impl Transaction<'_> {
    /// The vault's own time when the device's clock shows `now`; stored, so that it cannot step back. It begins as `now`.
    pub fn own_time(&self, now: Timestamp) -> Result<Timestamp, VaultError> {
        let Some((own, clock)) = self.stored_time()? else {
            self.store_time(now, now)?;
            return Ok(now);
        };
        let own_now = own.plus_ms(now.ms_since(clock));
        if now < clock || now.ms_since(clock) >= UNSTORED_MS_MAX {
            self.store_time(own_now, now)?;
        }
        Ok(own_now)
    }

    /// What the device's clock will show at `own` of the vault's own time, if it is not set meanwhile. Reads only.
    pub fn clock_at(&self, own: Timestamp) -> Result<Timestamp, VaultError> {
        let Some((own_then, clock_then)) = self.stored_time()? else { return Ok(own) };
        Ok(clock_then.plus_ms(own.ms_since(own_then)).minus_ms(own_then.ms_since(own)))
    }

    fn stored_time(&self) -> Result<Option<(Timestamp, Timestamp)>, VaultError> {
        self.first("SELECT own_ms, clock_ms FROM own_time", &[], |row| {
            Ok((column::time(row, "own_ms")?, column::time(row, "clock_ms")?))
        })
    }

    fn store_time(&self, own: Timestamp, clock: Timestamp) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO own_time (only_row, own_ms, clock_ms) VALUES (1, ?1, ?2)";
        self.execute(sql, &[&column::time_value(own), &column::time_value(clock)])?;
        Ok(())
    }
}
