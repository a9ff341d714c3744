//! The router's metadata in one SQLite file.
//!
//! Invariants: writes go through the one writer of `tacite_store`, which also hands out the times of changes and the
//! positions of queues, so both ascend strictly; deleted rows are overwritten (`secure_delete`).

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, OptionalExtension as _, params};
use tacite_model::limits::QUEUE_MESSAGES_MAX;
use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_store::Database;

use super::rows::{self, CONVERSATION, SENT, STATUS};
use crate::{
    Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry, MessageKey, MessageStatus,
    Requested, Store, StoreError, Waiting,
};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    sequence: Arc<Sequence>,
}

/// The last time of change and the last position that were handed out.
#[derive(Debug)]
struct Sequence {
    updated_at: AtomicU64,
    position: AtomicU64,
}

impl Sequence {
    /// A time not before `now` and later than all before.
    fn updated_at(&self, now: Timestamp) -> Timestamp {
        let next = |last: u64| Some(now.as_ms().max(last.saturating_add(1)));
        let last = self.updated_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
        Timestamp::from_ms(now.as_ms().max(last.unwrap_or(0).saturating_add(1)))
    }

    fn position(&self) -> u64 {
        self.position.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl SqliteStore {
    /// Opens or creates the file and brings its tables up to date. Blocks; meant for the start of a program.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::open(path, &migrations::migrations::runner())?;
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
        let conversations = last("SELECT coalesce(max(updated_at), 0) FROM conversations")?;
        let statuses = last("SELECT coalesce(max(updated_at), 0) FROM message_statuses")?;
        let position = last("SELECT coalesce(max(position), 0) FROM message_statuses")?;
        let updated_at = AtomicU64::new(conversations.max(statuses));
        Ok(Self { database, sequence: Arc::new(Sequence { updated_at, position: AtomicU64::new(position) }) })
    }
}

impl Store for SqliteStore {
    fn request(
        &self,
        from: AccountId,
        to: AccountId,
        new_id: ConversationId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Requested, StoreError>> + Send {
        let sequence = Arc::clone(&self.sequence);
        self.database.write(move |connection| {
            let Some(found) = rows::between(connection, from, to)? else {
                if rows::has_too_many(connection, from)? {
                    return Ok(Requested::TooMany);
                }
                let requested_at = sequence.updated_at(now);
                let conversation = Conversation {
                    id: new_id,
                    initiator_id: from,
                    peer_id: to,
                    state: ConversationState::Requested,
                    requested_at,
                    updated_at: requested_at,
                };
                rows::insert(connection, &conversation)?;
                return Ok(Requested::Changed(conversation));
            };
            if found.state == ConversationState::Accepted || found.initiator_id == from {
                return Ok(Requested::Unchanged(found));
            }
            let state = ConversationState::Accepted;
            let accepted = Conversation { state, updated_at: sequence.updated_at(now), ..found };
            rows::update(connection, &accepted)?;
            Ok(Requested::Changed(accepted))
        })
    }

    fn answer(
        &self,
        answerer: AccountId,
        asker: AccountId,
        accept: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        let sequence = Arc::clone(&self.sequence);
        self.database.write(move |connection| {
            let Some(found) = rows::between(connection, answerer, asker)? else { return Ok(None) };
            let wanted = if accept { ConversationState::Accepted } else { ConversationState::Refused };
            if found.state == ConversationState::Accepted {
                return Ok(accept.then_some(found));
            }
            // Also when it was refused already: who asked must not learn that.
            if found.peer_id != answerer {
                return Ok(None);
            }
            if found.state == wanted {
                return Ok(Some(found));
            }
            let row = Conversation { state: wanted, updated_at: sequence.updated_at(now), ..found };
            rows::update(connection, &row)?;
            Ok(Some(row))
        })
    }

    fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        self.database.read(move |connection| rows::between(connection, one, other))
    }

    fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send {
        self.database.read(move |connection| {
            let arguments = params![account.as_bytes(), rows::ms(since.updated_at), since.id, limit];
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {CONVERSATION}, \
                 CASE WHEN state = 2 AND initiator_id = ?1 THEN requested_at ELSE updated_at END AS seen_at \
                 FROM conversations WHERE (initiator_id = ?1 OR peer_id = ?1) \
                 AND (seen_at, id) > (?2, ?3) ORDER BY seen_at, id LIMIT ?4"
            ))?;
            let mut changes: Vec<Change> = Vec::new();
            for row in statement.query_map(arguments, rows::conversation)? {
                changes.push(Change::Conversation(row?));
            }
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {STATUS} FROM message_statuses WHERE sender_id = ?1 AND state <> {SENT} \
                 AND (updated_at, message_id) > (?2, ?3) ORDER BY updated_at, message_id LIMIT ?4"
            ))?;
            for row in statement.query_map(arguments, rows::status)? {
                changes.push(Change::Status(row?));
            }
            changes.sort_unstable_by_key(|change| change.cursor(account));
            changes.truncate(limit);
            Ok(changes)
        })
    }

    fn enqueue(
        &self,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Enqueued, StoreError>> + Send + 'static {
        let sequence = Arc::clone(&self.sequence);
        self.database.write(move |connection| {
            if let Some(outcome) = rows::already(connection, &entry)? {
                return Ok(outcome);
            }
            if rows::waiting_count(connection, entry.recipient)? >= QUEUE_MESSAGES_MAX {
                return Ok(Enqueued::Full);
            }
            rows::insert_message(connection, &entry, sequence.position(), sequence.updated_at(now))?;
            Ok(Enqueued::Waiting)
        })
    }

    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send {
        self.database.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT s.position, s.sender_id, s.message_id, s.sender_device, m.timestamp \
                 FROM message_statuses s JOIN messages m ON m.id = s.message_id \
                 WHERE s.recipient_id = ?1 AND s.recipient_device = ?2 AND s.state = 1 AND s.position > ?3 \
                 ORDER BY s.position LIMIT ?4",
            )?;
            let arguments = params![device.account_id.as_bytes(), device.device_id.value(), after, limit];
            Ok(statement.query_map(arguments, rows::waiting)?.collect::<Result<_, _>>()?)
        })
    }

    fn received(
        &self,
        device: DeviceKey,
        messages: Vec<MessageKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        let sequence = Arc::clone(&self.sequence);
        self.database.write(move |connection| {
            let mut statement = connection.prepare_cached(&format!(
                "UPDATE message_statuses SET state = 2, updated_at = ?5 WHERE message_id = ?1 \
                 AND recipient_id = ?2 AND recipient_device = ?3 AND sender_id = ?4 AND state = {SENT} \
                 RETURNING {STATUS}"
            ))?;
            let mut changed = Vec::new();
            for key in messages {
                let arguments = params![
                    key.message_id.as_bytes(),
                    device.account_id.as_bytes(),
                    device.device_id.value(),
                    key.sender_id.as_bytes(),
                    rows::ms(sequence.updated_at(now)),
                ];
                changed.extend(statement.query_row(arguments, rows::status).optional()?);
            }
            Ok(changed)
        })
    }

    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        let sequence = Arc::clone(&self.sequence);
        self.database.write(move |connection| {
            let mut due = connection.prepare_cached(&format!(
                "SELECT {STATUS} FROM message_statuses WHERE state = {SENT} AND message_id IN \
                 (SELECT id FROM messages WHERE timestamp < ?1)"
            ))?;
            let due: Vec<MessageStatus> =
                due.query_map([rows::ms(before)], rows::status)?.collect::<Result<_, _>>()?;
            due.into_iter().map(|row| rows::expire(connection, row, sequence.updated_at(now))).collect()
        })
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.database.write(move |connection| {
            connection.execute(
                "DELETE FROM message_statuses WHERE state <> 1 AND updated_at < ?1",
                [rows::ms(before)],
            )?;
            Ok(connection.execute(
                "DELETE FROM messages WHERE timestamp < ?1 \
                 AND NOT EXISTS (SELECT 1 FROM message_statuses s WHERE s.message_id = messages.id)",
                [rows::ms(before)],
            )?)
        })
    }
}
