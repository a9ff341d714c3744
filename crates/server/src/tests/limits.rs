//! How much one account may do: messages a second, its share of a queue, and everything else that is counted.

use tacite_model::limits::QUEUE_MESSAGES_PER_SENDER_MAX;
use tacite_model::{ConversationId, DeviceId, MessageId};
use tacite_router::{DeviceKey, Enqueued, Entry, MessageKey, Store as _};
use tacite_wire::proto::{self, DeliveryState};
use tacite_wire::{Code, Opcode, Status};

use super::delivery::{send, state_of};
use super::peer::{Peer, alice_and_bob, make_contacts, reference};
use super::{StoppedClock, World, policy};
use crate::settings::Policy;

/// Who sends again what was refused, as a client does.
struct Writer {
    peer: Peer,
    refused: Option<MessageId>,
}

impl Writer {
    fn new(peer: Peer) -> Self {
        Self { peer, refused: None }
    }

    /// Milliseconds to wait if there are too many; `None`: taken.
    async fn try_to_send(&mut self, to: &Peer) -> Option<u64> {
        let id = self.refused.take().unwrap_or_else(|| self.peer.fresh_id());
        let envelope = self.peer.envelope(to.account_id, b"sealed");
        let answer = self.peer.ask_in_company_as(id, Opcode::SEND_DIRECT, &envelope).await;
        if [Code::TAKEN, Code::DONE].contains(&answer.header.code) {
            return None;
        }
        assert_eq!((answer.header.code, answer.header.status), (Code::TOO_FAST, Status::ERROR));
        self.refused = Some(id);
        Some(answer.read::<proto::Failure>().unwrap().retry_after_ms)
    }
}

// I3, T71: five a second, twenty at once, over all links of the account together; others are not slowed down.
#[tokio::test]
async fn t71_the_limit_is_exact_with_bursts_over_all_links_of_an_account() {
    let world = World::with_policy(Policy { max_messages_per_sec: 5, ..policy() }).await;
    let (alice, mut bob) = alice_and_bob(&world).await;
    let (mut carol, _) = Peer::registered(&world, "carol").await;
    make_contacts(&mut carol, &mut bob, "bob").await;
    let mut links =
        [Peer::again(&world, &alice).await, Peer::again(&world, &alice).await, alice].map(Writer::new);
    let mut carol = Writer::new(carol);
    let clock = StoppedClock::stop();
    clock.pass(10_000).await;

    let mut waits = Vec::new();
    for number in 0..30 {
        waits.push(links[number % 3].try_to_send(&bob).await);
    }
    assert_eq!(waits[..20], [None; 20], "the burst");
    assert_eq!(waits[20..], [Some(200); 10], "told when to try again, and not counted");
    assert_eq!(carol.try_to_send(&bob).await, None);

    clock.pass(199).await;
    assert_eq!(links[0].try_to_send(&bob).await, Some(1));
    clock.pass(1).await;
    assert_eq!(links[1].try_to_send(&bob).await, None);
    assert_eq!(links[2].try_to_send(&bob).await, Some(200));
    for second in 0..3 {
        clock.pass(1000).await;
        let mut taken = 0;
        while links[taken % 3].try_to_send(&bob).await.is_none() {
            taken += 1;
        }
        assert_eq!(taken, 5, "{second}");
    }
    clock.pass(20 * 200).await;
    let mut taken = 0;
    while links[taken % 3].try_to_send(&bob).await.is_none() {
        taken += 1;
    }
    assert_eq!(taken, 20, "after a pause the whole burst again");
}

// I3, T15: what was sent behind a message that came too fast does not overtake it.
#[tokio::test]
async fn t15_nothing_overtakes_what_came_too_fast() {
    let world = World::with_policy(Policy { max_messages_per_sec: 5, ..policy() }).await;
    let (alice, bob) = alice_and_bob(&world).await;
    let mut alice = Writer::new(alice);
    let clock = StoppedClock::stop();
    clock.pass(10_000).await;
    while alice.try_to_send(&bob).await.is_none() {}
    clock.pass(200).await;
    let first = alice.refused.take();
    assert_eq!(alice.try_to_send(&bob).await, Some(200), "there would be room for this one");
    let second = std::mem::replace(&mut alice.refused, first);
    assert_eq!(alice.try_to_send(&bob).await, None);
    clock.pass(200).await;
    alice.refused = second;
    assert_eq!(alice.try_to_send(&bob).await, None);
}

