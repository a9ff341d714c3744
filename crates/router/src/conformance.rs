//! What every [`Store`] of the router must do. A store is not done until it passes.

use tacite_model::limits::{CONTACT_REQUESTS_OPEN_MAX, QUEUE_MESSAGES_MAX, QUEUE_MESSAGES_PER_SENDER_MAX};
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};

use crate::store::SqliteStore;
use crate::{
    Change, ConversationState, Cursor, DeviceKey, Enqueued, Entry, MessageKey, MessageStatusState, Proof,
    Receipt, Requested, Store,
};

/// Runs functions on each store, as tests of the module.
macro_rules! on_every_store {
    ($($name:ident),* $(,)?) => {
        mod memory {
            use crate::store::MemoryStore;

            $(#[tokio::test] async fn $name() { super::$name(&MemoryStore::default()).await; })*
        }
        mod sqlite {
            use crate::store::SqliteStore;

            $(#[tokio::test] async fn $name() {
                let directory = tempfile::tempdir().unwrap();
                let store = SqliteStore::open(&directory.path().join("router.db")).unwrap();
                super::$name(&store).await;
            })*
        }
    };
}

mod order;
mod receipts;

const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);
const CAROL: AccountId = AccountId::from_bytes([0xCA; 16]);
const BOBS_DEVICE: DeviceKey = DeviceKey { account_id: BOB, device_id: DeviceId::FIRST };
const NOW: Timestamp = Timestamp::from_ms(1_000_000);
const PROOF: Proof = Some([0x77; 16]);

fn conversation_id(number: u32) -> ConversationId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    ConversationId::from_bytes(bytes)
}

fn key(number: u32) -> MessageKey {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    MessageKey { sender_id: ALICE, message_id: MessageId::from_bytes(bytes) }
}

fn receipt(number: u32) -> Receipt {
    Receipt { key: key(number), proof: PROOF, silent: false }
}

fn entry(number: u32) -> Entry {
    Entry {
        key: key(number),
        sender_device: DeviceId::FIRST,
        recipient: BOBS_DEVICE,
        conversation_id: conversation_id(1),
        message_type: 1,
        session_id: [7; 16],
        taken_at: NOW,
    }
}

async fn a_request_is_answered_once(store: &impl Store) {
    let Requested::Changed(asked) = store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap() else {
        panic!("a first request changes something");
    };
    assert_eq!((asked.initiator_id, asked.state), (ALICE, ConversationState::Requested));
    let again = store.request(ALICE, BOB, conversation_id(2), NOW).await.unwrap();
    assert_eq!(again, Requested::Unchanged(asked));
    // Who asked cannot accept.
    assert_eq!(store.answer(ALICE, BOB, true, NOW).await.unwrap(), None);
    assert_eq!(store.answer(CAROL, ALICE, true, NOW).await.unwrap(), None);
    let accepted = store.answer(BOB, ALICE, true, NOW).await.unwrap().unwrap();
    assert_eq!((accepted.id, accepted.state), (asked.id, ConversationState::Accepted));
    assert_eq!(store.between(ALICE, BOB).await.unwrap(), Some(accepted));
    assert_eq!(store.answer(BOB, ALICE, false, NOW).await.unwrap(), None, "no request is open any more");
}

async fn a_request_in_the_other_direction_accepts(store: &impl Store) {
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    assert!(store.answer(BOB, ALICE, false, NOW).await.unwrap().is_some());
    let insisted = store.request(ALICE, BOB, conversation_id(2), NOW).await.unwrap();
    assert!(matches!(insisted, Requested::Unchanged(row) if row.state == ConversationState::Refused));
    let turned = store.request(BOB, ALICE, conversation_id(3), NOW).await.unwrap();
    assert!(matches!(turned, Requested::Changed(row) if row.state == ConversationState::Accepted));
}

