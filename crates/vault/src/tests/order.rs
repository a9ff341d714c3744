//! Rows about order, gaps, generations and what is asked for again.

use tacite_model::{DeviceId, MessageName, Secret, Timestamp};

use super::rows::{ALICE, BOB, CAROL, message, message_id, with_vault};
use crate::{Early, Gap, Held, Marks, MessageState, Transaction, Unreadable};

fn name(id: u8) -> MessageName {
    MessageName { author_id: BOB, message_id: message_id(id) }
}

fn texts(tx: &Transaction<'_>) -> Vec<u8> {
    tx.history(BOB, 100).unwrap().iter().map(|message| message.message_id.as_bytes()[0]).collect()
}

fn store(tx: &Transaction<'_>, id: u8) {
    let stored = crate::Message { sender_id: BOB, peer_id: BOB, ..message(id, MessageState::Received) };
    assert!(tx.add_message(&stored).unwrap());
    tx.mark_seen(BOB, message_id(id)).unwrap();
    tx.note_applied(name(id), None).unwrap();
}

// T18: a generation never steps back.
#[test]
fn t18_a_generation_only_grows() {
    with_vault(|tx| {
        assert_eq!(tx.generation().unwrap(), 0);
        for (raised, stands) in [(5, 5), (3, 5), (6, 6), (u64::MAX, i64::MAX as u64)] {
            tx.raise_generation(raised).unwrap();
            assert_eq!(tx.generation().unwrap(), stands);
        }
        assert!(!tx.are_keys_stale().unwrap());
        tx.set_keys_stale(true).unwrap();
        assert!(tx.are_keys_stale().unwrap());
        assert_eq!(tx.generation().unwrap(), i64::MAX as u64);
    });
}

// T9: what is frozen is no session any more; the newest four of a device are kept.
#[test]
fn t9_frozen_sessions_only_open_and_are_bounded() {
    with_vault(|tx| {
        for record in 1..=6_u8 {
            tx.save_session(BOB, DeviceId::FIRST, &[record]).unwrap();
            tx.freeze_session(BOB, DeviceId::FIRST).unwrap();
            assert!(tx.session(BOB, DeviceId::FIRST).unwrap().is_none());
        }
        tx.save_session(CAROL, DeviceId::FIRST, &[9]).unwrap();
        tx.freeze_all_sessions().unwrap();
        assert!(tx.session_devices(CAROL).unwrap().is_empty());
        let positions = tx.frozen_sessions(BOB, DeviceId::FIRST).unwrap();
        let records: Vec<u8> =
            positions.iter().map(|at| tx.frozen_session(*at).unwrap().unwrap().expose()[0]).collect();
        assert_eq!(records, [6, 5, 4, 3]);
        tx.save_frozen_session(positions[0], &[66]).unwrap();
        assert_eq!(tx.frozen_session(positions[0]).unwrap().unwrap().expose(), &[66]);
        assert_eq!(tx.frozen_sessions(CAROL, DeviceId::FIRST).unwrap().len(), 1);
    });
}

// T15: what comes late stands between what was there, in the order in which it was put there.
#[test]
fn t15_late_messages_find_room_between_others() {
    with_vault(|tx| {
        for id in [1, 5] {
            store(tx, id);
        }
        let place = |id| tx.place_of(name(id)).unwrap().unwrap();
        for (id, at) in [(2, place(1) + 1), (4, place(5) - 1)] {
            store(tx, id);
            tx.put_late(name(id), Some(message_id(1)), at).unwrap();
            assert_eq!(tx.marks(name(id)).unwrap(), Marks { gap_before: false, late: true });
        }
        store(tx, 3);
        tx.put_late(name(3), Some(message_id(2)), place(2) + 1).unwrap();
        store(tx, 6);
        assert_eq!(texts(tx), [1, 2, 3, 4, 5, 6]);
        assert_eq!(tx.predecessor(name(3)).unwrap(), Some(message_id(2)));
        tx.set_gap_before(name(6), true).unwrap();
        assert_eq!(tx.marks(name(6)).unwrap(), Marks { gap_before: true, late: false });
    });
}

#[test]
fn a_content_without_a_row_stands_behind_everything() {
    with_vault(|tx| {
        assert_eq!(tx.place_of(name(1)).unwrap(), None);
        tx.mark_seen(BOB, message_id(1)).unwrap();
        tx.note_applied(name(1), None).unwrap();
        assert_eq!(tx.place_of(name(1)).unwrap(), Some(1), "before the first message");
        store(tx, 2);
        tx.mark_seen(BOB, message_id(3)).unwrap();
        tx.note_applied(name(3), Some(message_id(2))).unwrap();
        assert_eq!(tx.place_of(name(3)).unwrap(), tx.place_of(name(2)).unwrap());
    });
}

