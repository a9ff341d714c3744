//! Messages that could not be opened, and what of ours the server refused for good.
//!
//! Invariant: what is asked for in vain is forgotten here after a few times; its row in the conversation stays.

use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Timestamp};

use crate::{Transaction, VaultError, column};

/// A message to be asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// Which one.
    pub name: MessageName,
    /// From which device it came.
    pub device_id: DeviceId,
    /// How often its sender was asked.
    pub asks: u32,
    /// When to ask next.
    pub ask_at: Timestamp,
}

impl Transaction<'_> {
    /// Stores what is to be asked for again, new or changed.
    pub fn save_unreadable(&self, unreadable: &Unreadable) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO unreadable (sender_id, message_id, device_id, asks, ask_at_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5)";
        self.execute(
            sql,
            &[
                unreadable.name.author_id.as_bytes(),
                unreadable.name.message_id.as_bytes(),
                &unreadable.device_id.value(),
                &unreadable.asks,
                &column::time_value(unreadable.ask_at),
            ],
        )?;
        Ok(())
    }

    /// It has come, or is not asked for any more.
    pub fn remove_unreadable(&self, name: MessageName) -> Result<(), VaultError> {
        let sql = "DELETE FROM unreadable WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()])?;
        Ok(())
    }

    /// The first `limit` messages to be asked for by `now`, those of one sender together.
    pub fn unreadable_due(&self, now: Timestamp, limit: usize) -> Result<Vec<Unreadable>, VaultError> {
        let sql = "SELECT sender_id, message_id, device_id, asks, ask_at_ms FROM unreadable \
            WHERE ask_at_ms <= ?1 ORDER BY sender_id, ask_at_ms LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, &[&column::time_value(now), &limit], |row| {
            Ok(Unreadable {
                name: MessageName {
                    author_id: AccountId::from_bytes(column::array(row, "sender_id")?),
                    message_id: MessageId::from_bytes(column::array(row, "message_id")?),
                },
                device_id: column::device(row, "device_id")?,
                asks: row.get("asks")?,
                ask_at: column::time(row, "ask_at_ms")?,
            })
        })
    }

    /// When the next message is to be asked for.
    pub fn next_unreadable_at(&self) -> Result<Option<Timestamp>, VaultError> {
        let sql = "SELECT ask_at_ms FROM unreadable ORDER BY ask_at_ms LIMIT 1";
        self.first(sql, &[], |row| column::time(row, "ask_at_ms"))
    }

    /// How many messages of somebody are to be asked for.
    pub fn unreadable_count(&self, sender_id: AccountId) -> Result<usize, VaultError> {
        let sql = "SELECT message_id FROM unreadable WHERE sender_id = ?1";
        Ok(self.all(sql, &[sender_id.as_bytes()], |_| Ok(()))?.len())
    }

    /// The newest messages of somebody that stand in the conversation as unreadable, at most `limit`.
    pub fn unreadable_messages(
        &self,
        sender_id: AccountId,
        limit: usize,
    ) -> Result<Vec<MessageId>, VaultError> {
        let sql = "SELECT message_id FROM messages WHERE sender_id = ?1 AND state = 'unreadable' AND deleted = 0 \
            ORDER BY place DESC, position DESC LIMIT ?2";
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(sql, &[sender_id.as_bytes(), &limit], |row| {
            Ok(MessageId::from_bytes(column::array(row, "message_id")?))
        })
    }

    /// Notes that a content of ours was refused for good: it never came to anybody.
    pub fn set_sent_failed(&self, message_id: MessageId) -> Result<(), VaultError> {
        self.execute("UPDATE sent_contents SET failed = 1 WHERE message_id = ?1", &[message_id.as_bytes()])?;
        Ok(())
    }

    /// Whether a content of ours was refused for good.
    pub fn is_sent_failed(&self, message_id: MessageId) -> Result<bool, VaultError> {
        let sql = "SELECT 1 FROM sent_contents WHERE message_id = ?1 AND failed = 1";
        self.exists(sql, &[message_id.as_bytes()])
    }
}
