//! A server, or a peer, that lies.

use rand_core::{Rng, SeedableRng};
use tacite_core::{LinkStatus, MessageState, Standing};
use tacite_model::{AccountId, MessageId};
use tacite_vault::PrekeyKind;
use tacite_wire::proto::{self, Connected, ContactState, Empty, Envelope, KeyBundles};
use tacite_wire::{Code, Frame, Header, Opcode, Status};

use crate::world::World;

/// Alice's message to bob, taken on its way to him.
fn message_to_bob(world: &mut World, text: &str) -> (Frame, Envelope) {
    world.send("alice", "bob", text);
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    let envelope = push.read().unwrap();
    (push, envelope)
}

fn unreadable(world: &mut World) -> usize {
    let history = world.device("bob").history("alice");
    history.iter().filter(|message| message.state == MessageState::Unreadable).count()
}

// T14: whatever is repeated is shown once.
#[test]
fn t14_a_repeated_message_is_shown_once() {
    let mut world = World::of_contacts();
    world.server.pushes_twice = true;
    let (push, envelope) = message_to_bob(&mut world, "first");
    for _ in 0..3 {
        world.forge("bob", &push, &envelope);
    }
    world.settle();
    world.crash("bob");
    world.settle();
    world.forge("bob", &push, &envelope);
    world.send("alice", "bob", "second");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["first", "second"]);
    assert_eq!(world.device("bob").told(), ["first", "second"]);
    assert!(world.device("bob").notices().is_empty());
}

// T8, T14: the same ciphertext under another id is not another message.
#[test]
fn t8_a_message_passed_off_as_another_is_not_shown() {
    let mut world = World::of_contacts();
    let (push, envelope) = message_to_bob(&mut world, "hello");
    let mut renamed = push.clone();
    renamed.header.message_id = MessageId::from_bytes([0xEE; 16]);
    world.forge("bob", &renamed, &envelope);
    assert!(world.device("bob").told().is_empty());
    assert_eq!(world.device("bob").notices(), ["message-unreadable"]);
    assert_eq!(unreadable(&mut world), 1);
}

// T16: what alice wrote does not come back to her as if bob had written it.
#[test]
fn t16_a_reflected_message_is_not_shown() {
    let mut world = World::of_contacts();
    world.send("bob", "alice", "hello alice");
    world.settle();
    let (push, envelope) = message_to_bob(&mut world, "hello bob");
    let (alice, bob) = (envelope.sender_id.clone(), envelope.recipient_id.clone());
    for sender_id in [bob, alice.clone()] {
        let reflected = Envelope { sender_id, recipient_id: alice.clone(), ..envelope.clone() };
        world.forge("alice", &push, &reflected);
    }
    assert_eq!(world.device("alice").told(), ["hello alice"]);
    assert_eq!(world.device("alice").notices(), ["message-unreadable"]);
}

/// Bob, told that alice is in this state for him, gets her message.
fn message_from_somebody(state: ContactState) -> World {
    let mut world = World::of_contacts();
    let (push, envelope) = message_to_bob(&mut world, "hello");
    let (alice, bob) = (world.account_id("alice"), world.account_id("bob"));
    world.server.set_contact(bob, alice, (state, ContactState::Asked));
    let row = world.server.contact_row(bob, alice);
    let changed = Frame::command(Opcode::CONTACT_CHANGED, push.header.message_id, world.now, &row).unwrap();
    world.input("bob", tacite_core::Input::Frame(changed));
    world.forge("bob", &push, &envelope);
    world.settle();
    assert!(world.device("bob").told().is_empty() && world.device("bob").history("alice").is_empty());
    world
}

// C2: nothing that a refused person wrote is shown or kept.
#[test]
fn what_a_refused_person_wrote_is_not_shown() {
    let world = message_from_somebody(ContactState::Refused);
    assert!(world.server.queues.values().all(Vec::is_empty), "acknowledged all the same");
}

