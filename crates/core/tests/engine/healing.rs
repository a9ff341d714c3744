//! C10, T21: messages that cannot be opened heal, without opening a way for anybody else.

use rand_core::{Rng, SeedableRng};
use tacite_core::{Input, Intent, MessageState, MessageView};
use tacite_model::limits::RESEND_QUOTA;
use tacite_model::{DeviceId, MessageId};
use tacite_seal::{Body, Gone, ResendRequest, SealKind, Sealed};
use tacite_wire::proto::{Envelope, KeyBundles};
use tacite_wire::{Frame, Opcode};

use crate::old_copies::assert_no_key_is_used_twice;
use crate::world::World;

/// Alice and bob, who have written to each other.
fn of_a_conversation() -> World {
    let mut world = World::of_contacts();
    for (from, to) in [("alice", "bob"), ("bob", "alice"), ("alice", "bob")] {
        world.send(from, to, "hello");
        world.settle();
    }
    world
}

/// Alice's message to bob, damaged on its way; he acknowledges what he has got.
fn damage(world: &mut World, text: &str) -> Frame {
    world.send("alice", "bob", text);
    damage_next(world)
}

/// The same of the next that comes.
pub(crate) fn damage_next(world: &mut World) -> Frame {
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    let mut envelope: Envelope = push.read().unwrap();
    let mut sealed = envelope.sealed.to_vec();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    envelope.sealed = sealed.into();
    world.forge("bob", &push, &envelope);
    push
}

fn count(world: &World, opcode: Opcode, from: &str) -> usize {
    let account_id = world.account_id(from);
    let is_from = |frame: &&Frame| match frame.read::<Envelope>() {
        Ok(envelope) => envelope.sender_id.as_ref() == account_id.as_bytes(),
        Err(_) => false,
    };
    let frames = world.sent.iter().filter(|frame| frame.header.opcode == opcode);
    if opcode == Opcode::SEND_DIRECT { frames.filter(is_from).count() } else { frames.count() }
}

// C10: explained, asked for in a fresh session, and put into its place.
#[test]
fn a_message_that_cannot_be_opened_heals_by_itself() {
    let mut world = of_a_conversation();
    let fetched = count(&world, Opcode::FETCH_KEYS, "bob");
    damage(&mut world, "damaged");
    while world.step() {}
    assert_eq!(world.device("bob").notices(), ["message-unreadable"]);
    let last = |world: &mut World| world.device("bob").history("alice").pop().unwrap();
    assert_eq!(last(&mut world).state, MessageState::Unreadable);
    world.send("alice", "bob", "after");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello", "hello", "damaged", "after"]);
    assert_eq!(world.device("bob").notices(), ["message-unreadable"]);
    assert!(world.device("alice").notices().is_empty());
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 4]);
    assert_eq!(count(&world, Opcode::FETCH_KEYS, "bob"), fetched + 1, "one fresh session");
    let bob = world.account_id("bob");
    let bobs = world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT);
    let mut bobs = bobs.map(|frame| frame.read::<Envelope>().unwrap());
    let request = bobs.rfind(|envelope| envelope.sender_id.as_ref() == bob.as_bytes()).unwrap();
    assert_eq!(Sealed::decode(&request.sealed).unwrap().kind, SealKind::Prekey);
    assert_no_key_is_used_twice(&world);
}

// C10: what was sent once more is damaged too: it is asked for under its own name, and no line of that name stays.
#[test]
fn what_was_sent_once_more_heals_as_well() {
    let mut world = of_a_conversation();
    damage(&mut world, "damaged");
    while world.step() {}
    world.now = world.now.plus_ms(2000);
    world.input("bob", Input::Timer);
    damage_next(&mut world);
    while world.step() {}
    assert_eq!(world.device("bob").notices(), ["message-unreadable"; 2]);
    world.send("alice", "bob", "after");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello", "hello", "damaged", "after"]);
    let history = world.device("bob").history("alice");
    assert!(history.iter().all(|message| message.state != MessageState::Unreadable), "{history:?}");
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 4]);
}

