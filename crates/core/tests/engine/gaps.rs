//! T15: messages that are dropped, delayed or put into another order on their way.

use proptest::prelude::*;
use tacite_core::{Input, Intent, MessageState};
use tacite_model::limits::HELD_MESSAGES_MAX;
use tacite_wire::proto::Acknowledge;
use tacite_wire::{Code, Frame, Opcode};

use crate::healing::damage_next;
use crate::server::Mischief;
use crate::world::World;

/// Alice's message to bob, taken on its way to him by a server that claims to hold it.
pub(crate) fn lose(world: &mut World, text: &str) -> Frame {
    world.send("alice", "bob", text);
    take_away(world)
}

pub(crate) fn take_away(world: &mut World) -> Frame {
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    let alice = world.account_id("alice");
    world.server.swallow((alice, push.header.message_id));
    push
}

pub(crate) fn deliver(world: &mut World, push: &Frame) {
    world.input("bob", Input::Frame(push.clone()));
}

/// Alice and bob, who have written to each other.
pub(crate) fn of_a_conversation() -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "0");
    world.settle();
    world.send("bob", "alice", "hello");
    world.settle();
    world
}

fn sent_by_bob(world: &World) -> usize {
    let bob = world.account_id("bob");
    let is_bobs = |frame: &&Frame| {
        let envelope: tacite_wire::proto::Envelope = frame.read().unwrap();
        envelope.sender_id.as_ref() == bob.as_bytes()
    };
    world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT).filter(is_bobs).count()
}

/// Texts with their marks: `!` something is missing before it, `~` it came late.
fn marked(world: &mut World) -> Vec<String> {
    let history = world.device("bob").history("alice").into_iter().filter(|message| !message.outgoing);
    let mark = |is_set, mark| if is_set { mark } else { "" };
    history
        .map(|it| format!("{}{}{}", mark(it.marks.gap_before, "!"), mark(it.marks.late, "~"), it.text))
        .collect()
}

// T15
#[test]
fn t15_a_message_that_was_dropped_is_asked_for_and_comes_in_order() {
    let mut world = of_a_conversation();
    lose(&mut world, "1");
    world.send("alice", "bob", "2");
    while world.step() {}
    assert_eq!(world.device("bob").told(), ["0"], "held");
    let before = sent_by_bob(&world);
    world.pass(4000);
    assert_eq!(sent_by_bob(&world), before, "it may come by itself");
    world.pass(2000);
    assert_eq!(world.device("bob").told(), ["0", "1", "2"]);
    assert_eq!(sent_by_bob(&world), before + 1);
    world.settle();
    assert_eq!(marked(&mut world), ["0", "1", "2"]);
    assert!(world.device("bob").notices().is_empty());
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 3]);
}

// T15: a message that could not be opened names the one before it only once it has come anew.
#[test]
fn t15_what_was_dropped_before_a_message_that_cannot_be_opened_comes_too() {
    for goes_on in [false, true] {
        let mut world = of_a_conversation();
        lose(&mut world, "1");
        world.send("alice", "bob", "2");
        damage_next(&mut world);
        while world.step() {}
        if goes_on {
            world.send("alice", "bob", "3");
        }
        world.settle();
        let expected = ["0", "~1", "~2", "3"];
        assert_eq!(marked(&mut world), expected[..if goes_on { 4 } else { 3 }]);
    }
}

// T15: the same if what could not be opened deletes the one before it.
#[test]
fn t15_what_was_dropped_before_a_deletion_that_cannot_be_opened_comes_too() {
    let mut world = of_a_conversation();
    lose(&mut world, "1");
    lose(&mut world, "2");
    let second = world.device("alice").history("bob").pop().unwrap();
    world.intend("alice", Intent::Delete { to: second.peer, message_id: second.message_id });
    damage_next(&mut world);
    world.settle();
    assert_eq!(marked(&mut world), ["0", "~1"]);
}

