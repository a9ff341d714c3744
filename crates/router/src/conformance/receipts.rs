//! Proofs, silence, reading, blocks, and what is forgotten.

use super::*;

on_every_store!(
    t30_the_proof_reaches_a_sender_who_was_away,
    t44_what_was_received_silently_is_not_told,
    what_is_read_is_told_once_and_states_never_step_back,
    a_message_that_never_waited_can_be_read,
    nobody_reads_in_anothers_name,
    t67_a_message_id_that_a_reader_made_up_harms_only_the_reader,
    what_was_told_to_the_last_is_forgotten,
    a_block_is_seen_by_who_made_it_only,
    what_waits_of_one_who_is_blocked_is_dropped_in_silence,
    contacts_are_those_who_may_write,
);

async fn states(store: &impl Store) -> Vec<(MessageKey, MessageStatusState, Proof)> {
    let changes = store.changes_since(ALICE, Cursor::default(), 100).await.unwrap();
    let state = |change: &Change| match change {
        Change::Status(row) => Some((row.key, row.state, row.proof)),
        Change::Conversation(_) => None,
    };
    changes.iter().filter_map(state).collect()
}

async fn t30_the_proof_reaches_a_sender_who_was_away(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    assert_eq!(states(store).await, [(key(1), MessageStatusState::Received, PROOF)]);
    let read = Receipt { proof: Some([0x88; 16]), ..receipt(1) };
    store.read(BOBS_DEVICE, vec![read], NOW).await.unwrap();
    assert_eq!(states(store).await, [(key(1), MessageStatusState::Read, read.proof)]);
    let again = store.enqueue(entry(1), NOW).await.unwrap();
    assert_eq!(again, Enqueued::Settled(MessageStatusState::Read, read.proof));
    store.enqueue(entry(2), NOW).await.unwrap();
    let unproven = store.received(BOBS_DEVICE, vec![Receipt { proof: None, ..receipt(2) }], NOW).await;
    assert_eq!(unproven.unwrap()[0].proof, None);
}

async fn t44_what_was_received_silently_is_not_told(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    let silent = Receipt { silent: true, ..receipt(1) };
    assert_eq!(store.received(BOBS_DEVICE, vec![silent], NOW).await.unwrap(), []);
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap(), []);
    assert_eq!(states(store).await, []);
    let again = store.enqueue(entry(1), NOW).await.unwrap();
    assert_eq!(again, Enqueued::Settled(MessageStatusState::Sent, None));
    assert_eq!(store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap(), []);
    assert_eq!(states(store).await, []);
}

async fn what_is_read_is_told_once_and_states_never_step_back(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    store.enqueue(entry(2), NOW).await.unwrap();
    store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    let read = store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    assert_eq!((read[0].key, read[0].state), (key(1), MessageStatusState::Read));
    assert_eq!(store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap(), []);
    assert_eq!(store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap(), []);
    // Its receipt was lost; who has read it has it.
    assert_eq!(store.read(BOBS_DEVICE, vec![receipt(2)], NOW).await.unwrap().len(), 1);
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap(), []);
    let expired = store.expire_waiting(NOW.plus_ms(1), NOW).await.unwrap();
    assert_eq!(expired, []);
}

async fn a_message_that_never_waited_can_be_read(store: &impl Store) {
    let read = store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    assert_eq!((read[0].key, read[0].recipient, read[0].proof), (key(1), BOBS_DEVICE, PROOF));
    assert_eq!(states(store).await, [(key(1), MessageStatusState::Read, PROOF)]);
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap(), []);
    // The sender repeats it after a lost answer.
    let again = store.enqueue(entry(1), NOW).await.unwrap();
    assert_eq!(again, Enqueued::Settled(MessageStatusState::Read, PROOF));
}

// T30
async fn nobody_reads_in_anothers_name(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    store.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    let carols_device = DeviceKey { account_id: CAROL, ..BOBS_DEVICE };
    let read = store.read(carols_device, vec![receipt(1)], NOW).await.unwrap();
    assert_eq!(read[0].recipient, carols_device, "carol speaks for herself");
    assert!(states(store).await.contains(&(key(1), MessageStatusState::Received, PROOF)));
}

