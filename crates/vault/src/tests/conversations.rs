//! Rows of what people do with messages.

use tacite_model::{Expiry, ExpiryStart, MessageName, Secret, Timestamp};

use super::rows::{ALICE, BOB, CAROL, message, message_id, with_vault};
use crate::{Message, MessageKind, MessageState, Reaction, SentContent, Settings, TimerSetting, Transaction};

/// All orders in which three can come.
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

fn name(id: u8) -> MessageName {
    MessageName { author_id: ALICE, message_id: message_id(id) }
}

fn at(ms: u64) -> Timestamp {
    Timestamp::from_ms(ms)
}

fn stored(tx: &Transaction<'_>, id: u8) -> Option<Message> {
    tx.message(ALICE, message_id(id)).unwrap()
}

fn sent(id: u8, subject: Option<MessageName>, sent_at: u64) -> SentContent {
    SentContent {
        position: 0,
        message_id: message_id(id),
        recipient_id: BOB,
        previous_id: (id > 1).then(|| message_id(id - 1)),
        subject,
        content: Some(Secret::new(vec![id; 5])),
        sent_at: at(sent_at),
    }
}

#[test]
fn everything_about_a_message_survives() {
    with_vault(|tx| {
        let full = Message {
            kind: MessageKind::Timer,
            reply_to: Some(MessageName { author_id: BOB, message_id: message_id(9) }),
            edits: 3,
            deleted: true,
            expiry: Some(Expiry { after_ms: 7, start: ExpiryStart::Receipt }),
            expires_at: Some(at(8)),
            ..message(1, MessageState::Sent)
        };
        let bare = Message { expiry: None, ..message(2, MessageState::Sent) };
        for message in [full, bare] {
            tx.add_message(&message).unwrap();
            assert_eq!(tx.message(ALICE, message.message_id).unwrap(), Some(message));
        }
    });
}

#[test]
fn a_receipt_key_is_kept_with_its_message() {
    with_vault(|tx| {
        tx.add_message(&message(1, MessageState::Sent)).unwrap();
        assert!(tx.receipt_key(name(1)).unwrap().is_none());
        tx.set_receipt_key(name(1), &[7; 32]).unwrap();
        assert_eq!(tx.receipt_key(name(1)).unwrap().unwrap().expose(), &[7; 32]);
        assert!(tx.receipt_key(name(2)).unwrap().is_none());
    });
}

#[test]
fn only_the_newest_text_of_an_edited_message_is_kept() {
    with_vault(|tx| {
        tx.add_message(&message(1, MessageState::Sent)).unwrap();
        for (count, text) in [(1, "first"), (2, "second")] {
            tx.edit_message(name(1), text, at(5)).unwrap();
            let edited = stored(tx, 1).unwrap();
            assert_eq!((edited.text.as_str(), edited.edits), (text, count));
        }
    });
}

// T15
#[test]
fn t15_the_newest_edit_counts_in_whichever_order_they_come() {
    let edits = [("one", 10), ("two", 11), ("three", 12)];
    for order in ORDERS {
        with_vault(|tx| {
            tx.add_message(&message(1, MessageState::Sent)).unwrap();
            assert_eq!(tx.next_edit_at(name(1), at(5)).unwrap(), at(5));
            for (count, index) in order.into_iter().enumerate() {
                let (text, ms) = edits[index];
                tx.edit_message(name(1), text, at(ms)).unwrap();
                assert_eq!(stored(tx, 1).unwrap().edits as usize, count + 1);
            }
            assert_eq!(stored(tx, 1).unwrap().text, "three", "{order:?}");
            assert_eq!(tx.next_edit_at(name(1), at(5)).unwrap(), at(13));
            assert_eq!(tx.next_edit_at(name(1), at(50)).unwrap(), at(50));
            assert_eq!(tx.next_edit_at(name(2), at(5)).unwrap(), at(5));
        });
    }
}

