//! Reactions to messages.
//!
//! Invariants: one reaction for each person and message; that is their newest one, in whichever order they come. One that was
//! taken back is remembered without its emoji, as long as the message is there.

use tacite_model::{AccountId, MessageName, Timestamp};

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
    /// When a reaction set now must claim to be set, to count as somebody's newest to a message.
    pub fn next_reaction_at(
        &self,
        name: MessageName,
        reactor_id: AccountId,
        now: Timestamp,
    ) -> Result<Timestamp, VaultError> {
        let newest = self.newest_reaction(name, reactor_id)?;
        Ok(newest.map_or(now, |(_, set_at)| now.max(set_at.plus_ms(1))))
    }

    /// Sets or changes somebody's reaction to a message, unless a newer one is known; an empty one is taken back. False if the
    /// same is shown as before. `set_at` is the reactor's word; of equal ones the one that comes last counts.
    pub fn set_reaction(
        &self,
        name: MessageName,
        reactor_id: AccountId,
        emoji: &str,
        set_at: Timestamp,
    ) -> Result<bool, VaultError> {
        let (before, newest_at) = self.newest_reaction(name, reactor_id)?.unwrap_or_default();
        if set_at < newest_at {
            return Ok(false);
        }
        let sql = "INSERT OR REPLACE INTO reactions (author_id, message_id, reactor_id, emoji, set_at_ms) \
            VALUES (?1, ?2, ?3, ?4, ?5)";
        let (author_id, message_id) = (name.author_id.as_bytes(), name.message_id.as_bytes());
        let values: &[&dyn rusqlite::ToSql] =
            &[author_id, message_id, reactor_id.as_bytes(), &emoji, &column::time_value(set_at)];
        self.execute(sql, values)?;
        Ok(emoji != before)
    }

    /// The reactions to a message.
    pub fn reactions(&self, name: MessageName) -> Result<Vec<Reaction>, VaultError> {
        let sql = "SELECT reactor_id, emoji FROM reactions WHERE author_id = ?1 AND message_id = ?2 \
            AND emoji <> '' ORDER BY reactor_id";
        self.all(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            Ok(Reaction {
                reactor_id: AccountId::from_bytes(column::array(row, "reactor_id")?),
                emoji: row.get("emoji")?,
            })
        })
    }

    /// Somebody's newest reaction, empty if it was taken back, and when it was set.
    fn newest_reaction(
        &self,
        name: MessageName,
        reactor_id: AccountId,
    ) -> Result<Option<(String, Timestamp)>, VaultError> {
        let sql = "SELECT emoji, set_at_ms FROM reactions \
            WHERE author_id = ?1 AND message_id = ?2 AND reactor_id = ?3";
        let (author_id, message_id) = (name.author_id.as_bytes(), name.message_id.as_bytes());
        self.first(sql, &[author_id, message_id, reactor_id.as_bytes()], |row| {
            Ok((row.get("emoji")?, column::time(row, "set_at_ms")?))
        })
    }
}
