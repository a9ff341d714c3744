//! Messages disappear, whatever clocks, links and processes do (C4, T64).

use tacite_core::{
    Event, Expiry, ExpiryStart, Input, Intent, MessageKind, MessageState, MessageView, Settings, queries,
};
use tacite_model::Timestamp;
use tacite_model::limits::{DAY_MS, DISAPPEAR_MS_MAX};
use tacite_seal::{Body, Text};
use tacite_wire::Opcode;

use crate::world::World;

const HOUR: u64 = 3_600_000;

fn talked() -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    world.settle();
    world
}

fn read(world: &mut World, who: &'static str, peer: &str) {
    let unread = world.device(who).history(peer).into_iter().filter(|message| !message.outgoing);
    let messages = unread.map(|message| (message.peer, message.message_id)).collect();
    world.intend(who, Intent::MarkRead { messages });
    world.settle();
}

fn set_timer(world: &mut World, timer: Option<Expiry>) {
    let request = world.intend("alice", Intent::SetTimer { with: "bob".parse().unwrap(), timer });
    world.settle();
    assert!(matches!(world.device("alice").answer(request), Some(Ok(_))));
}

/// The texts that a side still has.
fn texts(world: &mut World, who: &str, with: &str) -> Vec<String> {
    let history = world.device(who).history(with).into_iter();
    history.filter(|message| message.kind == MessageKind::Text).map(|message| message.text).collect()
}

/// How many texts alice and bob still have.
fn left(world: &mut World) -> (usize, usize) {
    (texts(world, "alice", "bob").len(), texts(world, "bob", "alice").len())
}

/// Everybody's clock is set; the drivers notice.
pub(crate) fn set_clock(world: &mut World, now: Timestamp) {
    world.now = now;
    world.input("alice", Input::Timer);
    world.input("bob", Input::Timer);
}

fn erased(world: &mut World, who: &str) -> usize {
    let events = &world.device(who).events;
    events.iter().filter(|event| matches!(event, Event::MessageErased { .. })).count()
}

// C4: the default.
#[test]
fn a_message_disappears_an_hour_after_it_was_read_for_both() {
    let mut world = talked();
    world.pass(2 * HOUR);
    assert_eq!(left(&mut world), (1, 1), "not before it was read");
    let before = world.now;
    read(&mut world, "bob", "alice");
    let shown = world.device("bob").history("alice").pop().unwrap();
    assert_eq!(shown.expires_at, Some(before.plus_ms(HOUR)));
    world.pass(before.plus_ms(HOUR - 1).ms_since(world.now));
    assert_eq!(left(&mut world), (1, 1));
    world.pass(2 * 60_000);
    assert_eq!(left(&mut world), (0, 0));
    assert_eq!((erased(&mut world, "alice"), erased(&mut world, "bob")), (1, 1));
}

// C4: and nothing of it is kept to be sent again.
#[test]
fn what_has_disappeared_is_not_kept_to_be_sent_again() {
    let mut world = talked();
    let own = world.device("alice").history("bob").pop().unwrap();
    let edit = Intent::Edit { to: own.peer, message_id: own.message_id, text: "hello again".to_owned() };
    world.intend("alice", edit);
    let shown = world.device("bob").history("alice").pop().unwrap();
    world.intend("bob", Intent::React { message: shown.name(), emoji: "👍".to_owned() });
    world.settle();
    read(&mut world, "bob", "alice");
    let (alice, bob) = (world.account_id("alice"), world.account_id("bob"));
    assert_eq!((world.device("alice").kept_for(bob), world.device("bob").kept_for(alice)), (2, 1));
    world.pass(HOUR + 1000);
    assert_eq!((world.device("alice").kept_for(bob), world.device("bob").kept_for(alice)), (0, 0));
}

#[test]
fn what_nobody_may_ask_for_again_is_forgotten() {
    let mut world = World::of_contacts();
    set_timer(&mut world, None);
    world.send("alice", "bob", "hello");
    world.settle();
    let bob = world.account_id("bob");
    world.now = world.now.plus_ms(31 * DAY_MS);
    world.crash("alice");
    assert_eq!(world.device("alice").kept_for(bob), 0);
    assert_eq!(left(&mut world), (1, 1));
}

// Who keeps to themselves what they have read cannot keep the sender's copy alive for ever.
#[test]
fn the_senders_copy_waits_a_week_for_the_word_that_it_was_read() {
    let mut world = talked();
    let settings = Settings { read_receipts: false, ..Settings::default() };
    world.intend("bob", Intent::ChangeSettings { settings });
    read(&mut world, "bob", "alice");
    let now = world.now;
    set_clock(&mut world, now.plus_ms(7 * DAY_MS));
    assert_eq!(left(&mut world), (1, 0));
    set_clock(&mut world, now.plus_ms(7 * DAY_MS + HOUR));
    assert_eq!(left(&mut world), (0, 0));
}

