//! Becoming contacts and exchanging messages.

use tacite_core::{Event, Input, Intent, LinkStatus, MessageState, Outcome, Standing, queries};
use tacite_model::MessageId;
use tacite_model::limits::TEXT_BYTES_MAX;
use tacite_seal::{SealKind, Sealed};
use tacite_wire::proto::{ContactState, DeviceBundle, Envelope, Failure, KeyBundles};
use tacite_wire::{Code, Frame, Opcode, Status};

use crate::server::Mischief;
use crate::world::World;

fn request(name: &str) -> Intent {
    Intent::RequestContact { handle: name.parse().unwrap() }
}

fn accept(name: &str) -> Intent {
    Intent::AcceptContact { handle: name.parse().unwrap() }
}

fn refuse(name: &str) -> Intent {
    Intent::RefuseContact { handle: name.parse().unwrap() }
}

fn contact(name: &str, standing: Standing) -> Outcome {
    Outcome::Contact { handle: name.parse().unwrap(), standing }
}

fn started_strangers() -> World {
    let mut world = World::of_strangers();
    world.start("alice");
    world.start("bob");
    world.settle();
    world
}

// C2, C3: the whole way, both online.
#[test]
fn strangers_become_contacts_and_talk() {
    let mut world = started_strangers();
    let asked = world.intend("alice", request("bob"));
    world.settle();
    assert_eq!(world.device("alice").answer(asked), Some(Ok(contact("bob", Standing::Asked))));
    assert_eq!(world.device("bob").standing("alice"), Some(Standing::Asking));
    let accepted = world.intend("bob", accept("alice"));
    world.settle();
    assert_eq!(world.device("bob").answer(accepted), Some(Ok(contact("alice", Standing::Accepted))));
    assert_eq!(world.device("alice").standing("bob"), Some(Standing::Accepted));
    for (from, to, text) in [("alice", "bob", "hello bob"), ("bob", "alice", "hello alice")] {
        world.send(from, to, text);
        world.settle();
        assert_eq!(world.device(to).received(from), [text]);
        assert_eq!(world.device(to).told(), [text]);
        assert_eq!(world.device(from).sent_states(to), [MessageState::Received]);
    }
    world.send("alice", "bob", "how are you?");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello bob", "how are you?"]);
    assert!(world.server.queues.values().all(Vec::is_empty));
}

#[test]
fn a_message_is_found_by_its_id_whoever_wrote_it_and_only_where_it_was_written() {
    let mut world = World::of_strangers();
    world.add_registered("carol", 3);
    world.befriend("alice", "bob");
    world.befriend("alice", "carol");
    world.start("alice");
    world.start("bob");
    world.send("alice", "bob", "mine");
    world.send("bob", "alice", "yours");
    world.settle();
    let alice = world.device("alice");
    let history = alice.history("bob");
    let mut found = |with: &str, id: MessageId| {
        let with = with.parse().unwrap();
        alice.ask(|tx| queries::message(tx, &with, id).unwrap()).map(|message| message.text)
    };
    assert_eq!(history.len(), 2);
    for message in history {
        assert_eq!(found("bob", message.message_id), Some(message.text.clone()));
        assert_eq!(found("carol", message.message_id), None);
        assert_eq!(found("mallory", message.message_id), None);
    }
    assert_eq!(found("bob", MessageId::from_bytes([9; 16])), None);
}

// C5, C6: to somebody who is away, from somebody who then goes away.
#[test]
fn messages_wait_for_those_who_are_away() {
    let mut world = World::of_strangers();
    world.befriend("alice", "bob");
    world.start("bob");
    world.settle();
    world.network_up = false;
    world.cut("bob");
    world.network_up = true;
    world.start("alice");
    let texts = ["one", "two", "three"];
    for text in texts {
        world.send("alice", "bob", text);
    }
    while world.device("alice").sent_states("bob").contains(&MessageState::Queued) {
        assert!(world.step());
        world.device("bob").link = None;
    }
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Sent; 3]);
    world.network_up = false;
    world.cut("alice");
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("bob").received("alice"), texts);
    // The sender, back again, learns by synchronisation what happened meanwhile.
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 3]);
}

// C6: written without a link, sent later, in order.
#[test]
fn what_is_written_offline_is_sent_later() {
    let mut world = World::of_contacts();
    world.network_up = false;
    world.cut("alice");
    for text in ["one", "two", "three"] {
        let queued = world.send("alice", "bob", text);
        assert!(matches!(world.device("alice").answer(queued), Some(Ok(Outcome::Queued { .. }))));
    }
    assert_eq!(world.device("alice").ask(|tx| queries::status(tx).unwrap()).queued, 3);
    world.crash("alice");
    world.settle_within(0);
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["one", "two", "three"]);
    assert_eq!(world.device("alice").ask(|tx| queries::status(tx).unwrap()).queued, 0);
}