// T15
#[test]
fn t15_what_is_only_delayed_is_not_asked_for() {
    let mut world = of_a_conversation();
    let before = sent_by_bob(&world);
    let one = lose(&mut world, "1");
    let two = lose(&mut world, "2");
    let three = lose(&mut world, "3");
    for push in [three, two, one] {
        deliver(&mut world, &push);
        world.pass(1000);
    }
    world.pass(100_000);
    assert_eq!(world.device("bob").told(), ["0", "1", "2", "3"]);
    assert_eq!(sent_by_bob(&world), before);
    assert_eq!(marked(&mut world), ["0", "1", "2", "3"]);
}

// T15, T20: what is held survives the end of the process, and is acknowledged.
#[test]
fn t15_what_is_held_is_on_disk() {
    let mut world = of_a_conversation();
    let one = lose(&mut world, "1");
    world.send("alice", "bob", "2");
    while world.step() {}
    assert!(world.server.queues.values().all(Vec::is_empty), "acknowledged");
    world.crash("bob");
    world.settle_within(1000);
    assert_eq!(world.device("bob").told(), ["0"]);
    deliver(&mut world, &one);
    assert_eq!(world.device("bob").told(), ["0", "1", "2"]);
}

// C3: its first acknowledgement may have been lost.
#[test]
fn a_held_message_that_comes_again_is_acknowledged_with_the_same_proof() {
    let mut world = of_a_conversation();
    lose(&mut world, "1");
    let two = lose(&mut world, "2");
    let mut proofs = Vec::new();
    for _ in 0..2 {
        let before = world.sent.len();
        deliver(&mut world, &two);
        let acknowledged = |frame: &&Frame| frame.header.opcode == Opcode::ACKNOWLEDGE;
        let frame = world.sent[before..].iter().find(acknowledged).expect("acknowledged").clone();
        let messages = frame.read::<Acknowledge>().unwrap().messages;
        assert!(messages[0].proof.len() == 16 && !messages[0].silent);
        proofs.push(messages[0].proof.clone());
        while world.step() {}
    }
    assert_eq!(proofs[0], proofs[1]);
}

// T15: who asks is answered before everything that waits, however much that is.
#[test]
fn t15_an_answer_goes_before_all_that_waits() {
    let mut world = of_a_conversation();
    let lost = lose(&mut world, "1");
    world.send("alice", "bob", "2");
    while world.step() {}
    // Alice writes on where nothing gets through, and bob's question reaches her first when something does.
    world.network_up = false;
    world.cut("alice");
    world.pass(6000);
    for number in 3..30 {
        world.send("alice", "bob", &number.to_string());
    }
    let before = world.sent.len();
    world.network_up = true;
    world.settle();
    let alice = world.account_id("alice");
    let is_alices = |frame: &&Frame| {
        frame.header.opcode == Opcode::SEND_DIRECT
            && frame.read::<tacite_wire::proto::Envelope>().unwrap().sender_id.as_ref() == alice.as_bytes()
    };
    let sent: Vec<_> = world.sent[before..].iter().filter(is_alices).map(|it| it.header.message_id).collect();
    let texts: Vec<_> = world.device("alice").history("bob").iter().map(|it| it.message_id).collect();
    let answer = sent.iter().position(|id| !texts.contains(id)).expect("answered");
    assert!(answer <= 1, "behind {answer} others");
    assert!(!sent.contains(&lost.header.message_id));
    let expected: Vec<String> = (0..30).map(|number| number.to_string()).collect();
    assert_eq!(marked(&mut world), expected);
}

/// Bob holds a message, and what he asks goes into a link that is dead.
fn of_a_dead_link() -> World {
    let mut world = of_a_conversation();
    lose(&mut world, "1");
    world.send("alice", "bob", "2");
    while world.step() {}
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Ignore);
    world.pass(64_000);
    assert_eq!(marked(&mut world), ["0"]);
    world
}