#[test]
fn a_timer_may_begin_with_the_receipt() {
    let mut world = World::of_contacts();
    set_timer(&mut world, Expiry::new(5000, ExpiryStart::Receipt));
    world.send("alice", "bob", "hello");
    world.settle_within(0);
    assert_eq!(left(&mut world), (1, 1));
    world.pass(5001);
    assert_eq!(left(&mut world), (0, 0));
}

#[test]
fn without_a_timer_messages_stay() {
    let mut world = World::of_contacts();
    set_timer(&mut world, None);
    world.send("alice", "bob", "hello");
    world.settle();
    read(&mut world, "bob", "alice");
    let now = world.now;
    set_clock(&mut world, now.plus_ms(400 * DAY_MS));
    assert_eq!(left(&mut world), (1, 1));
}

// C4: for both, and visible; each message keeps the timer with which it was written.
#[test]
fn a_timer_is_set_for_both_and_shown() {
    let mut world = talked();
    let minute = Expiry::new(60_000, ExpiryStart::Read);
    set_timer(&mut world, minute);
    set_timer(&mut world, minute);
    let handle = |name: &str| name.parse().unwrap();
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        let timer = world.device(who).ask(|tx| queries::timer(tx, &handle(with)).unwrap());
        assert_eq!(timer, Some(minute), "{who}");
        let line = world.device(who).history(with).pop().unwrap();
        assert_eq!((line.kind, line.expiry, line.outgoing), (MessageKind::Timer, minute, who == "alice"));
        let told = Event::TimerChanged { handle: handle(with), timer: minute };
        assert_eq!(world.device(who).events.iter().filter(|event| **event == told).count(), 1, "{who}");
    }
    world.send("bob", "alice", "hello yourself");
    world.settle();
    read(&mut world, "alice", "bob");
    read(&mut world, "bob", "alice");
    world.pass(2 * 60_000);
    assert_eq!(texts(&mut world, "bob", "alice"), ["hello"]);
    assert_eq!(texts(&mut world, "alice", "bob"), ["hello"]);
    world.pass(HOUR);
    assert_eq!(left(&mut world), (0, 0));
    assert_eq!(world.device("bob").history("alice").len(), 1, "the line stays");
}

// C4: both set a timer at once; both end up with the same one.
#[test]
fn timers_that_are_set_at_once_agree() {
    for alice_is_ahead in [false, true] {
        let mut world = World::of_contacts();
        world.network_up = false;
        for (who, after_ms) in [("alice", 1000), ("bob", 2000)] {
            world.cut(who);
            let with = if who == "alice" { "bob" } else { "alice" };
            let timer = Expiry::new(after_ms, ExpiryStart::Read);
            let now = world.now;
            if alice_is_ahead == (who == "alice") {
                world.now = now.plus_ms(HOUR);
            }
            world.intend(who, Intent::SetTimer { with: with.parse().unwrap(), timer });
            world.now = now;
        }
        world.network_up = true;
        world.settle();
        let expected = Some(Expiry::new(if alice_is_ahead { 1000 } else { 2000 }, ExpiryStart::Read));
        for (who, with) in [("alice", "bob"), ("bob", "alice")] {
            let with = with.parse().unwrap();
            let timer = world.device(who).ask(|tx| queries::timer(tx, &with).unwrap());
            assert_eq!(timer, expected, "{who}");
        }
        // Whoever's clock is behind can still change it.
        set_timer(&mut world, None);
        let with = "alice".parse().unwrap();
        assert_eq!(world.device("bob").ask(|tx| queries::timer(tx, &with).unwrap()), Some(None));
    }
}

#[test]
fn a_timer_has_bounds() {
    let mut world = World::of_contacts();
    for (after_ms, is_good) in
        [(0, false), (1, true), (DISAPPEAR_MS_MAX, true), (DISAPPEAR_MS_MAX + 1, false)]
    {
        let timer = Some(Expiry { after_ms, start: ExpiryStart::Receipt });
        let request = world.intend("alice", Intent::SetTimer { with: "bob".parse().unwrap(), timer });
        assert_eq!(matches!(world.device("alice").answer(request), Some(Ok(_))), is_good, "{after_ms}");
    }
}