#[test]
fn what_was_told_is_kept_word_for_word_and_in_order() {
    with_vault(|tx| {
        assert_eq!(tx.last_sent_id(BOB).unwrap(), None);
        for id in 1..=4 {
            tx.add_sent_content(&sent(id, Some(name(id)), 10)).unwrap();
            tx.set_last_sent_id(BOB, message_id(id)).unwrap();
        }
        assert_eq!(tx.last_sent_id(BOB).unwrap(), Some(message_id(4)));
        assert_eq!(tx.last_sent_id(CAROL).unwrap(), None);
        let second = tx.sent_content(message_id(2)).unwrap().unwrap();
        assert_eq!(second.content.unwrap().expose(), &[2; 5]);
        assert_eq!((second.previous_id, second.subject), (Some(message_id(1)), Some(name(2))));
        assert_eq!((second.recipient_id, second.sent_at), (BOB, at(10)));
        let ids = |after, before, limit| {
            let found = tx.sent_contents_between(BOB, after, before, limit).unwrap();
            found.iter().map(|sent| sent.message_id).collect::<Vec<_>>()
        };
        assert_eq!(ids(second.position, i64::MAX, 9), [message_id(3), message_id(4)]);
        assert_eq!(ids(0, second.position, 9), [message_id(1)]);
        assert_eq!(ids(0, i64::MAX, 1), [message_id(1)]);
        assert!(tx.add_sent_content(&sent(1, None, 10)).is_err(), "written once");
    });
}

#[test]
fn what_was_told_long_ago_is_forgotten_unless_it_is_in_the_outbox() {
    with_vault(|tx| {
        for (id, sent_at) in [(1, 10), (2, 10), (3, 20)] {
            tx.add_sent_content(&sent(id, None, sent_at)).unwrap();
        }
        tx.enqueue(message_id(1), BOB).unwrap();
        assert_eq!(tx.remove_sent_contents_before(at(20)).unwrap(), 1);
        assert!(tx.sent_content(message_id(1)).unwrap().is_some());
        assert!(tx.sent_content(message_id(2)).unwrap().is_none());
        assert!(tx.sent_content(message_id(3)).unwrap().is_some());
    });
}

#[test]
fn a_person_reacts_once_to_a_message() {
    with_vault(|tx| {
        let reaction = |reactor_id, emoji: &str| Reaction { reactor_id, emoji: emoji.to_owned() };
        let react = |reactor_id, emoji| tx.set_reaction(name(1), reactor_id, emoji, at(5)).unwrap();
        assert!(!react(BOB, ""));
        assert!(react(BOB, "👍"));
        assert!(!react(BOB, "👍"));
        assert!(react(ALICE, "🎉"));
        assert!(react(BOB, "👎"));
        assert_eq!(tx.reactions(name(1)).unwrap(), [reaction(ALICE, "🎉"), reaction(BOB, "👎")]);
        assert!(react(BOB, ""));
        assert_eq!(tx.reactions(name(1)).unwrap(), [reaction(ALICE, "🎉")]);
        assert!(tx.reactions(name(2)).unwrap().is_empty());
    });
}

// T15
#[test]
fn t15_the_newest_reaction_of_a_person_counts_in_whichever_order_they_come() {
    for (emoji, order) in [["👍", "🎉", "👎"], ["👍", "", "🎉"], ["👍", "🎉", ""]]
        .into_iter()
        .flat_map(|it| ORDERS.map(|order| (it, order)))
    {
        with_vault(|tx| {
            assert_eq!(tx.next_reaction_at(name(1), BOB, at(5)).unwrap(), at(5));
            for index in order {
                let shown = |tx: &Transaction<'_>| tx.reactions(name(1)).unwrap();
                let (before, ms) = (shown(tx), 10 + index as u64);
                let changed = tx.set_reaction(name(1), BOB, emoji[index], at(ms)).unwrap();
                assert_eq!(changed, shown(tx) != before, "{order:?}");
            }
            let newest: Vec<_> = tx.reactions(name(1)).unwrap().into_iter().map(|it| it.emoji).collect();
            let expected: Vec<_> = [emoji[2]].into_iter().filter(|emoji| !emoji.is_empty()).collect();
            assert_eq!(newest, expected, "{order:?}");
            assert_eq!(tx.next_reaction_at(name(1), BOB, at(5)).unwrap(), at(13));
            assert_eq!(tx.next_reaction_at(name(1), BOB, at(50)).unwrap(), at(50));
            assert_eq!(tx.next_reaction_at(name(1), ALICE, at(5)).unwrap(), at(5));
            assert_eq!(tx.next_reaction_at(name(2), BOB, at(5)).unwrap(), at(5));
        });
    }
}

