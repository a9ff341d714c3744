//! Messages, and the ids of all that were ever received.
//!
//! Invariants: (sender, message id) is stored once and its state never steps back; an id stays seen when its message is
//! deleted; the text of an edited message is that of its newest edit, in whichever order they come.

use rusqlite::Row;
use tacite_model::{AccountId, Expiry, MessageId, MessageName, Secret, Timestamp};

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

/// What a row of a conversation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A text.
    Text,
    /// From here on messages disappear in another way, which stands in the expiry.
    Timer,
}

column::words!(MessageKind, "kind", Text = "text", Timer = "timer");

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
    /// What it is.
    pub kind: MessageKind,
    /// The message that it answers.
    pub reply_to: Option<MessageName>,
    /// How often its text was changed.
    pub edits: u32,
    /// Whether its author has deleted it for all; nothing but this row is left then.
    pub deleted: bool,
    /// How it disappears; `None`: not by itself. Of a timer: how messages disappear from then on.
    pub expiry: Option<Expiry>,
    /// When it disappears, in the vault's own time; `None`: that is not counted yet.
    pub expires_at: Option<Timestamp>,
}

impl Message {
    /// Its name for everybody.
    #[must_use]
    pub const fn name(&self) -> MessageName {
        MessageName { author_id: self.sender_id, message_id: self.message_id }
    }
}

impl core::fmt::Debug for Message {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Message({}, {})", self.message_id, self.state)
    }
}

pub(crate) const COLUMNS: &str = "sender_id, message_id, peer_id, outgoing, text, sent_at_ms, stored_at_ms, state, kind, \
    reply_author_id, reply_id, edits, deleted, expiry_after_ms, expiry_start, expires_at_ms";

impl Transaction<'_> {
    /// Stores a message; false (and nothing changed) if one of this sender and id is stored already.
    pub fn add_message(&self, message: &Message) -> Result<bool, VaultError> {
        let sql = "INSERT OR IGNORE INTO messages (sender_id, message_id, peer_id, outgoing, text, sent_at_ms, \
            stored_at_ms, state, kind, reply_author_id, reply_id, edits, deleted, expiry_after_ms, expiry_start, \
            expires_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
        let reply_author: &[u8] = message.reply_to.as_ref().map_or(&[], |name| name.author_id.as_bytes());
        let reply_id = column::optional_id_value(message.reply_to.as_ref().map(|name| &name.message_id));
        let (after_ms, start) = column::expiry_values(message.expiry);
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
                &message.kind.as_str(),
                &reply_author,
                &reply_id,
                &message.edits,
                &message.deleted,
                &after_ms,
                &start,
                &message.expires_at.map_or(0, column::time_value),
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

    /// When an edit made now must claim to be made, to count as the newest of its message.
    pub fn next_edit_at(&self, name: MessageName, now: Timestamp) -> Result<Timestamp, VaultError> {
        let sql = "SELECT edited_at_ms FROM messages WHERE sender_id = ?1 AND message_id = ?2";
        let newest = self.first(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            column::time(row, "edited_at_ms")
        })?;
        Ok(newest.map_or(now, |newest| now.max(newest.plus_ms(1))))
    }

    /// Counts an edit, and puts its text into the place of the message's, unless that is of a newer edit. `edited_at` is the
    /// author's word; of equal ones the one that comes last counts.
    pub fn edit_message(
        &self,
        name: MessageName,
        text: &str,
        edited_at: Timestamp,
    ) -> Result<(), VaultError> {
        let sql = "UPDATE messages SET edits = edits + 1, text = iif(edited_at_ms <= ?4, ?3, text), \
            edited_at_ms = max(edited_at_ms, ?4) WHERE sender_id = ?1 AND message_id = ?2";
        let edited_at = column::time_value(edited_at);
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), &text, &edited_at])?;
        self.note_erased();
        Ok(())
    }

    /// The key by which the receipt of a message is proven.
    pub fn receipt_key(&self, name: MessageName) -> Result<Option<Secret<[u8; 32]>>, VaultError> {
        let sql = "SELECT receipt_key FROM messages WHERE sender_id = ?1 AND message_id = ?2";
        let key = self.first(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            column::optional_array(row, "receipt_key")
        })?;
        Ok(key.flatten().map(Secret::new))
    }

    /// Stores that key.
    pub fn set_receipt_key(&self, name: MessageName, key: &[u8; 32]) -> Result<(), VaultError> {
        let sql = "UPDATE messages SET receipt_key = ?3 WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), key])?;
        Ok(())
    }

    /// The newest `limit` messages with somebody, oldest of them first, each in its place.
    pub fn history(&self, peer_id: AccountId, limit: u32) -> Result<Vec<Message>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM (SELECT position, place, {COLUMNS} FROM messages WHERE peer_id = ?1 \
             ORDER BY place DESC, position DESC LIMIT ?2) ORDER BY place, position"
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

pub(crate) fn read_message(row: &Row<'_>) -> Result<Message, VaultError> {
    Ok(Message {
        sender_id: AccountId::from_bytes(column::array(row, "sender_id")?),
        message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        peer_id: AccountId::from_bytes(column::array(row, "peer_id")?),
        outgoing: row.get("outgoing")?,
        text: row.get("text")?,
        sent_at: column::time(row, "sent_at_ms")?,
        stored_at: column::time(row, "stored_at_ms")?,
        state: MessageState::from_column(row)?,
        kind: MessageKind::from_column(row)?,
        reply_to: column::optional_name(row, "reply_author_id", "reply_id")?,
        edits: row.get("edits")?,
        deleted: row.get("deleted")?,
        expiry: column::expiry(row)?,
        expires_at: Some(column::time(row, "expires_at_ms")?).filter(|at| at.as_ms() > 0),
    })
}
