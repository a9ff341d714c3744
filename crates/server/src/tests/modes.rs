//! Split and direct mode over real links.

use bytes::Bytes;
use tacite_depot::{BodyName, Store as _};
use tacite_model::limits::UPLOADS_PER_FRAME_MAX;
use tacite_model::{AccountId, MessageId, Timestamp};
use tacite_router::{Change, Cursor, Store as _};
use tacite_wire::proto::{self, DeliveryMode, DeliveryState};
use tacite_wire::{Code, Frame, Opcode};

use super::delivery::{next_message, send, state_of, waiting_for};
use super::faulty_depot::SLOW;
use super::peer::{Peer, alice_and_bob, reference};
use super::{World, policy};
use crate::settings::{Delivery, Policy};

async fn world(mode: DeliveryMode) -> World {
    let delivery = Delivery { mode, ..Delivery::default() };
    World::with_policy(Policy { delivery, ..policy() }).await
}

fn upload(message: MessageId, to: AccountId) -> proto::Upload {
    proto::Upload {
        message_id: message.as_bytes().to_vec().into(),
        recipient_id: to.as_bytes().to_vec().into(),
        recipient_device: 1,
    }
}

/// Asks for a permit and puts a body as the HTTP door would.
async fn put(world: &World, from: &mut Peer, to: AccountId, message: MessageId) -> BodyName {
    put_body(world, from, to, message, b"sealed").await
}

async fn put_body(
    world: &World,
    from: &mut Peer,
    to: AccountId,
    message: MessageId,
    sealed: &'static [u8],
) -> BodyName {
    let body = proto::RequestUploads { uploads: vec![upload(message, to)] };
    let permits: proto::UploadPermits = from.ask(Opcode::REQUEST_UPLOADS, &body).await.read().unwrap();
    let permit = &permits.permits[0];
    let name = BodyName(permit.name[..].try_into().unwrap());
    let now = world.hub.clock.now();
    assert!(permit.expires_at_ms > now.as_ms());
    world.hub.permits.check(&permit.permit, name, now).unwrap();
    let expires_at = Timestamp::from_ms(permit.expires_at_ms);
    world.hub.depot.hold(name, Bytes::from_static(sealed), expires_at).await.unwrap();
    name
}

fn announcement(from: &Peer, to: AccountId, message: MessageId, name: &[u8]) -> Frame {
    let envelope = proto::Envelope { body_name: name.to_vec().into(), ..from.envelope(to, b"") };
    Frame::command(Opcode::SEND_DIRECT, message, Timestamp::from_ms(1), &envelope).unwrap()
}

async fn is_there(world: &World, name: BodyName) -> bool {
    world.hub.depot.bodies(vec![name]).await.unwrap()[0].is_some()
}

/// Whether it would be there after the process has ended.
async fn is_kept(world: &World, name: BodyName) -> bool {
    world.hub.depot.store().bodies(vec![name]).await.unwrap()[0].is_some()
}

/// Until the server has done what it does beside its answers.
async fn until_gone(world: &World, name: BodyName) {
    while is_there(world, name).await {
        tokio::task::yield_now().await;
    }
}

// T18: in split mode a sealed body is here before its message is.
#[tokio::test]
async fn t18_a_generation_grows_with_uploads() {
    let world = world(DeliveryMode::Split).await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let sync = proto::Sync { since: None, generation: 10 };
    alice.ask(Opcode::SYNC, &sync).await;
    let message = alice.fresh_id();
    put(&world, &mut alice, bob.account_id, message).await;
    let mut again = Peer::connect(&world, Some(&alice.access_token)).await;
    again.ask(Opcode::HELLO, &proto::Hello { version: 1, ..Default::default() }).await;
    let page: proto::SyncPage = again.ask(Opcode::SYNC, &sync).await.read().unwrap();
    assert_eq!(page.known_generation, 11);
}

