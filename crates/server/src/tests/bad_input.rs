//! Whatever a peer does wrong has its code, is told over the same link, and loses nothing: after each, the link still works.

use tacite_depot::StoreError;
use tacite_model::limits::{ACCESS_TOKEN_MS, FRAME_BODY_BYTES_MAX, LINK_BAD_FRAMES_MAX};
use tacite_model::{AccountId, Secret, Timestamp};
use tacite_router::Enqueued;
use tacite_wire::proto::{self, DeliveryState};
use tacite_wire::{Code, Frame, HEADER_BYTES, Mnemonic, Opcode, Status};

use super::delivery::state_of;
use super::peer::{Peer, alice_and_bob};
use super::{StoppedClock, World, policy};
use crate::settings::Policy;

/// A frame with a header that the usual way would not make.
fn raw(opcode: u32, mnemonic: [u8; 4], version: u8) -> Frame {
    let id = tacite_model::MessageId::from_bytes([9; 16]);
    let usual = Frame::command(Opcode(opcode), id, Timestamp::from_ms(1), &proto::Empty {}).unwrap();
    let header = tacite_wire::Header { mnemonic: Mnemonic(mnemonic), version, ..usual.header };
    Frame::new(header, &proto::Empty {}).unwrap()
}

async fn code_of(peer: &mut Peer, frame: Frame) -> Code {
    let id = frame.header.message_id;
    peer.send(frame).await;
    peer.answer_to(id).await.header.code
}

/// The link still answers.
async fn assert_alive(peer: &mut Peer) {
    assert_eq!(peer.ask(Opcode::SYNC, &proto::Sync::default()).await.header.code, Code::DONE);
}

// A1, A2, T75
#[tokio::test]
async fn unknown_opcodes_and_mismatched_mnemonics_are_answered() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    for unknown in [0, 1, 10_002, 99_999, 100_000, 100_004, 100_025, u32::MAX] {
        let mnemonic = Opcode(unknown).mnemonic().unwrap_or(Mnemonic(*b"what"));
        assert_eq!(code_of(&mut alice, raw(unknown, mnemonic.0, 1)).await, Code::NOT_OFFERED, "{unknown}");
    }
    assert_eq!(code_of(&mut alice, raw(100_018, *b"smpu", 1)).await, Code::MNEMONIC_MISMATCH);
    assert_eq!(code_of(&mut alice, raw(100_018, *b"sync", 1)).await, Code::DONE);
}

// A1: the documented alias means `smpu`, so the empty body is an envelope that names no sender.
#[tokio::test]
async fn the_alias_of_send_is_accepted() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    assert_eq!(code_of(&mut alice, raw(100_008, *b"smpu", 1)).await, Code::BODY_UNREADABLE);
    assert_eq!(code_of(&mut alice, raw(100_009, *b"ampu", 1)).await, Code::MNEMONIC_MISMATCH);
}

// A4
#[tokio::test]
async fn an_incompatible_peer_is_told_what_to_run() {
    let world = World::start().await;
    let mut peer = Peer::connect(&world, None).await;
    let answer = peer.ask(Opcode::HELLO, &proto::Hello { version: 99, ..Default::default() }).await;
    assert_eq!(answer.header.code, Code::INCOMPATIBLE);
    assert_eq!(answer.read::<proto::Failure>().unwrap().wanted_software, crate::SOFTWARE);
    assert_eq!(code_of(&mut peer, raw(100_010, *b"helo", 9)).await, Code::INCOMPATIBLE);
}

