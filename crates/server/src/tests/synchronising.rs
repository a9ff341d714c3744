//! What `sync` brings besides changes, what is forgotten after it, and what upkeep does.

use tacite_model::limits::{ACKNOWLEDGE_MS_MAX, DAY_MS};
use tacite_model::{AccountId, DeviceId, MessageId};
use tacite_router::{Cursor, DeviceKey, MessageKey, Receipt, Store as _};
use tacite_wire::proto::{self, DeliveryState, SyncPage};
use tacite_wire::{Code, Opcode};

use super::delivery::{next_message, offer, send, state_of};
use super::peer::{Peer, alice_and_bob, reference};
use super::{StoppedClock, World, policy};
use crate::settings::{Delivery, Policy};
use crate::upkeep;

async fn sync(peer: &mut Peer, since: Option<proto::Cursor>, generation: u64) -> SyncPage {
    let answer = peer.ask(Opcode::SYNC, &proto::Sync { since, generation }).await;
    assert_eq!(answer.header.code, Code::DONE);
    answer.read().unwrap()
}

// T20: whoever puts an old copy of a device back is found out at its first synchronisation.
#[tokio::test]
async fn t20_a_device_learns_the_highest_generation_of_its_earlier_links() {
    let world = World::start().await;
    let (alice, _) = Peer::registered(&world, "alice").await;
    let mut known = Vec::new();
    for generation in [4, 5, 5, 3, 6] {
        let mut link = Peer::again(&world, &alice).await;
        let first = sync(&mut link, None, generation).await.known_generation;
        // A further page of the same link tells the same.
        assert_eq!(sync(&mut link, None, generation).await.known_generation, first);
        known.push(first);
    }
    assert_eq!(known, [0, 4, 5, 5, 5]);
}

// T9, T18: what a device offers and acknowledges after it told its generation is counted with it, whatever becomes of it.
#[tokio::test]
async fn t18_a_generation_grows_with_what_is_sealed_and_acknowledged() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let (alice_keys, bob_keys) = (alice.access_token.clone(), bob.access_token.clone());
    assert_eq!(sync(&mut alice, None, 10).await.known_generation, 0);
    assert_eq!(sync(&mut bob, None, 20).await.known_generation, 0);
    for _ in 0..2 {
        let id = offer(&mut alice, bob.account_id, b"sealed").await;
        next_message(&mut bob).await;
        bob.acknowledge(alice.account_id, id).await;
        alice.outcome(id).await;
    }
    // Refused, but the sealed body was here.
    let to_nobody = alice.envelope(AccountId::from_bytes([9; 16]), b"sealed");
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &to_nobody).await.header.code, Code::NOT_A_CONTACT);
    for is_written in [false, true] {
        if is_written {
            world.hub.write_generations().await.unwrap();
        }
        for (token, told, known) in [(&alice_keys, 10, 13), (&bob_keys, 20, 22)] {
            let mut again = Peer::connect(&world, Some(token)).await;
            again.ask(Opcode::HELLO, &proto::Hello { version: 1, ..Default::default() }).await;
            assert_eq!(sync(&mut again, None, told).await.known_generation, known, "written: {is_written}");
        }
    }
}

// E5: what the sender has heard the last of is forgotten when she says that she has it.
#[tokio::test]
async fn what_was_read_and_synchronised_is_forgotten() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let id = offer(&mut alice, bob.account_id, b"sealed").await;
        next_message(&mut bob).await;
        bob.acknowledge(alice.account_id, id).await;
        alice.outcome(id).await;
        ids.push(reference(alice.account_id, id));
    }
    let last = ids.pop().unwrap();
    bob.ask(Opcode::MARK_READ, &proto::MarkRead { messages: ids }).await;
    let page = sync(&mut alice, None, 0).await;
    assert_eq!(page.states.len(), 2);
    bob.ask(Opcode::MARK_READ, &proto::MarkRead { messages: vec![last.clone()] }).await;
    assert_eq!(sync(&mut alice, None, 0).await.states.len(), 3, "she has not said that she has them");
    let page = sync(&mut alice, page.next, 0).await;
    assert_eq!(page.states.len(), 1);
    let rest = sync(&mut alice, None, 0).await.states;
    assert_eq!(rest.iter().map(|row| &row.message_id).collect::<Vec<_>>(), [&last.message_id]);
}

fn day_long() -> Policy {
    Policy { delivery: Delivery { retention_ms: DAY_MS, ..Delivery::default() }, ..policy() }
}

// E5: the operator says for how many days anything of a message is known.
#[tokio::test]
async fn after_the_time_of_retention_nothing_waits_and_nothing_is_known() {
    let world = World::with_policy(day_long()).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    bob.leave().await;
    let waiting = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(state_of(&mut alice, waiting).await, DeliveryState::Sent);
    let device = DeviceKey { account_id: bob.account_id, device_id: DeviceId::FIRST };
    let read = |number| {
        let message_id = MessageId::from_bytes([number; 16]);
        let key = MessageKey { sender_id: alice.account_id, message_id };
        vec![Receipt { key, proof: None, silent: false }]
    };
    let clock = StoppedClock::stop();
    world.hub.router.read(device, read(1), world.hub.clock.now()).await.unwrap();
    // Times of change run a little ahead of a clock that stands still.
    clock.pass(DAY_MS + 1000).await;
    // The newest row of all stays; this is one.
    world.hub.router.read(device, read(2), world.hub.clock.now()).await.unwrap();
    upkeep::expire(&world.hub).await.unwrap();
    assert_eq!(world.hub.router.waiting(device, 0, 10).await.unwrap(), []);
    let changes = world.hub.router.changes_since(alice.account_id, Cursor::default(), 10).await.unwrap();
    let states: Vec<_> = changes
        .into_iter()
        .filter_map(|change| match change {
            tacite_router::Change::Status(row) => Some((row.key.message_id, row.state)),
            tacite_router::Change::Conversation(_) => None,
        })
        .collect();
    let expired = (waiting, tacite_router::MessageStatusState::Expired);
    let newest = (MessageId::from_bytes([2; 16]), tacite_router::MessageStatusState::Read);
    assert_eq!(states, [newest, expired], "of the first one nothing is left");
}

// A sweep may take long on a large database.
#[tokio::test]
async fn overdue_messages_are_parked_while_a_sweep_is_under_way() {
    let world = World::start().await;
    world.hub.router.hang_expiry();
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let id = send(&mut alice, bob.account_id, b"sealed").await;
    next_message(&mut bob).await;
    let clock = StoppedClock::stop();
    for _ in 0..=ACKNOWLEDGE_MS_MAX / 500 {
        clock.pass(500).await;
    }
    // The answer waits for company.
    tokio::time::resume();
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
}
