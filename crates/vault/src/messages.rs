//! Messages, and the ids of all that were ever received.
//!
//! Invariants: (sender, message id) is stored once and its state never steps back; an id stays seen when its message is
//! deleted.

use rusqlite::Row;
use tacite_model::{AccountId, MessageId, Timestamp};

use crate::{Transaction, VaultError, column};

/// How far a message has come. The order of the variants is the order of progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MessageState {
    /// In the outbox.
    Queued,
    /// Refused for good; it is in the outbox no longer.
    Failed,
    /// Incoming: it could not be decrypted, and its text is empty.
    Unreadable,
    /// The server holds it durably.
    Sent,
    /// It waited on the server as long as allowed and was deleted there.
    Expired,
    /// A device of the recipient holds it durably. Incoming messages begin here.
    Received,
    /// It was shown to the recipient.
    Read,
}

column::words!(
    MessageState,
    "state",
    Queued = "queued",
    Failed = "failed",
    Unreadable = "unreadable",
    Sent = "sent",
    Expired = "expired",
    Received = "received",
    Read = "read",
);

/// A stored message.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// Who wrote it.
    pub sender_id: AccountId,
    /// Chosen by the sender's device.
    pub message_id: MessageId,
    /// The other side of the conversation.
    pub peer_id: AccountId,
    /// Whether this account wrote it.
    pub outgoing: bool,
    /// What was written.
    pub text: String,
    /// When it was written, by the sender's clock.
    pub sent_at: Timestamp,
    /// When it was stored here.
    pub stored_at: Timestamp,
    /// How far it has come.
    pub state: MessageState,
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Message({}, {})", self.message_id, self.state)
    }
}

const COLUMNS: &str = "sender_id, message_id, peer_id, outgoing, text, sent_at_ms, stored_at_ms, state";

impl Transaction<'_> {
    /// Stores a message; false (and nothing changed) if one of this sender and id is stored already.
    pub fn add_message(&self, message: &Message) -> Result<bool, VaultError> {
        let sql = "INSERT OR IGNORE INTO messages (sender_id, message_id, peer_id, outgoing, text, sent_at_ms, \
            stored_at_ms, state) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
        let added = self.execute(
            sql,
            &[
                message.sender_id.as_bytes(),
                message.message_id.as_bytes(),
                message.peer_id.as_bytes(),
                &message.outgoing,
                &message.text,
                &column::time_value(message.sent_at),
                &column::time_value(message.stored_at),
                &message.state.as_str(),
            ],
        )?;
        Ok(added == 1)
    }

    /// The message of this sender and id.
    pub fn message(
        &self,
        sender_id: AccountId,
        message_id: MessageId,
    ) -> Result<Option<Message>, VaultError> {
        let sql = format!("SELECT {COLUMNS} FROM messages WHERE sender_id = ?1 AND message_id = ?2");
        self.first(&sql, &[sender_id.as_bytes(), message_id.as_bytes()], read_message)
    }

    /// Advances a message; returns it if that changed anything: states never step back.
    pub fn advance_message(
        &self,
        sender_id: AccountId,
        message_id: MessageId,
        state: MessageState,
    ) -> Result<Option<Message>, VaultError> {
        let Some(mut message) = self.message(sender_id, message_id)? else { return Ok(None) };
        if state <= message.state {
            return Ok(None);
        }
        let sql = "UPDATE messages SET state = ?1 WHERE sender_id = ?2 AND message_id = ?3";
        self.execute(sql, &[&state.as_str(), sender_id.as_bytes(), message_id.as_bytes()])?;
        message.state = state;
        Ok(Some(message))
    }

    /// The newest `limit` messages with somebody, oldest of them first, in the order in which they were stored.
    pub fn history(&self, peer_id: AccountId, limit: u32) -> Result<Vec<Message>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT position, {COLUMNS} FROM messages WHERE peer_id = ?1 \
             ORDER BY position DESC LIMIT ?2) ORDER BY position"
        );
        self.all(&sql, &[peer_id.as_bytes(), &limit], read_message)
    }

    /// Whether a message of this sender and id was received before.
    pub fn is_seen(&self, sender_id: AccountId, message_id: MessageId) -> Result<bool, VaultError> {
        let sql = "SELECT 1 FROM seen WHERE sender_id = ?1 AND message_id = ?2";
        self.exists(sql, &[sender_id.as_bytes(), message_id.as_bytes()])
    }

    /// Notes that a message of this sender and id was received.
    pub fn mark_seen(&self, sender_id: AccountId, message_id: MessageId) -> Result<(), VaultError> {
        let sql = "INSERT OR IGNORE INTO seen (sender_id, message_id) VALUES (?1, ?2)";
        self.execute(sql, &[sender_id.as_bytes(), message_id.as_bytes()])?;
        Ok(())
    }
}

fn read_message(row: &Row<'_>) -> Result<Message, VaultError> {
    Ok(Message {
        sender_id: AccountId::from_bytes(column::array(row, "sender_id")?),
        message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        peer_id: AccountId::from_bytes(column::array(row, "peer_id")?),
        outgoing: row.get("outgoing")?,
        text: row.get("text")?,
        sent_at: column::time(row, "sent_at_ms")?,
        stored_at: column::time(row, "stored_at_ms")?,
        state: MessageState::from_column(row)?,
    })
}