#[test]
fn reads_wait_until_their_sender_is_told() {
    with_vault(|tx| {
        for id in [1, 2, 2, 3] {
            tx.add_read(name(id), &[id; 16]).unwrap();
        }
        tx.add_read(MessageName { author_id: CAROL, message_id: message_id(1) }, &[9; 16]).unwrap();
        assert_eq!(tx.read_senders().unwrap(), [ALICE, CAROL]);
        let reads = tx.reads_of(ALICE, 2).unwrap();
        assert_eq!(
            reads.iter().map(|read| (read.name, read.proof)).collect::<Vec<_>>(),
            [(name(1), [1; 16]), (name(2), [2; 16])]
        );
        tx.remove_reads(ALICE, reads[1].position).unwrap();
        let left = tx.reads_of(ALICE, 9).unwrap();
        assert_eq!(left.iter().map(|read| read.name).collect::<Vec<_>>(), [name(3)]);
        assert_eq!(tx.reads_of(CAROL, 9).unwrap().len(), 1);
    });
}

#[test]
fn a_timer_is_one_hour_after_reading_until_it_is_set() {
    with_vault(|tx| {
        assert_eq!(tx.timer(BOB).unwrap(), Some(Expiry::DEFAULT));
        for (expiry, ms) in [(Some(Expiry { after_ms: 5, start: ExpiryStart::Receipt }), 1), (None, 2)] {
            assert!(tx.set_timer(BOB, TimerSetting { expiry, set_at: at(ms), set_by: ALICE }).unwrap());
            assert_eq!(tx.timer(BOB).unwrap(), expiry);
        }
        assert_eq!(tx.timer(CAROL).unwrap(), Some(Expiry::DEFAULT));
    });
}

#[test]
fn the_latest_timer_counts_in_whichever_order_they_come() {
    let setting = |after_ms, ms, set_by| TimerSetting {
        expiry: Expiry::new(after_ms, ExpiryStart::Read),
        set_at: at(ms),
        set_by,
    };
    let settings = [setting(1, 10, ALICE), setting(2, 10, BOB), setting(3, 9, BOB)];
    for order in ORDERS {
        with_vault(|tx| {
            for index in order {
                tx.set_timer(BOB, settings[index]).unwrap();
            }
            assert_eq!(tx.timer(BOB).unwrap(), settings[1].expiry, "{order:?}");
            assert!(!tx.set_timer(BOB, settings[1]).unwrap(), "the same again changes nothing");
            assert_eq!(tx.next_timer_at(BOB, at(5)).unwrap(), at(11));
            assert_eq!(tx.next_timer_at(BOB, at(50)).unwrap(), at(50));
            assert_eq!(tx.next_timer_at(CAROL, at(5)).unwrap(), at(5));
        });
    }
}

#[test]
fn settings_are_on_until_they_are_switched_off() {
    with_vault(|tx| {
        assert_eq!(tx.settings().unwrap(), Settings::default());
        for settings in [
            Settings { read_receipts: false, ..Settings::default() },
            Settings { presence: false, ..Settings::default() },
            Settings { typing: false, ..Settings::default() },
        ] {
            tx.save_settings(settings).unwrap();
            assert_eq!(tx.settings().unwrap(), settings);
        }
    });
}

#[test]
fn a_deadline_only_comes_nearer() {
    with_vault(|tx| {
        for id in 1..=3 {
            tx.add_message(&message(id, MessageState::Received)).unwrap();
        }
        assert_eq!(tx.next_expiry().unwrap(), None);
        for (id, ms) in [(1, 50), (1, 70), (2, 40), (2, 30)] {
            tx.expire_message_at(name(id), at(ms)).unwrap();
        }
        assert_eq!(tx.next_expiry().unwrap(), Some(at(30)));
        let expired = |ms| {
            let messages = tx.expired_messages(at(ms)).unwrap();
            messages.iter().map(|message| message.message_id).collect::<Vec<_>>()
        };
        assert_eq!(expired(29), []);
        assert_eq!(expired(30), [message_id(2)]);
        assert_eq!(expired(50), [message_id(2), message_id(1)]);
    });
}

/// A message, its edit, a reaction to it and the deletion of another, all of them told and in the outbox.
fn talk(tx: &Transaction<'_>) {
    tx.add_message(&message(1, MessageState::Sent)).unwrap();
    tx.set_reaction(name(1), BOB, "👍", at(5)).unwrap();
    for (id, subject) in [(1, Some(name(1))), (2, Some(name(1))), (3, None), (4, Some(name(7)))] {
        tx.add_sent_content(&sent(id, subject, 10)).unwrap();
        tx.enqueue(message_id(id), BOB).unwrap();
        tx.add_envelope(message_id(id), tacite_model::DeviceId::FIRST, &[1]).unwrap();
    }
}

