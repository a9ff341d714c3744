//! Contact requests over real links.

use tacite_model::{AccountId, ConversationId};
use tacite_router::{Requested, Store as _};
use tacite_wire::proto::{self, ContactState};
use tacite_wire::{Code, Opcode};

use super::World;
use super::peer::Peer;

/// What became of a request of which only the writing succeeded.
async fn only_written(world: &World, from: AccountId, to: AccountId) -> Requested {
    let (id, now) = (world.hub.chance.with(|rng| ConversationId::random(rng)), world.hub.clock.now());
    world.hub.router.request(from, to, id, now).await.unwrap()
}

/// `from` asks, or asks again, for `handle`.
async fn ask(from: &mut Peer, handle: &str) -> ContactState {
    let body = proto::RequestContact { handle: handle.to_owned() };
    from.ask(Opcode::REQUEST_CONTACT, &body).await.read::<proto::Contact>().unwrap().state()
}

/// How the other stands in the next `cntc`.
async fn hears(peer: &mut Peer) -> ContactState {
    peer.pushed(Opcode::CONTACT_CHANGED).await.read::<proto::Contact>().unwrap().state()
}

// C10: what a request came to was written, and then something failed: the other hears of it when it is repeated.
#[tokio::test]
async fn a_request_that_was_written_and_not_told_is_told_when_it_is_repeated() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let (mut bob, _) = Peer::registered(&world, "bob").await;
    let written = only_written(&world, alice.account_id, bob.account_id).await;
    assert!(matches!(written, Requested::Changed(_)));
    assert_eq!(ask(&mut alice, "bob").await, ContactState::Asked);
    assert_eq!(hears(&mut bob).await, ContactState::Asking);

    // Both asked: they are contacts, and only alice does not know.
    let written = only_written(&world, bob.account_id, alice.account_id).await;
    assert!(matches!(written, Requested::Changed(_)));
    assert_eq!(ask(&mut bob, "alice").await, ContactState::Accepted);
    assert_eq!(hears(&mut alice).await, ContactState::Accepted);
}

#[tokio::test]
async fn who_has_refused_is_not_told_again() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let (mut bob, _) = Peer::registered(&world, "bob").await;
    ask(&mut alice, "bob").await;
    assert_eq!(hears(&mut bob).await, ContactState::Asking);
    let refusal = proto::AnswerContact { account_id: alice.id() };
    assert_eq!(bob.ask(Opcode::REFUSE_CONTACT, &refusal).await.header.code, Code::DONE);
    assert_eq!(ask(&mut alice, "bob").await, ContactState::Asked, "as if bob had not answered");
    let (mut carol, _) = Peer::registered(&world, "carol").await;
    ask(&mut carol, "bob").await;
    let next: proto::Contact = bob.pushed(Opcode::CONTACT_CHANGED).await.read().unwrap();
    assert_eq!(next.account_id, carol.id(), "nothing about alice");
}
