//! Private prekeys, by id.
//!
//! Invariants: ids are unique over all kinds, because a message names a Kyber key without saying whether it is one-time
//! or last-resort; a used one-time key is deleted in the transaction that stores the session it made; a retired key is
//! never published (again), and never becomes an ordinary one.

use tacite_model::{Secret, Timestamp};

use crate::{Transaction, VaultError, column};

/// Ids are 1 to this: 24 bits, as in Signal.
const PREKEY_ID_MAX: u32 = 0x00FF_FFFF;

/// What a prekey is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrekeyKind {
    /// Curve25519, signed; for every peer until it is replaced.
    Signed,
    /// Kyber1024, for peers when no one-time Kyber key is left.
    LastResort,
    /// Curve25519, for one peer.
    OneTime,
    /// Kyber1024, for one peer.
    Kyber,
}

column::words!(
    PrekeyKind,
    "kind",
    Signed = "signed",
    LastResort = "last-resort",
    OneTime = "one-time",
    Kyber = "kyber",
);

/// A stored prekey.
#[derive(Debug, Clone)]
pub struct Prekey {
    /// What it is for.
    pub kind: PrekeyKind,
    /// By which messages name it.
    pub id: u32,
    /// Stored form of the key pair; begins with its own version byte.
    pub record: Secret<Vec<u8>>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether the server has confirmed that it has the public half.
    pub published: bool,
    /// Whether it is older than the last restoration of the vault: sessions may have begun with it of which nothing is here.
    pub retired: bool,
}

impl Transaction<'_> {
    /// Stores a prekey under an id that is not in use.
    pub fn add_prekey(&self, prekey: &Prekey) -> Result<(), VaultError> {
        let sql = "INSERT INTO prekeys (kind, id, record, created_at_ms, published, retired) \
                VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        self.execute(
            sql,
            &[
                &prekey.kind.as_str(),
                &prekey.id,
                prekey.record.expose(),
                &column::time_value(prekey.created_at),
                &prekey.published,
                &prekey.retired,
            ],
        )?;
        Ok(())
    }

    /// The prekey with this id.
    pub fn prekey(&self, id: u32) -> Result<Option<Prekey>, VaultError> {
        let sql = "SELECT kind, id, record, created_at_ms, published, retired FROM prekeys WHERE id = ?1";
        self.first(sql, &[&id], read_prekey)
    }

    /// The newest prekey of a kind that is not retired.
    pub fn newest_prekey(&self, kind: PrekeyKind) -> Result<Option<Prekey>, VaultError> {
        let sql = "SELECT kind, id, record, created_at_ms, published, retired FROM prekeys \
            WHERE kind = ?1 AND retired = 0 ORDER BY created_at_ms DESC, rowid DESC LIMIT 1";
        self.first(sql, &[&kind.as_str()], read_prekey)
    }

    /// Notes that the server has the public half.
    pub fn set_prekey_published(&self, id: u32) -> Result<(), VaultError> {
        self.execute("UPDATE prekeys SET published = 1 WHERE id = ?1", &[&id])?;
        Ok(())
    }

    /// Retires all prekeys that are here: first messages under way can be opened with them, but they are not published again.
    pub fn retire_prekeys(&self) -> Result<(), VaultError> {
        self.execute("UPDATE prekeys SET retired = 1", &[])?;
        Ok(())
    }

    /// Deletes a prekey.
    pub fn remove_prekey(&self, id: u32) -> Result<(), VaultError> {
        self.execute("DELETE FROM prekeys WHERE id = ?1", &[&id])?;
        self.execute("DELETE FROM last_resort_uses WHERE kyber_id = ?1", &[&id])?;
        Ok(())
    }

    /// Deletes the prekeys of a kind made before `before`, except the newest one; returns how many.
    pub fn remove_prekeys_before(&self, kind: PrekeyKind, before: Timestamp) -> Result<usize, VaultError> {
        let Some(newest) = self.newest_prekey(kind)? else { return Ok(0) };
        let before = column::time_value(before);
        let uses = "DELETE FROM last_resort_uses WHERE kyber_id IN \
            (SELECT id FROM prekeys WHERE kind = ?1 AND created_at_ms < ?2 AND id <> ?3)";
        self.execute(uses, &[&kind.as_str(), &before, &newest.id])?;
        let sql = "DELETE FROM prekeys WHERE kind = ?1 AND created_at_ms < ?2 AND id <> ?3";
        self.execute(sql, &[&kind.as_str(), &before, &newest.id])
    }

    /// Deletes all but the `keep` newest prekeys of a kind; returns how many.
    pub fn trim_prekeys(&self, kind: PrekeyKind, keep: u32) -> Result<usize, VaultError> {
        let sql = "DELETE FROM prekeys WHERE kind = ?1 AND id NOT IN \
            (SELECT id FROM prekeys WHERE kind = ?1 ORDER BY created_at_ms DESC, rowid DESC LIMIT ?2)";
        self.execute(sql, &[&kind.as_str(), &keep])
    }

    /// The next unused prekey id, 1 to 2^24 − 1. `first` (random) is where a new vault begins.
    pub fn next_prekey_id(&self, first: u32) -> Result<u32, VaultError> {
        let stored =
            self.first("SELECT next_id FROM prekey_sequence", &[], |row| Ok(row.get::<_, u32>("next_id")?))?;
        let mut id = stored.unwrap_or(first) % PREKEY_ID_MAX + 1;
        while self.exists("SELECT 1 FROM prekeys WHERE id = ?1", &[&id])? {
            id = id % PREKEY_ID_MAX + 1;
        }
        self.execute("INSERT OR REPLACE INTO prekey_sequence (only_row, next_id) VALUES (1, ?1)", &[&id])?;
        Ok(id)
    }

    /// Goes on with the ids behind `first` (random): ids that were given to other keys are not given again.
    pub fn restart_prekey_ids(&self, first: u32) -> Result<(), VaultError> {
        let next = first % PREKEY_ID_MAX;
        self.execute("INSERT OR REPLACE INTO prekey_sequence (only_row, next_id) VALUES (1, ?1)", &[&next])?;
        Ok(())
    }

    /// Notes a use of a last-resort key; false if the same use was noted before.
    pub fn note_last_resort_use(
        &self,
        kyber_id: u32,
        signed_id: u32,
        base_key: &[u8; 33],
    ) -> Result<bool, VaultError> {
        let sql =
            "INSERT OR IGNORE INTO last_resort_uses (kyber_id, signed_id, base_key) VALUES (?1, ?2, ?3)";
        Ok(self.execute(sql, &[&kyber_id, &signed_id, base_key])? == 1)
    }
}

fn read_prekey(row: &rusqlite::Row<'_>) -> Result<Prekey, VaultError> {
    Ok(Prekey {
        kind: PrekeyKind::from_column(row)?,
        id: row.get("id")?,
        record: Secret::new(row.get("record")?),
        created_at: column::time(row, "created_at_ms")?,
        published: row.get("published")?,
        retired: row.get("retired")?,
    })
}
