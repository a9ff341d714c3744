//! T22: a contact whose identity key is another than the known one.

use tacite_core::{Intent, MessageState, Outcome};

use crate::world::World;

/// Alice knows another key as bob's than the one that he has, and has compared it.
fn of_a_changed_identity() -> World {
    let mut world = World::of_contacts();
    world.send("bob", "alice", "before");
    world.settle();
    let bob = world.account_id("bob");
    let tx = world.device("alice").vault.transaction().unwrap();
    let mut contact = tx.contact(bob).unwrap().unwrap();
    (contact.identity_key, contact.verified) = (Some([5; 33]), true);
    tx.save_contact(&contact).unwrap();
    tx.remove_session(bob, tacite_model::DeviceId::FIRST).unwrap();
    tx.commit().unwrap();
    world.send("bob", "alice", "under another key");
    world.settle();
    world
}

fn accept(world: &mut World) -> tacite_core::RequestId {
    world.intend("alice", Intent::AcceptIdentity { handle: "bob".parse().unwrap() })
}

// T22, C10: it is refused until the person accepts it; then everything goes on, unverified, and what was refused comes again.
#[test]
fn t22_a_changed_identity_is_taken_by_the_persons_decision_alone() {
    let mut world = of_a_changed_identity();
    world.pass(3_600_000);
    assert_eq!(world.device("alice").notices(), ["identity-changed"]);
    assert_eq!(world.device("alice").told(), ["before"]);
    let accepted = accept(&mut world);
    assert_eq!(world.device("alice").answer(accepted), Some(Ok(Outcome::Done)));
    let bob = "bob".parse().unwrap();
    let contact = world.device("alice").ask(|tx| tx.contact_by_handle(&bob).unwrap().unwrap());
    assert!(!contact.verified && contact.identity_key != Some([5; 33]));
    world.settle();
    world.send("alice", "bob", "and on");
    world.settle();
    assert_eq!(world.device("alice").received("bob"), ["before", "under another key"]);
    assert_eq!(world.device("bob").received("alice"), ["and on"]);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    assert_eq!(world.device("alice").notices(), ["identity-changed", "identity-accepted"]);
}

// T22: there must be something to accept; it is accepted once.
#[test]
fn an_identity_that_has_not_changed_cannot_be_accepted() {
    let mut world = World::of_contacts();
    world.send("bob", "alice", "hello");
    world.settle();
    let request = accept(&mut world);
    assert_eq!(world.device("alice").failure(request), "identity-unchanged");
    let mut world = of_a_changed_identity();
    accept(&mut world);
    let request = accept(&mut world);
    assert_eq!(world.device("alice").failure(request), "identity-unchanged");
}

// T22: keys that a server shows are offered as well, and nothing is sent meanwhile.
#[test]
fn t22_keys_that_a_server_shows_are_offered_only() {
    let mut world = of_a_changed_identity();
    world.send("alice", "bob", "to whom?");
    world.settle();
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Failed]);
    accept(&mut world);
    world.send("alice", "bob", "to bob");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["to bob"]);
}
