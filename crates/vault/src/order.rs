//! In which order contents of others were written: what is held, what is missing, where late ones belong.
//!
//! Invariants: a held content is seen, but not applied; each gap ends before a content that is here; a place, once given, is
//! never changed, so what was shown does not move.

use rusqlite::Row;
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Secret, Timestamp};
use zeroize::Zeroizing;

use crate::{Transaction, VaultError, column};

const CONTENT_VERSION: u8 = 1;

/// A content that waits for those before it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Under which name it is known.
    pub name: MessageName,
    /// From which device it came.
    pub device_id: DeviceId,
    /// Under which id it came.
    pub carried_id: MessageId,
    /// What was told before it.
    pub previous_id: MessageId,
    /// Padded, as it was opened.
    pub content: Secret<Vec<u8>>,
    /// By the sender's clock.
    pub sent_at: Timestamp,
}

/// Something is missing before a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Whose contents.
    pub sender_id: AccountId,
    /// From which device.
    pub device_id: DeviceId,
    /// The last that was there before the gap; `None`: none.
    pub after_id: Option<MessageId>,
    /// The last that is missing.
    pub missing_id: MessageId,
    /// The first that is there again.
    pub before_id: MessageId,
    /// The message that bears the mark, once it is applied.
    pub marked_id: MessageId,
    /// Whether that one is held still.
    pub waiting: bool,
    /// How often the sender was asked.
    pub asks: u32,
    /// When to ask next.
    pub ask_at: Timestamp,
    /// When waiting ends; `None`: nobody could be asked yet.
    pub mark_at: Option<Timestamp>,
    /// When it was found.
    pub found_at: Timestamp,
}

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks {
    /// Messages of its sender before it are missing.
    pub gap_before: bool,
    /// It came when later ones were here already; it stands in its place all the same.
    pub late: bool,
}

const HELD: &str = "sender_id, device_id, carried_id, message_id, previous_id, content, sent_at_ms";
const GAP: &str = "sender_id, device_id, after_id, missing_id, before_id, marked_id, waiting, asks, ask_at_ms, mark_at_ms, found_at_ms";