// C10: what was done with a message while it could not be read shows when it can.
#[test]
fn an_edit_waits_for_a_message_that_cannot_be_read() {
    let mut world = of_a_conversation();
    damage(&mut world, "damaged");
    while world.step() {}
    let message = world.device("alice").history("bob").pop().unwrap();
    let (to, message_id) = (message.peer.clone(), message.message_id);
    world.intend("alice", Intent::Edit { to, message_id, text: "mended".to_owned() });
    while world.step() {}
    assert_eq!(world.device("bob").history("alice").pop().unwrap().state, MessageState::Unreadable);
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello", "hello", "mended"]);
}

// C10: a device that has lost its session, and one that has lost all of them, in both directions.
#[test]
fn a_lost_session_heals() {
    for (forgetful, other) in [("bob", "alice"), ("alice", "bob")] {
        let mut world = of_a_conversation();
        let peer = world.account_id(other);
        let tx = world.device(forgetful).vault.transaction().unwrap();
        tx.remove_session(peer, DeviceId::FIRST).unwrap();
        tx.commit().unwrap();
        for text in ["one", "two", "three"] {
            world.send(other, forgetful, text);
        }
        world.settle();
        let received = world.device(forgetful).received(other);
        assert_eq!(received[received.len() - 3..], ["one", "two", "three"]);
        for name in [other, forgetful] {
            let peer = if name == other { forgetful } else { other };
            world.send(name, peer, "and on");
            world.settle();
            assert_eq!(world.device(peer).received(name).last().unwrap(), "and on");
        }
        let states = world.device(other).sent_states(forgetful);
        assert_eq!(states, vec![MessageState::Received; states.len()]);
    }
}

// C10: many in a row are asked for together.
#[test]
fn a_burst_of_unreadable_messages_costs_one_session() {
    let mut world = of_a_conversation();
    let fetched = count(&world, Opcode::FETCH_KEYS, "bob");
    let texts: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    for text in &texts {
        damage(&mut world, text);
    }
    world.settle();
    assert_eq!(world.device("bob").received("alice")[2..], texts);
    assert_eq!(count(&world, Opcode::FETCH_KEYS, "bob"), fetched + 1);
}

// C10: in vain three times, with pauses; then the row in the conversation is all that remains.
#[test]
fn what_nobody_sends_again_is_asked_for_three_times() {
    let mut world = of_a_conversation();
    damage(&mut world, "damaged");
    while world.step() {}
    world.end("alice");
    let before = count(&world, Opcode::SEND_DIRECT, "bob");
    world.pass(24 * 3_600_000);
    assert_eq!(count(&world, Opcode::SEND_DIRECT, "bob") - before, 3);
    assert_eq!(world.device("bob").history("alice").pop().unwrap().state, MessageState::Unreadable);
}

// T21: a server that makes messages unreadable, on and on, costs few sessions; the person hears of it; nothing is lost.
#[test]
fn t21_a_flood_of_resets_is_limited_and_told() {
    let mut world = of_a_conversation();
    let (push, envelope) = {
        let push = damage(&mut world, "first");
        let envelope: Envelope = push.read().unwrap();
        (push, envelope)
    };
    world.settle();
    let fetched = count(&world, Opcode::FETCH_KEYS, "bob");
    let verified = |world: &mut World| {
        world
            .device("bob")
            .ask(|tx| tx.contact_by_handle(&"alice".parse().unwrap()).unwrap().unwrap().identity_key)
    };
    let known = verified(&mut world);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
    let minutes = 20;
    for _ in 0..minutes * 20 {
        let mut forged = push.clone();
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        forged.header.message_id = MessageId::from_bytes(id);
        let sealed = Sealed { kind: SealKind::Whisper, message: vec![7; 200] }.encode();
        world.forge("bob", &forged, &Envelope { sealed: sealed.into(), ..envelope.clone() });
        world.pass(3000);
    }
    let sessions = count(&world, Opcode::FETCH_KEYS, "bob") - fetched;
    let allowed = RESEND_QUOTA.burst as usize + minutes + 1;
    assert!(sessions <= allowed, "{sessions} sessions");
    assert!(world.device("bob").notices().contains(&"asked-too-often"));
    assert_eq!(verified(&mut world), known, "the identity is the same");
    world.send("alice", "bob", "all the same");
    world.settle();
    assert_eq!(world.device("bob").received("alice").last().unwrap(), "all the same");
    world.send("bob", "alice", "and back");
    world.settle();
    assert_eq!(world.device("alice").received("bob").last().unwrap(), "and back");
    assert_no_key_is_used_twice(&world);
}

