//! Frames that are handed in together: one transaction, and nothing else is different.

use tacite_core::{Effect, Input, LinkStatus};
use tacite_wire::Opcode;
use tacite_wire::proto::Acknowledge;

use crate::world::{Crash, World};

const TEXTS: [&str; 4] = ["one", "two", "three", "four"];

/// Four texts of alice's are on their way to bob, and bob is there.
fn on_their_way() -> World {
    let mut world = World::of_contacts();
    for text in TEXTS {
        world.send("alice", "bob", text);
    }
    let is_message = |opcode: Opcode| opcode == Opcode::DIRECT_RECEIVED;
    while world.down.iter().filter(|(_, frame)| is_message(frame.header.opcode)).count() < TEXTS.len() {
        world.go_up();
        world.arrive_together("alice");
    }
    world
}

/// How many messages each acknowledgement names that is on its way.
fn acknowledgements(world: &World) -> Vec<usize> {
    let frames = world.up.iter().filter(|(_, frame)| frame.header.opcode == Opcode::ACKNOWLEDGE);
    frames.map(|(_, frame)| frame.read::<Acknowledge>().unwrap().messages.len()).collect()
}

#[test]
fn what_came_together_is_stored_in_order_and_acknowledged_at_once() {
    let mut world = on_their_way();
    assert!(world.arrive_together("bob"));
    assert_eq!(world.device("bob").received("alice"), TEXTS);
    assert_eq!(world.device("bob").told(), TEXTS);
    assert_eq!(acknowledgements(&world), [TEXTS.len()]);
}

// C5, E3: together or not at all; what was not stored is not acknowledged, and comes again.
#[test]
fn what_came_together_and_was_not_committed_did_not_happen() {
    let mut world = on_their_way();
    let device = world.device("bob");
    device.crash = Some((device.inputs + 1, Crash::BeforeCommit));
    assert!(world.arrive_together("bob"));
    assert!(acknowledgements(&world).is_empty());
    assert!(world.device("bob").received("alice").is_empty());
    world.settle();
    assert_eq!(world.device("bob").received("alice"), TEXTS);
    assert_eq!(world.device("bob").told(), TEXTS);
}

#[test]
fn what_came_together_and_was_not_committed_is_forgotten_by_the_engine_too() {
    let mut world = on_their_way();
    let now = world.now;
    let link = world.device("bob").link;
    let on_link = world.down.iter().filter(|(of, _)| Some(*of) == link);
    let frames: Vec<_> = on_link.map(|(_, frame)| Input::Frame(frame.clone())).collect();
    let device = world.device("bob");
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::seed_from_u64(5);
    let mut tx = device.vault.transaction().unwrap();
    let lost = device.core.handle_all(&mut tx, frames, now, &mut rng).unwrap();
    assert!(lost.iter().any(|effect| matches!(effect, Effect::Send(_))));
    drop(tx);
    assert!(world.arrive_together("bob"));
    assert_eq!(world.device("bob").told(), TEXTS);
    assert_eq!(acknowledgements(&world), [TEXTS.len()]);
    world.settle();
    assert_eq!(world.device("bob").link(), LinkStatus::Level);
}