// T64: a clock that was set back neither keeps a message alive nor brings it back.
#[test]
fn t64_a_clock_set_back_does_not_prolong() {
    let mut world = talked();
    read(&mut world, "bob", "alice");
    world.pass(HOUR / 2);
    let before = world.now;
    for hours in 1..=3 {
        set_clock(&mut world, before.minus_ms(hours * 1000 * HOUR));
    }
    let shown: MessageView = world.device("bob").history("alice").pop().unwrap();
    let rest = shown.expires_at.unwrap().ms_since(world.now);
    // What had passed since the engine was awake is not known to it; it wakes often enough for that to be little.
    assert!(rest <= HOUR / 2 + 5 * 60_000, "{rest}");
    world.pass(rest);
    assert_eq!(left(&mut world), (0, 0));
}

// T64
#[test]
fn t64_a_clock_set_back_does_not_resurrect() {
    let mut world = talked();
    read(&mut world, "bob", "alice");
    let before = world.now;
    world.pass(HOUR + 1000);
    set_clock(&mut world, before);
    world.crash("bob");
    world.settle();
    assert_eq!(left(&mut world), (0, 0));
}

// T64: what a clock far ahead has ended stays ended when it is set right.
#[test]
fn t64_a_clock_set_forward_ends_messages_early_rather_than_late() {
    let mut world = talked();
    read(&mut world, "bob", "alice");
    let before = world.now;
    set_clock(&mut world, before.plus_ms(100 * HOUR));
    assert_eq!(left(&mut world), (0, 0));
    set_clock(&mut world, before);
    world.send("alice", "bob", "hello again");
    world.settle();
    read(&mut world, "bob", "alice");
    world.pass(HOUR / 2);
    assert_eq!(left(&mut world), (1, 1), "what is written afterwards has its whole time");
    world.pass(HOUR);
    assert_eq!(left(&mut world), (0, 0));
}

// T64: the time goes on while the device is off; what is over is gone before anything is shown.
#[test]
fn t64_time_goes_on_while_a_device_is_off() {
    let mut world = talked();
    read(&mut world, "bob", "alice");
    world.network_up = false;
    world.now = world.now.plus_ms(2 * HOUR);
    world.crash("bob");
    assert!(texts(&mut world, "bob", "alice").is_empty());
}

// T64: a program that only looks, without driving an engine.
#[test]
fn t64_what_is_over_can_be_erased_without_an_engine() {
    let mut world = talked();
    read(&mut world, "bob", "alice");
    let later = world.now.plus_ms(2 * HOUR);
    let tx = world.device("bob").vault.transaction().unwrap();
    tacite_core::erase_expired(&tx, later).unwrap();
    tx.commit().unwrap();
    assert!(texts(&mut world, "bob", "alice").is_empty());
}

// T64: neither a server that repeats itself nor a sender who sends again brings back what has disappeared or was deleted.
#[test]
fn t64_what_is_gone_does_not_come_back_by_repetition() {
    for is_deleted in [false, true] {
        let mut world = World::of_contacts();
        world.send("alice", "bob", "hello");
        let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
        world.input("bob", Input::Frame(push.clone()));
        world.settle();
        let own = world.device("alice").history("bob").pop().unwrap();
        if is_deleted {
            world.intend("alice", Intent::Delete { to: own.peer, message_id: own.message_id });
        } else {
            read(&mut world, "bob", "alice");
            world.pass(2 * HOUR);
        }
        world.settle();
        world.input("bob", Input::Frame(push));
        let again = Body::Text(Text { text: "hello".to_owned(), reply_to: None });
        world.tell_with("alice", "bob", again, |content| content.original_id = Some(own.message_id));
        let texts = texts(&mut world, "bob", "alice");
        assert!(texts.iter().all(String::is_empty), "{texts:?}");
        assert_eq!(texts.len(), usize::from(is_deleted));
        assert_eq!(world.device("bob").told(), ["hello"]);
    }
}

// T30, T64: a server that claims a receipt cannot make the sender's copy disappear.
#[test]
fn t30_an_unproven_receipt_starts_no_timer() {
    let mut world = World::of_contacts();
    set_timer(&mut world, Expiry::new(5000, ExpiryStart::Receipt));
    world.send("alice", "bob", "hello");
    let answer = world.intercept("alice", Opcode::SEND_DIRECT);
    let mut row: tacite_wire::proto::MessageState = answer.read().unwrap();
    row.proof = vec![0; 16].into();
    world.forge("alice", &answer, &row);
    let now = world.now;
    set_clock(&mut world, now.plus_ms(8 * DAY_MS));
    assert_eq!(texts(&mut world, "alice", "bob"), ["hello"]);
    assert_eq!(world.device("alice").sent_states("bob").last(), Some(&MessageState::Sent));
}