impl Transaction<'_> {
    /// Holds a content.
    pub fn hold(&self, held: &Held) -> Result<(), VaultError> {
        let sql = format!("INSERT OR IGNORE INTO held ({HELD}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)");
        let content = Zeroizing::new([&[CONTENT_VERSION], held.content.expose().as_slice()].concat());
        self.execute(
            &sql,
            &[
                held.name.author_id.as_bytes(),
                &held.device_id.value(),
                held.carried_id.as_bytes(),
                held.name.message_id.as_bytes(),
                held.previous_id.as_bytes(),
                &content.as_slice(),
                &column::time_value(held.sent_at),
            ],
        )?;
        Ok(())
    }

    /// The held content of this name.
    pub fn held(&self, name: MessageName) -> Result<Option<Held>, VaultError> {
        let sql = format!("SELECT {HELD} FROM held WHERE sender_id = ?1 AND message_id = ?2");
        self.first(&sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], read_held)
    }

    /// The held content that came under this id, which is another than its own if it was sent again.
    pub fn held_that_came_as(&self, carried: MessageName) -> Result<Option<Held>, VaultError> {
        let sql = format!("SELECT {HELD} FROM held WHERE sender_id = ?1 AND carried_id = ?2");
        self.first(&sql, &[carried.author_id.as_bytes(), carried.message_id.as_bytes()], read_held)
    }

    /// A held content that was told right after this one.
    pub fn held_behind(&self, name: MessageName) -> Result<Option<Held>, VaultError> {
        let sql = format!("SELECT {HELD} FROM held WHERE sender_id = ?1 AND previous_id = ?2 LIMIT 1");
        self.first(&sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], read_held)
    }

    /// How many contents of somebody are held.
    pub fn held_count(&self, sender_id: AccountId) -> Result<usize, VaultError> {
        let sql = "SELECT message_id FROM held WHERE sender_id = ?1";
        Ok(self.all(sql, &[sender_id.as_bytes()], |_| Ok(()))?.len())
    }

    /// Holds a content no longer.
    pub fn release(&self, name: MessageName) -> Result<(), VaultError> {
        let sql = "DELETE FROM held WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()])?;
        self.note_erased();
        Ok(())
    }

    /// Stores a gap, new or changed.
    pub fn save_gap(&self, gap: &Gap) -> Result<(), VaultError> {
        let sql = format!(
            "INSERT INTO gaps ({GAP}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) \
             ON CONFLICT (sender_id, before_id) DO UPDATE SET after_id = excluded.after_id, \
             missing_id = excluded.missing_id, marked_id = excluded.marked_id, waiting = excluded.waiting, \
             asks = excluded.asks, ask_at_ms = excluded.ask_at_ms, mark_at_ms = excluded.mark_at_ms"
        );
        self.execute(
            &sql,
            &[
                gap.sender_id.as_bytes(),
                &gap.device_id.value(),
                &column::optional_id_value(gap.after_id.as_ref()),
                gap.missing_id.as_bytes(),
                gap.before_id.as_bytes(),
                gap.marked_id.as_bytes(),
                &gap.waiting,
                &gap.asks,
                &column::time_value(gap.ask_at),
                &gap.mark_at.map_or(0, |at| column::time_value(at).max(1)),
                &column::time_value(gap.found_at),
            ],
        )?;
        Ok(())
    }

    /// Forgets the gap before a content.
    pub fn close_gap(&self, before: MessageName) -> Result<(), VaultError> {
        let sql = "DELETE FROM gaps WHERE sender_id = ?1 AND before_id = ?2";
        self.execute(sql, &[before.author_id.as_bytes(), before.message_id.as_bytes()])?;
        Ok(())
    }

    /// All gaps, in the order in which they were found.
    pub fn gaps(&self) -> Result<Vec<Gap>, VaultError> {
        self.all(&format!("SELECT {GAP} FROM gaps ORDER BY position"), &[], read_gap)
    }

    /// The gaps in what somebody told, in the order in which they were found.
    pub fn gaps_of(&self, sender_id: AccountId) -> Result<Vec<Gap>, VaultError> {
        let sql = format!("SELECT {GAP} FROM gaps WHERE sender_id = ?1 ORDER BY position");
        self.all(&sql, &[sender_id.as_bytes()], read_gap)
    }

    /// The newest content of a device that was applied in order.
    pub fn head(&self, account_id: AccountId, device_id: DeviceId) -> Result<Option<MessageId>, VaultError> {
        let sql = "SELECT message_id FROM heads WHERE account_id = ?1 AND device_id = ?2";
        self.first(sql, &[account_id.as_bytes(), &device_id.value()], |row| {
            Ok(MessageId::from_bytes(column::array(row, "message_id")?))
        })
    }

    /// Notes that one.
    pub fn set_head(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        message_id: MessageId,
    ) -> Result<(), VaultError> {
        let sql = "INSERT OR REPLACE INTO heads (account_id, device_id, message_id) VALUES (?1, ?2, ?3)";
        self.execute(sql, &[account_id.as_bytes(), &device_id.value(), message_id.as_bytes()])?;
        Ok(())
    }

    /// Where a content that was applied stands; `None`: it was not, or by a release that noted no places.
    pub fn place_of(&self, name: MessageName) -> Result<Option<i64>, VaultError> {
        let sql = "SELECT place FROM seen WHERE sender_id = ?1 AND message_id = ?2 AND place <> 0";
        self.first(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| Ok(row.get("place")?))
    }

    /// What was told before a content that was applied, by its sender's word.
    pub fn predecessor(&self, name: MessageName) -> Result<Option<MessageId>, VaultError> {
        let sql = "SELECT previous_id FROM seen WHERE sender_id = ?1 AND message_id = ?2";
        let found = self.first(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            column::optional_message_id(row, "previous_id")
        })?;
        Ok(found.flatten())
    }

    /// Notes that a content, seen before, was applied: at its message's place, or else behind everything with its sender.
    pub fn note_applied(&self, name: MessageName, previous_id: Option<MessageId>) -> Result<(), VaultError> {
        let sql = "UPDATE seen SET previous_id = ?3, place = coalesce( \
            (SELECT place FROM messages WHERE sender_id = ?1 AND message_id = ?2), \
            (SELECT max(place) FROM messages WHERE peer_id = ?1), 1) \
            WHERE sender_id = ?1 AND message_id = ?2";
        let previous_id = column::optional_id_value(previous_id.as_ref());
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), &previous_id])?;
        Ok(())
    }

    /// Puts a content that came late, and its message, if it has one, into its place.
    pub fn put_late(
        &self,
        name: MessageName,
        previous_id: Option<MessageId>,
        place: i64,
    ) -> Result<(), VaultError> {
        let values: &[&dyn rusqlite::ToSql] =
            &[name.author_id.as_bytes(), name.message_id.as_bytes(), &place];
        let late = "UPDATE messages SET place = ?3, late = 1 WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(late, values)?;
        let seen = "UPDATE seen SET place = ?3, previous_id = ?4 WHERE sender_id = ?1 AND message_id = ?2";
        let previous_id = column::optional_id_value(previous_id.as_ref());
        self.execute(seen, &[name.author_id.as_bytes(), name.message_id.as_bytes(), &place, &previous_id])?;
        Ok(())
    }

    /// Marks a message, or takes the mark away: something is missing before it.
    pub fn set_gap_before(&self, name: MessageName, gap_before: bool) -> Result<(), VaultError> {
        let sql = "UPDATE messages SET gap_before = ?3 WHERE sender_id = ?1 AND message_id = ?2";
        self.execute(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes(), &gap_before])?;
        Ok(())
    }

    /// How a message came.
    pub fn marks(&self, name: MessageName) -> Result<Marks, VaultError> {
        let sql = "SELECT gap_before, late FROM messages WHERE sender_id = ?1 AND message_id = ?2";
        let marks = self.first(sql, &[name.author_id.as_bytes(), name.message_id.as_bytes()], |row| {
            Ok(Marks { gap_before: row.get("gap_before")?, late: row.get("late")? })
        })?;
        Ok(marks.unwrap_or_default())
    }

    /// Takes the row of a message that could not be opened away, because it has come after all; its place.
    pub fn take_placeholder(&self, name: MessageName) -> Result<Option<i64>, VaultError> {
        let values: &[&dyn rusqlite::ToSql] = &[name.author_id.as_bytes(), name.message_id.as_bytes()];
        let rows =
            "FROM messages WHERE sender_id = ?1 AND message_id = ?2 AND state = 'unreadable' AND deleted = 0";
        let place = self.first(&format!("SELECT place {rows}"), values, |row| Ok(row.get("place")?))?;
        self.execute(&format!("DELETE {rows}"), values)?;
        Ok(place)
    }
}

