//! Ratchet sessions with other devices.
//!
//! Invariant: a record is written in the same transaction as whatever it encrypted or decrypted.

use tacite_model::{AccountId, DeviceId, Secret};

use crate::{Transaction, VaultError, column};

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
}
