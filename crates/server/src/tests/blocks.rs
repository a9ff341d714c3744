//! Blocking over real links.

use tacite_router::Store as _;
use tacite_wire::proto::{self, ContactState, DeliveryState};
use tacite_wire::{Code, Opcode};

use super::World;
use super::delivery::{next_message, send, state_of};
use super::peer::{Peer, alice_and_bob, reference};

async fn block(by: &mut Peer, whom: &Peer) -> proto::Contact {
    let body = proto::BlockContact { account_id: whom.id() };
    by.ask(Opcode::BLOCK_CONTACT, &body).await.read().unwrap()
}

async fn unblock(by: &mut Peer, whom: &Peer) -> proto::Contact {
    let body = proto::BlockContact { account_id: whom.id() };
    by.ask(Opcode::UNBLOCK_CONTACT, &body).await.read().unwrap()
}

async fn code_of_sending(from: &mut Peer, to: &Peer) -> Code {
    let envelope = from.envelope(to.account_id, b"sealed");
    from.ask(Opcode::SEND_DIRECT, &envelope).await.header.code
}

/// Sends what is not refused.
async fn write(from: &mut Peer, to: &Peer) {
    send(from, to.account_id, b"sealed").await;
}

async fn contacts(peer: &mut Peer) -> Vec<proto::Contact> {
    peer.ask(Opcode::SYNC, &proto::Sync::default()).await.read::<proto::SyncPage>().unwrap().contacts
}

// C2: whatever one who is blocked tries is answered as to a stranger; also right after they could still write.
#[tokio::test]
async fn one_who_is_blocked_is_answered_like_a_stranger() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    write(&mut alice, &bob).await;
    let before = contacts(&mut alice).await;
    let blocked = block(&mut bob, &alice).await;
    assert!(blocked.blocked);
    assert_eq!(blocked.state(), ContactState::Accepted);

    assert_eq!(code_of_sending(&mut alice, &bob).await, Code::NOT_A_CONTACT);
    let bob_id = bob.id();
    let keys = proto::FetchKeys { account_id: bob_id.clone() };
    assert_eq!(alice.ask(Opcode::FETCH_KEYS, &keys).await.header.code, Code::NOT_A_CONTACT);
    let typing = proto::Typing { account_id: bob_id, typing: true };
    assert_eq!(alice.ask(Opcode::SET_TYPING, &typing).await.header.code, Code::NOT_A_CONTACT);
    let id = alice.fresh_id();
    let read = proto::MarkRead { messages: vec![reference(bob.account_id, id)] };
    assert_eq!(alice.ask(Opcode::MARK_READ, &read).await.header.code, Code::NOT_A_CONTACT);
    let again = proto::RequestContact { handle: String::from("bob") };
    assert_eq!(alice.ask(Opcode::REQUEST_CONTACT, &again).await.header.code, Code::NOT_A_CONTACT);
    assert_eq!(contacts(&mut alice).await, before, "she is not told");

    assert_eq!(code_of_sending(&mut bob, &alice).await, Code::NOT_A_CONTACT, "nor can he write");
    assert!(contacts(&mut bob).await[0].blocked);
    assert!(!unblock(&mut bob, &alice).await.blocked);
    write(&mut alice, &bob).await;
    write(&mut bob, &alice).await;
}

#[tokio::test]
async fn a_block_of_each_other_ends_when_both_have_taken_it_back() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    block(&mut bob, &alice).await;
    block(&mut alice, &bob).await;
    unblock(&mut bob, &alice).await;
    assert_eq!(code_of_sending(&mut bob, &alice).await, Code::NOT_A_CONTACT);
    unblock(&mut alice, &bob).await;
    write(&mut bob, &alice).await;
}

#[tokio::test]
async fn what_waits_of_one_who_is_blocked_never_comes() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    bob.leave().await;
    let id = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    // Another link of bob's, which does not receive yet.
    let mut bob = Peer::again(&world, &bob).await;
    block(&mut bob, &alice).await;
    let device =
        tacite_router::DeviceKey { account_id: bob.account_id, device_id: tacite_model::DeviceId::FIRST };
    assert_eq!(world.hub.router.waiting(device, 0, 10).await.unwrap(), []);
    bob.ask(Opcode::SYNC, &proto::Sync::default()).await;
    assert_eq!(bob.receive().await.header.opcode, Opcode::LEVEL, "nothing came before");
    unblock(&mut bob, &alice).await;
    let later = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(next_message(&mut bob).await.header.message_id, later);
}

#[tokio::test]
async fn strangers_cannot_be_blocked_and_a_request_can() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let (mut bob, _) = Peer::registered(&world, "bob").await;
    let body = proto::BlockContact { account_id: alice.id() };
    assert_eq!(bob.ask(Opcode::BLOCK_CONTACT, &body).await.header.code, Code::NOT_A_CONTACT);
    let request = proto::RequestContact { handle: String::from("bob") };
    alice.ask(Opcode::REQUEST_CONTACT, &request).await;
    let blocked = block(&mut bob, &alice).await;
    assert_eq!((blocked.blocked, blocked.state()), (true, ContactState::Asking));
    let again: proto::Contact = alice.ask(Opcode::REQUEST_CONTACT, &request).await.read().unwrap();
    assert_eq!(again.state(), ContactState::Asked, "as if bob had not answered");
}