// Whom one refuses is not told: neither by an answer, nor by a time, nor by what a synchronisation brings.
async fn a_refusal_looks_to_the_asker_like_no_answer(store: &impl Store) {
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    let before = store.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    assert_eq!(store.answer(ALICE, BOB, false, NOW).await.unwrap(), None);
    store.answer(BOB, ALICE, false, NOW.plus_ms(5000)).await.unwrap();
    assert_eq!(store.answer(ALICE, BOB, false, NOW).await.unwrap(), None);
    let seen = |changes: &[Change]| {
        let row = |change: &Change| match change {
            Change::Conversation(row) => {
                (row.state_for(ALICE), row.updated_at_for(ALICE), change.cursor(ALICE))
            }
            Change::Status(_) => panic!("no message was sent"),
        };
        changes.iter().map(row).collect::<Vec<_>>()
    };
    let after = store.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    assert_eq!(seen(&after), seen(&before));
    assert_eq!(store.changes_since(ALICE, before[0].cursor(ALICE), 10).await.unwrap(), []);
    assert_eq!(store.changes_since(BOB, before[0].cursor(ALICE), 10).await.unwrap().len(), 1);
}

async fn open_requests_are_bounded(store: &impl Store) {
    for number in 0..CONTACT_REQUESTS_OPEN_MAX {
        let number = u32::try_from(number).unwrap();
        let other = AccountId::from_bytes(*conversation_id(number).as_bytes());
        let outcome = store.request(ALICE, other, conversation_id(number), NOW).await.unwrap();
        assert!(matches!(outcome, Requested::Changed(_)), "{number}");
    }
    assert_eq!(store.request(ALICE, BOB, conversation_id(9999), NOW).await.unwrap(), Requested::TooMany);
}

// T72: nobody is drowned in requests.
async fn requests_to_one_account_are_bounded(store: &impl Store) {
    let asker = |number: usize| {
        AccountId::from_bytes(*conversation_id(1000 + u32::try_from(number).unwrap()).as_bytes())
    };
    for number in 0..CONTACT_REQUESTS_OPEN_MAX {
        let id = conversation_id(u32::try_from(number).unwrap());
        let outcome = store.request(asker(number), BOB, id, NOW).await.unwrap();
        assert!(matches!(outcome, Requested::Changed(_)), "{number}");
    }
    assert_eq!(store.request(ALICE, BOB, conversation_id(9999), NOW).await.unwrap(), Requested::TooMany);
    store.answer(BOB, asker(0), false, NOW).await.unwrap();
    let outcome = store.request(ALICE, BOB, conversation_id(9999), NOW).await.unwrap();
    assert!(matches!(outcome, Requested::Changed(_)), "who answers gets more");
}

async fn a_queue_keeps_its_order_and_takes_nothing_twice(store: &impl Store) {
    for number in [3, 1, 2] {
        assert_eq!(store.enqueue(entry(number), NOW).await.unwrap(), Enqueued::Waiting);
    }
    assert_eq!(store.enqueue(entry(1), NOW).await.unwrap(), Enqueued::Waiting);
    let stolen = Entry { key: MessageKey { sender_id: CAROL, ..key(1) }, ..entry(1) };
    assert_eq!(store.enqueue(stolen.clone(), NOW).await.unwrap(), Enqueued::IdInUse);
    let second_device = DeviceKey { device_id: DeviceId::try_from(2_u32).unwrap(), ..BOBS_DEVICE };
    for (entry, outcome) in [(stolen, Enqueued::IdInUse), (entry(1), Enqueued::Waiting)] {
        let there = Entry { recipient: second_device, ..entry };
        assert_eq!(store.enqueue(there, NOW).await.unwrap(), outcome);
    }
    let there = store.waiting(second_device, 0, 10).await.unwrap();
    assert_eq!(there.iter().map(|row| row.key).collect::<Vec<_>>(), [key(1)]);

    let waiting = store.waiting(BOBS_DEVICE, 0, 2).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.key).collect::<Vec<_>>(), [key(3), key(1)]);
    let rest = store.waiting(BOBS_DEVICE, waiting[1].position, 10).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.key).collect::<Vec<_>>(), [key(2)]);
}

