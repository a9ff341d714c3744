//! The router's metadata in one SQLite file.
//!
//! Invariants: writes go through the one writer of `tacite_store`, which also hands out the times of changes and the
//! positions of queues, so both ascend strictly; deleted rows are overwritten (`secure_delete`).

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::{Connection, params};
use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_store::Database;

use super::counts::{self, Counts};
use super::rows::{self, CONVERSATION, SENT, STATUS};
use super::statuses;
use crate::{
    Block, Blocked, Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry,
    MessageStatus, Receipt, Requested, Store, StoreError, Waiting,
};

mod migrations {
    refinery::embed_migrations!("migrations");
}

/// Memory for pages: of many queues a few are written at a time, at random places.
const CACHE_KIB: u32 = 32_768;

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    sequence: Arc<Sequence>,
    counts: Counts,
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
        let database = Database::open(path, &migrations::migrations::runner(), CACHE_KIB)?;
        let connection = Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let last = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
        let conversations = last(
            "SELECT coalesce(max(max(updated_at, initiator_blocks_at, peer_blocks_at)), 0) FROM conversations",
        )?;
        let statuses = last("SELECT coalesce(max(updated_at), 0) FROM message_statuses")?;
        let position = last("SELECT coalesce(max(position), 0) FROM message_statuses")?;
        let updated_at = AtomicU64::new(conversations.max(statuses));
        let sequence = Arc::new(Sequence { updated_at, position: AtomicU64::new(position) });
        Ok(Self { counts: database.summary(), database, sequence })
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
                if rows::has_too_many(connection, from)? || rows::is_asked_by_too_many(connection, to)? {
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
                    initiator_block: Block::default(),
                    peer_block: Block::default(),
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

    fn block(
        &self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Blocked>, StoreError>> + Send {
        let (sequence, counts) = (Arc::clone(&self.sequence), self.counts.clone());
        self.database.write(move |connection| {
            let Some(mut conversation) = rows::between(connection, blocker, other)? else { return Ok(None) };
            if conversation.block_by(blocker).is_set != is_set {
                let block = Block { is_set, changed_at: sequence.updated_at(now) };
                if blocker == conversation.initiator_id {
                    conversation.initiator_block = block;
                } else {
                    conversation.peer_block = block;
                }
                rows::update(connection, &conversation)?;
            }
            let mut dropped = Vec::new();
            if is_set {
                let updated_at = || sequence.updated_at(now);
                dropped = statuses::settle_silently(connection, &counts, other, blocker, updated_at)?;
            }
            Ok(Some(Blocked { conversation, dropped }))
        })
    }

    fn contacts(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send {
        self.database.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT CASE WHEN initiator_id = ?1 THEN peer_id ELSE initiator_id END FROM conversations \
                 WHERE (initiator_id = ?1 OR peer_id = ?1) AND state = 1 \
                 AND initiator_blocks = 0 AND peer_blocks = 0",
            )?;
            let others = statement.query_map([account.as_bytes()], |row| row.get(0))?;
            others.map(|other| Ok(AccountId::from_bytes(other?))).collect()
        })
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
                 max(CASE WHEN state = 2 AND initiator_id = ?1 THEN requested_at ELSE updated_at END, \
                 CASE WHEN initiator_id = ?1 THEN initiator_blocks_at ELSE peer_blocks_at END) AS seen_at \
                 FROM conversations WHERE (initiator_id = ?1 OR peer_id = ?1) \
                 AND (seen_at, id) > (?2, ?3) ORDER BY seen_at, id LIMIT ?4"
            ))?;
            let mut changes: Vec<Change> = Vec::new();
            for row in statement.query_map(arguments, rows::conversation)? {
                changes.push(Change::Conversation(row?));
            }
            let mut statement = connection.prepare_cached(&format!(
                "SELECT {STATUS} FROM message_statuses WHERE sender_id = ?1 AND state <> {SENT} AND silent = 0 \
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

    fn enqueue_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Enqueued>, StoreError>> + Send + 'static {
        let (sequence, counts) = (Arc::clone(&self.sequence), self.counts.clone());
        self.database.write_checked(move |connection| {
            let enqueue = |entry: &Entry| {
                let (device, sender) = (entry.recipient, entry.key.sender_id);
                if counts::see(&counts, connection, |tally| tally.is_full(device, sender))? {
                    return Ok(rows::already(connection, entry)?.unwrap_or(Enqueued::Full));
                }
                let (position, updated_at) = (sequence.position(), sequence.updated_at(now));
                if !rows::insert_message(connection, entry, position, updated_at)? {
                    return Ok(rows::already(connection, entry)?.unwrap_or(Enqueued::IdInUse));
                }
                counts.update(|tally| tally.added(device, sender, updated_at));
                Ok(Enqueued::Waiting)
            };
            entries.iter().map(enqueue).collect()
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
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        let (sequence, counts) = (Arc::clone(&self.sequence), self.counts.clone());
        self.database.write_checked(move |connection| {
            let mut changed = Vec::new();
            for receipt in &receipts {
                let status =
                    statuses::receive(connection, &counts, device, receipt, sequence.updated_at(now))?;
                changed.extend(status.filter(|_| !receipt.silent));
            }
            Ok(changed)
        })
    }

    fn read(
        &self,
        reader: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        let (sequence, counts) = (Arc::clone(&self.sequence), self.counts.clone());
        self.database.write_checked(move |connection| {
            let mut changed = Vec::new();
            for receipt in &receipts {
                let updated_at = sequence.updated_at(now);
                changed.extend(statuses::read(connection, &counts, reader, receipt, updated_at)?);
            }
            Ok(changed)
        })
    }

    /// Looks for them beside the writer: that takes a look at all that waits.
    async fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<MessageStatus>, StoreError> {
        let due = self.database.read(move |connection| statuses::due(connection, before)).await?;
        let (sequence, counts) = (Arc::clone(&self.sequence), self.counts.clone());
        let expired = self.database.write(move |connection| {
            let mut expired = Vec::new();
            for row in &due {
                expired.extend(statuses::expire(connection, &counts, row, sequence.updated_at(now))?);
            }
            Ok(expired)
        });
        expired.await
    }

    fn forget_synced(
        &self,
        sender: AccountId,
        synced: Cursor,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send {
        let counts = self.counts.clone();
        self.database.write(move |connection| statuses::forget_synced(connection, &counts, sender, synced))
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        let counts = self.counts.clone();
        self.database.write(move |connection| statuses::forget_settled(connection, &counts, before))
    }

    fn saw(&self, account: AccountId, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.database.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO user_presence (account_id, last_seen_at) VALUES (?1, ?2) \
                     ON CONFLICT (account_id) DO UPDATE SET last_seen_at = excluded.last_seen_at",
                )?
                .execute(params![account.as_bytes(), rows::ms(now)])?;
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