// T15: nothing is said to be missing for which nobody was asked yet.
#[test]
fn t15_a_question_that_does_not_leave_ends_no_waiting() {
    let mut world = of_a_dead_link();
    world.pass(6000);
    assert_eq!(marked(&mut world), ["0", "1", "2"], "asked on the next link, and answered");
    assert!(world.device("bob").notices().is_empty());
}

// T15: but nobody waits for ever.
#[test]
fn t15_a_question_that_never_leaves_ends_the_waiting_after_ten_minutes() {
    let mut world = of_a_dead_link();
    world.network_up = false;
    world.cut("bob");
    world.pass(8 * 60_000);
    assert_eq!(marked(&mut world), ["0"]);
    world.pass(2 * 60_000);
    assert_eq!(marked(&mut world), ["0", "!2"]);
    world.network_up = true;
    world.settle_within(10 * 60_000);
    assert_eq!(marked(&mut world), ["0", "~1", "2"]);
}

/// Bob has got everything but these; alice is away, so nobody answers; he waits no longer.
fn marked_without(missing: &[usize], count: usize) -> (World, Vec<Frame>) {
    let mut world = of_a_conversation();
    let pushes: Vec<Frame> = (1..=count).map(|number| lose(&mut world, &number.to_string())).collect();
    while world.step() {}
    world.end("alice");
    for (at, push) in pushes.iter().enumerate() {
        if !missing.contains(&(at + 1)) {
            deliver(&mut world, push);
        }
    }
    world.pass(5000 + 60_000 - 1);
    let lost = missing.iter().map(|number| pushes[number - 1].clone()).collect();
    (world, lost)
}

// T15: nobody waits for ever; what is missing is visible; what comes after all has its place.
#[test]
fn t15_what_does_not_come_is_marked_and_late_ones_find_their_place() {
    let (mut world, _) = marked_without(&[2, 3], 4);
    assert_eq!(marked(&mut world), ["0", "1"], "a minute is a minute");
    world.pass(1);
    assert_eq!(marked(&mut world), ["0", "1", "!4"]);
    assert_eq!(world.device("bob").notices(), ["messages-missing"]);
    world.start("alice");
    world.settle_within(10 * 60_000);
    assert_eq!(marked(&mut world), ["0", "1", "~2", "~3", "4"]);
    assert_eq!(world.device("bob").notices(), ["messages-missing"]);
    world.send("alice", "bob", "5");
    world.settle();
    assert_eq!(marked(&mut world), ["0", "1", "~2", "~3", "4", "5"]);
}

// T15: nothing was told before the very first one: it stands before everything else.
#[test]
fn t15_the_first_message_of_all_finds_its_place() {
    let mut world = World::of_contacts();
    let first = lose(&mut world, "0");
    let second = lose(&mut world, "1");
    while world.step() {}
    world.end("alice");
    deliver(&mut world, &second);
    world.pass(65_000);
    assert_eq!(marked(&mut world), ["!1"]);
    deliver(&mut world, &first);
    assert_eq!(marked(&mut world), ["~0", "1"]);
}

// T15: what was done with a message while it was missing is not lost: it shows when the message comes.
#[test]
fn t15_edits_and_reactions_wait_for_a_message_that_is_missing() {
    let mut world = of_a_conversation();
    let lost = lose(&mut world, "1");
    while world.step() {}
    let message = world.device("alice").history("bob").pop().unwrap();
    let (to, message_id) = (message.peer.clone(), message.message_id);
    for text in ["one", "One"] {
        world.intend("alice", Intent::Edit { to: to.clone(), message_id, text: text.to_owned() });
    }
    world.intend("alice", Intent::React { message: message.name(), emoji: "👍".to_owned() });
    while world.step() {}
    world.end("alice");
    world.pass(65_000);
    assert_eq!(marked(&mut world), ["0"]);
    world.crash("bob");
    while world.step() {}
    deliver(&mut world, &lost);
    assert_eq!(marked(&mut world), ["0", "~One"]);
    let history = world.device("bob").history("alice");
    let shown = history.iter().find(|it| it.message_id == message_id).unwrap();
    assert_eq!(shown.edits, 2);
    assert_eq!(shown.reactions.iter().map(|it| it.emoji.as_str()).collect::<Vec<_>>(), ["👍"]);
}

