//! Messages over real links of a server in memory: relayed, kept, delivered, told.

use tacite_depot::StoreError;
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_router::{Change, Cursor, DeviceKey, Store as _};
use tacite_wire::proto::{self, DeliveryState};
use tacite_wire::{Code, Frame, Header, Opcode};

use super::faulty_depot::{SLOW, TOO_MUCH};
use super::peer::{Peer, alice_and_bob};
use super::{StoppedClock, World};
use crate::company::COMPANY_FRAMES;

pub(crate) async fn send(from: &mut Peer, to: AccountId, sealed: &[u8]) -> MessageId {
    let id = offer(from, to, sealed).await;
    from.taken(id).await;
    id
}

/// The same without waiting for any answer: nothing is parked meanwhile because time passes.
pub(super) async fn offer(from: &mut Peer, to: AccountId, sealed: &[u8]) -> MessageId {
    let (id, envelope) = (from.fresh_id(), from.envelope(to, sealed));
    from.send(Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(1), &envelope).unwrap()).await;
    id
}

pub(crate) async fn state_of(peer: &mut Peer, id: MessageId) -> DeliveryState {
    peer.outcome(id).await.read::<proto::MessageState>().unwrap().state()
}

pub(super) async fn next_message(peer: &mut Peer) -> Frame {
    loop {
        let frame = peer.receive().await;
        if frame.header.opcode == Opcode::DIRECT_RECEIVED {
            return frame;
        }
    }
}

// E3 inline: from memory to the recipient's link, byte for byte, nothing stored.
#[tokio::test]
async fn between_two_online_people_a_message_is_relayed_and_not_stored() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let id = offer(&mut alice, bob.account_id, b"sealed for bob").await;
    let pushed = next_message(&mut bob).await;
    assert_eq!(pushed.header.message_id, id);
    let envelope: proto::Envelope = pushed.read().unwrap();
    assert_eq!(envelope, alice.envelope(bob.account_id, b"sealed for bob"));
    bob.acknowledge(alice.account_id, id).await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Received);
    let changes = world.hub.router.changes_since(alice.account_id, Cursor::default(), 10).await.unwrap();
    assert!(changes.iter().all(|change| matches!(change, Change::Conversation(_))));
}

// C3, C5: kept while away, delivered in order, deleted when stored, the sender told.
#[tokio::test]
async fn what_is_sent_to_somebody_away_waits_and_arrives_in_order() {
    let world = World::start().await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let (bob_id, token) = (bob.account_id, bob.access_token.clone());
    drop(bob);
    let mut ids = Vec::new();
    for number in 1..=3 {
        let id = send(&mut alice, bob_id, &[number]).await;
        assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
        ids.push(id);
    }
    let mut bob = Peer::connect(&world, Some(&token)).await;
    bob.account_id = bob_id;
    assert!(bob.connected.signed_in);
    bob.ask(Opcode::HELLO, &proto::Hello { version: 1, ..Default::default() }).await;
    bob.ask(Opcode::SYNC, &proto::Sync::default()).await;
    for id in &ids {
        let pushed = next_message(&mut bob).await;
        assert_eq!(pushed.header.message_id, *id);
        bob.acknowledge(alice.account_id, *id).await;
    }
    loop {
        if bob.receive().await.header.opcode == Opcode::LEVEL {
            break;
        }
    }
    for id in &ids {
        let told: proto::MessageState = loop {
            let frame = alice.receive().await;
            if frame.header.opcode == Opcode::STATE_CHANGED {
                break frame.read().unwrap();
            }
        };
        assert_eq!(
            (told.message_id.clone(), told.state()),
            (id.as_bytes().to_vec().into(), DeliveryState::Received)
        );
    }
}

// The sender hears nothing before the recipient has it or the store has it.
#[tokio::test]
async fn a_recipient_whose_link_dies_before_acknowledging_gets_the_message_later() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let token = bob.access_token.clone();
    let id = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(next_message(&mut bob).await.header.message_id, id);
    let bob_id = bob.account_id;
    drop(bob);
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    let mut bob = Peer::connect(&world, Some(&token)).await;
    bob.account_id = bob_id;
    bob.ask(Opcode::HELLO, &proto::Hello { version: 1, ..Default::default() }).await;
    bob.ask(Opcode::SYNC, &proto::Sync::default()).await;
    assert_eq!(next_message(&mut bob).await.header.message_id, id);
}