async fn what_was_received_waits_no_more_and_its_sender_learns_it(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    let other_sender = Receipt { key: MessageKey { sender_id: CAROL, ..key(1) }, ..receipt(1) };
    assert_eq!(store.received(BOBS_DEVICE, vec![other_sender], NOW).await.unwrap(), []);
    let changed = store.received(BOBS_DEVICE, vec![receipt(1), receipt(2)], NOW).await.unwrap();
    assert_eq!(changed.len(), 1);
    assert_eq!((changed[0].key, changed[0].state), (key(1), MessageStatusState::Received));
    assert_eq!(changed[0].proof, PROOF);
    assert_eq!(
        store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap(),
        [],
        "states never step back"
    );
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap(), []);
    assert_eq!(
        store.enqueue(entry(1), NOW).await.unwrap(),
        Enqueued::Settled(MessageStatusState::Received, PROOF)
    );
    let page = store.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    assert_eq!(page, [Change::Status(changed[0])]);
    assert_eq!(store.changes_since(BOB, Cursor::default(), 10).await.unwrap(), []);
}

// A process that is killed may leave the entry without the body: the sender may not take it for kept.
async fn that_a_message_waits_is_not_told_by_a_synchronisation(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    assert_eq!(store.changes_since(ALICE, Cursor::default(), 10).await.unwrap(), []);
    store.expire_waiting(NOW.plus_ms(1), NOW).await.unwrap();
    assert_eq!(store.changes_since(ALICE, Cursor::default(), 10).await.unwrap().len(), 1);
}

async fn what_waits_too_long_expires_and_is_forgotten_later(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    assert_eq!(store.expire_waiting(NOW, NOW.plus_ms(5)).await.unwrap(), []);
    let expired = store.expire_waiting(NOW.plus_ms(1), NOW.plus_ms(5)).await.unwrap();
    assert_eq!((expired[0].key, expired[0].state), (key(1), MessageStatusState::Expired));
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap(), []);
    assert_eq!(
        store.enqueue(entry(1), NOW).await.unwrap(),
        Enqueued::Settled(MessageStatusState::Expired, None)
    );
    let settled_at = expired[0].updated_at;
    store.enqueue(entry(2), NOW.plus_ms(5)).await.unwrap();
    assert_eq!(store.forget_settled(settled_at).await.unwrap(), 0);
    assert_eq!(store.forget_settled(settled_at.plus_ms(1)).await.unwrap(), 1);
    assert_eq!(store.changes_since(ALICE, Cursor::default(), 10).await.unwrap(), []);
}

// T67: at the bound and one past it; what is received makes room.
async fn a_queue_is_bounded(store: &impl Store) {
    let senders = QUEUE_MESSAGES_MAX / QUEUE_MESSAGES_PER_SENDER_MAX;
    let from = |number: usize| {
        let sender = u8::try_from(number / QUEUE_MESSAGES_PER_SENDER_MAX).unwrap();
        let sender_id = AccountId::from_bytes([sender; 16]);
        let entry = entry(u32::try_from(number).unwrap());
        Entry { key: MessageKey { sender_id, ..entry.key }, ..entry }
    };
    assert_eq!(senders * QUEUE_MESSAGES_PER_SENDER_MAX, QUEUE_MESSAGES_MAX);
    let mut pending = Vec::new();
    for number in 0..QUEUE_MESSAGES_MAX {
        pending.push(store.enqueue(from(number), NOW));
    }
    for outcome in pending {
        assert_eq!(outcome.await.unwrap(), Enqueued::Waiting);
    }
    let one_more = entry(4_000_000_000);
    assert_eq!(store.enqueue(one_more.clone(), NOW).await.unwrap(), Enqueued::Full);
    let other = DeviceKey { account_id: CAROL, ..BOBS_DEVICE };
    let to_other = Entry { recipient: other, ..entry(4_000_000_001) };
    assert_eq!(store.enqueue(to_other, NOW).await.unwrap(), Enqueued::Waiting);
    let first = Receipt { key: from(0).key, ..receipt(0) };
    store.received(BOBS_DEVICE, vec![first], NOW).await.unwrap();
    assert_eq!(store.enqueue(one_more, NOW).await.unwrap(), Enqueued::Waiting);
}

