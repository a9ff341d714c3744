//! Ratchet sessions with other devices.
//!
//! Invariants: a record is written in the same transaction as whatever it encrypted or decrypted; a frozen record never becomes
//! an ordinary one again, so nothing is sealed in it any more.

use tacite_model::{AccountId, DeviceId, Secret};

use crate::{Transaction, VaultError, column};

/// Frozen records that are kept of one device: what was under way in older ones has arrived or has expired.
const FROZEN_SESSIONS_MAX: u32 = 4;

impl Transaction<'_> {
    /// The stored record of the session with a device; begins with its own version byte.
    pub fn session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Option<Secret<Vec<u8>>>, VaultError> {
        let sql = "SELECT record FROM sessions WHERE account_id = ?1 AND device_id = ?2";
        self.first(sql, &[account_id.as_bytes(), &device_id.value()], |row| {
            Ok(Secret::new(row.get("record")?))
        })
    }

    /// Stores the record of the session with a device.
    pub fn save_session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        record: &[u8],
    ) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO sessions (account_id, device_id, record) VALUES (?1, ?2, ?3)";
        self.execute(sql, &[account_id.as_bytes(), &device_id.value(), &record])?;
        Ok(())
    }

    /// The devices of an account with which there is a session, ascending.
    pub fn session_devices(&self, account_id: AccountId) -> Result<Vec<DeviceId>, VaultError> {
        let sql = "SELECT device_id FROM sessions WHERE account_id = ?1 ORDER BY device_id";
        self.all(sql, &[account_id.as_bytes()], |row| column::device(row, "device_id"))
    }

    /// Deletes the session with a device: the server says that there is no such device any more.
    pub fn remove_session(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), VaultError> {
        let sql = "DELETE FROM sessions WHERE account_id = ?1 AND device_id = ?2";
        self.execute(sql, &[account_id.as_bytes(), &device_id.value()])?;
        Ok(())
    }

    /// Freezes the sessions with a device: messages under way in them can be opened, but nothing is sealed in them any more.
    pub fn freeze_session(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), VaultError> {
        let values: &[&dyn rusqlite::ToSql] = &[account_id.as_bytes(), &device_id.value()];
        let copy = "INSERT INTO frozen_sessions (account_id, device_id, record) \
            SELECT account_id, device_id, record FROM sessions WHERE account_id = ?1 AND device_id = ?2";
        self.execute(copy, values)?;
        self.remove_session(account_id, device_id)?;
        self.trim_frozen_sessions(account_id, device_id)
    }

    /// Stores one more frozen record: of a session that must never be sealed in.
    pub fn add_frozen_session(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        record: &[u8],
    ) -> Result<(), VaultError> {
        let sql = "INSERT INTO frozen_sessions (account_id, device_id, record) VALUES (?1, ?2, ?3)";
        self.execute(sql, &[account_id.as_bytes(), &device_id.value(), &record])?;
        self.trim_frozen_sessions(account_id, device_id)
    }

    fn trim_frozen_sessions(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), VaultError> {
        let trim = "DELETE FROM frozen_sessions WHERE account_id = ?1 AND device_id = ?2 AND position NOT IN \
            (SELECT position FROM frozen_sessions WHERE account_id = ?1 AND device_id = ?2 \
             ORDER BY position DESC LIMIT ?3)";
        self.execute(trim, &[account_id.as_bytes(), &device_id.value(), &FROZEN_SESSIONS_MAX])?;
        Ok(())
    }

    /// Freezes the sessions with every device of everybody.
    pub fn freeze_all_sessions(&self) -> Result<(), VaultError> {
        let devices = self.all("SELECT account_id, device_id FROM sessions", &[], |row| {
            let account_id = AccountId::from_bytes(column::array(row, "account_id")?);
            Ok((account_id, column::device(row, "device_id")?))
        })?;
        for (account_id, device_id) in devices {
            self.freeze_session(account_id, device_id)?;
        }
        Ok(())
    }

    /// The positions of a device's frozen records, newest first.
    pub fn frozen_sessions(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Vec<i64>, VaultError> {
        let sql = "SELECT position FROM frozen_sessions WHERE account_id = ?1 AND device_id = ?2 \
            ORDER BY position DESC";
        self.all(sql, &[account_id.as_bytes(), &device_id.value()], |row| Ok(row.get("position")?))
    }

    /// The frozen record at a position; begins with its own version byte.
    pub fn frozen_session(&self, position: i64) -> Result<Option<Secret<Vec<u8>>>, VaultError> {
        let sql = "SELECT record FROM frozen_sessions WHERE position = ?1";
        self.first(sql, &[&position], |row| Ok(Secret::new(row.get("record")?)))
    }

    /// Stores a frozen record that has opened a message.
    pub fn save_frozen_session(&self, position: i64, record: &[u8]) -> Result<(), VaultError> {
        self.execute("UPDATE frozen_sessions SET record = ?2 WHERE position = ?1", &[&position, &record])?;
        Ok(())
    }
}
