//! Reactions to messages.
//!
//! Invariant: one reaction for each person and message.

use tacite_model::{AccountId, MessageName};

use crate::{Transaction, VaultError, column};

/// Somebody's reaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// Whose.
    pub reactor_id: AccountId,
    /// Not empty.
    pub emoji: String,
}

impl Transaction<'_> {
    /// Sets or changes somebody's reaction to a message; an empty one is taken back. False if nothing changed.
    pub fn set_reaction(
        &self,
        name: MessageName,
        reactor_id: AccountId,
        emoji: &str,
    ) -> Result<bool, VaultError> {
        let (author_id, message_id) = (name.author_id.as_bytes(), name.message_id.as_bytes());
        if emoji.is_empty() {
            let sql = "DELETE FROM reactions WHERE author_id = ?1 AND message_id = ?2 AND reactor_id = ?3";
            return Ok(self.execute(sql, &[author_id, message_id, reactor_id.as_bytes()])? == 1);
        }
        let sql = "INSERT INTO reactions (author_id, message_id, reactor_id, emoji) VALUES (?1, ?2, ?3, ?4) \
            ON CONFLICT DO UPDATE SET emoji = ?4 WHERE emoji <> ?4";
        Ok(self.execute(sql, &[author_id, message_id, reactor_id.as_bytes(), &emoji])? == 1)
    }

    /// The reactions to a message.
    pub fn reactions(&self, name: MessageName) -> Result<Vec<Reaction>, VaultError> {
        let sql = "SELECT reactor_id, emoji FROM reactions WHERE author_id = ?1 AND message_id = ?2 \
            ORDER BY reactor_id";
        self.all(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            Ok(Reaction {
                reactor_id: AccountId::from_bytes(column::array(row, "reactor_id")?),
                emoji: row.get("emoji")?,
            })
        })
    }
}
