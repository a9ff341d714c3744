//! Proofs of receipt, silent receipts, and reading, over real links.

use tacite_model::limits::READS_PER_FRAME_MAX;
use tacite_model::{AccountId, MessageId};
use tacite_wire::proto::{self, DeliveryState};
use tacite_wire::{Code, Opcode};

use super::World;
use super::delivery::{next_message, offer, send};
use super::peer::{Peer, alice_and_bob, reference};

const PROOF: [u8; 16] = [0x77; 16];

fn proven(sender: AccountId, message: MessageId) -> proto::MessageRef {
    proto::MessageRef { proof: PROOF.to_vec().into(), ..reference(sender, message) }
}

fn silent(sender: AccountId, message: MessageId) -> proto::MessageRef {
    proto::MessageRef { silent: true, ..proven(sender, message) }
}

async fn read(peer: &mut Peer, messages: Vec<proto::MessageRef>) -> Code {
    peer.ask(Opcode::MARK_READ, &proto::MarkRead { messages }).await.header.code
}

/// The states that a synchronisation from the start brings.
async fn synced(peer: &mut Peer) -> Vec<proto::MessageState> {
    peer.ask(Opcode::SYNC, &proto::Sync::default()).await.read::<proto::SyncPage>().unwrap().states
}

async fn told(peer: &mut Peer) -> (DeliveryState, Vec<u8>) {
    let state: proto::MessageState = peer.pushed(Opcode::STATE_CHANGED).await.read().unwrap();
    (state.state(), state.proof.to_vec())
}

// T30: by the answer, by a push, by a synchronisation.
#[tokio::test]
async fn t30_a_proof_of_receipt_reaches_the_sender_each_way() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let relayed = offer(&mut alice, bob.account_id, b"sealed").await;
    next_message(&mut bob).await;
    bob.acknowledge_as(proven(alice.account_id, relayed)).await;
    let answer: proto::MessageState = alice.outcome(relayed).await.read().unwrap();
    assert_eq!((answer.state(), &answer.proof[..]), (DeliveryState::Received, &PROOF[..]));

    bob.leave().await;
    let waiting = send(&mut alice, bob.account_id, b"sealed").await;
    alice.answer_to(waiting).await;
    let mut bob = Peer::back(&world, &bob).await;
    next_message(&mut bob).await;
    bob.acknowledge_as(proven(alice.account_id, waiting)).await;
    assert_eq!(told(&mut alice).await, (DeliveryState::Received, PROOF.to_vec()));
    let rows = synced(&mut alice).await;
    assert_eq!((rows.len(), rows[0].state(), &rows[0].proof[..]), (1, DeliveryState::Received, &PROOF[..]));
}

// T44: a message that shows nothing is settled, and its sender learns no more than that the server took it.
#[tokio::test]
async fn t44_a_silent_receipt_tells_the_sender_no_more_than_sent() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let relayed = offer(&mut alice, bob.account_id, b"sealed").await;
    next_message(&mut bob).await;
    bob.acknowledge_as(silent(alice.account_id, relayed)).await;
    let answer: proto::MessageState = alice.outcome(relayed).await.read().unwrap();
    assert_eq!((answer.state(), answer.proof.len()), (DeliveryState::Sent, 0));

    bob.leave().await;
    let waiting = send(&mut alice, bob.account_id, b"sealed").await;
    alice.answer_to(waiting).await;
    let mut bob = Peer::back(&world, &bob).await;
    next_message(&mut bob).await;
    bob.acknowledge_as(silent(alice.account_id, waiting)).await;
    bob.pushed(Opcode::LEVEL).await;
    assert_eq!(synced(&mut alice).await, []);
    assert_eq!(read(&mut bob, vec![proven(alice.account_id, waiting)]).await, Code::DONE);
    assert_eq!(synced(&mut alice).await, [], "reading it is not told either");
}

// C3: relayed or not, the sender learns that it was read: at once, or by synchronising.
#[tokio::test]
async fn that_a_message_was_read_reaches_its_sender_once() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let relayed = offer(&mut alice, bob.account_id, b"sealed").await;
    next_message(&mut bob).await;
    bob.acknowledge(alice.account_id, relayed).await;
    alice.outcome(relayed).await;
    assert_eq!(read(&mut bob, vec![proven(alice.account_id, relayed)]).await, Code::DONE);
    assert_eq!(told(&mut alice).await, (DeliveryState::Read, PROOF.to_vec()));
    assert_eq!(read(&mut bob, vec![proven(alice.account_id, relayed)]).await, Code::DONE);

    let other = offer(&mut alice, bob.account_id, b"sealed").await;
    next_message(&mut bob).await;
    bob.acknowledge(alice.account_id, other).await;
    alice.outcome(other).await;
    alice.leave().await;
    assert_eq!(read(&mut bob, vec![proven(alice.account_id, other)]).await, Code::DONE);
    let mut alice = Peer::again(&world, &alice).await;
    let rows = synced(&mut alice).await;
    let ids: Vec<_> = rows.iter().map(|row| (&row.message_id[..], row.state())).collect();
    let is_read = DeliveryState::Read;
    assert_eq!(ids, [(&relayed.as_bytes()[..], is_read), (&other.as_bytes()[..], is_read)]);
}

// T44, T56: only among contacts, so many at once, in the right form.
#[tokio::test]
async fn what_a_stranger_says_was_read_is_refused() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let (mut mallory, _) = Peer::registered(&world, "mallory").await;
    let id = alice.fresh_id();
    assert_eq!(read(&mut mallory, vec![proven(alice.account_id, id)]).await, Code::NOT_A_CONTACT);
    let both = vec![proven(alice.account_id, id), proven(mallory.account_id, id)];
    assert_eq!(read(&mut bob, both).await, Code::NOT_A_CONTACT);
    assert_eq!(synced(&mut alice).await, [], "the whole frame was refused");
    for bytes in [1, 15, 17] {
        let proof = vec![0; bytes].into();
        let wrong = proto::MessageRef { proof, ..reference(alice.account_id, id) };
        assert_eq!(read(&mut bob, vec![wrong.clone()]).await, Code::BODY_UNREADABLE);
        let body = proto::Acknowledge { messages: vec![wrong] };
        assert_eq!(bob.ask(Opcode::ACKNOWLEDGE, &body).await.header.code, Code::BODY_UNREADABLE);
    }
    let many = vec![proven(alice.account_id, id); READS_PER_FRAME_MAX];
    assert_eq!(read(&mut bob, many.clone()).await, Code::DONE);
    let one_more = [many, vec![proven(alice.account_id, id)]].concat();
    assert_eq!(read(&mut bob, one_more).await, Code::BODY_UNREADABLE);
}
