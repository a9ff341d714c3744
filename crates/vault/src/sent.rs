//! What this device has told others, word for word, and in which order.
//!
//! Invariants: a content is written once and never changed, but that one which nobody has sealed may get another predecessor; it
//! goes when the message that it is about is erased, or when nobody may ask for it any more, but never while it waits in the outbox
//! for the latter reason. Of an erased one that another names its place in the order stays, without anything that it said: whoever
//! misses it learns that there is nothing to wait for.

use rusqlite::Row;
use tacite_model::{AccountId, MessageId, MessageName, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{Transaction, VaultError, column};

const CONTENT_VERSION: u8 = 1;

/// A content that was told.
#[derive(Debug, Clone)]
pub struct SentContent {
    /// Ascends in the order of writing; given by the vault.
    pub position: i64,
    /// The id under which it goes.
    pub message_id: MessageId,
    /// To whom.
    pub recipient_id: AccountId,
    /// What was told them before.
    pub previous_id: Option<MessageId>,
    /// The message whose end is the end of this too.
    pub subject: Option<MessageName>,
    /// Padded, ready to be sealed; `None`: erased.
    pub content: Option<Secret<Vec<u8>>>,
    /// By the device's clock.
    pub sent_at: Timestamp,
}

const COLUMNS: &str =
    "position, message_id, recipient_id, previous_id, subject_author_id, subject_id, content, sent_at_ms";

/// What waits in the outbox without having been sealed for anybody.
const UNSEALED: &str = "(message_id IN (SELECT message_id FROM outbox) \
    AND message_id NOT IN (SELECT message_id FROM outbox_envelopes))";

impl Transaction<'_> {
    /// Stores a content; its position is chosen here, whatever stands in it.
    pub fn add_sent_content(&self, sent: &SentContent) -> Result<(), VaultError> {
        let sql = "INSERT INTO sent_contents (message_id, recipient_id, previous_id, subject_author_id, subject_id, \
            content, sent_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let content = sent.content.as_ref().map_or_else(Zeroizing::default, |content| {
            Zeroizing::new([&[CONTENT_VERSION], content.expose().as_slice()].concat())
        });
        let subject_author: &[u8] = sent.subject.as_ref().map_or(&[], |name| name.author_id.as_bytes());
        let subject_id = column::optional_id_value(sent.subject.as_ref().map(|name| &name.message_id));
        self.execute(
            sql,
            &[
                sent.message_id.as_bytes(),
                sent.recipient_id.as_bytes(),
                &column::optional_id_value(sent.previous_id.as_ref()),
                &subject_author,
                &subject_id,
                &content.as_slice(),
                &column::time_value(sent.sent_at),
            ],
        )?;
        Ok(())
    }

    /// The content of this id.
    pub fn sent_content(&self, message_id: MessageId) -> Result<Option<SentContent>, VaultError> {
        let sql = format!("SELECT {COLUMNS} FROM sent_contents WHERE message_id = ?1");
        self.first(&sql, &[message_id.as_bytes()], read_sent)
    }

    /// What is about a message and waits in the outbox, in the order of writing.
    pub fn waiting_contents_about(&self, name: MessageName) -> Result<Vec<SentContent>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sent_contents WHERE subject_author_id = ?1 AND subject_id = ?2 \
             AND message_id IN (SELECT message_id FROM outbox) ORDER BY position"
        );
        self.all(&sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], read_sent)
    }

    /// What was told somebody right after this one, and whether it waits in the outbox without having been sealed for anybody.
    pub fn sent_content_behind(
        &self,
        recipient_id: AccountId,
        message_id: MessageId,
    ) -> Result<Option<(SentContent, bool)>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS}, {UNSEALED} AS unsealed FROM sent_contents WHERE recipient_id = ?1 AND previous_id = ?2 \
             ORDER BY position LIMIT 1"
        );
        self.first(&sql, &[recipient_id.as_bytes(), message_id.as_bytes()], |row| {
            Ok((read_sent(row)?, row.get("unsealed")?))
        })
    }

    /// Gives a content that nobody has sealed another predecessor; `content` says the same.
    pub fn set_previous_id(
        &self,
        message_id: MessageId,
        previous_id: Option<MessageId>,
        content: &Secret<Vec<u8>>,
    ) -> Result<(), VaultError> {
        let sql = "UPDATE sent_contents SET previous_id = ?2, content = ?3 WHERE message_id = ?1";
        let content = Zeroizing::new([&[CONTENT_VERSION], content.expose().as_slice()].concat());
        let previous_id = column::optional_id_value(previous_id.as_ref());
        self.execute(sql, &[message_id.as_bytes(), &previous_id, &content.as_slice()])?;
        Ok(())
    }

    /// Forgets a content that no other names, and takes it out of the outbox. What was sealed may have left: its name is kept.
    pub fn remove_waiting_content(&self, message_id: MessageId) -> Result<(), VaultError> {
        let withdrawn = "INSERT OR IGNORE INTO withdrawn (message_id, recipient_id, sent_at_ms) \
            SELECT message_id, recipient_id, sent_at_ms FROM sent_contents WHERE message_id = ?1 \
            AND message_id IN (SELECT message_id FROM outbox_envelopes)";
        self.execute(withdrawn, &[message_id.as_bytes()])?;
        self.dequeue(message_id)?;
        self.execute("DELETE FROM sent_contents WHERE message_id = ?1", &[message_id.as_bytes()])?;
        self.note_erased();
        Ok(())
    }

    /// What is left of a content that was removed while it waited, if it may have left.
    pub fn withdrawn_content(&self, message_id: MessageId) -> Result<Option<SentContent>, VaultError> {
        let sql = "SELECT recipient_id, sent_at_ms FROM withdrawn WHERE message_id = ?1";
        self.first(sql, &[message_id.as_bytes()], |row| {
            Ok(SentContent {
                position: 0,
                message_id,
                recipient_id: AccountId::from_bytes(column::array(row, "recipient_id")?),
                previous_id: None,
                subject: None,
                content: None,
                sent_at: column::time(row, "sent_at_ms")?,
            })
        })
    }

    /// The first `limit` contents told to somebody behind one position and before another, both excluded, in the order of
    /// writing.
    pub fn sent_contents_between(
        &self,
        recipient_id: AccountId,
        after: i64,
        before: i64,
        limit: usize,
    ) -> Result<Vec<SentContent>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM sent_contents WHERE recipient_id = ?1 AND position > ?2 AND position < ?3 \
             ORDER BY position LIMIT ?4"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.all(&sql, &[recipient_id.as_bytes(), &after, &before, &limit], read_sent)
    }

    /// Forgets what was told before `time` and waits in the outbox no longer; returns how many.
    pub fn remove_sent_contents_before(&self, time: Timestamp) -> Result<usize, VaultError> {
        let withdrawn = "DELETE FROM withdrawn WHERE sent_at_ms < ?1";
        self.execute(withdrawn, &[&column::time_value(time)])?;
        let sql = "DELETE FROM sent_contents WHERE sent_at_ms < ?1 \
            AND message_id NOT IN (SELECT message_id FROM outbox)";
        let removed = self.execute(sql, &[&column::time_value(time)])?;
        if removed > 0 {
            self.note_erased();
        }
        Ok(removed)
    }

    /// What this device told somebody last.
    pub fn last_sent_id(&self, peer_id: AccountId) -> Result<Option<MessageId>, VaultError> {
        self.first("SELECT last_sent_id FROM chains WHERE peer_id = ?1", &[peer_id.as_bytes()], |row| {
            Ok(MessageId::from_bytes(column::array(row, "last_sent_id")?))
        })
    }

    /// Notes that nothing was told somebody.
    pub fn remove_last_sent_id(&self, peer_id: AccountId) -> Result<(), VaultError> {
        self.execute("DELETE FROM chains WHERE peer_id = ?1", &[peer_id.as_bytes()])?;
        Ok(())
    }

    /// Notes what this device told somebody last.
    pub fn set_last_sent_id(&self, peer_id: AccountId, message_id: MessageId) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO chains (peer_id, last_sent_id) VALUES (?1, ?2)";
        self.execute(sql, &[peer_id.as_bytes(), message_id.as_bytes()])?;
        Ok(())
    }
}

fn read_sent(row: &Row<'_>) -> Result<SentContent, VaultError> {
    let content = match row.get_ref("content")?.as_blob().map_err(|_| VaultError::Damaged("content"))? {
        [] => None,
        [CONTENT_VERSION, content @ ..] => Some(Secret::new(content.to_vec())),
        _ => return Err(VaultError::Newer),
    };
    Ok(SentContent {
        position: row.get("position")?,
        message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        recipient_id: AccountId::from_bytes(column::array(row, "recipient_id")?),
        previous_id: column::optional_message_id(row, "previous_id")?,
        subject: column::optional_name(row, "subject_author_id", "subject_id")?,
        content,
        sent_at: column::time(row, "sent_at_ms")?,
    })
}
