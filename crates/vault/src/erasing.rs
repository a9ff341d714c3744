//! The end of messages: by their own time, or by their author's wish.
//!
//! Invariants: what is erased leaves nothing behind that could show it: reactions, edits and whatever was kept to be sent
//! again go with it (of the latter, ids stay), and the write-ahead log is emptied after the commit. A deadline that counts is only ever moved nearer.

use tacite_model::{MessageName, Timestamp};

use crate::messages::{COLUMNS, read_message};
use crate::{Message, Transaction, VaultError, column};

impl Transaction<'_> {
    /// Counts a message's time: it disappears at `at` in the vault's own time, unless it is to disappear earlier already.
    pub fn expire_message_at(&self, name: MessageName, at: Timestamp) -> Result<(), VaultError> {
        let sql = "UPDATE messages SET expires_at_ms = ?3 WHERE sender_id = ?1 AND message_id = ?2 \
            AND (expires_at_ms = 0 OR expires_at_ms > ?3)";
        // 0 would mean that it is not counted.
        let at = column::time_value(at).max(1);
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), &at])?;
        Ok(())
    }

    /// When the next message disappears, in the vault's own time.
    pub fn next_expiry(&self) -> Result<Option<Timestamp>, VaultError> {
        let sql = "SELECT expires_at_ms FROM messages WHERE expires_at_ms > 0 ORDER BY expires_at_ms LIMIT 1";
        self.first(sql, &[], |row| column::time(row, "expires_at_ms"))
    }

    /// The messages that are to disappear by `at` in the vault's own time, earliest first.
    pub fn expired_messages(&self, at: Timestamp) -> Result<Vec<Message>, VaultError> {
        let sql = format!(
            "SELECT {COLUMNS} FROM messages WHERE expires_at_ms > 0 AND expires_at_ms <= ?1 ORDER BY expires_at_ms"
        );
        self.all(&sql, &[&column::time_value(at)], read_message)
    }

    /// Erases a message without a trace but its id among the seen ones.
    pub fn erase_message(&self, name: MessageName) -> Result<(), VaultError> {
        self.erase_what_hangs_on(name)?;
        let sql = "DELETE FROM messages WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()])?;
        Ok(())
    }

    /// Wipes a message out and leaves its row, which says that it was deleted.
    pub fn wipe_message(&self, name: MessageName) -> Result<(), VaultError> {
        self.erase_what_hangs_on(name)?;
        let sql = "UPDATE messages SET text = '', deleted = 1, edits = 0, edited_at_ms = 0, reply_author_id = x'', \
            reply_id = x'' WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()])?;
        Ok(())
    }

    fn erase_what_hangs_on(&self, name: MessageName) -> Result<(), VaultError> {
        self.note_erased();
        self.forget_early(name)?;
        let values: &[&dyn rusqlite::ToSql] = &[name.author_id.as_bytes(), name.message_id.as_bytes()];
        self.execute("DELETE FROM reactions WHERE author_id = ?1 AND message_id = ?2", values)?;
        let sent = "SELECT message_id FROM sent_contents WHERE subject_author_id = ?1 AND subject_id = ?2";
        self.execute(&format!("DELETE FROM outbox_envelopes WHERE message_id IN ({sent})"), values)?;
        self.execute(&format!("DELETE FROM outbox WHERE message_id IN ({sent})"), values)?;
        // What was sent again has no place of its own: it stands behind the same one as what it repeats.
        let repeated = "DELETE FROM sent_contents WHERE subject_author_id = ?1 AND subject_id = ?2 AND EXISTS ( \
            SELECT 1 FROM sent_contents AS earlier WHERE earlier.recipient_id = sent_contents.recipient_id \
            AND earlier.previous_id = sent_contents.previous_id AND earlier.position < sent_contents.position)";
        self.execute(repeated, values)?;
        let rest = "UPDATE sent_contents SET content = x'', subject_author_id = x'', subject_id = x'' \
            WHERE subject_author_id = ?1 AND subject_id = ?2";
        self.execute(rest, values)?;
        Ok(())
    }
}
