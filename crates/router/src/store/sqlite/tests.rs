//! What the writer remembers of the rows, against the rows: whatever was undone, both say the same.

use std::path::Path;
use std::sync::mpsc;

use tacite_model::limits::QUEUE_MESSAGES_PER_SENDER_MAX;
use tacite_model::{DeviceId, MessageId};
use tempfile::TempDir;

use super::*;
use crate::MessageKey;
use crate::store::counts::Tally;

const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);
const BOBS_DEVICE: DeviceKey = DeviceKey { account_id: BOB, device_id: DeviceId::FIRST };
const NOW: Timestamp = Timestamp::from_ms(1_000_000);

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path).unwrap()
}

fn place() -> (TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(&directory.path().join("router.db"));
    (directory, store)
}

fn key(number: u32) -> MessageKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    MessageKey { sender_id: ALICE, message_id: MessageId::from_bytes(bytes) }
}

fn receipt(number: u32) -> Receipt {
    Receipt { key: key(number), proof: None, silent: false }
}

fn entry(number: u32) -> Entry {
    Entry {
        key: key(number),
        sender_device: DeviceId::FIRST,
        recipient: BOBS_DEVICE,
        conversation_id: ConversationId::from_bytes([1; 16]),
        message_type: 1,
        session_id: [7; 16],
        taken_at: NOW,
    }
}

/// Whether the counts in memory are those of the rows, with so many messages that wait.
async fn agrees(store: &SqliteStore, waiting: usize) {
    let counts = store.counts.clone();
    let compared = store.database.write(move |connection| {
        let counted = Tally::count(connection)?;
        counts::see(&counts, connection, |kept| (*kept == counted, kept.waiting_for(BOBS_DEVICE)))
    });
    assert_eq!(compared.await, Ok((true, waiting)));
}

/// Keeps the writer busy until the returned sender is dropped, so that what is queued meanwhile makes one group.
fn hold_writer(store: &SqliteStore) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (start, begun) = mpsc::channel();
    drop(store.database.write(move |_| {
        start.send(()).unwrap();
        let _ = released.recv();
        Ok(())
    }));
    begun.recv().unwrap();
    release
}

#[tokio::test]
async fn the_counts_follow_every_way_of_a_row() {
    let (_directory, store) = place();
    agrees(&store, 0).await;
    store.request(ALICE, BOB, ConversationId::from_bytes([1; 16]), NOW).await.unwrap();
    for number in 1..=9 {
        store.enqueue(entry(number % 8), NOW).await.unwrap();
    }
    agrees(&store, 8).await;
    let silent = Receipt { silent: true, ..receipt(2) };
    store.received(BOBS_DEVICE, vec![receipt(1), receipt(1), silent, receipt(99)], NOW).await.unwrap();
    agrees(&store, 6).await;
    // Received before, waiting, silent, never waited; and once more.
    for _ in 0..2 {
        let shown = vec![receipt(1), receipt(3), receipt(2), receipt(50)];
        store.read(BOBS_DEVICE, shown, NOW).await.unwrap();
        agrees(&store, 5).await;
    }
    store.enqueue(Entry { taken_at: NOW.minus_ms(5), ..entry(51) }, NOW).await.unwrap();
    assert_eq!(store.expire_waiting(NOW, NOW).await.unwrap().len(), 1);
    agrees(&store, 5).await;
    assert_eq!(store.block(BOB, ALICE, true, NOW).await.unwrap().unwrap().dropped.len(), 5);
    agrees(&store, 0).await;
    store.forget_settled(NOW.plus_ms(1_000_000)).await.unwrap();
    agrees(&store, 0).await;
    store.enqueue(entry(60), NOW).await.unwrap();
    let all = Cursor { updated_at: NOW.plus_ms(1_000_000), id: [0; 16] };
    assert_eq!(store.forget_synced(ALICE, all).await.unwrap(), 1);
    agrees(&store, 1).await;
}