fn read_held(row: &Row<'_>) -> Result<Held, VaultError> {
    let content = row.get_ref("content")?.as_blob().map_err(|_| VaultError::Damaged("content"))?;
    let (&version, content) = content.split_first().ok_or(VaultError::Damaged("content"))?;
    if version != CONTENT_VERSION {
        return Err(VaultError::Newer);
    }
    Ok(Held {
        name: MessageName {
            author_id: AccountId::from_bytes(column::array(row, "sender_id")?),
            message_id: MessageId::from_bytes(column::array(row, "message_id")?),
        },
        device_id: column::device(row, "device_id")?,
        carried_id: MessageId::from_bytes(column::array(row, "carried_id")?),
        previous_id: MessageId::from_bytes(column::array(row, "previous_id")?),
        content: Secret::new(content.to_vec()),
        sent_at: column::time(row, "sent_at_ms")?,
    })
}

fn read_gap(row: &Row<'_>) -> Result<Gap, VaultError> {
    Ok(Gap {
        sender_id: AccountId::from_bytes(column::array(row, "sender_id")?),
        device_id: column::device(row, "device_id")?,
        after_id: column::optional_message_id(row, "after_id")?,
        missing_id: MessageId::from_bytes(column::array(row, "missing_id")?),
        before_id: MessageId::from_bytes(column::array(row, "before_id")?),
        marked_id: MessageId::from_bytes(column::array(row, "marked_id")?),
        waiting: row.get("waiting")?,
        asks: row.get("asks")?,
        ask_at: column::time(row, "ask_at_ms")?,
        mark_at: Some(column::time(row, "mark_at_ms")?).filter(|at| at.as_ms() > 0),
        found_at: column::time(row, "found_at_ms")?,
    })
}
