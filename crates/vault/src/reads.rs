//! What was shown to the person and is still to be told to its sender.
//!
//! Invariant: kept, with its proof, until the server has taken it, whatever becomes of the message.

use tacite_model::{AccountId, MessageId, MessageName};

use crate::{Transaction, VaultError, column};

/// A message that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// Ascends in the order of showing.
    pub position: i64,
    /// Which message.
    pub name: MessageName,
    /// What convinces its sender.
    pub proof: [u8; 16],
}

impl Transaction<'_> {
    /// Notes that a sender is to be told that a message was shown. Once is enough.
    pub fn add_read(&self, name: MessageName, proof: &[u8; 16]) -> Result<(), VaultError> {
        let sql = "INSERT OR IGNORE INTO reads (sender_id, message_id, proof) VALUES (?1, ?2, ?3)";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), proof])?;
        Ok(())
    }

    /// The senders who are still to be told something, whoever has waited longest first.
    pub fn read_senders(&self) -> Result<Vec<AccountId>, VaultError> {
        let sql = "SELECT sender_id FROM reads GROUP BY sender_id ORDER BY min(position)";
        self.all(sql, &[], |row| Ok(AccountId::from_bytes(column::array(row, "sender_id")?)))
    }

    /// The first `limit` messages of a sender that were shown and not told yet.
    pub fn reads_of(&self, sender_id: AccountId, limit: usize) -> Result<Vec<Read>, VaultError> {
        let sql =
            "SELECT position, message_id, proof FROM reads WHERE sender_id = ?1 ORDER BY position LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, &[sender_id.as_bytes(), &limit], |row| {
            let message_id = MessageId::from_bytes(column::array(row, "message_id")?);
            Ok(Read {
                position: row.get("position")?,
                name: MessageName { author_id: sender_id, message_id },
                proof: column::array(row, "proof")?,
            })
        })
    }

    /// A sender has been told up to `position`, or will never be.
    pub fn remove_reads(&self, sender_id: AccountId, position: i64) -> Result<(), VaultError> {
        let sql = "DELETE FROM reads WHERE sender_id = ?1 AND position <= ?2";
        self.execute(sql, &[sender_id.as_bytes(), &position])?;
        Ok(())
    }
}