// T21: somebody who asks on and on is answered as often as allowed.
#[test]
fn t21_a_flood_of_questions_is_answered_as_often_as_allowed() {
    let mut world = of_a_conversation();
    let id = world.device("alice").history("bob")[0].message_id;
    let before = count(&world, Opcode::SEND_DIRECT, "alice");
    world.end("alice");
    for _ in 0..30 {
        let request = ResendRequest { message_ids: vec![id], after_id: None, before_id: None };
        world.tell("bob", "alice", Body::ResendRequest(request));
    }
    world.start("alice");
    world.settle();
    let answers = count(&world, Opcode::SEND_DIRECT, "alice") - before;
    assert!((RESEND_QUOTA.burst as usize..30).contains(&answers), "{answers}");
    assert_eq!(world.device("bob").received("alice"), ["hello", "hello"], "nothing is shown twice");
}

// T21: questions that come faster than they are answered are answered later, not never: who asks does not ask for ever.
#[test]
fn t21_a_question_too_many_is_answered_later() {
    let mut world = of_a_conversation();
    let questions = RESEND_QUOTA.burst as usize + 4;
    for number in 0..questions {
        world.send("alice", "bob", &number.to_string());
        world.settle();
    }
    let before = count(&world, Opcode::SEND_DIRECT, "alice");
    let ids: Vec<MessageId> = world.device("alice").history("bob").iter().map(|it| it.message_id).collect();
    world.end("alice");
    for message_id in &ids[..questions] {
        let request = ResendRequest { message_ids: vec![*message_id], after_id: None, before_id: None };
        world.tell("bob", "alice", Body::ResendRequest(request));
    }
    world.start("alice");
    while world.step() {}
    let answers = count(&world, Opcode::SEND_DIRECT, "alice") - before;
    assert_eq!(answers, RESEND_QUOTA.burst as usize);
    world.pass(5 * 60_000);
    let answers = count(&world, Opcode::SEND_DIRECT, "alice") - before;
    assert_eq!(answers, questions);
}

// C10: what was told to one is never sent to another, whoever asks for it.
#[test]
fn nothing_is_sent_again_but_to_whom_it_was_told() {
    let mut world = of_a_conversation();
    world.add_registered("carol", 3);
    world.befriend("alice", "carol");
    world.start("carol");
    world.settle();
    world.send("alice", "bob", "for bob alone");
    world.send("carol", "alice", "hello");
    world.send("alice", "carol", "hello carol");
    world.settle();
    let ids: Vec<MessageId> = world.device("alice").history("bob").iter().map(|it| it.message_id).collect();
    let request = ResendRequest { message_ids: ids.clone(), after_id: None, before_id: None };
    world.tell("carol", "alice", Body::ResendRequest(request));
    let gap = ResendRequest { message_ids: Vec::new(), after_id: Some(ids[0]), before_id: Some(ids[2]) };
    world.tell("carol", "alice", Body::ResendRequest(gap));
    let everything = ResendRequest { message_ids: Vec::new(), after_id: None, before_id: None };
    world.tell("carol", "alice", Body::ResendRequest(everything));
    world.settle();
    assert_eq!(world.device("carol").received("alice"), ["hello carol"]);
    assert_eq!(world.device("carol").told(), ["hello carol"]);
}