#[tokio::test]
async fn the_counts_are_right_after_a_group_was_undone() {
    let (_directory, store) = place();
    for number in 0..3 {
        store.enqueue(entry(number), NOW).await.unwrap();
    }
    let release = hold_writer(&store);
    let lost = [store.enqueue(entry(3), NOW), store.enqueue(entry(4), NOW)];
    let unheard = store.received(BOBS_DEVICE, vec![receipt(0)], NOW);
    let failing = store.database.write_checked(|connection| -> Result<(), StoreError> {
        connection.execute("DELETE FROM message_statuses", [])?;
        Err(StoreError::Closed)
    });
    let kept = store.enqueue(entry(5), NOW);
    drop(release);
    for outcome in lost {
        assert!(outcome.await.is_err());
    }
    assert!(unheard.await.is_err() && failing.await.is_err());
    assert_eq!(kept.await, Ok(Enqueued::Waiting));
    agrees(&store, 4).await;
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap().len(), 4);
    for number in [0, 3, 4] {
        assert_eq!(store.enqueue(entry(number), NOW).await, Ok(Enqueued::Waiting));
    }
    agrees(&store, 6).await;
}

#[tokio::test]
async fn the_counts_are_right_after_a_job_alone_was_undone() {
    let (_directory, store) = place();
    store.enqueue(entry(0), NOW).await.unwrap();
    let counts = store.counts.clone();
    let undone = store.database.write(move |connection| -> Result<(), StoreError> {
        rows::insert_message(connection, &entry(1), 9, NOW)?;
        counts.update(|tally| tally.added(BOBS_DEVICE, ALICE, NOW.plus_ms(500)));
        Err(StoreError::Closed)
    });
    assert!(undone.await.is_err());
    agrees(&store, 1).await;
}

// T69: what a full disk did not take is not counted either.
#[tokio::test]
async fn t69_the_counts_are_right_after_the_disk_was_full() {
    let (_directory, store) = place();
    agrees(&store, 0).await;
    let limit = |pages: u32| {
        store.database.write(move |connection| Ok(connection.pragma_update(None, "max_page_count", pages)?))
    };
    limit(1).await.unwrap();
    let release = hold_writer(&store);
    let queued: Vec<_> = (0..400).map(|number| store.enqueue(entry(number), NOW)).collect();
    drop(release);
    let mut taken = 0;
    for outcome in queued {
        match outcome.await {
            Ok(outcome) => {
                assert_eq!(outcome, Enqueued::Waiting);
                taken += 1;
            }
            Err(error) => assert!(matches!(error, StoreError::Full | StoreError::Unavailable(_)), "{error}"),
        }
    }
    assert!(taken < 400, "the disk was not full");
    agrees(&store, taken).await;
    limit(1_000_000).await.unwrap();
    assert_eq!(store.enqueue(entry(999), NOW).await, Ok(Enqueued::Waiting));
    agrees(&store, taken + 1).await;
}

#[tokio::test]
async fn t67_what_waits_is_counted_over_a_restart() {
    let (directory, store) = place();
    let mut last = None;
    for number in 0..QUEUE_MESSAGES_PER_SENDER_MAX {
        last = Some(store.enqueue(entry(u32::try_from(number).unwrap()), NOW));
    }
    assert_eq!(last.unwrap().await, Ok(Enqueued::Waiting));
    drop(store);
    let store = open(&directory.path().join("router.db"));
    assert_eq!(store.enqueue(entry(4_000_000_000), NOW).await, Ok(Enqueued::Full));
    assert_eq!(store.enqueue(entry(7), NOW).await, Ok(Enqueued::Waiting), "it waits already");
    store.received(BOBS_DEVICE, vec![receipt(7)], NOW).await.unwrap();
    assert_eq!(store.enqueue(entry(4_000_000_000), NOW).await, Ok(Enqueued::Waiting));
    agrees(&store, QUEUE_MESSAGES_PER_SENDER_MAX).await;
}