async fn t67_a_message_id_that_a_reader_made_up_harms_only_the_reader(store: &impl Store) {
    let of_carol = Receipt { key: MessageKey { sender_id: CAROL, ..key(1) }, ..receipt(1) };
    store.read(BOBS_DEVICE, vec![of_carol], NOW).await.unwrap();
    assert_eq!(store.enqueue(entry(1), NOW).await.unwrap(), Enqueued::IdInUse);
    let to_carol = Entry { recipient: DeviceKey { account_id: CAROL, ..BOBS_DEVICE }, ..entry(1) };
    assert_eq!(store.enqueue(to_carol, NOW).await.unwrap(), Enqueued::Waiting);
}

// E5: what no more can be told of goes as soon as it was told.
async fn what_was_told_to_the_last_is_forgotten(store: &impl Store) {
    for number in 1..=5 {
        store.enqueue(entry(number), NOW).await.unwrap();
    }
    store.received(BOBS_DEVICE, vec![receipt(1), receipt(2)], NOW).await.unwrap();
    let silent = Receipt { silent: true, ..receipt(3) };
    store.received(BOBS_DEVICE, vec![silent], NOW).await.unwrap();
    store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    let changes = store.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    assert_eq!(changes.len(), 2, "one received, one read");
    let synced = changes[1].cursor(ALICE);
    store.read(BOBS_DEVICE, vec![receipt(4)], NOW).await.unwrap();

    assert_eq!(store.forget_synced(CAROL, synced).await.unwrap(), 0, "not hers");
    assert_eq!(store.forget_synced(ALICE, Cursor::default()).await.unwrap(), 0);
    assert_eq!(store.forget_synced(ALICE, synced).await.unwrap(), 2, "the one read, the silent one");
    let left = [(key(2), MessageStatusState::Received, PROOF), (key(4), MessageStatusState::Read, PROOF)];
    assert_eq!(states(store).await, left, "one may be read yet, of the other she was not told");
    assert_eq!(store.waiting(BOBS_DEVICE, 0, 10).await.unwrap().len(), 1);
    // Nothing at all is known of it any more.
    assert_eq!(store.enqueue(entry(1), NOW).await.unwrap(), Enqueued::Waiting);
}

// C2: whom one blocks is not told: by no state, no time, and no row of a synchronisation.
async fn a_block_is_seen_by_who_made_it_only(store: &impl Store) {
    assert_eq!(store.block(BOB, ALICE, true, NOW).await.unwrap(), None, "they do not know each other");
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    store.answer(BOB, ALICE, true, NOW).await.unwrap();
    let before = store.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    let blocked = store.block(BOB, ALICE, true, NOW).await.unwrap().unwrap().conversation;
    assert!(blocked.block_by(BOB).is_set && !blocked.block_by(ALICE).is_set && !blocked.is_open());
    assert_eq!(store.between(ALICE, BOB).await.unwrap(), Some(blocked));
    let Change::Conversation(was) = before[0] else { panic!("a conversation") };
    assert_eq!(blocked.updated_at_for(ALICE), was.updated_at_for(ALICE));
    assert_eq!(blocked.state_for(ALICE), was.state_for(ALICE));
    assert_eq!(store.changes_since(ALICE, before[0].cursor(ALICE), 10).await.unwrap(), []);
    let told = store.changes_since(BOB, before[0].cursor(ALICE), 10).await.unwrap();
    assert_eq!(told, [Change::Conversation(blocked)]);

    let again = store.block(BOB, ALICE, true, NOW.plus_ms(9)).await.unwrap().unwrap().conversation;
    assert_eq!(again, blocked, "a repetition changes nothing");
    assert!(!store.block(ALICE, BOB, true, NOW).await.unwrap().unwrap().conversation.is_open());
    assert!(!store.block(BOB, ALICE, false, NOW).await.unwrap().unwrap().conversation.is_open());
    assert!(store.block(ALICE, BOB, false, NOW).await.unwrap().unwrap().conversation.is_open());
}