// C6: the last places go to the first of a run; what is behind them is not put in, but what is in stays in.
async fn of_a_run_nothing_is_put_in_behind_what_finds_no_room(store: &impl Store) {
    let all_but_one = 1..u32::try_from(QUEUE_MESSAGES_PER_SENDER_MAX).unwrap();
    let queued = store.enqueue_all(all_but_one.map(entry).collect(), NOW).await.unwrap();
    assert!(queued.iter().all(|outcome| *outcome == Enqueued::Waiting));
    store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();

    let (waiting, full) = (Enqueued::Waiting, Enqueued::Full);
    let received = Enqueued::Settled(MessageStatusState::Received, PROOF);
    let carols = Entry { key: MessageKey { sender_id: CAROL, ..key(2) }, ..entry(2) };
    let first = [4_000_000_000, 4_000_000_001].map(entry);
    assert_eq!(store.enqueue_all(first.to_vec(), NOW).await.unwrap(), [waiting, waiting], "two had room");
    let mut run = [2, 4_000_000_002, 1, 3, 4_000_000_003].map(entry).to_vec();
    run.push(carols);
    let outcomes = store.enqueue_all(run, NOW).await.unwrap();
    assert_eq!(outcomes, [waiting, full, received, waiting, full, Enqueued::IdInUse]);

    let rows = store.waiting(BOBS_DEVICE, 0, QUEUE_MESSAGES_PER_SENDER_MAX + 1).await.unwrap();
    let (last, others) = rows.split_last().unwrap();
    assert_eq!(others.len() + 1, QUEUE_MESSAGES_PER_SENDER_MAX);
    assert_eq!((others.last().unwrap().key, last.key), (key(4_000_000_000), key(4_000_000_001)));
    assert_eq!(store.enqueue_all(Vec::new(), NOW).await.unwrap(), []);
}

// T67: whoever floods fills his share, not the queue.
async fn t67_one_sender_fills_no_more_than_his_share_of_a_queue(store: &impl Store) {
    let mut pending = Vec::new();
    for number in 0..QUEUE_MESSAGES_PER_SENDER_MAX {
        pending.push(store.enqueue(entry(u32::try_from(number).unwrap()), NOW));
    }
    for outcome in pending {
        assert_eq!(outcome.await.unwrap(), Enqueued::Waiting);
    }
    assert_eq!(store.enqueue(entry(4_000_000_000), NOW).await.unwrap(), Enqueued::Full);
    let from_carol = MessageKey { sender_id: CAROL, ..key(4_000_000_001) };
    let carols = Entry { key: from_carol, ..entry(0) };
    assert_eq!(store.enqueue(carols, NOW).await.unwrap(), Enqueued::Waiting);
    store.received(BOBS_DEVICE, vec![receipt(7)], NOW).await.unwrap();
    assert_eq!(store.enqueue(entry(4_000_000_000), NOW).await.unwrap(), Enqueued::Waiting);
}

on_every_store!(
    a_request_is_answered_once,
    a_request_in_the_other_direction_accepts,
    a_refusal_looks_to_the_asker_like_no_answer,
    open_requests_are_bounded,
    requests_to_one_account_are_bounded,
    a_queue_keeps_its_order_and_takes_nothing_twice,
    of_a_run_nothing_is_put_in_behind_what_finds_no_room,
    what_was_received_waits_no_more_and_its_sender_learns_it,
    that_a_message_waits_is_not_told_by_a_synchronisation,
    what_waits_too_long_expires_and_is_forgotten_later,
    a_queue_is_bounded,
    t67_one_sender_fills_no_more_than_his_share_of_a_queue,
);

// E2, T79: the table has exactly these columns.
#[tokio::test]
async fn the_messages_table_has_exactly_the_required_columns() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.db");
    drop(SqliteStore::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let columns = names("SELECT name FROM pragma_table_info('messages') ORDER BY cid");
    let required =
        "id, conversation_id, sender_id, recipient_id, message_type, timestamp, session_id, is_read, read_at";
    assert_eq!(columns.join(", "), required);
    let tables = names(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'refinery%' \
         AND name NOT LIKE 'sqlite%' ORDER BY name",
    );
    assert_eq!(tables, ["calls", "conversations", "message_statuses", "messages", "user_presence"]);
}