// T64: nor does it come back with a message that was deleted while it was missing.
#[test]
fn t64_what_waits_for_a_missing_message_ends_with_its_deletion() {
    let mut world = of_a_conversation();
    let lost = lose(&mut world, "1");
    while world.step() {}
    let message = world.device("alice").history("bob").pop().unwrap();
    let (to, message_id, alice) = (message.peer.clone(), message.message_id, world.account_id("alice"));
    world.intend("alice", Intent::Edit { to: to.clone(), message_id, text: "one".to_owned() });
    while world.step() {}
    world.end("alice");
    world.pass(65_000);
    assert_eq!(world.device("bob").ask(|tx| tx.early_count(alice).unwrap()), 1);
    world.start("alice");
    world.intend("alice", Intent::Delete { to, message_id });
    while world.step() {}
    assert_eq!(world.device("bob").ask(|tx| tx.early_count(alice).unwrap()), 0);
    deliver(&mut world, &lost);
    world.settle();
    assert_eq!(marked(&mut world), ["0"]);
}

// T15: late ones in any order.
#[test]
fn t15_late_messages_find_their_place_in_whatever_order() {
    let orders: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let (mut world, late) = marked_without(&[2, 3, 4], 6);
        world.pass(1);
        assert_eq!(marked(&mut world), ["0", "1", "!5", "6"]);
        for at in order {
            deliver(&mut world, &late[at]);
        }
        assert_eq!(marked(&mut world), ["0", "1", "~2", "~3", "~4", "5", "6"], "{order:?}");
    }
}

// T15: several gaps at once are marked in the order of writing.
#[test]
fn t15_several_gaps_keep_the_order_of_what_is_there() {
    let (mut world, late) = marked_without(&[1, 3, 5], 6);
    world.pass(1);
    assert_eq!(marked(&mut world), ["0", "!2", "!4", "!6"]);
    for push in late.iter().rev() {
        deliver(&mut world, push);
    }
    assert_eq!(marked(&mut world), ["0", "~1", "2", "~3", "4", "~5", "6"]);
}

// T15: what the server refused for good was never sent: nothing is missing, and nothing is marked.
#[test]
fn t15_what_was_never_sent_is_no_gap() {
    let mut world = of_a_conversation();
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(Code::NOT_A_CONTACT, 0));
    world.send("alice", "bob", "refused");
    world.settle();
    world.send("alice", "bob", "1");
    world.settle();
    assert_eq!(marked(&mut world), ["0", "1"]);
    assert!(world.device("bob").notices().is_empty());
    assert_eq!(
        world.device("alice").sent_states("bob"),
        [MessageState::Received, MessageState::Failed, MessageState::Received]
    );
}