// A8: sizes, padding, garbage; the session goes on.
#[tokio::test]
async fn frames_that_cannot_be_read_are_answered_and_the_link_goes_on() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let good = raw(100_018, *b"sync", 1).into_bytes().to_vec();
    let mut unpadded = good.clone();
    unpadded.pop();
    let mut dirty = good.clone();
    *dirty.last_mut().unwrap() = 1;
    let oversized = [&good[..HEADER_BYTES], &vec![0; FRAME_BODY_BYTES_MAX + 1]].concat();
    for bytes in [unpadded, dirty, oversized] {
        alice.send_bytes(bytes).await;
        let answer = alice.receive().await;
        assert_eq!((answer.header.code, answer.header.status), (Code::FRAME_MALFORMED, Status::ERROR));
        assert_eq!(answer.header.opcode, Opcode::SYNC, "the answer names what it answers");
    }
    alice.send_bytes(vec![1, 2, 3]).await;
    let pushed = alice.receive().await;
    assert_eq!((pushed.header.opcode, pushed.header.code), (Opcode::LINK_ERROR, Code::FRAME_MALFORMED));

    let id = alice.fresh_id();
    let mut garbage = Frame::command(
        Opcode::SYNC,
        id,
        Timestamp::from_ms(1),
        &proto::Failure { detail: "x".repeat(20), ..Default::default() },
    )
    .unwrap()
    .into_bytes()
    .to_vec();
    garbage[HEADER_BYTES..HEADER_BYTES + 22].fill(0xFF);
    alice.send_bytes(garbage).await;
    assert_eq!(alice.answer_to(id).await.header.code, Code::BODY_UNREADABLE);
    assert_alive(&mut alice).await;
}

// A8: a flood of them ends the link.
#[tokio::test]
async fn a_flood_of_unreadable_frames_ends_the_link() {
    let world = World::start().await;
    let mut peer = Peer::greeted(&world).await;
    for _ in 0..=LINK_BAD_FRAMES_MAX {
        peer.send_bytes(vec![0; 7]).await;
    }
    let mut answers = 0;
    while peer.next().await.is_some() {
        answers += 1;
    }
    assert_eq!(answers, LINK_BAD_FRAMES_MAX + 1);
}

#[tokio::test]
async fn commands_need_a_hello_and_most_a_log_in() {
    let world = World::start().await;
    let mut peer = Peer::connect(&world, None).await;
    assert_eq!(code_of(&mut peer, raw(100_018, *b"sync", 1)).await, Code::STEP_OUT_OF_ORDER);
    let mut peer = Peer::greeted(&world).await;
    for (opcode, mnemonic) in Opcode::ALL.iter().filter(|(opcode, _)| !opcode.is_push()) {
        let code = code_of(&mut peer, raw(opcode.0, mnemonic.0, 1)).await;
        let before_log_in = [
            Opcode::REGISTER,
            Opcode::LOG_IN,
            Opcode::WORDS,
            Opcode::HELLO,
            Opcode::SIGN_IN,
            Opcode::REFRESH,
        ];
        let rooms = [Opcode::CREATE_ROOM, Opcode::JOIN_ROOM, Opcode::SEND_ROOM];
        if rooms.contains(opcode) {
            assert_eq!(code, Code::NOT_OFFERED, "{opcode:?}");
        } else if !before_log_in.contains(opcode) {
            assert_eq!(code, Code::LOG_IN_FIRST, "{opcode:?}");
        }
    }
}

#[tokio::test]
async fn steps_out_of_order_are_refused() {
    let world = World::start().await;
    let mut peer = Peer::greeted(&world).await;
    let finish = proto::log_in::Step::Finish(proto::CredentialFinish::default());
    let answer = peer.ask(Opcode::LOG_IN, &proto::LogIn { step: Some(finish) }).await;
    assert_eq!(answer.header.code, Code::STEP_OUT_OF_ORDER);
    let start = proto::words::Step::Start(proto::WordsStart::default());
    let answer = peer.ask(Opcode::WORDS, &proto::Words { step: Some(start) }).await;
    assert_eq!(answer.header.code, Code::STEP_OUT_OF_ORDER);
}

// T53: a forged token gives nothing; the link may still log in.
#[tokio::test]
async fn forged_tokens_are_refused() {
    let world = World::start().await;
    let (alice, granted) = Peer::registered(&world, "alice").await;
    drop(alice);
    let good = Peer::connect(&world, Some(&granted.access_token)).await;
    assert!(good.connected.signed_in);
    let forged = format!("{}x", granted.access_token);
    let mut bad = Peer::connect(&world, Some(&forged)).await;
    assert!(!bad.connected.signed_in);
    let hello = proto::Hello { version: 1, ..Default::default() };
    bad.ask(Opcode::HELLO, &hello).await;
    assert_eq!(code_of(&mut bad, raw(100_018, *b"sync", 1)).await, Code::LOG_IN_FIRST);
    let refresh = proto::Refresh { refresh_token: String::from("forged") };
    assert_eq!(bad.ask(Opcode::REFRESH, &refresh).await.header.code, Code::TOKEN_INVALID);
}

