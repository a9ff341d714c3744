//! Presence and typing over real links.

use tacite_model::limits::PRESENCES_PER_FRAME_MAX;
use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::Store as _;
use tacite_router::delivery::LinkId;
use tacite_router::presence::Mood;
use tacite_wire::proto::{self, Presence};
use tacite_wire::{Code, Frame, Opcode};

use super::peer::{Peer, alice_and_bob, make_contacts};
use super::{World, policy};
use crate::hub::lock;
use crate::settings::{Delivery, Policy};

/// Does not wait for the answer: what is pushed before it is for the caller's next `seen`.
async fn say(peer: &mut Peer, presence: Presence) {
    let body = proto::SetPresence { presence: presence.into() };
    let id = peer.fresh_id();
    peer.send(Frame::command(Opcode::SET_PRESENCE, id, Timestamp::from_ms(1), &body).unwrap()).await;
}

/// Waits for the answer: nothing must be pushed before it.
async fn say_first(peer: &mut Peer, presence: Presence) {
    let body = proto::SetPresence { presence: presence.into() };
    assert_eq!(peer.ask(Opcode::SET_PRESENCE, &body).await.header.code, Code::DONE);
}

async fn seen(peer: &mut Peer) -> Vec<(bytes::Bytes, Presence)> {
    let body: proto::PresenceChanged = peer.pushed(Opcode::PRESENCE_CHANGED).await.read().unwrap();
    body.presences.iter().map(|row| (row.account_id.clone(), row.presence())).collect()
}

// C8: told to accepted contacts that take part themselves; gone with the last link.
#[tokio::test]
async fn contacts_see_who_comes_changes_and_goes() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let (mut carol, _) = Peer::registered(&world, "carol").await;
    say_first(&mut carol, Presence::Online).await;
    say_first(&mut alice, Presence::Online).await;
    say(&mut bob, Presence::Busy).await;
    assert_eq!(seen(&mut bob).await, [(alice.id(), Presence::Online)], "who is there when he comes");
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Busy)]);
    say(&mut bob, Presence::Online).await;
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Online)]);
    bob.leave().await;
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Offline)]);

    make_contacts(&mut alice, &mut carol, "carol").await;
    assert_eq!(seen(&mut alice).await, [(carol.id(), Presence::Online)], "nothing of her came before");
    assert!(world.hub.router.seen().is_empty(), "nothing of it is stored");
}

// Who wants to be seen by nobody may look; who takes no part sees nothing.
#[tokio::test]
async fn who_says_offline_sees_and_is_not_seen() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    say_first(&mut alice, Presence::Offline).await;
    say(&mut bob, Presence::Online).await;
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Online)]);
    let block = proto::BlockContact { account_id: alice.id() };
    bob.ask(Opcode::BLOCK_CONTACT, &block).await;
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Offline)], "one who blocks is not shown");
    bob.ask(Opcode::UNBLOCK_CONTACT, &block).await;
    assert_eq!(seen(&mut alice).await, [(bob.id(), Presence::Online)]);
    let unspecified = proto::SetPresence { presence: 0 };
    assert_eq!(bob.ask(Opcode::SET_PRESENCE, &unspecified).await.header.code, Code::BODY_UNREADABLE);
}

#[tokio::test]
async fn last_seen_is_stored_only_where_the_operator_wants_it() {
    let delivery = Delivery { last_seen: true, ..Delivery::default() };
    let world = World::with_policy(Policy { delivery, ..policy() }).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    say_first(&mut alice, Presence::Offline).await;
    say_first(&mut bob, Presence::Online).await;
    assert_eq!(world.hub.router.seen(), [bob.account_id], "not who does not want to be seen");
}

#[tokio::test]
async fn typing_is_told_to_contacts() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let (mut mallory, _) = Peer::registered(&world, "mallory").await;
    let typing = |typing| proto::Typing { account_id: bob.id(), typing };
    let (begins, ends) = (typing(true), typing(false));
    assert_eq!(mallory.ask(Opcode::SET_TYPING, &begins).await.header.code, Code::NOT_A_CONTACT);
    for body in [begins, ends] {
        assert_eq!(alice.ask(Opcode::SET_TYPING, &body).await.header.code, Code::DONE);
        let told: proto::Typing = bob.pushed(Opcode::TYPING_CHANGED).await.read().unwrap();
        assert_eq!((told.account_id, told.typing), (alice.id(), body.typing));
    }
}

// T71: whoever has many contacts gets them in frames of so many.
#[tokio::test]
async fn a_long_list_of_contacts_comes_in_several_frames() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let now = world.hub.clock.now();
    for number in 0..=PRESENCES_PER_FRAME_MAX {
        let mut bytes = [0xBB; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        let contact = AccountId::from_bytes(bytes);
        let id = ConversationId::from_bytes(bytes);
        world.hub.router.request(alice.account_id, contact, id, now).await.unwrap();
        world.hub.router.answer(contact, alice.account_id, true, now).await.unwrap();
        let link = LinkId(1_000_000 + u64::try_from(number).unwrap());
        lock(&world.hub.presence).say(contact, link, Mood::Online);
    }
    say(&mut alice, Presence::Offline).await;
    assert_eq!(seen(&mut alice).await.len(), PRESENCES_PER_FRAME_MAX);
    assert_eq!(seen(&mut alice).await.len(), 1);
}