// C10, T22: a session that heals begins with the known identity or not at all.
#[test]
fn t22_an_identity_does_not_change_by_healing() {
    let mut world = of_a_conversation();
    damage(&mut world, "damaged");
    world.now = world.now.plus_ms(2000);
    world.input("bob", Input::Timer);
    let fetched = world.intercept("bob", Opcode::FETCH_KEYS);
    let mut bundles: KeyBundles = fetched.read().unwrap();
    bundles.identity_key = [&[5][..], &[9; 32]].concat().into();
    world.forge("bob", &fetched, &bundles);
    while world.step() {}
    assert!(world.device("bob").notices().contains(&"identity-changed"));
    let before = count(&world, Opcode::SEND_DIRECT, "bob");
    world.send("bob", "alice", "to whom?");
    let fetched = world.intercept("bob", Opcode::FETCH_KEYS);
    world.forge("bob", &fetched, &bundles);
    while world.step() {}
    assert_eq!(count(&world, Opcode::SEND_DIRECT, "bob"), before, "nothing is sent under another identity");
}

// C10: "gone" about what nobody asked for does no harm.
#[test]
fn what_is_said_to_be_gone_is_not_waited_for() {
    let mut world = of_a_conversation();
    let ids = world.device("alice").history("bob");
    let gone = Gone { message_ids: vec![ids[0].message_id], before_id: Some(MessageId::from_bytes([1; 16])) };
    world.tell("alice", "bob", Body::Gone(gone));
    world.send("alice", "bob", "after");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello", "hello", "after"]);
    assert!(world.device("bob").notices().is_empty());
}

/// A conversation, and alice's last message of it.
fn of_a_slip() -> (World, MessageView) {
    let mut world = of_a_conversation();
    world.send("alice", "bob", "a slip");
    world.settle();
    let message = world.device("alice").history("bob").pop().unwrap();
    (world, message)
}

// C10, T65: bob could not read an edit, and asks for it; meanwhile alice has deleted the message for all. There is nothing to show any
// more, so no line that cannot be read stays.
#[test]
fn what_was_deleted_before_it_could_be_sent_again_leaves_nothing_unreadable() {
    let (mut world, message) = of_a_slip();
    let (to, message_id) = (message.peer.clone(), message.message_id);
    world.intend("alice", Intent::Edit { to: to.clone(), message_id, text: "another".to_owned() });
    damage_next(&mut world);
    while world.step() {}
    world.intend("alice", Intent::Delete { to, message_id });
    world.settle();
    let history = world.device("bob").history("alice");
    assert!(history.iter().all(|message| message.state != MessageState::Unreadable), "{history:?}");
    assert!(history.last().unwrap().deleted);
    world.send("alice", "bob", "after");
    world.settle();
    assert_eq!(world.device("bob").received("alice").last().unwrap(), "after");
    assert_eq!(world.device("bob").notices(), ["message-unreadable"]);
}

// C10: so it is with a reaction that was on its way when its message was deleted, and is in no chain any more.
#[test]
fn what_was_deleted_while_it_left_leaves_nothing_unreadable() {
    let (mut world, message) = of_a_slip();
    world.sent.clear();
    world.intend("alice", Intent::React { message: message.name(), emoji: "!".to_owned() });
    assert_eq!(count(&world, Opcode::SEND_DIRECT, "alice"), 1, "it has left");
    world.intend("alice", Intent::Delete { to: message.peer, message_id: message.message_id });
    damage_next(&mut world);
    world.settle();
    let history = world.device("bob").history("alice");
    assert!(history.iter().all(|message| message.state != MessageState::Unreadable), "{history:?}");
    assert_eq!(world.device("bob").notices(), ["message-unreadable"]);
    world.send("alice", "bob", "after");
    world.settle();
    assert_eq!(world.device("bob").received("alice").last().unwrap(), "after");
}