// C2: as long as the person has not decided, nothing is shown, and nobody is told that it was received.
#[test]
fn what_a_stranger_wrote_waits_for_the_decision() {
    let mut world = message_from_somebody(ContactState::Asking);
    assert_eq!(world.server.queues.values().map(Vec::len).sum::<usize>(), 1);
    assert_ne!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    world.intend("bob", tacite_core::Intent::AcceptContact { handle: "alice".parse().unwrap() });
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello"]);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

// The message of somebody who was asked by name comes before the answer that says who that is.
#[test]
fn a_message_of_somebody_not_known_yet_is_not_lost() {
    let mut world = World::of_strangers();
    world.start("alice");
    world.start("bob");
    world.settle();
    world.intend("alice", tacite_core::Intent::RequestContact { handle: "bob".parse().unwrap() });
    let unheard = world.intercept("bob", Opcode::CONTACT_CHANGED);
    world.intend("bob", tacite_core::Intent::RequestContact { handle: "alice".parse().unwrap() });
    let answer = world.intercept("bob", Opcode::REQUEST_CONTACT);
    while world.device("alice").standing("bob") != Some(Standing::Accepted) {
        assert!(world.step());
    }
    world.send("alice", "bob", "hello");
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    for frame in [push, unheard, answer] {
        world.input("bob", tacite_core::Input::Frame(frame));
    }
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello"]);
}

// The server's word alone makes nobody a contact.
#[test]
fn a_contact_that_nobody_wanted_is_only_a_request() {
    let mut world = World::of_strangers();
    world.add_registered("carol", 3);
    let (alice, carol) = (world.account_id("alice"), world.account_id("carol"));
    world.server.set_contact(alice, carol, (ContactState::Accepted, ContactState::Accepted));
    let bob = world.account_id("bob");
    world.server.set_contact(alice, bob, (ContactState::Asked, ContactState::Asking));
    world.start("alice");
    world.settle();
    assert_eq!(world.device("alice").standing("carol"), Some(Standing::Asking));
    assert_eq!(world.device("alice").standing("bob"), None);
}

#[test]
fn an_envelope_for_somebody_else_is_not_opened() {
    let mut world = World::of_contacts();
    let (push, envelope) = message_to_bob(&mut world, "hello");
    world.forge("bob", &push, &Envelope { recipient_device: 2, ..envelope.clone() });
    world.forge("bob", &push, &Envelope { recipient_id: vec![9; 16].into(), ..envelope.clone() });
    assert!(world.device("bob").history("alice").is_empty());
    world.forge("bob", &push, &envelope);
    assert_eq!(world.device("bob").told(), ["hello"]);
}

// T6: a damaged first message burns no one-time key; the honest one is still read.
#[test]
fn t6_a_damaged_first_message_burns_no_key() {
    let mut world = World::of_contacts();
    let (push, envelope) = message_to_bob(&mut world, "hello");
    let mut damaged = envelope.sealed.to_vec();
    let count = damaged.len();
    // The last bytes of a prekey message are its Kyber ciphertext.
    damaged[count - 100] ^= 1;
    let mut forged = push.clone();
    forged.header.message_id = MessageId::from_bytes([0xEE; 16]);
    world.forge("bob", &forged, &Envelope { sealed: damaged.into(), ..envelope.clone() });
    assert_eq!(unreadable(&mut world), 1);
    world.forge("bob", &push, &envelope);
    assert_eq!(world.device("bob").told(), ["hello"]);
}

// T6: a one-time key that began a session is gone.
#[test]
fn t6_used_one_time_keys_are_deleted() {
    let mut world = World::of_contacts();
    let newest =
        |world: &mut World, kind| world.device("bob").ask(|tx| tx.newest_prekey(kind).unwrap().unwrap().id);
    let before = [PrekeyKind::OneTime, PrekeyKind::Kyber].map(|kind| newest(&mut world, kind));
    world.send("alice", "bob", "hello");
    world.settle();
    for id in before {
        assert!(world.device("bob").ask(|tx| tx.prekey(id).unwrap()).is_none());
    }
}

/// Alice's first message to bob, whose keys the server gives out altered.
fn with_altered_bundles(alter: &dyn Fn(&mut KeyBundles)) -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    let answer = world.intercept("alice", Opcode::FETCH_KEYS);
    let mut bundles: KeyBundles = answer.read().unwrap();
    alter(&mut bundles);
    world.forge("alice", &answer, &bundles);
    world
}

fn messages_sent(world: &World) -> usize {
    world.server.commands.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT).count()
}

