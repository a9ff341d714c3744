//! `enqueue`, `group commit`: what the stores do for a message that waits, on the writer's thread.
//!
//! A group is made by holding the file locked from outside while it queues up: the writer, which has taken a first job of no
//! weight, cannot begin until the whole group is there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rusqlite::Connection;
use tacite_depot::{BodyName, Put, Store as _};
use tacite_model::ConversationId;
use tacite_router::{Enqueued, Entry, MessageKey, Store as _};

use super::material::{ALICE, NOW, SEALED_BYTES, message_ids, random, recipient};

/// Jobs of one group. Less than the writer takes at once.
pub(super) const GROUP: u32 = 256;

const RECIPIENTS: u32 = 200;
/// How long the writer gets to take the job of no weight: it does nothing else.
const WRITER_WAKES: Duration = Duration::from_millis(50);

/// A message that waits, in a commit of its own.
pub(super) fn enqueue(count: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let store = tacite_router::store::SqliteStore::open(&directory.path().join("router.db"))?;
    let entries = entries(count);
    runtime()?.block_on(async {
        for entry in entries {
            ensure!(store.enqueue(entry, NOW).await? == Enqueued::Waiting, "a message was not taken");
        }
        Ok(())
    })
}

/// Messages that wait, many in one commit.
pub(super) fn group_commit(count: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("router.db");
    let store = tacite_router::store::SqliteStore::open(&path)?;
    let entries = entries(count);
    runtime()?.block_on(async {
        for group in entries.chunks(GROUP as usize) {
            let lock = Lock::take(&path)?;
            let weightless = store.forget_settled(tacite_model::Timestamp::from_ms(0));
            std::thread::sleep(WRITER_WAKES);
            let queued: Vec<_> = group.iter().map(|entry| store.enqueue(entry.clone(), NOW)).collect();
            lock.release()?;
            weightless.await?;
            for outcome in queued {
                ensure!(outcome.await? == Enqueued::Waiting, "a message was not taken");
            }
        }
        Ok(())
    })
}

/// Their bodies, many in one commit.
pub(super) fn group_commit_of_bodies(count: u32) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("depot.db");
    let store = tacite_depot::store::SqliteStore::open(&path)?;
    let names: Vec<BodyName> = random().map(BodyName).take(count as usize).collect();
    let body = bytes::Bytes::from(vec![0xEE; SEALED_BYTES]);
    runtime()?.block_on(async {
        for group in names.chunks(GROUP as usize) {
            let lock = Lock::take(&path)?;
            let weightless = store.keep_body(BodyName([0; 32]), NOW);
            std::thread::sleep(WRITER_WAKES);
            let queued: Vec<_> = group.iter().map(|name| store.put_body(*name, body.clone(), NOW)).collect();
            lock.release()?;
            weightless.await?;
            for outcome in queued {
                ensure!(outcome.await? == Put::Created, "a body was not kept");
            }
        }
        Ok(())
    })
}

/// Keeps the writer of a file from beginning.
struct Lock(Connection);

impl Lock {
    fn take(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.execute_batch("BEGIN IMMEDIATE").context("the file cannot be locked")?;
        Ok(Self(connection))
    }

    fn release(self) -> Result<()> {
        Ok(self.0.execute_batch("ROLLBACK")?)
    }
}

fn entries(count: u32) -> Vec<Entry> {
    let entry = |(number, message_id): (u32, _)| {
        let recipient = recipient(number % RECIPIENTS);
        Entry {
            key: MessageKey { sender_id: ALICE, message_id },
            sender_device: recipient.device_id,
            recipient,
            conversation_id: ConversationId::from_bytes(*recipient.account_id.as_bytes()),
            message_type: 1,
            session_id: [5; 16],
            taken_at: NOW,
        }
    };
    (0..count).zip(message_ids()).map(entry).collect()
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?)
}