// T67: whoever floods somebody fills his own share; others still get through, and he is told.
#[tokio::test]
async fn t67_a_flooder_fills_his_share_and_others_still_get_through() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let (mut carol, _) = Peer::registered(&world, "carol").await;
    make_contacts(&mut carol, &mut bob, "bob").await;
    bob.leave().await;
    let recipient = DeviceKey { account_id: bob.account_id, device_id: DeviceId::FIRST };
    let now = world.hub.clock.now();
    for number in 1..QUEUE_MESSAGES_PER_SENDER_MAX {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let entry = Entry {
            key: MessageKey { sender_id: alice.account_id, message_id: MessageId::from_bytes(id) },
            sender_device: DeviceId::FIRST,
            recipient,
            conversation_id: ConversationId::from_bytes([1; 16]),
            message_type: 1,
            session_id: [1; 16],
            taken_at: now,
        };
        assert_eq!(world.hub.router.enqueue(entry, now).await.unwrap(), Enqueued::Waiting);
    }
    let last = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(state_of(&mut alice, last).await, DeliveryState::Sent);
    let one_more = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(alice.answer_to(one_more).await.header.code, Code::QUEUE_FULL);
    let carols = send(&mut carol, bob.account_id, b"sealed").await;
    assert_eq!(state_of(&mut carol, carols).await, DeliveryState::Sent);
}

// I3, T71: each command that costs something is counted, and the answer says when to try again.
#[tokio::test]
async fn t71_every_costly_command_is_limited() {
    let world = World::with_policy(Policy { max_messages_per_sec: 5, ..policy() }).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let clock = StoppedClock::stop();
    clock.pass(1000).await;
    let id = alice.fresh_id();
    let read = proto::MarkRead { messages: vec![reference(bob.account_id, id)] };
    let mood = proto::SetPresence { presence: proto::Presence::Offline.into() };
    let typing = proto::Typing { account_id: bob.id(), typing: true };
    let block = proto::BlockContact { account_id: bob.id() };
    let refresh = proto::Refresh { refresh_token: String::from("forged") };
    assert_eq!(before_too_fast(&mut alice, Opcode::MARK_READ, &read).await, 60);
    assert_eq!(before_too_fast(&mut alice, Opcode::SET_PRESENCE, &mood).await, 30);
    assert_eq!(before_too_fast(&mut alice, Opcode::SET_TYPING, &typing).await, 10);
    assert_eq!(before_too_fast(&mut alice, Opcode::UNBLOCK_CONTACT, &block).await, 30);
    assert_eq!(before_too_fast(&mut alice, Opcode::REFRESH, &refresh).await, 10);
    let publish = proto::PublishKeys::default();
    assert_eq!(before_too_fast(&mut bob, Opcode::PUBLISH_KEYS, &publish).await, 60);
    let synced = before_too_fast(&mut bob, Opcode::SYNC, &proto::Sync::default()).await;
    assert_eq!(synced, 300);
}

async fn before_too_fast(peer: &mut Peer, opcode: Opcode, body: &impl prost::Message) -> usize {
    for count in 0..1000 {
        let answer = peer.ask_in_company(opcode, body).await;
        if answer.header.code == Code::TOO_FAST {
            assert!(answer.read::<proto::Failure>().unwrap().retry_after_ms > 0);
            return count;
        }
    }
    panic!("{opcode:?} has no limit");
}

// T71: permits are counted as messages are.
#[tokio::test]
async fn t71_permits_to_put_bodies_are_limited() {
    let delivery = crate::settings::Delivery {
        mode: proto::DeliveryMode::Split,
        ..crate::settings::Delivery::default()
    };
    let world = World::with_policy(Policy { max_messages_per_sec: 5, delivery, ..policy() }).await;
    let (mut alice, _bob) = alice_and_bob(&world).await;
    let _clock = StoppedClock::stop();
    let uploads = proto::RequestUploads::default();
    assert_eq!(before_too_fast(&mut alice, Opcode::REQUEST_UPLOADS, &uploads).await, 20);
}