// T1, T2, T4, T7: keys that must not be used begin no session, and nothing leaves.
#[test]
fn t4_altered_keys_begin_no_session() {
    let alterations: [&dyn Fn(&mut proto::DeviceBundle); 9] = [
        &|device| device.signed_prekey.as_mut().unwrap().signature = vec![0; 64].into(),
        &|device| device.signed_prekey.as_mut().unwrap().key = [&[5][..], &[0; 32]].concat().into(),
        &|device| device.signed_prekey = None,
        &|device| device.kyber_prekey = None,
        &|device| device.kyber_prekey.as_mut().unwrap().signature = vec![7; 64].into(),
        &|device| device.kyber_prekey.as_mut().unwrap().key = vec![8; 1569].into(),
        &|device| device.one_time_prekey.as_mut().unwrap().key = [&[5][..], &[0; 32]].concat().into(),
        &|device| device.one_time_prekey.as_mut().unwrap().key = vec![5; 5].into(),
        &|device| device.device_id = 128,
    ];
    for (number, alter) in alterations.into_iter().enumerate() {
        let mut world = with_altered_bundles(&|bundles| alter(&mut bundles.devices[0]));
        assert_eq!(messages_sent(&world), 0, "{number}");
        // The next answer is honest: the message goes after all.
        world.settle();
        assert_eq!(world.device("bob").received("alice"), ["hello"], "{number}");
    }
}

// T4: a bundle signed by another identity.
#[test]
fn t4_keys_of_another_identity_begin_no_session() {
    let world = with_altered_bundles(&|bundles| {
        bundles.identity_key = [&[5][..], &[9; 32]].concat().into();
    });
    assert_eq!(messages_sent(&world), 0);
}

// T22: a known identity does not change by the server's word.
#[test]
fn t22_a_changed_identity_is_told_and_nothing_is_sent() {
    let mut world = World::of_contacts();
    world.send("bob", "alice", "hello");
    world.settle();
    let bob = world.account_id("bob");
    world.device("alice").ask(|_| ());
    let tx = world.device("alice").vault.transaction().unwrap();
    tx.remove_session(bob, tacite_model::DeviceId::FIRST).unwrap();
    tx.commit().unwrap();
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    let answer = world.intercept("alice", Opcode::FETCH_KEYS);
    let mut bundles: KeyBundles = answer.read().unwrap();
    bundles.identity_key = [&[5][..], &[9; 32]].concat().into();
    world.forge("alice", &answer, &bundles);
    world.settle();
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Failed; 2]);
    assert_eq!(world.device("alice").notices(), ["identity-changed"]);
}

// T22: nor by a first message under another identity.
#[test]
fn t22_a_first_message_of_another_identity_is_not_shown() {
    let mut world = World::of_contacts();
    let (push, envelope) = message_to_bob(&mut world, "hello");
    let alice = world.account_id("alice");
    let tx = world.device("bob").vault.transaction().unwrap();
    let mut contact = tx.contact(alice).unwrap().unwrap();
    contact.identity_key = Some([5; 33]);
    tx.save_contact(&contact).unwrap();
    tx.commit().unwrap();
    world.forge("bob", &push, &envelope);
    assert!(world.device("bob").told().is_empty());
    assert_eq!(world.device("bob").notices(), ["identity-changed"]);
}

#[test]
fn answers_that_nobody_waits_for_change_nothing() {
    let mut world = World::of_contacts();
    for (opcode, mnemonic) in Opcode::ALL.iter().copied() {
        for status in [Status::FINISHED, Status::IN_PROGRESS, Status::ERROR, Status(9)] {
            if opcode.is_push() {
                continue;
            }
            let header = Header {
                opcode,
                mnemonic,
                message_id: MessageId::from_bytes([1; 16]),
                timestamp: world.now,
                version: 1,
                status,
                code: Code::SESSION_ENDED,
                body_bytes: 0,
            };
            world.input("alice", tacite_core::Input::Frame(Frame::new(header, &Empty {}).unwrap()));
        }
    }
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
}

// T74: garbage in every push, in every phase of a link.
#[test]
fn t74_no_push_makes_the_engine_panic() {
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(7);
    let mut world = World::of_contacts();
    for round in 0..300 {
        let (opcode, _) = Opcode::ALL[usize::try_from(rng.next_u32()).unwrap() % Opcode::ALL.len()];
        let mut bytes = vec![0; usize::try_from(rng.next_u32() % 80).unwrap()];
        rng.fill_bytes(&mut bytes);
        let garbage = proto::Refresh { refresh_token: String::from_utf8_lossy(&bytes).into_owned() };
        let frame = Frame::command(opcode, MessageId::from_bytes([2; 16]), world.now, &garbage).unwrap();
        world.input("alice", tacite_core::Input::Frame(frame));
        if round % 3 == 0 {
            world.step();
        }
    }
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
}