// T18: the device has counted what the server refuses, because too much came or too little is free.
#[tokio::test]
async fn t18_a_generation_grows_with_what_is_refused() {
    let delivery = Delivery { mode: DeliveryMode::Split, ..Delivery::default() };
    let world = World::with_policy(Policy { max_messages_per_sec: 5, delivery, ..policy() }).await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let sync = proto::Sync { since: None, generation: 10 };
    alice.ask(Opcode::SYNC, &sync).await;
    let message = alice.fresh_id();
    let uploads = proto::RequestUploads { uploads: vec![upload(message, bob.account_id)] };
    let mut counted = 0;
    loop {
        counted += 1;
        if alice.ask(Opcode::REQUEST_UPLOADS, &uploads).await.header.code == Code::TOO_FAST {
            break;
        }
    }
    let free = |disk_bytes| crate::settings::Free { memory_bytes: u64::MAX, disk_bytes };
    world.hub.shedding.look(free(0), free(1000));
    let envelope = alice.envelope(bob.account_id, b"sealed");
    for answer in
        [alice.ask(Opcode::REQUEST_UPLOADS, &uploads).await, alice.ask(Opcode::SEND_DIRECT, &envelope).await]
    {
        assert_eq!(answer.header.code, Code::UNAVAILABLE);
        counted += 1;
    }
    let mut again = Peer::again(&world, &alice).await;
    let page: proto::SyncPage = again.ask(Opcode::SYNC, &sync).await.read().unwrap();
    assert_eq!(page.known_generation, 10 + counted);
}

// E3, T82: frames name the body; when the recipient has it, the depot has it no more.
#[tokio::test]
async fn t82_in_split_mode_frames_hold_metadata_and_bodies_go_when_they_were_received() {
    let world = world(DeliveryMode::Split).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    assert_eq!(alice.connected.delivery_mode(), DeliveryMode::Split);
    let id = alice.fresh_id();
    let name = put(&world, &mut alice, bob.account_id, id).await;
    alice.send(announcement(&alice, bob.account_id, id, &name.0)).await;
    alice.taken(id).await;
    let envelope: proto::Envelope = next_message(&mut bob).await.read().unwrap();
    assert_eq!((envelope.sealed.len(), &envelope.body_name[..]), (0, &name.0[..]));
    assert!(is_there(&world, name).await && !is_kept(&world, name).await, "no disk for who is there");
    bob.acknowledge(alice.account_id, id).await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Received);
    until_gone(&world, name).await;

    bob.leave().await;
    let id = alice.fresh_id();
    let name = put(&world, &mut alice, bob.account_id, id).await;
    alice.send(announcement(&alice, bob.account_id, id, &name.0)).await;
    alice.taken(id).await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    assert!(is_kept(&world, name).await);
    // An upload alone is kept for an hour; one that was announced, as long as its message waits.
    world.hub.depot.expire_bodies(world.hub.clock.now().plus_ms(24 * 3_600_000)).await.unwrap();
    let mut bob = Peer::back(&world, &bob).await;
    let envelope: proto::Envelope = next_message(&mut bob).await.read().unwrap();
    assert_eq!((envelope.sealed.len(), &envelope.body_name[..]), (0, &name.0[..]));
    assert!(is_there(&world, name).await);
    bob.acknowledge(alice.account_id, id).await;
    until_gone(&world, name).await;
}

// C3: a message whose body is lost would come without it.
#[tokio::test]
async fn in_split_mode_a_message_waits_for_its_body_to_be_written() {
    let world = world(DeliveryMode::Split).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    bob.leave().await;
    let id = alice.fresh_id();
    let name = put_body(&world, &mut alice, bob.account_id, id, SLOW).await;
    alice.send(announcement(&alice, bob.account_id, id, &name.0)).await;
    alice.taken(id).await;
    assert_eq!(waiting_for(&world, bob.account_id).await, [], "it is still being written");
    world.slow_bodies.add_permits(1);
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    assert_eq!(waiting_for(&world, bob.account_id).await, [id]);
}

#[tokio::test]
async fn in_split_mode_a_message_needs_its_body_and_its_own_name() {
    let world = world(DeliveryMode::Split).await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let (id, other) = (alice.fresh_id(), alice.fresh_id());
    let code = async |alice: &mut Peer, frame: Frame| {
        let id = frame.header.message_id;
        alice.send(frame).await;
        alice.answer_to(id).await.header.code
    };
    let name = put(&world, &mut alice, bob.account_id, id).await;
    let of_another = announcement(&alice, bob.account_id, other, &name.0);
    assert_eq!(code(&mut alice, of_another).await, Code::BODY_UNREADABLE);
    let short = announcement(&alice, bob.account_id, id, &name.0[..31]);
    assert_eq!(code(&mut alice, short).await, Code::BODY_UNREADABLE);
    world.hub.depot.delete_bodies(vec![name]).await.unwrap();
    let without = announcement(&alice, bob.account_id, id, &name.0);
    assert_eq!(code(&mut alice, without.clone()).await, Code::BODY_MISSING);
    put(&world, &mut alice, bob.account_id, id).await;
    alice.send(without).await;
    alice.taken(id).await;
    let inline = alice.envelope(bob.account_id, b"sealed");
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &inline).await.header.code, Code::OTHER_MODE);
    let both = proto::Envelope { body_name: vec![0; 32].into(), ..inline };
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &both).await.header.code, Code::OTHER_MODE);
}

