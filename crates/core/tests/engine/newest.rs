//! T15: edits, reactions and deletions that come in another order than that in which they were made: the newest counts.

use proptest::prelude::*;
use tacite_core::{Intent, MessageRef, MessageView};
use tacite_model::limits::DAY_MS;
use tacite_wire::Frame;

use crate::disappearing::set_clock;
use crate::gaps::{deliver, lose, of_a_conversation, take_away};
use crate::world::World;

/// How long bob waits for what is missing, milliseconds.
const WAIT_MS: u64 = 65_000;
const ORDERS: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];

/// What alice does with a message.
#[derive(Debug, Clone, Copy)]
enum Deed {
    Edit(&'static str),
    React(&'static str),
    Delete,
}

fn intent(deed: Deed, message: &MessageRef) -> Intent {
    let (to, message_id) = (message.peer.clone(), message.message_id);
    match deed {
        Deed::Edit(text) => Intent::Edit { to, message_id, text: text.to_owned() },
        Deed::React(emoji) => Intent::React { message: message.clone(), emoji: emoji.to_owned() },
        Deed::Delete => Intent::Delete { to, message_id },
    }
}

/// Alice does something; it is taken on its way to bob.
fn take(world: &mut World, deed: Deed, message: &MessageRef) -> Frame {
    world.intend("alice", intent(deed, message));
    take_away(world)
}

fn take_all<const N: usize>(world: &mut World, deeds: [Deed; N], message: &MessageRef) -> [Frame; N] {
    deeds.map(|deed| take(world, deed, message))
}

/// Alice does something, and it comes at once. Bob holds it back if something is missing.
fn send(world: &mut World, deed: Deed, message: &MessageRef) {
    world.intend("alice", intent(deed, message));
    while world.step() {}
}

/// Alice goes, so that nobody answers when bob asks; he waits no longer.
fn wait_in_vain(world: &mut World) {
    world.end("alice");
    world.pass(WAIT_MS);
}

/// What was taken comes in this order, each after bob has given up waiting for what is missing before the one that came last.
fn deliver_slowly(world: &mut World, pushes: &[Frame], order: &[usize]) {
    while world.step() {}
    world.end("alice");
    for at in order {
        deliver(world, &pushes[*at]);
        world.pass(WAIT_MS);
    }
}

/// The message that alice sees as one that she wrote, or that bob did.
fn known_to_alice(world: &mut World, outgoing: bool) -> MessageRef {
    let history = world.device("alice").history("bob");
    history.iter().rfind(|message| message.outgoing == outgoing).unwrap().name()
}

fn seen_by(world: &mut World, name: &str, message: &MessageRef) -> Option<MessageView> {
    let peer = if name == "alice" { "bob" } else { "alice" };
    let history = world.device(name).history(peer);
    history.into_iter().find(|it| it.message_id == message.message_id)
}

/// What somebody sees of a message: text, how often it was edited, and alice's reaction.
fn shown_to(world: &mut World, name: &str, message: &MessageRef) -> (String, u32, String) {
    let view = seen_by(world, name, message).unwrap();
    let of_alice = |own| own == (name == "alice");
    let reaction = view.reactions.iter().find(|reaction| of_alice(reaction.own));
    (view.text.clone(), view.edits, reaction.map(|it| it.emoji.clone()).unwrap_or_default())
}

fn is_deleted(world: &mut World, name: &str, message: &MessageRef) -> bool {
    seen_by(world, name, message).is_none_or(|view| view.deleted && view.text.is_empty())
}

#[track_caller]
fn assert_both_see(world: &mut World, message: &MessageRef, text: &str, edits: u32, reaction: &str) {
    for name in ["bob", "alice"] {
        let expected = (text.to_owned(), edits, reaction.to_owned());
        assert_eq!(shown_to(world, name, message), expected, "{name}");
    }
}

// T15: whether the server brings it late or its author sends it again.
#[test]
fn t15_an_edit_that_comes_late_does_not_overwrite_a_newer_one() {
    for is_asked_for in [false, true] {
        let mut world = of_a_conversation();
        let message = known_to_alice(&mut world, true);
        let older = take(&mut world, Deed::Edit("older"), &message);
        send(&mut world, Deed::Edit("newer"), &message);
        wait_in_vain(&mut world);
        assert_eq!(shown_to(&mut world, "bob", &message), ("newer".to_owned(), 1, String::new()));
        if is_asked_for {
            world.start("alice");
            world.settle_within(10 * 60_000);
        } else {
            deliver(&mut world, &older);
        }
        assert_both_see(&mut world, &message, "newer", 2, "");
    }
}

// T15
#[test]
fn t15_the_newest_of_several_edits_counts_in_whichever_order_they_come() {
    for order in ORDERS {
        let mut world = of_a_conversation();
        let message = known_to_alice(&mut world, true);
        let pushes =
            take_all(&mut world, [Deed::Edit("one"), Deed::Edit("two"), Deed::Edit("three")], &message);
        deliver_slowly(&mut world, &pushes, &order);
        assert_both_see(&mut world, &message, "three", 3, "");
    }
}

// T15: changed, taken back, and given again; of one's own message and of another's.
#[test]
fn t15_the_newest_reaction_of_a_person_counts_in_whichever_order_they_come() {
    for emoji in [["👍", "🎉", "👎"], ["👍", "", "🎉"], ["👍", "🎉", ""]] {
        for (order, outgoing) in ORDERS.into_iter().flat_map(|order| [(order, true), (order, false)]) {
            let mut world = of_a_conversation();
            let message = known_to_alice(&mut world, outgoing);
            let pushes = take_all(&mut world, emoji.map(Deed::React), &message);
            deliver_slowly(&mut world, &pushes, &order);
            let text = if outgoing { "0" } else { "hello" };
            assert_both_see(&mut world, &message, text, 0, emoji[2]);
        }
    }
}

// T15: also of those that wait until the message comes.
#[test]
fn t15_the_newest_counts_of_what_waits_for_a_missing_message() {
    for (older, newer, text, edits, reaction) in [
        (Deed::Edit("older"), Deed::Edit("newer"), "newer", 2, ""),
        (Deed::React("👍"), Deed::React("🎉"), "1", 0, "🎉"),
        (Deed::React("👍"), Deed::React(""), "1", 0, ""),
    ] {
        for order in ORDERS {
            let mut world = of_a_conversation();
            let lost = lose(&mut world, "1");
            let message = known_to_alice(&mut world, true);
            let [older, newer] = take_all(&mut world, [older, newer], &message);
            deliver_slowly(&mut world, &[lost, older, newer], &order);
            assert_both_see(&mut world, &message, text, edits, reaction);
        }
    }
}

// T15: nothing that comes late brings back what its author has deleted.
#[test]
fn t15_what_comes_late_does_not_bring_back_a_deleted_message() {
    for late in [Deed::Edit("edited"), Deed::React("👍")] {
        for order in ORDERS {
            let mut world = of_a_conversation();
            let lost = lose(&mut world, "1");
            let message = known_to_alice(&mut world, true);
            let [late, deletion] = take_all(&mut world, [late, Deed::Delete], &message);
            deliver_slowly(&mut world, &[lost, late, deletion], &order);
            assert!(is_deleted(&mut world, "bob", &message), "{order:?}");
            let alice = world.account_id("alice");
            assert_eq!(world.device("bob").ask(|tx| tx.early_count(alice).unwrap()), 0);
        }
    }
}

// T15, T70: the author's clock does not decide, and may be set back as far as anybody likes.
#[test]
fn t70_a_clock_set_back_makes_no_edit_and_no_reaction_older() {
    for is_late in [false, true] {
        let mut world = of_a_conversation();
        let message = known_to_alice(&mut world, true);
        let older = take_all(&mut world, [Deed::Edit("older"), Deed::React("👍")], &message);
        if !is_late {
            for push in &older {
                deliver(&mut world, push);
            }
        }
        let before = world.now;
        set_clock(&mut world, before.minus_ms(DAY_MS));
        send(&mut world, Deed::Edit("newer"), &message);
        send(&mut world, Deed::React("🎉"), &message);
        wait_in_vain(&mut world);
        if is_late {
            for push in &older {
                deliver(&mut world, push);
            }
        }
        assert_both_see(&mut world, &message, "newer", 2, "🎉");
    }
}

fn deed() -> impl Strategy<Value = Deed> {
    let texts = prop_oneof![Just("one"), Just("two"), Just("three")];
    let emoji = prop_oneof![Just("👍"), Just("🎉"), Just("")];
    prop_oneof![6 => texts.prop_map(Deed::Edit), 6 => emoji.prop_map(Deed::React), 1 => Just(Deed::Delete)]
}

/// What alice does with a message, whether her clock is set back a day before each, and in which order all of it comes to bob.
fn deeds() -> impl Strategy<Value = (Vec<(Deed, bool)>, Vec<usize>)> {
    proptest::collection::vec((deed(), any::<bool>()), 1..6).prop_flat_map(|deeds| {
        let order: Vec<usize> = (0..=deeds.len()).collect();
        (Just(deeds), Just(order).prop_shuffle())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // T15: whatever alice does, and in whatever order it comes, in the end bob sees what she sees.
    #[test]
    fn t15_both_agree_whatever_is_done_and_in_whatever_order_it_comes((deeds, order) in deeds()) {
        let mut world = of_a_conversation();
        let mut pushes = vec![lose(&mut world, "1")];
        while world.step() {}
        let message = known_to_alice(&mut world, true);
        for (deed, sets_clock) in deeds {
            if sets_clock {
                let now = world.now;
                set_clock(&mut world, now.minus_ms(DAY_MS));
            }
            let before = world.device("alice").ask(|tx| tx.outbox_count().unwrap());
            prop_assert_eq!(before, 0);
            world.intend("alice", intent(deed, &message));
            // What changes nothing is told to nobody.
            if world.device("alice").ask(|tx| tx.outbox_count().unwrap()) > 0 {
                pushes.push(take_away(&mut world));
            }
            while world.step() {}
        }
        let order: Vec<usize> = order.into_iter().filter(|at| *at < pushes.len()).collect();
        deliver_slowly(&mut world, &pushes, &order);
        let is_gone = is_deleted(&mut world, "alice", &message);
        prop_assert_eq!(is_deleted(&mut world, "bob", &message), is_gone);
        if !is_gone {
            let by_bob = shown_to(&mut world, "bob", &message);
            prop_assert_eq!(by_bob, shown_to(&mut world, "alice", &message));
        }
    }
}