// C6, T15: what was on its way when a message was refused does not overtake it.
#[tokio::test]
async fn what_follows_a_refused_message_is_refused_with_it_and_order_holds() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    bob.leave().await;
    let frame = |alice: &mut Peer| {
        let (id, envelope) = (alice.fresh_id(), alice.envelope(bob.account_id, b"sealed"));
        Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(1), &envelope).unwrap()
    };
    let (first, second) = (frame(&mut alice), frame(&mut alice));
    let [first_id, second_id] = [&first, &second].map(|frame| frame.header.message_id);
    world.hub.router.spoil_next_enqueue(Err(StoreError::Full));
    alice.send(first.clone()).await;
    assert_eq!(alice.answer_to(first_id).await.header.code, Code::TAKEN);
    assert_eq!(alice.answer_to(first_id).await.header.code, Code::STORAGE_FULL);
    alice.send(second.clone()).await;
    assert_eq!(
        alice.answer_to(second_id).await.header.code,
        Code::STORAGE_FULL,
        "though there is room again"
    );
    for (frame, id) in [(first, first_id), (second, second_id)] {
        alice.send(frame).await;
        assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    }
    let mut bob = Peer::back(&world, &bob).await;
    for id in [first_id, second_id] {
        assert_eq!(next_message(&mut bob).await.header.message_id, id);
    }
}

pub(super) async fn waiting_for(world: &World, account_id: AccountId) -> Vec<MessageId> {
    let device = DeviceKey { account_id, device_id: DeviceId::FIRST };
    let rows = world.hub.router.waiting(device, 0, 10).await.unwrap();
    rows.iter().map(|row| row.key.message_id).collect()
}

// C6: what lies behind it would overtake it.
#[tokio::test]
async fn of_messages_that_are_written_together_none_waits_without_its_body() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    bob.leave().await;
    let first = send(&mut alice, bob.account_id, SLOW).await;
    let second = send(&mut alice, bob.account_id, TOO_MUCH).await;
    let third = send(&mut alice, bob.account_id, b"sealed").await;
    world.slow_bodies.add_permits(1);
    assert_eq!(state_of(&mut alice, first).await, DeliveryState::Sent);
    for id in [second, third] {
        assert_eq!(alice.answer_to(id).await.header.code, Code::STORAGE_FULL);
    }
    assert_eq!(waiting_for(&world, bob.account_id).await, [first]);
}

// Whoever sends many at once waits for no clock.
#[tokio::test]
async fn so_many_answers_are_company_enough() {
    let world = World::start().await;
    let (mut alice, _bob) = alice_and_bob(&world).await;
    let _clock = StoppedClock::stop();
    let mut ids = Vec::new();
    for _ in 0..COMPANY_FRAMES {
        ids.push(alice.fresh_id());
        let nothing = proto::Acknowledge { messages: Vec::new() };
        let command =
            Frame::command(Opcode::ACKNOWLEDGE, ids[ids.len() - 1], Timestamp::from_ms(1), &nothing);
        alice.send(command.unwrap()).await;
    }
    for id in ids {
        assert_eq!(alice.answer_to(id).await.header.code, Code::DONE);
    }
}

// Order is what a link promises: what waits for company is not overtaken, and leaves by itself if none comes. Who hears what became
// of a message need not hear that it was taken.
#[tokio::test]
async fn answers_that_nobody_waits_for_keep_their_place() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    alice.pushed(Opcode::CONTACT_CHANGED).await;
    assert_eq!(bob.ask(Opcode::ACKNOWLEDGE, &proto::Acknowledge::default()).await.header.code, Code::DONE);
    let _clock = StoppedClock::stop();
    let id = alice.fresh_id();
    let envelope = alice.envelope(bob.account_id, b"sealed");
    alice.send(Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(1), &envelope).unwrap()).await;
    next_message(&mut bob).await;
    bob.acknowledge(alice.account_id, id).await;
    // Company for what waits, on bob's link and then on alice's.
    let mut heard = Vec::new();
    for peer in [&mut bob, &mut alice] {
        let hello = proto::Hello { version: 1, ..Default::default() };
        let command = Frame::command(Opcode::HELLO, peer.fresh_id(), Timestamp::from_ms(1), &hello).unwrap();
        peer.send(command).await;
        for _ in 0..2 {
            let Header { opcode, code, .. } = peer.receive().await.header;
            heard.push((opcode, code));
        }
    }
    let expected = [Opcode::ACKNOWLEDGE, Opcode::HELLO, Opcode::SEND_DIRECT, Opcode::HELLO];
    assert_eq!(heard, expected.map(|opcode| (opcode, Code::DONE)));
}