// C4: what was kept for a message ends with it.
#[test]
fn what_came_early_waits_for_its_message() {
    with_vault(|tx| {
        let early = |id: u8, target: u8| Early {
            name: name(id),
            target_id: message_id(target),
            content: Secret::new(vec![id; 10]),
            kept_at: Timestamp::from_ms(u64::from(id)),
        };
        for (id, target) in [(3, 1), (2, 1), (3, 1), (4, 5), (6, 7), (8, 9)] {
            tx.keep_early(&early(id, target)).unwrap();
        }
        let of_alice = MessageName { author_id: ALICE, ..name(1) };
        assert!(tx.take_early(of_alice).unwrap().is_empty());
        assert_eq!((tx.early_count(BOB).unwrap(), tx.early_count(ALICE).unwrap()), (5, 0));
        let taken = tx.take_early(name(1)).unwrap();
        assert_eq!(taken.iter().map(|it| it.name).collect::<Vec<_>>(), [name(3), name(2)]);
        assert_eq!((taken[0].content.expose(), taken[0].kept_at), (&vec![3; 10], Timestamp::from_ms(3)));
        assert!(tx.take_early(name(1)).unwrap().is_empty());
        tx.wipe_message(name(5)).unwrap();
        assert_eq!(tx.early_count(BOB).unwrap(), 2);
        tx.forget_early_before(Timestamp::from_ms(8)).unwrap();
        assert!(tx.take_early(name(7)).unwrap().is_empty());
        assert_eq!(tx.take_early(name(9)).unwrap().len(), 1);
    });
}

#[test]
fn what_is_held_is_found_by_name_and_by_what_is_before_it() {
    with_vault(|tx| {
        let held = |id: u8| Held {
            name: name(id),
            device_id: DeviceId::FIRST,
            carried_id: message_id(id + 100),
            previous_id: message_id(id - 1),
            content: Secret::new(vec![id; 10]),
            sent_at: Timestamp::from_ms(u64::from(id)),
        };
        tx.hold(&held(5)).unwrap();
        tx.hold(&held(5)).unwrap();
        tx.hold(&held(7)).unwrap();
        assert_eq!((tx.held_count(BOB).unwrap(), tx.held_count(ALICE).unwrap()), (2, 0));
        let found = tx.held_behind(name(4)).unwrap().unwrap();
        assert_eq!((found.name, found.carried_id), (name(5), message_id(105)));
        assert_eq!(found.content.expose(), &[5; 10]);
        assert!(tx.held_behind(name(5)).unwrap().is_none());
        tx.release(name(5)).unwrap();
        assert!(tx.held(name(5)).unwrap().is_none() && tx.held(name(7)).unwrap().is_some());
    });
}

#[test]
fn gaps_survive_and_are_closed_by_what_is_behind_them() {
    with_vault(|tx| {
        let gap = Gap {
            sender_id: BOB,
            device_id: DeviceId::FIRST,
            after_id: None,
            missing_id: message_id(2),
            before_id: message_id(3),
            marked_id: message_id(3),
            waiting: true,
            asks: 0,
            ask_at: Timestamp::from_ms(9),
            mark_at: None,
            found_at: Timestamp::from_ms(3),
        };
        let later = Gap { sender_id: CAROL, ..gap };
        tx.save_gap(&gap).unwrap();
        tx.save_gap(&later).unwrap();
        let asked = Gap { asks: 1, waiting: false, mark_at: Some(Timestamp::from_ms(8)), ..gap };
        tx.save_gap(&asked).unwrap();
        assert_eq!(tx.gaps().unwrap(), [asked, later]);
        assert_eq!(tx.gaps_of(CAROL).unwrap(), [later]);
        tx.close_gap(name(3)).unwrap();
        assert_eq!(tx.gaps().unwrap(), [later]);
    });
}

#[test]
fn what_cannot_be_read_is_asked_for_in_its_time_and_gives_its_place() {
    with_vault(|tx| {
        let row = crate::Message { sender_id: BOB, peer_id: BOB, ..message(1, MessageState::Unreadable) };
        tx.add_message(&row).unwrap();
        store(tx, 2);
        let ask = |ask_at| Unreadable { name: name(1), device_id: DeviceId::FIRST, asks: 0, ask_at };
        tx.save_unreadable(&ask(Timestamp::from_ms(50))).unwrap();
        assert!(tx.unreadable_due(Timestamp::from_ms(49), 9).unwrap().is_empty());
        assert_eq!(tx.unreadable_due(Timestamp::from_ms(50), 9).unwrap(), [ask(Timestamp::from_ms(50))]);
        assert_eq!(tx.next_unreadable_at().unwrap(), Some(Timestamp::from_ms(50)));
        assert_eq!(tx.unreadable_count(BOB).unwrap(), 1);
        assert_eq!(tx.unreadable_messages(BOB, 9).unwrap(), [message_id(1)]);
        assert!(tx.take_placeholder(name(2)).unwrap().is_none(), "it can be read");
        let place = tx.take_placeholder(name(1)).unwrap().unwrap();
        store(tx, 1);
        tx.put_late(name(1), None, place).unwrap();
        assert_eq!(texts(tx), [1, 2]);
        tx.remove_unreadable(name(1)).unwrap();
        assert_eq!(tx.unreadable_count(BOB).unwrap(), 0);
    });
}

// T22: an offered key is kept beside the known one.
#[test]
fn t22_an_offered_identity_replaces_nothing() {
    with_vault(|tx| {
        assert_eq!(tx.offered_identity(BOB).unwrap(), None);
        tx.offer_identity(BOB, &[5; 33]).unwrap();
        tx.offer_identity(BOB, &[6; 33]).unwrap();
        assert_eq!(tx.offered_identity(BOB).unwrap(), Some([6; 33]));
        tx.forget_offered_identity(BOB).unwrap();
        assert_eq!(tx.offered_identity(BOB).unwrap(), None);
    });
}
