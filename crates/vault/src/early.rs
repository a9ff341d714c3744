//! Edits and reactions that came before what they are about.
//!
//! Invariant: they end with the message that they are about, whether it comes, is deleted or is given up.

use rusqlite::Row;
use tacite_model::{AccountId, MessageId, MessageName, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{Transaction, VaultError, column};

const CONTENT_VERSION: u8 = 1;

/// A content about a message of its own sender that is not here.
#[derive(Debug, Clone)]
pub struct Early {
    /// Under which name it is known.
    pub name: MessageName,
    /// Which message of the same sender it is about.
    pub target_id: MessageId,
    /// Padded.
    pub content: Secret<Vec<u8>>,
    /// When it came, in the vault's own time.
    pub kept_at: Timestamp,
}

impl Transaction<'_> {
    /// Keeps a content until what it is about comes.
    pub fn keep_early(&self, early: &Early) -> Result<(), VaultError> {
        let sql = "INSERT OR IGNORE INTO early (sender_id, message_id, target_id, content, kept_at_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let content = Zeroizing::new([&[CONTENT_VERSION], early.content.expose().as_slice()].concat());
        self.execute(
            sql,
            &[
                early.name.author_id.as_bytes(),
                early.name.message_id.as_bytes(),
                early.target_id.as_bytes(),
                &content.as_slice(),
                &column::time_value(early.kept_at),
            ],
        )?;
        Ok(())
    }

    /// What was kept for a message, in the order in which it came; it is kept no longer.
    pub fn take_early(&self, target: MessageName) -> Result<Vec<Early>, VaultError> {
        let sql = "SELECT sender_id, message_id, target_id, content, kept_at_ms FROM early \
            WHERE sender_id = ?1 AND target_id = ?2 ORDER BY position";
        let values: &[&dyn rusqlite::ToSql] = &[target.author_id.as_bytes(), target.message_id.as_bytes()];
        let early = self.all(sql, values, read_early)?;
        self.forget_early(target)?;
        Ok(early)
    }

    /// Forgets what was kept for a message.
    pub fn forget_early(&self, target: MessageName) -> Result<(), VaultError> {
        let sql = "DELETE FROM early WHERE sender_id = ?1 AND target_id = ?2";
        if self.execute(sql, &[target.author_id.as_bytes(), target.message_id.as_bytes()])? > 0 {
            self.note_erased();
        }
        Ok(())
    }

    /// Forgets what came before `at` in the vault's own time: what it is about does not come any more.
    pub fn forget_early_before(&self, at: Timestamp) -> Result<(), VaultError> {
        if self.execute("DELETE FROM early WHERE kept_at_ms < ?1", &[&column::time_value(at)])? > 0 {
            self.note_erased();
        }
        Ok(())
    }

    /// How many contents of somebody are kept.
    pub fn early_count(&self, sender_id: AccountId) -> Result<usize, VaultError> {
        let sql = "SELECT message_id FROM early WHERE sender_id = ?1";
        Ok(self.all(sql, &[sender_id.as_bytes()], |_| Ok(()))?.len())
    }
}

fn read_early(row: &Row<'_>) -> Result<Early, VaultError> {
    let content = row.get_ref("content")?.as_blob().map_err(|_| VaultError::Damaged("content"))?;
    let (&version, content) = content.split_first().ok_or(VaultError::Damaged("content"))?;
    if version != CONTENT_VERSION {
        return Err(VaultError::Newer);
    }
    Ok(Early {
        name: MessageName {
            author_id: AccountId::from_bytes(column::array(row, "sender_id")?),
            message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        },
        target_id: MessageId::from_bytes(column::array(row, "target_id")?),
        content: Secret::new(content.to_vec()),
        kept_at: column::time(row, "kept_at_ms")?,
    })
}
