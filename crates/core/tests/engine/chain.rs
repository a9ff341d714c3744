//! Which contents are named as the one before another: none that never left, and none that is never held back.

use proptest::prelude::*;
use tacite_core::Intent;
use tacite_wire::Opcode;
use tacite_wire::proto::Envelope;

use crate::world::World;

/// How often somebody has sent something.
fn sent_by(world: &World, name: &str) -> usize {
    let account_id = world.account_id(name);
    let is_theirs = |frame: &&tacite_wire::Frame| {
        frame.header.opcode == Opcode::SEND_DIRECT
            && frame.read::<Envelope>().unwrap().sender_id.as_ref() == account_id.as_bytes()
    };
    world.sent.iter().filter(is_theirs).count()
}

/// Alice's last message, deleted.
fn delete_last(world: &mut World) {
    let message_id = world.device("alice").history("bob").pop().unwrap().message_id;
    world.intend("alice", Intent::Delete { to: "bob".parse().unwrap(), message_id });
}

// Neither is one that was sealed already, whether or not it has left.
#[test]
fn what_is_deleted_while_it_leaves_is_no_gap() {
    for has_left in [false, true] {
        let mut world = World::of_contacts();
        world.send("alice", "bob", "0");
        world.settle();
        world.send("alice", "bob", "1");
        if has_left {
            world.intercept("alice", Opcode::SEND_DIRECT);
        }
        world.network_up = false;
        world.cut("alice");
        delete_last(&mut world);
        world.send("alice", "bob", "2");
        world.network_up = true;
        world.settle_within(6 * 60_000);
        let received = world.device("bob").received("alice");
        assert_eq!(received, if has_left { vec!["0", "", "2"] } else { vec!["0", "2"] });
        assert!(world.device("bob").notices().is_empty());
        assert_eq!(sent_by(&world, "bob"), 0, "he asks for nothing");
    }
}

// T64: a server that delivers a message after its deletion brings nothing back.
#[test]
fn t64_what_comes_after_its_deletion_is_not_shown() {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "0");
    world.settle();
    world.send("alice", "bob", "1");
    world.intercept("bob", Opcode::DIRECT_RECEIVED);
    delete_last(&mut world);
    world.send("alice", "bob", "2");
    while world.step() {}
    assert_eq!(world.device("bob").received("alice"), ["0", "2"]);
    world.cut("bob");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["0", "2"]);
    assert!(world.device("bob").notices().is_empty());
    assert!(world.server.queues.values().all(Vec::is_empty), "acknowledged");
}

// T15: a question or an answer that comes hides nothing that is missing before it.
#[test]
fn t15_what_is_missing_before_a_question_is_missed() {
    let mut world = World::of_contacts();
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        world.send(from, to, "0");
        world.settle();
    }
    let lose = |world: &mut World, from: &'static str, to: &'static str| {
        world.send(from, to, "1");
        let push = world.intercept(to, Opcode::DIRECT_RECEIVED);
        world.server.swallow((world.account_id(from), push.header.message_id));
        while world.step() {}
    };
    // Alice asks bob for his message after one of hers was lost.
    lose(&mut world, "bob", "alice");
    world.send("bob", "alice", "2");
    while world.step() {}
    lose(&mut world, "alice", "bob");
    world.pass(6000);
    assert_eq!(world.device("alice").received("bob"), ["0", "1", "2"], "asked for and answered");
    world.send("alice", "bob", "2");
    while world.step() {}
    assert_eq!(world.device("bob").received("alice"), ["0"], "held");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["0", "1", "2"]);
    assert!(world.device("bob").notices().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    // What never left and never will is no gap to wait for, wherever it stood and whenever it was deleted.
    #[test]
    fn what_is_deleted_before_it_left_is_in_no_chain(
        acts in proptest::collection::vec(any::<proptest::sample::Index>(), 1..8),
    ) {
        let mut world = World::of_contacts();
        world.send("alice", "bob", "0");
        world.settle();
        world.network_up = false;
        world.cut("alice");
        let mut texts: Vec<String> = vec!["0".to_owned()];
        for (number, act) in acts.iter().enumerate() {
            for text in [2 * number + 1, 2 * number + 2] {
                world.send("alice", "bob", &text.to_string());
                texts.push(text.to_string());
            }
            let at = 1 + act.index(texts.len() - 1);
            let message = world.device("alice").history("bob").into_iter().find(|it| it.text == texts[at]);
            let message_id = message.unwrap().message_id;
            world.intend("alice", Intent::Delete { to: "bob".parse().unwrap(), message_id });
            texts.remove(at);
        }
        world.network_up = true;
        world.settle_within(6 * 60_000);
        prop_assert_eq!(world.device("bob").received("alice"), texts);
        prop_assert!(world.device("bob").notices().is_empty(), "{:?}", world.device("bob").notices());
        prop_assert_eq!(world.device("alice").ask(|tx| tx.outbox_count().unwrap()), 0);
        prop_assert_eq!(sent_by(&world, "bob"), 0, "he asks for nothing");
    }
}