#[test]
fn both_may_write_first_at_once() {
    let mut world = World::of_contacts();
    for round in 0..5 {
        world.send("alice", "bob", &format!("a{round}"));
        world.send("bob", "alice", &format!("b{round}"));
        world.settle();
    }
    assert_eq!(world.device("bob").received("alice"), ["a0", "a1", "a2", "a3", "a4"]);
    assert_eq!(world.device("alice").received("bob"), ["b0", "b1", "b2", "b3", "b4"]);
    assert!(world.device("alice").notices().is_empty() && world.device("bob").notices().is_empty());
}

// C2, C6: the news of the acceptance and the first message wait together, and may overtake each other.
#[test]
fn a_message_that_overtakes_the_acceptance_is_shown() {
    for hurries in [false, true] {
        let mut world = started_strangers();
        world.server.hurries = hurries;
        world.intend("alice", request("bob"));
        world.settle();
        world.network_up = false;
        world.cut("alice");
        world.settle_within(0);
        world.network_up = true;
        world.intend("bob", accept("alice"));
        while world.device("bob").standing("alice") != Some(Standing::Accepted) {
            assert!(world.step());
        }
        world.send("bob", "alice", "welcome");
        world.settle();
        assert_eq!(world.device("alice").received("bob"), ["welcome"]);
        assert_eq!(world.device("alice").link(), LinkStatus::Level);
    }
}

// The same from the other side: alice is told at once and writes before bob has his answer.
#[test]
fn a_message_that_overtakes_the_answer_to_an_acceptance_is_shown() {
    let mut world = started_strangers();
    world.intend("alice", request("bob"));
    world.settle();
    world.intend("bob", accept("alice"));
    let answer = world.intercept("bob", Opcode::ACCEPT_CONTACT);
    while world.device("alice").standing("bob") != Some(Standing::Accepted) {
        assert!(world.step());
    }
    world.send("alice", "bob", "hello");
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    world.input("bob", Input::Frame(push));
    world.input("bob", Input::Frame(answer));
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello"]);
    assert_eq!(world.device("bob").standing("alice"), Some(Standing::Accepted));
}

// C2, C6: the server has taken the acceptance and says that it failed: what the person wanted stands.
#[test]
fn an_acceptance_that_failed_for_now_is_no_refusal() {
    for code in [Code::SERVER_FAULT, Code::UNAVAILABLE] {
        let mut world = started_strangers();
        world.intend("alice", request("bob"));
        world.settle();
        let accepted = world.intend("bob", accept("alice"));
        let answer = world.intercept("bob", Opcode::ACCEPT_CONTACT);
        let mut refused = answer.header;
        (refused.status, refused.code) = (Status::ERROR, code);
        world.input("bob", Input::Frame(Frame::new(refused, &Failure::default()).unwrap()));
        assert!(matches!(world.device("bob").answer(accepted), Some(Err(_))));
        world.settle();
        world.send("alice", "bob", "hello");
        world.settle();
        assert_eq!(world.device("bob").received("alice"), ["hello"]);
        world.cut("bob");
        world.settle();
        assert_eq!(world.device("bob").standing("alice"), Some(Standing::Accepted));
    }
}

// C2: the server has taken the acceptance, and the link ends for good before it says so: what the person wanted stands.
#[test]
fn an_acceptance_on_a_link_that_stops_is_no_refusal() {
    let mut world = started_strangers();
    world.intend("alice", request("bob"));
    world.settle();
    let accepted = world.intend("bob", accept("alice"));
    world.intercept("bob", Opcode::ACCEPT_CONTACT);
    let mut cause = tacite_core::Problem::of(Code::FORBIDDEN);
    cause.word = "other-key";
    world.device("bob").link = None;
    world.input("bob", Input::LinkClosed { cause: Some(cause) });
    assert_eq!(world.device("bob").failure(accepted), "other-key");
    world.crash("bob");
    world.settle();
    assert_eq!(world.device("bob").standing("alice"), Some(Standing::Accepted));
    world.send("alice", "bob", "hello");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello"]);
}