fn assert_nothing_hangs_on(tx: &Transaction<'_>) {
    assert!(tx.reactions(name(1)).unwrap().is_empty());
    for (id, is_left) in [(1, false), (2, false), (3, true), (4, true)] {
        let sent = tx.sent_content(message_id(id)).unwrap().unwrap();
        assert_eq!(sent.content.is_some(), is_left, "{id}");
        assert_eq!(sent.previous_id, (id > 1).then(|| message_id(id - 1)), "the order stays");
        assert_eq!(tx.envelope_count(message_id(id)).unwrap() == 1, is_left, "{id}");
    }
    assert_eq!(tx.outbox_count().unwrap(), 2);
}

#[test]
fn an_erased_message_takes_along_what_hangs_on_it() {
    with_vault(|tx| {
        talk(tx);
        tx.erase_message(name(1)).unwrap();
        assert_eq!(stored(tx, 1), None);
        assert_nothing_hangs_on(tx);
    });
}

#[test]
fn of_what_was_sent_again_nothing_at_all_is_left() {
    with_vault(|tx| {
        talk(tx);
        let again = SentContent { previous_id: None, ..sent(9, Some(name(1)), 20) };
        tx.add_sent_content(&again).unwrap();
        tx.erase_message(name(1)).unwrap();
        assert!(tx.sent_content(message_id(9)).unwrap().is_none());
        assert_nothing_hangs_on(tx);
    });
}

#[test]
fn a_wiped_message_says_that_it_was_deleted_and_nothing_else() {
    with_vault(|tx| {
        talk(tx);
        tx.edit_message(name(1), "another", at(5)).unwrap();
        tx.wipe_message(name(1)).unwrap();
        let left = stored(tx, 1).unwrap();
        assert_eq!((left.text.as_str(), left.deleted, left.edits, left.reply_to), ("", true, 0, None));
        assert_nothing_hangs_on(tx);
    });
}

const HOUR: u64 = 3_600_000;

// T64
#[test]
fn t64_the_own_time_runs_with_the_clock() {
    with_vault(|tx| {
        assert_eq!(tx.own_time(at(10 * HOUR)).unwrap(), at(10 * HOUR));
        assert_eq!(tx.own_time(at(10 * HOUR + 1)).unwrap(), at(10 * HOUR + 1));
        assert_eq!(tx.own_time(at(12 * HOUR)).unwrap(), at(12 * HOUR));
        assert_eq!(tx.clock_at(at(13 * HOUR)).unwrap(), at(13 * HOUR));
    });
}

// T64: a clock that is set back stops nothing.
#[test]
fn t64_the_own_time_never_steps_back_and_goes_on_by_a_clock_that_was_set_back() {
    with_vault(|tx| {
        tx.own_time(at(10 * HOUR)).unwrap();
        assert_eq!(tx.own_time(at(2 * HOUR)).unwrap(), at(10 * HOUR));
        assert_eq!(tx.own_time(at(3 * HOUR)).unwrap(), at(11 * HOUR));
        assert_eq!(tx.clock_at(at(12 * HOUR)).unwrap(), at(4 * HOUR));
        assert_eq!(tx.clock_at(at(10 * HOUR)).unwrap(), at(2 * HOUR));
        // However often it is set back: each step that was seen counts from then on.
        for _ in 0..5 {
            tx.own_time(at(2 * HOUR)).unwrap();
            tx.own_time(at(3 * HOUR)).unwrap();
        }
        assert_eq!(tx.own_time(at(3 * HOUR)).unwrap(), at(16 * HOUR));
    });
}

// T64: set forward and back again, messages end early rather than late.
#[test]
fn t64_the_own_time_follows_a_clock_that_was_set_forward() {
    with_vault(|tx| {
        tx.own_time(at(HOUR)).unwrap();
        assert_eq!(tx.own_time(at(100 * HOUR)).unwrap(), at(100 * HOUR));
        assert_eq!(tx.own_time(at(2 * HOUR)).unwrap(), at(100 * HOUR));
        assert_eq!(tx.own_time(at(3 * HOUR)).unwrap(), at(101 * HOUR));
    });
}
