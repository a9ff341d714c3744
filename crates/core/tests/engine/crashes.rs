//! T20: a device dies at every point; nothing is lost, nothing is shown twice, no key is used twice.

use std::collections::BTreeMap;

use tacite_core::MessageState;
use tacite_model::MessageId;
use tacite_wire::Opcode;

use crate::world::{Crash, World};

const TEXTS: [&str; 3] = ["one", "two", "three"];

/// Alice writes three messages, bob one; either may be told to die.
fn exchange(victim: &'static str, crash: Option<(usize, Crash)>) -> World {
    let mut world = World::of_strangers();
    world.befriend("alice", "bob");
    world.device(victim).crash = crash;
    world.start("alice");
    world.start("bob");
    for text in TEXTS {
        world.send("alice", "bob", text);
    }
    world.settle();
    world.send("bob", "alice", "four");
    world.settle();
    world
}

/// The bodies that left under each id, arrived or not: exactly one, however often.
pub(crate) fn assert_same_bytes(world: &World) {
    let mut bodies: BTreeMap<MessageId, Vec<u8>> = BTreeMap::new();
    for frame in world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT) {
        let body = frame.body().to_vec();
        let first = bodies.entry(frame.header.message_id).or_insert_with(|| body.clone());
        assert!(*first == body, "two ciphertexts for one message");
    }
}

fn assert_all_well(world: &mut World, what: &str) {
    // An intent whose transaction was lost with the process is the driver's to repeat: here it was not.
    let queued: Vec<String> =
        world.device("alice").history("bob").into_iter().filter(|it| it.outgoing).map(|it| it.text).collect();
    assert_eq!(world.device("bob").received("alice"), queued, "{what}");
    assert!(queued.len() >= 2, "{what}");
    assert_eq!(
        world.device("alice").sent_states("bob"),
        vec![MessageState::Received; queued.len()],
        "{what}"
    );
    let answers = world.device("alice").received("bob");
    assert_eq!(answers.len(), world.device("bob").sent_states("alice").len(), "{what}");
    for name in ["alice", "bob"] {
        assert!(world.device(name).notices().is_empty(), "{what}: {:?}", world.device(name).notices());
        assert_eq!(world.device(name).ask(|tx| tx.outbox_count().unwrap()), 0, "{what}");
        let mut told = world.device(name).told();
        let count = told.len();
        told.sort_unstable();
        told.dedup();
        assert_eq!(told.len(), count, "shown twice: {what}");
    }
    assert!(world.server.queues.values().all(Vec::is_empty), "{what}");
    assert_same_bytes(world);
}

#[test]
fn t20_a_crash_at_every_input_loses_nothing() {
    for victim in ["alice", "bob"] {
        let mut calm = exchange(victim, None);
        assert_all_well(&mut calm, "calm");
        let inputs = calm.device(victim).inputs;
        assert!(inputs > 10, "{inputs}");
        for at in 1..=inputs {
            for crash in
                [Crash::BeforeCommit, Crash::BeforeEffects, Crash::AfterEffects(1), Crash::AfterEffects(2)]
            {
                let mut world = exchange(victim, Some((at, crash)));
                assert_all_well(&mut world, &format!("{victim} {at} {crash:?}"));
            }
        }
    }
}

#[test]
fn t20_a_link_that_breaks_after_every_frame_loses_nothing() {
    for victim in ["alice", "bob"] {
        for at in 0..60 {
            let mut world = World::of_strangers();
            world.befriend("alice", "bob");
            world.start("alice");
            world.start("bob");
            for text in TEXTS {
                world.send("alice", "bob", text);
            }
            for _ in 0..at {
                world.step();
            }
            world.cut(victim);
            world.settle();
            world.send("bob", "alice", "four");
            world.settle();
            assert_all_well(&mut world, &format!("{victim} {at}"));
            assert_eq!(world.device("bob").received("alice"), TEXTS);
        }
    }
}

#[test]
fn what_was_not_committed_is_forgotten_by_the_engine_too() {
    let mut world = World::of_contacts();
    let now = world.now;
    let device = world.device("alice");
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(5);
    let closed = || tacite_core::Input::LinkClosed { cause: None };
    let mut tx = device.vault.transaction().unwrap();
    device.core.handle(&mut tx, closed(), now, &mut rng).unwrap();
    drop(tx);
    assert!(matches!(device.link(), tacite_core::LinkStatus::Offline { .. }));
    device.vault.transaction().unwrap().commit().unwrap();
    // Not committed: it never happened, so the link still stands when the next input comes.
    let mut tx = device.vault.transaction().unwrap();
    device.core.handle(&mut tx, tacite_core::Input::Timer, now, &mut rng).unwrap();
    tx.commit().unwrap();
    assert_eq!(world.device("alice").link(), tacite_core::LinkStatus::Level);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "a transaction serves one call only")]
fn two_calls_in_one_transaction_panic() {
    let mut world = World::of_contacts();
    let now = world.now;
    let device = world.device("alice");
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(5);
    let mut tx = device.vault.transaction().unwrap();
    let _ = device.core.handle(&mut tx, tacite_core::Input::Timer, now, &mut rng);
    let _ = device.core.handle(&mut tx, tacite_core::Input::Timer, now, &mut rng);
}