/// Bob gets the second message; the first was lost, and alice does this to her vault before he asks.
fn asked_in_vain(forget: impl FnOnce(&tacite_core::Transaction<'_>, tacite_model::MessageName)) -> World {
    let mut world = of_a_conversation();
    lose(&mut world, "1");
    while world.step() {}
    let message_id = world.device("alice").history("bob").last().unwrap().message_id;
    let name = tacite_model::MessageName { author_id: world.account_id("alice"), message_id };
    let tx = world.device("alice").vault.transaction().unwrap();
    forget(&tx, name);
    tx.commit().unwrap();
    world.send("alice", "bob", "2");
    while world.step() {}
    world.pass(10_000);
    world
}

// T15: the sender does not know any more what there was.
#[test]
fn t15_what_is_gone_for_good_is_marked_at_once() {
    let mut world = asked_in_vain(|tx, _| {
        tx.remove_sent_contents_before(tacite_model::Timestamp::from_ms(u64::MAX)).unwrap();
    });
    assert_eq!(marked(&mut world), ["0", "!2"]);
    assert_eq!(world.device("bob").notices(), ["messages-missing"]);
    let before = sent_by_bob(&world);
    world.pass(24 * 3_600_000);
    assert_eq!(sent_by_bob(&world), before, "nobody is asked in vain");
}

// T15: what its author has erased meanwhile is not missing.
#[test]
fn t15_what_was_erased_is_no_gap() {
    let mut world = asked_in_vain(|tx, name| tx.erase_message(name).unwrap());
    assert_eq!(marked(&mut world), ["0", "2"]);
    assert!(world.device("bob").notices().is_empty());
}

// T15: a gap that nobody fills is asked for three times, not more.
#[test]
fn t15_nobody_is_asked_for_ever() {
    let (mut world, _) = marked_without(&[1], 2);
    world.pass(24 * 3_600_000);
    assert_eq!(marked(&mut world), ["0", "!2"]);
    let outbox = world.device("bob").ask(|tx| tx.outbox_count().unwrap());
    assert_eq!(outbox, 0, "the server holds the questions for alice");
    assert_eq!(sent_by_bob(&world), 1 + 3);
}

// T15: as many are held as allowed; one more ends the waiting.
#[test]
fn t15_holding_is_bounded() {
    let mut world = of_a_conversation();
    lose(&mut world, "missing");
    let pushes: Vec<Frame> =
        (0..=HELD_MESSAGES_MAX).map(|number| lose(&mut world, &number.to_string())).collect();
    for push in &pushes[..HELD_MESSAGES_MAX] {
        deliver(&mut world, push);
        while world.step() {}
    }
    assert_eq!(world.device("bob").told().len(), 1);
    deliver(&mut world, &pushes[HELD_MESSAGES_MAX]);
    assert_eq!(world.device("bob").told().len(), 1 + HELD_MESSAGES_MAX + 1);
    assert_eq!(world.device("bob").notices(), ["messages-missing"]);
}

/// What happens to a message on its way.
#[derive(Debug, Clone, Copy)]
enum Fate {
    Comes,
    IsDropped,
    /// Comes behind as many others, after a while.
    IsLate(usize, u16),
}

fn fate() -> impl Strategy<Value = Fate> {
    prop_oneof![
        2 => Just(Fate::Comes),
        2 => Just(Fate::IsDropped),
        2 => (0..6_usize, any::<u16>()).prop_map(|(behind, ms)| Fate::IsLate(behind, ms)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // T15: arbitrary subsets are dropped, delayed, put into another order; both are there. Everything comes, once, in order.
    #[test]
    fn t15_whatever_is_dropped_or_delayed_everything_comes_in_order(
        fates in proptest::collection::vec(fate(), 1..14),
        crashes in proptest::collection::vec(any::<bool>(), 14),
    ) {
        let mut world = of_a_conversation();
        let mut late: Vec<(usize, u16, Frame)> = Vec::new();
        for (number, fate) in fates.iter().enumerate() {
            // People do not write twice in one millisecond.
            world.pass(1);
            let push = lose(&mut world, &(number + 1).to_string());
            match fate {
                Fate::Comes => deliver(&mut world, &push),
                Fate::IsDropped => {}
                Fate::IsLate(behind, ms) => late.push((number + behind, *ms, push)),
            }
            while world.step() {}
            if crashes[number] {
                world.crash("bob");
                while world.step() {}
            }
            for (_, ms, push) in late.extract_if(.., |(at, ..)| *at <= number) {
                world.pass(u64::from(ms));
                deliver(&mut world, &push);
            }
        }
        world.send("alice", "bob", "last");
        world.settle_within(9 * 60_000);
        for (.., push) in late {
            deliver(&mut world, &push);
        }
        world.settle_within(9 * 60_000);
        let mut expected: Vec<String> = (0..=fates.len()).map(|number| number.to_string()).collect();
        expected.push("last".to_owned());
        prop_assert_eq!(world.device("bob").received("alice"), expected.clone());
        let mut told: Vec<String> = world.device("bob").told().iter().map(|text| (*text).to_owned()).collect();
        told.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(told, expected, "each is told once");
    }
}