// The later wish counts, whether or not it reaches the server.
#[test]
fn a_refusal_takes_back_an_acceptance_that_failed_for_now() {
    let mut world = started_strangers();
    world.intend("alice", request("bob"));
    world.settle();
    world.server.plan(Opcode::ACCEPT_CONTACT, Mischief::Refuse(Code::UNAVAILABLE, 0));
    world.server.plan(Opcode::REFUSE_CONTACT, Mischief::Refuse(Code::UNAVAILABLE, 0));
    for intent in [accept("alice"), refuse("alice")] {
        let failed = world.intend("bob", intent);
        world.settle();
        assert_eq!(world.device("bob").failure(failed), "unavailable");
    }
    let (alice, bob) = (world.account_id("alice"), world.account_id("bob"));
    world.server.set_contact(bob, alice, (ContactState::Accepted, ContactState::Accepted));
    world.cut("bob");
    world.settle();
    assert_eq!(world.device("bob").standing("alice"), Some(Standing::Asking));
}

// T5: what was published into the void is published again.
#[test]
fn keys_whose_publication_was_lost_are_published_again() {
    let mut world = World::of_strangers();
    world.server.plan(Opcode::PUBLISH_KEYS, Mischief::Ignore);
    world.start("bob");
    while !world.sent.iter().any(|frame| frame.header.opcode == Opcode::PUBLISH_KEYS) {
        assert!(world.step());
    }
    world.step();
    world.cut("bob");
    world.pass(3 * 60_000);
    let account = &world.server.accounts[&world.account_id("bob")];
    assert_eq!((account.one_time.len(), account.kyber.len()), (100, 30));
    assert!(account.signed_prekey.is_some());
}

#[test]
fn a_refusal_is_not_told_to_the_asker() {
    let mut world = started_strangers();
    world.intend("alice", request("bob"));
    world.settle();
    let refused = world.intend("bob", refuse("alice"));
    world.settle();
    assert_eq!(world.device("bob").answer(refused), Some(Ok(contact("alice", Standing::Refused))));
    assert_eq!(world.device("alice").standing("bob"), Some(Standing::Asked));
}

#[test]
fn contacts_fail_with_the_servers_word() {
    let mut world = started_strangers();
    let cases = [
        (request("nobody-here"), "nobody"),
        (accept("bob"), "no-request"),
        (refuse("bob"), "no-request"),
        (request("alice"), "not-yourself"),
    ];
    for (intent, word) in cases {
        let request = world.intend("alice", intent);
        world.settle();
        assert_eq!(world.device("alice").failure(request), word);
    }
}

#[test]
fn an_errand_whose_answer_is_lost_is_answered_after_all() {
    let mut world = started_strangers();
    world.server.plan(Opcode::REQUEST_CONTACT, Mischief::Ignore);
    let asked = world.intend("alice", request("bob"));
    world.settle();
    assert_eq!(world.device("alice").answer(asked), Some(Ok(contact("bob", Standing::Asked))));
    let accepted = world.intend("bob", accept("alice"));
    let (link_id, command) = world.up.pop_front().unwrap();
    world.server.receive(link_id, &command);
    world.cut("bob");
    world.settle();
    assert_eq!(world.device("bob").answer(accepted), Some(Ok(contact("alice", Standing::Accepted))));
}

// C2: nothing is sent to those who have not accepted.
#[test]
fn a_text_needs_an_accepted_contact_and_a_length() {
    let mut world = started_strangers();
    world.intend("alice", request("bob"));
    world.settle();
    let failed = world.send("alice", "bob", "hello");
    assert_eq!(world.device("alice").failure(failed), "not-a-contact");
    let mut world = World::of_contacts();
    for (length, is_sent) in [(0, false), (1, true), (TEXT_BYTES_MAX, true), (TEXT_BYTES_MAX + 1, false)] {
        let request = world.send("alice", "bob", &"x".repeat(length));
        world.settle();
        assert_eq!(matches!(world.device("alice").answer(request), Some(Ok(_))), is_sent, "{length}");
    }
    let lengths: Vec<usize> = world.device("bob").received("alice").iter().map(String::len).collect();
    assert_eq!(lengths, [1, TEXT_BYTES_MAX]);
}

// A3, T45: a short text of an ongoing session takes the smallest frame, whatever it says.
#[test]
fn t45_short_texts_take_the_smallest_frame() {
    let mut world = World::of_contacts();
    for text in ["hello", "hello yourself", "a", "see you at the usual"] {
        world.send("alice", "bob", text);
        world.settle();
        world.send("bob", "alice", text);
        world.settle();
    }
    let messages = world.server.commands.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT);
    let sizes: Vec<usize> = messages.map(|frame| frame.clone().into_bytes().len() - 40).collect();
    assert_eq!(sizes, [4096, 256, 256, 256, 256, 256, 256, 256]);
}