#[tokio::test]
async fn where_bodies_travel_in_frames_names_are_refused() {
    for mode in [DeliveryMode::Inline, DeliveryMode::Direct] {
        let world = world(mode).await;
        let (mut alice, bob) = alice_and_bob(&world).await;
        let id = alice.fresh_id();
        alice.send(announcement(&alice, bob.account_id, id, &[0; 32])).await;
        assert_eq!(alice.answer_to(id).await.header.code, Code::OTHER_MODE);
        let body = proto::RequestUploads { uploads: vec![upload(id, bob.account_id)] };
        assert_eq!(alice.ask(Opcode::REQUEST_UPLOADS, &body).await.header.code, Code::OTHER_MODE);
    }
}

// T68: so many permits at once, and only for what could be sent.
#[tokio::test]
async fn permits_are_given_to_contacts_and_so_many_at_once() {
    let world = world(DeliveryMode::Split).await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let (mallory, _) = Peer::registered(&world, "mallory").await;
    let id = alice.fresh_id();
    let ask = async |alice: &mut Peer, uploads: Vec<proto::Upload>| {
        alice.ask(Opcode::REQUEST_UPLOADS, &proto::RequestUploads { uploads }).await.header.code
    };
    let to_bob = upload(id, bob.account_id);
    assert_eq!(ask(&mut alice, vec![to_bob.clone(); UPLOADS_PER_FRAME_MAX]).await, Code::DONE);
    let one_more = vec![to_bob.clone(); UPLOADS_PER_FRAME_MAX + 1];
    assert_eq!(ask(&mut alice, one_more).await, Code::BODY_UNREADABLE);
    assert_eq!(ask(&mut alice, vec![upload(id, mallory.account_id)]).await, Code::NOT_A_CONTACT);
    let unknown = proto::Upload { recipient_device: 2, ..to_bob };
    assert_eq!(ask(&mut alice, vec![unknown]).await, Code::DEVICE_UNKNOWN);
}

// E3 direct: nothing is stored; the sender is told when it makes sense to try again.
#[tokio::test]
async fn in_direct_mode_a_message_goes_only_to_who_is_there() {
    let world = world(DeliveryMode::Direct).await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let id = send(&mut alice, bob.account_id, b"sealed").await;
    assert_eq!(next_message(&mut bob).await.header.message_id, id);
    bob.acknowledge(alice.account_id, id).await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Received);

    bob.leave().await;
    let envelope = alice.envelope(bob.account_id, b"sealed");
    let id = alice.fresh_id();
    let frame = Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(1), &envelope).unwrap();
    alice.send(frame.clone()).await;
    // The link may end a moment later: then it is taken first and refused with the link.
    while alice.answer_to(id).await.header.code != Code::RECIPIENT_AWAY {}
    let mut bob = Peer::back(&world, &bob).await;
    let here: proto::PeerHere = alice.pushed(Opcode::PEER_HERE).await.read().unwrap();
    assert_eq!((here.account_id, here.device_id), (bob.id(), 1));
    alice.send(frame).await;
    assert_eq!(next_message(&mut bob).await.header.message_id, id);
    bob.acknowledge(alice.account_id, id).await;
    assert_eq!(state_of(&mut alice, id).await, DeliveryState::Received);

    let read = proto::MarkRead { messages: vec![reference(alice.account_id, id)] };
    assert_eq!(bob.ask(Opcode::MARK_READ, &read).await.header.code, Code::DONE);
    let told: proto::MessageState = alice.pushed(Opcode::STATE_CHANGED).await.read().unwrap();
    assert_eq!(told.state(), DeliveryState::Read);
    alice.leave().await;
    while bob.ask(Opcode::MARK_READ, &read).await.header.code != Code::RECIPIENT_AWAY {}
    let mut alice = Peer::back(&world, &alice).await;
    let here: proto::PeerHere = bob.pushed(Opcode::PEER_HERE).await.read().unwrap();
    assert_eq!((here.account_id, here.device_id), (alice.id(), 1));
    assert_eq!(bob.ask(Opcode::MARK_READ, &read).await.header.code, Code::DONE);
    alice.pushed(Opcode::STATE_CHANGED).await;
    let changes = world.hub.router.changes_since(alice.account_id, Cursor::default(), 10).await.unwrap();
    assert!(changes.iter().all(|change| matches!(change, Change::Conversation(_))), "nothing is stored");
}
