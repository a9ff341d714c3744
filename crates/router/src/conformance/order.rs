//! The record of changes: a device that synchronises misses nothing, whatever the server's clock does.

use super::*;

on_every_store!(
    a_cursor_misses_nothing_and_repeats_nothing,
    t70_changes_of_one_instant_are_all_seen_page_by_page,
    t70_a_clock_that_steps_back_loses_no_change,
    t70_the_newest_change_is_never_forgotten,
);

/// Everything that a device sees that asks for pages of so many rows.
async fn pages(store: &impl Store, mut cursor: Cursor, limit: usize) -> Vec<Change> {
    let mut seen = Vec::new();
    loop {
        let page = store.changes_since(ALICE, cursor, limit).await.unwrap();
        let Some(last) = page.last() else { return seen };
        cursor = last.cursor(ALICE);
        seen.extend(page);
    }
}

// G1, T70: rows of one instant are not lost between two pages.
async fn a_cursor_misses_nothing_and_repeats_nothing(store: &impl Store) {
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    for number in 1..=5 {
        store.enqueue(entry(number), NOW).await.unwrap();
        store.received(BOBS_DEVICE, vec![receipt(number)], NOW).await.unwrap();
    }
    store.enqueue(entry(6), NOW).await.unwrap();
    let mut seen = Vec::new();
    let mut cursor = Cursor::default();
    loop {
        let page = store.changes_since(ALICE, cursor, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        cursor = last.cursor(ALICE);
        seen.extend(page);
    }
    assert_eq!(seen.len(), 6);
    assert!(seen.windows(2).all(|pair| pair[0].cursor(ALICE) < pair[1].cursor(ALICE)));
    store.received(BOBS_DEVICE, vec![receipt(6)], NOW).await.unwrap();
    assert_eq!(store.changes_since(ALICE, cursor, 10).await.unwrap().len(), 1);
}

// Contacts, receipts, readings, expiries and blocks, all at the same moment of the clock.
async fn t70_changes_of_one_instant_are_all_seen_page_by_page(store: &impl Store) {
    store.request(ALICE, BOB, conversation_id(1), NOW).await.unwrap();
    store.request(CAROL, ALICE, conversation_id(2), NOW).await.unwrap();
    store.answer(BOB, ALICE, true, NOW).await.unwrap();
    for number in 1..=6 {
        store.enqueue(entry(number), NOW).await.unwrap();
    }
    store.received(BOBS_DEVICE, (1..=4).map(receipt).collect(), NOW).await.unwrap();
    store.read(BOBS_DEVICE, vec![receipt(3), receipt(4), receipt(9)], NOW).await.unwrap();
    store.expire_waiting(NOW.plus_ms(1), NOW).await.unwrap();
    store.block(ALICE, CAROL, true, NOW).await.unwrap();
    for limit in 1..=4 {
        let seen = pages(store, Cursor::default(), limit).await;
        assert_eq!(seen.len(), 2 + 7, "{limit}");
        assert!(seen.windows(2).all(|pair| pair[0].cursor(ALICE) < pair[1].cursor(ALICE)));
        let mut instants: Vec<_> = seen.iter().map(|change| change.cursor(ALICE).updated_at).collect();
        instants.dedup();
        assert_eq!(instants.len(), seen.len(), "no two changes have one time");
    }
}

// Between any two changes the clock is put back by an hour; a device that has seen all so far sees each.
async fn t70_a_clock_that_steps_back_loses_no_change(store: &impl Store) {
    let mut now = Timestamp::from_ms(100 * 3_600_000);
    let mut back = || {
        now = now.minus_ms(3_600_000);
        now
    };
    let mut cursor = Cursor::default();
    store.request(ALICE, BOB, conversation_id(1), back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    store.answer(BOB, ALICE, true, back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    for number in 1..=3 {
        let at = back();
        store.enqueue(Entry { taken_at: at, ..entry(number) }, at).await.unwrap();
    }
    store.received(BOBS_DEVICE, vec![receipt(1)], back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    store.read(BOBS_DEVICE, vec![receipt(1)], back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    store.read(BOBS_DEVICE, vec![receipt(8)], back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    store.block(ALICE, BOB, true, back()).await.unwrap();
    cursor = one_more(store, cursor).await;
    let later = Timestamp::from_ms(u64::MAX >> 1);
    assert_eq!(store.expire_waiting(later, back()).await.unwrap().len(), 2);
    assert_eq!(pages(store, cursor, 1).await.len(), 2);
}

async fn one_more(store: &impl Store, cursor: Cursor) -> Cursor {
    let page = store.changes_since(ALICE, cursor, 10).await.unwrap();
    assert_eq!(page.len(), 1);
    page[0].cursor(ALICE)
}

// Were it forgotten, a server that starts again with a clock put back would hand out times that devices have passed.
async fn t70_the_newest_change_is_never_forgotten(store: &impl Store) {
    store.enqueue(entry(1), NOW).await.unwrap();
    let read = store.read(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap()[0];
    let cursor = Change::Status(read).cursor(ALICE);
    assert_eq!(store.forget_synced(ALICE, cursor).await.unwrap(), 0);
    assert_eq!(store.forget_settled(NOW.plus_ms(1000)).await.unwrap(), 0);
    store.enqueue(entry(2), NOW).await.unwrap();
    assert_eq!(store.forget_synced(ALICE, cursor).await.unwrap(), 1);
}

// A restart must not hand out an earlier time of change than before, or cursors would miss rows.
#[tokio::test]
async fn t70_times_of_change_ascend_over_a_restart_and_a_clock_that_steps_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.db");
    let before = SqliteStore::open(&path).unwrap();
    before.enqueue(entry(1), NOW).await.unwrap();
    before.received(BOBS_DEVICE, vec![receipt(1)], NOW).await.unwrap();
    drop(before);
    let after = SqliteStore::open(&path).unwrap();
    after.enqueue(entry(2), NOW.minus_ms(60_000)).await.unwrap();
    after.received(BOBS_DEVICE, vec![receipt(2)], NOW.minus_ms(60_000)).await.unwrap();
    let changes = after.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    let Change::Status(last) = changes[1] else { panic!("a status") };
    assert_eq!(last.key, key(2));
}

// The same when all that devices have seen was forgotten before the restart.
#[tokio::test]
async fn t70_times_of_change_ascend_over_a_restart_after_which_nothing_is_left_to_tell() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("router.db");
    let before = SqliteStore::open(&path).unwrap();
    before.read(BOBS_DEVICE, (1..=3).map(receipt).collect(), NOW).await.unwrap();
    let seen = before.changes_since(ALICE, Cursor::default(), 10).await.unwrap();
    let cursor = seen[2].cursor(ALICE);
    assert_eq!(before.forget_synced(ALICE, cursor).await.unwrap(), 2);
    drop(before);
    let after = SqliteStore::open(&path).unwrap();
    after.read(BOBS_DEVICE, vec![receipt(4)], NOW.minus_ms(60_000)).await.unwrap();
    assert_eq!(after.changes_since(ALICE, cursor, 10).await.unwrap().len(), 1);
}