#[test]
fn the_first_message_is_a_prekey_message_and_later_ones_are_not() {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "one");
    world.settle();
    world.send("bob", "alice", "two");
    world.settle();
    world.send("alice", "bob", "three");
    world.settle();
    let messages = world.server.commands.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT);
    let kinds: Vec<SealKind> = messages
        .map(|frame| Sealed::decode(&frame.read::<Envelope>().unwrap().sealed).unwrap().kind)
        .collect();
    assert_eq!(kinds, [SealKind::Prekey, SealKind::Whisper, SealKind::Whisper]);
}

#[test]
fn refused_for_now_is_sent_again_refused_for_good_is_told() {
    let mut world = World::of_contacts();
    for code in
        [Code::STORAGE_FULL, Code::UNAVAILABLE, Code::QUEUE_FULL, Code::TOO_FAST, Code::DEVICE_UNKNOWN]
    {
        world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(code, 3000));
    }
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["one", "two"]);
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(Code::NOT_A_CONTACT, 0));
    world.send("alice", "bob", "three");
    world.settle();
    assert_eq!(world.device("alice").sent_states("bob").last(), Some(&MessageState::Failed));
    assert_eq!(world.device("alice").notices(), ["not-a-contact"]);
    let changed =
        |event: &&Event| matches!(event, Event::MessageChanged(view) if view.state == MessageState::Failed);
    assert_eq!(world.device("alice").events.iter().filter(changed).count(), 1);
}

// Answers do not name the device, so the copies of one message go one after the other.
#[test]
fn every_device_of_the_recipient_gets_a_copy() {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    world.send("alice", "bob", "again");
    let answer = world.intercept("alice", Opcode::FETCH_KEYS);
    let mut bundles: KeyBundles = answer.read().unwrap();
    let second = DeviceBundle { device_id: 2, ..bundles.devices[0].clone() };
    bundles.devices.push(second);
    world.forge("alice", &answer, &bundles);
    world.settle();
    let copies: Vec<(u32, bool)> = world
        .sent
        .iter()
        .filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT)
        .map(|frame| {
            (frame.read::<Envelope>().unwrap().recipient_device, frame.header.message_id == first_id(&world))
        })
        .collect();
    assert_eq!(copies, [(1, true), (2, true), (1, false), (2, false)]);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 2]);
    assert_eq!(world.device("bob").received("alice"), ["hello", "again"]);
}

/// The id of the first message that was sent.
fn first_id(world: &World) -> MessageId {
    let mut messages = world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT);
    messages.next().unwrap().header.message_id
}

// T21: a server that denies a device cannot make the messages under way from it unreadable.
#[test]
fn t21_a_renewed_session_does_not_forget_the_old_one() {
    let mut world = World::of_contacts();
    for (from, to) in [("alice", "bob"), ("bob", "alice")] {
        world.send(from, to, "hello");
        world.settle();
    }
    world.send("bob", "alice", "under way");
    let under_way = world.intercept("alice", Opcode::DIRECT_RECEIVED);
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(Code::DEVICE_UNKNOWN, 0));
    world.send("alice", "bob", "by a new session");
    world.settle_within(2000);
    world.input("alice", Input::Frame(under_way));
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello", "by a new session"]);
    assert_eq!(world.device("alice").received("bob"), ["hello", "under way"]);
    assert!(world.device("alice").notices().is_empty());
}

#[test]
fn keys_that_are_not_there_yet_are_asked_for_again() {
    let mut world = World::of_strangers();
    world.befriend("alice", "bob");
    world.start("alice");
    world.send("alice", "bob", "hello");
    world.settle_within(100);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Queued]);
    world.start("bob");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello"]);
}

// T5: one-time keys are refilled when the server says that few are left; last-resort keys serve meanwhile.
#[test]
fn t5_drained_prekeys_are_refilled() {
    let mut world = World::of_contacts();
    let bob = world.account_id("bob");
    let account = world.server.accounts.get_mut(&bob).unwrap();
    account.one_time.clear();
    account.kyber.clear();
    world.pass(61_000);
    world.send("alice", "bob", "by the last resort");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["by the last resort"]);
    let account = &world.server.accounts[&bob];
    assert_eq!((account.one_time.len(), account.kyber.len()), (100, 30));
}

#[test]
fn signed_prekeys_are_replaced_weekly() {
    let mut world = World::of_contacts();
    let bob = world.account_id("bob");
    let first = world.server.accounts[&bob].signed_prekey.clone().unwrap();
    world.pass(6 * 24 * 3_600_000);
    assert_eq!(world.server.accounts[&bob].signed_prekey.as_ref(), Some(&first));
    world.pass(2 * 24 * 3_600_000);
    assert_ne!(world.server.accounts[&bob].signed_prekey.as_ref(), Some(&first));
    assert!(matches!(world.device("bob").link(), LinkStatus::Level | LinkStatus::Online));
}