#[tokio::test]
async fn names_that_are_taken_or_not_allowed_are_refused() {
    let world = World::start().await;
    let (_alice, _) = Peer::registered(&world, "alice").await;
    let mut other = Peer::greeted(&world).await;
    assert_eq!(other.register("alice").await.header.code, Code::NAME_TAKEN);
    assert_eq!(other.register("al ice").await.header.code, Code::NAME_NOT_ALLOWED);
    assert_eq!(other.register("admin").await.header.code, Code::NAME_NOT_ALLOWED);
    assert_eq!(other.register("carol").await.header.code, Code::DONE);
}

// A5
#[tokio::test]
async fn a_server_with_a_deployment_key_accepts_its_own_clients_only() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let key = b"our own clients".to_vec();
    let world =
        World::with_policy(Policy { deployment_key: Some(Secret::new(key.clone())), ..policy() }).await;
    let mut peer = Peer::connect(&world, None).await;
    assert!(peer.connected.deployment_key_required);
    let hello =
        |proof: Vec<u8>| proto::Hello { version: 1, deployment_proof: proof.into(), ..Default::default() };
    for wrong in [vec![], vec![0; 32]] {
        assert_eq!(peer.ask(Opcode::HELLO, &hello(wrong)).await.header.code, Code::DEPLOYMENT_KEY_WRONG);
    }
    assert_eq!(code_of(&mut peer, raw(100_018, *b"sync", 1)).await, Code::STEP_OUT_OF_ORDER);
    let challenge: [u8; 32] = peer.connected.challenge[..].try_into().unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).unwrap();
    mac.update(&tacite_wire::signing::deployment_text(&challenge));
    let proof = mac.finalize().into_bytes().to_vec();
    assert_eq!(peer.ask(Opcode::HELLO, &hello(proof)).await.header.code, Code::DONE);
}

#[tokio::test]
async fn unknown_people_and_strangers_receive_nothing() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let (bob, _) = Peer::registered(&world, "bob").await;
    let nobody = proto::RequestContact { handle: String::from("nobody") };
    assert_eq!(alice.ask(Opcode::REQUEST_CONTACT, &nobody).await.header.code, Code::NOBODY);
    for stranger in [bob.account_id, AccountId::from_bytes([0xEE; 16])] {
        let envelope = alice.envelope(stranger, b"sealed");
        assert_eq!(alice.ask(Opcode::SEND_DIRECT, &envelope).await.header.code, Code::NOT_A_CONTACT);
        let keys = proto::FetchKeys { account_id: stranger.as_bytes().to_vec().into() };
        assert_eq!(alice.ask(Opcode::FETCH_KEYS, &keys).await.header.code, Code::NOT_A_CONTACT);
    }
    assert_alive(&mut alice).await;
}

// T56: nobody sends in another's name, nor from another device.
#[tokio::test]
async fn a_forged_sender_is_refused() {
    let world = World::start().await;
    let (mut alice, mut bob) = alice_and_bob(&world).await;
    let forged = proto::Envelope { sender_id: bob.id(), ..alice.envelope(bob.account_id, b"sealed") };
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &forged).await.header.code, Code::FORBIDDEN);
    let device = proto::Envelope { sender_device: 2, ..alice.envelope(bob.account_id, b"sealed") };
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &device).await.header.code, Code::FORBIDDEN);
    let unknown = proto::Envelope { recipient_device: 2, ..alice.envelope(bob.account_id, b"sealed") };
    assert_eq!(alice.ask(Opcode::SEND_DIRECT, &unknown).await.header.code, Code::DEVICE_UNKNOWN);
    assert_alive(&mut bob).await;
}

// T69: what cannot be kept is refused, and can be sent again.
#[tokio::test]
async fn a_full_queue_and_a_full_disk_are_told_and_lose_nothing() {
    let world = World::start().await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let bob_id = bob.account_id;
    drop(bob);
    for (outcome, code) in [
        (Ok(Enqueued::Full), Code::QUEUE_FULL),
        (Err(StoreError::Full), Code::STORAGE_FULL),
        (Err(StoreError::Closed), Code::UNAVAILABLE),
    ] {
        let (id, envelope) = (alice.fresh_id(), alice.envelope(bob_id, b"sealed"));
        let frame = Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(1), &envelope).unwrap();
        // Bob's link may take a moment to end; until then the message is relayed and parked afterwards.
        world.hub.router.spoil_next_enqueue(outcome);
        alice.send(frame.clone()).await;
        assert_eq!(alice.answer_to(id).await.header.code, Code::TAKEN);
        assert_eq!(alice.answer_to(id).await.header.code, code);
        alice.send(frame).await;
        assert_eq!(state_of(&mut alice, id).await, DeliveryState::Sent);
    }
}