async fn what_waits_of_one_who_is_blocked_is_dropped_in_silence(store: &impl Store) {
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    store.answer(BOB, ALICE, true, NOW).await.unwrap();
    store.enqueue(entry(1), NOW).await.unwrap();
    let from_carol = Entry { key: MessageKey { sender_id: CAROL, ..key(2) }, ..entry(2) };
    store.enqueue(from_carol.clone(), NOW).await.unwrap();
    let blocked = store.block(BOB, ALICE, true, NOW).await.unwrap().unwrap();
    assert_eq!(blocked.dropped, [(key(1), BOBS_DEVICE)]);
    let waiting = store.waiting(BOBS_DEVICE, 0, 10).await.unwrap();
    assert_eq!(waiting.iter().map(|row| row.key).collect::<Vec<_>>(), [from_carol.key]);
    assert_eq!(states(store).await, []);
    assert_eq!(store.block(BOB, ALICE, false, NOW).await.unwrap().unwrap().dropped, []);
}

async fn contacts_are_those_who_may_write(store: &impl Store) {
    for (number, other) in (1..).zip([BOB, CAROL]) {
        store.request(ALICE, other, conversation_id(number), NOW).await.unwrap();
        assert_eq!(store.contacts(other).await.unwrap(), []);
        store.answer(other, ALICE, true, NOW).await.unwrap();
    }
    assert_eq!(store.contacts(BOB).await.unwrap(), [ALICE]);
    assert_eq!(store.contacts(ALICE).await.unwrap().len(), 2);
    store.block(CAROL, ALICE, true, NOW).await.unwrap();
    assert_eq!(store.contacts(ALICE).await.unwrap(), [BOB]);
    assert_eq!(store.contacts(CAROL).await.unwrap(), []);
}

// C8: only the operator's wish fills this table; there is one row an account.
#[tokio::test]
async fn last_seen_is_one_row_an_account() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.db");
    let store = SqliteStore::open(&path).unwrap();
    store.saw(ALICE, NOW).await.unwrap();
    store.saw(ALICE, NOW.plus_ms(5)).await.unwrap();
    let connection = rusqlite::Connection::open(&path).unwrap();
    let row = connection.query_row("SELECT account_id, last_seen_at FROM user_presence", [], |row| {
        Ok((row.get::<_, [u8; 16]>(0)?, row.get::<_, u64>(1)?))
    });
    assert_eq!(row.unwrap(), (*ALICE.as_bytes(), NOW.as_ms() + 5));
}

// What was stored before this release is there after it, and still waits.
#[tokio::test]
async fn a_database_of_the_first_release_is_brought_up_to_date() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.db");
    let first = include_str!("../../migrations/V1__metadata.sql");
    let migration = refinery::Migration::unapplied("V1__metadata", first).unwrap();
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    refinery::Runner::new(&[migration]).run(&mut connection).unwrap();
    connection
        .execute_batch(
            "INSERT INTO conversations VALUES (zeroblob(16), x'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',
                x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 1, 5, 6);
            INSERT INTO messages VALUES (zeroblob(16), zeroblob(16), x'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1',
                x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 1, 7, zeroblob(16), 0, 0);
            INSERT INTO message_statuses VALUES (zeroblob(16), x'b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0', 1,
                x'a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1', 1, 3, 1, 8);",
        )
        .unwrap();
    drop(connection);
    let store = SqliteStore::open(&path).unwrap();
    assert!(store.between(ALICE, BOB).await.unwrap().unwrap().is_open());
    assert_eq!(store.waiting(BOBS_DEVICE, 2, 10).await.unwrap().len(), 1);
    let told = store.received(BOBS_DEVICE, vec![receipt(0)], NOW).await.unwrap();
    assert_eq!((told[0].state, told[0].proof), (MessageStatusState::Received, PROOF));
}