#[test]
fn a_server_without_a_proper_challenge_or_name_gets_no_hello() {
    let alterations: [&dyn Fn(&mut Connected); 3] = [
        &|connected| connected.challenge = vec![1; 31].into(),
        &|connected| connected.challenge = vec![1; 33].into(),
        &|connected| connected.server_name = "two words".to_owned(),
    ];
    for alter in alterations {
        let mut world = World::of_strangers();
        world.start("alice");
        let greeting = world.intercept("alice", Opcode::CONNECTED);
        let mut connected: Connected = greeting.read().unwrap();
        alter(&mut connected);
        world.input("alice", tacite_core::Input::LinkOpened);
        world.forge("alice", &greeting, &connected);
        assert!(world.up.is_empty());
        assert_eq!(world.device("alice").notices(), ["server-unintelligible"]);
    }
}

// T56: tokens of another account are not taken.
#[test]
fn t56_a_session_of_another_account_is_refused() {
    let mut world = World::of_strangers();
    world.start("alice");
    let answer = world.intercept("alice", Opcode::SIGN_IN);
    let mut granted: proto::SessionGranted = answer.read().unwrap();
    granted.account_id = AccountId::from_bytes([9; 16]).as_bytes().to_vec().into();
    world.forge("alice", &answer, &granted);
    assert!(world.device("alice").ask(|tx| tx.tokens().unwrap()).is_none());
    assert_eq!(world.device("alice").notices(), ["server-unintelligible"]);
}

/// Links on which somebody has caught up: each begins with two synchronisations of one page.
fn links_begun(world: &World) -> usize {
    world.server.commands.iter().filter(|frame| frame.header.opcode == Opcode::SYNC).count() / 2
}

// Pushes held until the last page: as many as allowed are looked at then; for one more, the link begins anew.
#[test]
fn too_many_early_pushes_end_the_link_and_lose_nothing() {
    // The server's own push is one more.
    for (count, links) in [(255, 1), (256, 2)] {
        let mut world = World::of_strangers();
        world.start("alice");
        let page = world.intercept("alice", Opcode::SYNC);
        let body = Empty {};
        let push = Frame::command(Opcode::LEVEL, MessageId::from_bytes([0; 16]), world.now, &body).unwrap();
        for _ in 0..count {
            world.input("alice", tacite_core::Input::Frame(push.clone()));
        }
        world.input("alice", tacite_core::Input::Frame(page));
        world.settle();
        assert_eq!(world.device("alice").link(), LinkStatus::Level, "{count}");
        assert_eq!(links_begun(&world), links, "{count}");
    }
}

// A server that pushes on and on and never takes an acknowledgement is left before memory fills.
#[test]
fn too_many_messages_without_an_acknowledgement_end_the_link() {
    // The first acknowledgement is under way, the others wait for its answer.
    for (count, links) in [(1 + 256, 0), (1 + 257, 1)] {
        let mut world = World::of_contacts();
        let (push, envelope) = message_to_bob(&mut world, "hello");
        let before = links_begun(&world);
        world.server.plan(Opcode::ACKNOWLEDGE, crate::server::Mischief::Ignore);
        for _ in 0..count {
            world.forge("bob", &push, &envelope);
        }
        while world.step() {}
        world.pass(1000);
        assert_eq!(links_begun(&world) - before, links, "{count}");
        world.pass(90_000);
        assert_eq!(world.device("bob").told(), ["hello"]);
        assert_eq!(world.device("bob").link(), LinkStatus::Level);
    }
}

// No more senders are remembered than a server may push unacknowledged messages.
#[test]
fn too_many_strangers_end_the_link() {
    for (count, links) in [(64, 0), (65, 1)] {
        let mut world = World::of_contacts();
        let (push, envelope) = message_to_bob(&mut world, "hello");
        let before = links_begun(&world);
        for number in 0..count {
            let stranger = Envelope { sender_id: vec![number; 16].into(), ..envelope.clone() };
            world.forge("bob", &push, &stranger);
        }
        while world.step() {}
        world.pass(1000);
        assert_eq!(links_begun(&world) - before, links, "{count}");
        assert_eq!(world.device("bob").received("alice").len(), links, "pushed again on a new link");
    }
}
