//! What this account wrote and the server has not yet taken over.
//!
//! Invariants: of one recipient's entries the urgent ones go first, then the others, both in ascending position; once an envelope
//! is stored, the same bytes are sent until the server answers for good; a message is in the outbox as long as a device of the
//! recipient is to get it, which may be longer than its state is `Queued`.

use rusqlite::Row;
use tacite_model::{AccountId, DeviceId, MessageId};

use crate::{Transaction, VaultError, column};

/// A message in the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Ascends in the order of writing.
    pub position: i64,
    /// Which message.
    pub message_id: MessageId,
    /// To whom.
    pub recipient_id: AccountId,
}

impl Transaction<'_> {
    /// Puts a message into the outbox, behind all others.
    pub fn enqueue(&self, message_id: MessageId, recipient_id: AccountId) -> Result<(), VaultError> {
        let sql = "INSERT INTO outbox (message_id, recipient_id) VALUES (?1, ?2)";
        self.execute(sql, &[message_id.as_bytes(), recipient_id.as_bytes()])?;
        Ok(())
    }

    /// Puts a message into the outbox, before all that is not urgent.
    pub fn enqueue_urgent(&self, message_id: MessageId, recipient_id: AccountId) -> Result<(), VaultError> {
        let sql = "INSERT INTO outbox (message_id, recipient_id, urgent) VALUES (?1, ?2, 1)";
        self.execute(sql, &[message_id.as_bytes(), recipient_id.as_bytes()])?;
        Ok(())
    }

    /// The recipients of whom something is in the outbox, whoever has waited longest first.
    pub fn outbox_recipients(&self) -> Result<Vec<AccountId>, VaultError> {
        let sql = "SELECT recipient_id FROM outbox GROUP BY recipient_id ORDER BY min(position)";
        self.all(sql, &[], |row| Ok(AccountId::from_bytes(column::array(row, "recipient_id")?)))
    }

    /// The first `limit` entries for a recipient, in the order in which they are to go.
    pub fn outbox_of(&self, recipient_id: AccountId, limit: usize) -> Result<Vec<OutboxEntry>, VaultError> {
        let sql = "SELECT position, message_id, recipient_id FROM outbox WHERE recipient_id = ?1 \
            ORDER BY urgent DESC, position LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, &[recipient_id.as_bytes(), &limit], read_entry)
    }

    /// Whether something urgent waits for a recipient.
    pub fn is_urgent_waiting(&self, recipient_id: AccountId) -> Result<bool, VaultError> {
        let sql = "SELECT 1 FROM outbox WHERE recipient_id = ?1 AND urgent = 1";
        self.exists(sql, &[recipient_id.as_bytes()])
    }

    /// The entry of a message.
    pub fn outbox_entry(&self, message_id: MessageId) -> Result<Option<OutboxEntry>, VaultError> {
        let sql = "SELECT position, message_id, recipient_id FROM outbox WHERE message_id = ?1";
        self.first(sql, &[message_id.as_bytes()], read_entry)
    }

    /// The first entry for a recipient behind `position` (0: the very first), in the order of writing.
    pub fn outbox_after(
        &self,
        recipient_id: AccountId,
        position: i64,
    ) -> Result<Option<OutboxEntry>, VaultError> {
        let sql = "SELECT position, message_id, recipient_id FROM outbox WHERE recipient_id = ?1 AND position > ?2 \
            ORDER BY position LIMIT 1";
        self.first(sql, &[recipient_id.as_bytes(), &position], read_entry)
    }

    /// How many messages are in the outbox.
    pub fn outbox_count(&self) -> Result<u64, VaultError> {
        let count = self.first("SELECT count(*) AS entries FROM outbox", &[], |row| {
            let entries: i64 = row.get("entries")?;
            u64::try_from(entries).map_err(|_| VaultError::Damaged("outbox"))
        })?;
        Ok(count.unwrap_or(0))
    }

    /// Stores the sealed body of a message for one device; it begins with its own version byte.
    pub fn add_envelope(
        &self,
        message_id: MessageId,
        device_id: DeviceId,
        sealed: &[u8],
    ) -> Result<(), VaultError> {
        let sql = "INSERT INTO outbox_envelopes (message_id, device_id, sealed) VALUES (?1, ?2, ?3)";
        self.execute(sql, &[message_id.as_bytes(), &device_id.value(), &sealed])?;
        Ok(())
    }

    /// For how many devices a sealed body of a message is stored.
    pub fn envelope_count(&self, message_id: MessageId) -> Result<usize, VaultError> {
        let sql = "SELECT device_id FROM outbox_envelopes WHERE message_id = ?1";
        Ok(self.all(sql, &[message_id.as_bytes()], |row| column::device(row, "device_id"))?.len())
    }

    /// The sealed body of a message for the lowest device for which one is stored; empty if it is to be sealed again.
    pub fn first_envelope(&self, message_id: MessageId) -> Result<Option<(DeviceId, Vec<u8>)>, VaultError> {
        let sql =
            "SELECT device_id, sealed FROM outbox_envelopes WHERE message_id = ?1 ORDER BY device_id LIMIT 1";
        self.first(sql, &[message_id.as_bytes()], |row| {
            Ok((column::device(row, "device_id")?, row.get("sealed")?))
        })
    }

    /// Puts another sealed body in the place of the one for a device; empty: it is to be sealed again.
    pub fn replace_envelope(
        &self,
        message_id: MessageId,
        device_id: DeviceId,
        sealed: &[u8],
    ) -> Result<(), VaultError> {
        let sql = "UPDATE outbox_envelopes SET sealed = ?3 WHERE message_id = ?1 AND device_id = ?2";
        self.execute(sql, &[message_id.as_bytes(), &device_id.value(), &sealed])?;
        Ok(())
    }

    /// Deletes the sealed body for one device: the server has answered for good. False if there was none.
    pub fn remove_envelope(&self, message_id: MessageId, device_id: DeviceId) -> Result<bool, VaultError> {
        let sql = "DELETE FROM outbox_envelopes WHERE message_id = ?1 AND device_id = ?2";
        Ok(self.execute(sql, &[message_id.as_bytes(), &device_id.value()])? == 1)
    }

    /// Forgets all sealed bodies: every message in the outbox is to be sealed anew.
    pub fn drop_envelopes(&self) -> Result<(), VaultError> {
        self.execute("DELETE FROM outbox_envelopes", &[])?;
        Ok(())
    }

    /// Takes a message out of the outbox, with its sealed bodies.
    pub fn dequeue(&self, message_id: MessageId) -> Result<(), VaultError> {
        self.execute("DELETE FROM outbox_envelopes WHERE message_id = ?1", &[message_id.as_bytes()])?;
        self.execute("DELETE FROM outbox WHERE message_id = ?1", &[message_id.as_bytes()])?;
        Ok(())
    }
}

fn read_entry(row: &Row<'_>) -> Result<OutboxEntry, VaultError> {
    Ok(OutboxEntry {
        position: row.get("position")?,
        message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        recipient_id: AccountId::from_bytes(column::array(row, "recipient_id")?),
    })
}