// I3, T71: over all links of an account together; the answer says when to try again.
#[tokio::test]
async fn who_sends_too_fast_is_told_when_to_try_again() {
    let world = World::with_policy(Policy { max_messages_per_sec: 1, ..policy() }).await;
    let (mut alice, bob) = alice_and_bob(&world).await;
    let _clock = StoppedClock::stop();
    let mut refused = 0;
    for _ in 0..6 {
        let envelope = alice.envelope(bob.account_id, b"sealed");
        let answer = alice.ask_in_company(Opcode::SEND_DIRECT, &envelope).await;
        if answer.header.code == Code::TOO_FAST {
            let failure: proto::Failure = answer.read().unwrap();
            assert!((1..=1000).contains(&failure.retry_after_ms), "{failure:?}");
            refused += 1;
        }
    }
    assert_eq!(refused, 2, "a burst of four, then one a second");
}

// T71: accepting once more changes nothing, but is told to the other side: it may not flood them.
#[tokio::test]
async fn who_answers_requests_too_fast_is_told_so() {
    let world = World::start().await;
    let (alice, mut bob) = alice_and_bob(&world).await;
    let _clock = StoppedClock::stop();
    let accept = proto::AnswerContact { account_id: alice.id() };
    let mut answered = 1;
    while bob.ask(Opcode::ACCEPT_CONTACT, &accept).await.header.code != Code::TOO_FAST {
        answered += 1;
    }
    assert!((60..70).contains(&answered), "{answered}");
}

// T56: a link that is signed in takes no other account, and the attempt changes nothing.
#[tokio::test]
async fn a_signed_in_link_takes_no_second_log_in() {
    let world = World::start().await;
    let (mut alice, _) = Peer::registered(&world, "alice").await;
    let (_bob, granted) = Peer::registered(&world, "bob").await;
    assert_eq!(alice.register("carol").await.header.code, Code::FORBIDDEN);
    let sign_in =
        proto::SignIn { account_id: granted.account_id.clone(), device_id: 1, ..Default::default() };
    assert_eq!(alice.ask(Opcode::SIGN_IN, &sign_in).await.header.code, Code::FORBIDDEN);
    let still = Peer::connect(&world, Some(&granted.access_token)).await;
    assert!(still.connected.signed_in, "bob's session goes on");
    assert_alive(&mut alice).await;
}

// T53: a token opens a link for its quarter of an hour, not for ever.
#[tokio::test]
async fn a_link_whose_token_has_expired_is_ended() {
    let world = World::start().await;
    let (mut alice, granted) = Peer::registered(&world, "alice").await;
    let mut other = Peer::connect(&world, Some(&granted.access_token)).await;
    assert!(other.connected.signed_in);
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_millis(ACCESS_TOKEN_MS + 60_000)).await;
    tokio::time::resume();
    for link in [&mut alice, &mut other] {
        let told = link.receive().await;
        assert_eq!((told.header.opcode, told.header.code), (Opcode::LINK_ERROR, Code::SESSION_ENDED));
        assert!(link.next().await.is_none());
    }
}

#[tokio::test]
async fn logging_out_ends_every_link_of_the_device() {
    let world = World::start().await;
    let (mut alice, granted) = Peer::registered(&world, "alice").await;
    let (mut bob, _) = Peer::registered(&world, "bob").await;
    let mut other = Peer::connect(&world, Some(&granted.access_token)).await;
    assert_eq!(alice.ask(Opcode::LOG_OUT, &proto::Empty {}).await.header.code, Code::DONE);
    assert!(alice.next().await.is_none());
    assert!(other.next().await.is_none());
    assert!(!Peer::connect(&world, Some(&granted.access_token)).await.connected.signed_in);
    assert_alive(&mut bob).await;
}
