//! The outbox of one recipient against a server whose answers come one by one, in the order that a test chooses.

use tacite_core::{Input, Intent, MessageState};
use tacite_seal::{Body, ResendRequest};
use tacite_wire::proto::{self, DeliveryState, DeviceBundle, Empty, Envelope, Failure, KeyBundles};
use tacite_wire::{Code, Frame, Opcode, Status};

use crate::server::Mischief;
use crate::world::World;

/// Alice and bob, who have written before; the server is silent about what alice sends next.
fn of_a_silent_server() -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    world.settle();
    world.sent.clear();
    silence(&mut world, Opcode::SEND_DIRECT);
    world
}

fn silence(world: &mut World, opcode: Opcode) {
    for _ in 0..9 {
        world.server.plan(opcode, Mischief::Ignore);
    }
}

/// What alice sent since.
fn sent(world: &World) -> Vec<Frame> {
    world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT).cloned().collect()
}

fn ids(frames: &[&Frame]) -> Vec<tacite_model::MessageId> {
    frames.iter().map(|frame| frame.header.message_id).collect()
}

/// The place of a message is fixed.
fn take(world: &mut World, command: &Frame) {
    answer(world, command, Status::IN_PROGRESS, Code::TAKEN, &Empty {});
}

/// A message is refused, with milliseconds to wait.
fn refuse(world: &mut World, command: &Frame, code: Code, retry_after_ms: u64) {
    let failure = Failure { retry_after_ms, ..Failure::default() };
    answer(world, command, Status::ERROR, code, &failure);
}

/// A device's copy of a message has come to a state.
fn finish(world: &mut World, command: &Frame, state: DeliveryState) {
    let row = row_of(world, command, state);
    answer(world, command, Status::FINISHED, Code::DONE, &row);
}

/// Proven as by the device of the recipient.
fn row_of(world: &mut World, command: &Frame, state: DeliveryState) -> proto::MessageState {
    let envelope: Envelope = command.read().unwrap();
    let proof = world.device("alice").proof_for(command, state);
    proto::MessageState {
        message_id: command.header.message_id.as_bytes().to_vec().into(),
        recipient_id: envelope.recipient_id,
        recipient_device: envelope.recipient_device,
        state: state.into(),
        at_ms: 1,
        proof: proof.into(),
    }
}

fn answer(world: &mut World, command: &Frame, status: Status, code: Code, body: &impl prost::Message) {
    let frame = Frame::answer(&command.header, status, code, world.now, body).unwrap();
    world.input("alice", Input::Frame(frame));
}

/// Sends one message, whose place is fixed: more may go at once.
fn send_ahead(world: &mut World) -> Frame {
    world.send("alice", "bob", "ahead");
    let ahead = sent(world)[0].clone();
    take(world, &ahead);
    world.sent.clear();
    ahead
}

// T15: a message refused after its place was fixed goes again on the same link, before all that was not sent yet.
#[test]
fn t15_what_is_refused_late_is_sent_again_before_what_follows() {
    for code in [Code::STORAGE_FULL, Code::QUEUE_FULL, Code::UNAVAILABLE] {
        let mut world = of_a_silent_server();
        let ahead = send_ahead(&mut world);
        for text in ["one", "two", "three"] {
            world.send("alice", "bob", text);
        }
        let [one, two, three]: [Frame; 3] = sent(&world).try_into().unwrap();
        take(&mut world, &one);
        take(&mut world, &two);
        refuse(&mut world, &one, code, 5000);
        world.send("alice", "bob", "four");
        world.pass(6000);
        assert_eq!(sent(&world).len(), 3, "{code:?}: what is under way is waited for");
        refuse(&mut world, &three, code, 0);
        let after = sent(&world);
        assert_eq!(ids(&after.iter().skip(3).collect::<Vec<_>>()), ids(&[&one]), "{code:?}");
        take(&mut world, &one);
        take(&mut world, &three);
        let four = sent(&world)[5].clone();
        for message in [&ahead, &one, &two, &three, &four] {
            finish(&mut world, message, DeliveryState::Received);
        }
        assert_eq!(ids(&[&sent(&world)[4]]), ids(&[&three]), "{code:?}");
        assert_eq!(sent(&world).len(), 6, "what was refused was sent twice");
        assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 6]);
    }
}

// T15: a server knows what it took in the order in which it took it: of what was refused late, that comes again first which it took first.
#[test]
fn t15_what_is_refused_late_goes_again_in_the_order_of_its_taking() {
    let mut world = of_a_silent_server();
    let one = send_ahead(&mut world);
    world.send("alice", "bob", "two");
    let two = sent(&world)[0].clone();
    take(&mut world, &two);
    refuse(&mut world, &one, Code::RECIPIENT_AWAY, 1000);
    world.pass(2000);
    take(&mut world, &one);
    // Now the server has first two, then one.
    refuse(&mut world, &two, Code::RECIPIENT_AWAY, 1000);
    refuse(&mut world, &one, Code::RECIPIENT_AWAY, 1000);
    world.pass(6000);
    let again = sent(&world)[2].clone();
    assert_eq!(ids(&[&again]), ids(&[&two]));
    take(&mut world, &two);
    assert_eq!(ids(&[&sent(&world)[3]]), ids(&[&one]));
}

// T15: what was refused behind a message that the server had taken again comes behind that, whatever it had taken before.
// (Found by the simulation, 18410916: the client began with what the server did not wait for, and messages were told to be missing.)
#[test]
fn t15_what_is_refused_late_again_goes_before_what_was_refused_behind_it() {
    for has_arrived in [false, true] {
        let mut world = of_a_silent_server();
        send_ahead(&mut world);
        for text in ["one", "two", "three"] {
            world.send("alice", "bob", text);
        }
        let burst = sent(&world);
        for frame in &burst {
            take(&mut world, frame);
        }
        for frame in &burst {
            refuse(&mut world, frame, Code::STORAGE_FULL, 1000);
        }
        world.pass(3000);
        assert_eq!(sent(&world).len(), 3 + 1, "one goes ahead");
        // Now the server takes the first again, or the one behind it, and refuses it after all; what is behind that it does not take.
        let refused = if has_arrived {
            finish(&mut world, &burst[0], DeliveryState::Received);
            take(&mut world, &burst[1]);
            &burst[1..]
        } else {
            take(&mut world, &burst[0]);
            &burst
        };
        assert_eq!(sent(&world).len(), 3 + 3);
        for frame in refused {
            refuse(&mut world, frame, Code::STORAGE_FULL, 1000);
        }
        world.pass(6000);
        assert_eq!(ids(&[&sent(&world)[6]]), ids(&[&refused[0]]), "{has_arrived}");
    }
}

// A burst waits for no answer but the first; so much of it is under way, and not one more.
#[test]
fn so_many_messages_leave_before_the_first_is_answered() {
    let mut world = of_a_silent_server();
    world.send("alice", "bob", "ahead");
    for number in 0..18 {
        world.send("alice", "bob", &number.to_string());
    }
    let ahead = sent(&world);
    assert_eq!(ahead.len(), 1, "who is away refuses one");
    take(&mut world, &ahead[0]);
    let burst = sent(&world);
    assert_eq!(burst.len(), 1 + 16);
    take(&mut world, &burst[1]);
    assert_eq!(sent(&world).len(), 1 + 17);
    refuse(&mut world, &burst[2], Code::QUEUE_FULL, 0);
    assert_eq!(sent(&world).len(), 1 + 17, "nothing follows what was refused");
}

// T15: what was refused comes again in its order; once the server has taken one, the rest does not wait for the way there and back of each.
// (Found by the simulation, 15067391: over a slow network that took longer than a recipient waits for what is missing.)
#[test]
fn t15_what_was_refused_together_goes_again_together_once_one_was_taken() {
    let mut world = of_a_silent_server();
    let ahead = send_ahead(&mut world);
    for text in ["one", "two", "three", "four"] {
        world.send("alice", "bob", text);
    }
    let burst = sent(&world);
    let [one, two, three, four] = [0, 1, 2, 3].map(|at| &burst[at]);
    for frame in [one, two, three, four] {
        refuse(&mut world, frame, Code::TOO_FAST, 1000);
    }
    // That an older one has arrived does not say that the server takes more now.
    finish(&mut world, &ahead, DeliveryState::Received);
    world.pass(1000);
    assert_eq!(sent(&world).len(), 4 + 1);
    world.send("alice", "bob", "five");
    take(&mut world, one);
    let again = sent(&world);
    assert_eq!(ids(&again[4..8].iter().collect::<Vec<_>>()), ids(&[one, two, three, four]));
    assert_eq!(again.len(), 4 + 5, "and what follows goes behind");
    // Refused once more, it is one by one again.
    refuse(&mut world, two, Code::TOO_FAST, 1000);
    refuse(&mut world, three, Code::TOO_FAST, 1000);
    refuse(&mut world, four, Code::TOO_FAST, 1000);
    refuse(&mut world, &again[8], Code::TOO_FAST, 1000);
    world.pass(1000);
    assert_eq!(ids(&sent(&world)[9..].iter().collect::<Vec<_>>()), ids(&[two]));
}

// Who is too fast waits as long as the server says, however long others have kept it waiting.
#[test]
fn who_is_too_fast_waits_as_long_as_the_server_says() {
    let mut world = of_a_silent_server();
    world.send("alice", "bob", "one");
    let one = sent(&world)[0].clone();
    for _ in 0..12 {
        refuse(&mut world, &one, Code::RECIPIENT_AWAY, 0);
        let before = sent(&world).len();
        while sent(&world).len() == before {
            world.pass(100);
        }
    }
    let before = sent(&world).len();
    refuse(&mut world, &one, Code::TOO_FAST, 200);
    world.pass(199);
    assert_eq!(sent(&world).len(), before);
    world.pass(1);
    assert_eq!(sent(&world).len(), before + 1);
}

// T15: a server waits for what it refused first. If that will not come, as it was deleted, a new link says so.
#[test]
fn t15_what_was_refused_behind_a_message_that_was_deleted_does_not_wait() {
    let mut world = of_a_silent_server();
    let ahead = send_ahead(&mut world);
    for text in ["one", "two"] {
        world.send("alice", "bob", text);
    }
    let [one, two]: [Frame; 2] = sent(&world).try_into().unwrap();
    let message_id = one.header.message_id;
    for message in [&one, &two] {
        refuse(&mut world, message, Code::RECIPIENT_AWAY, 1000);
    }
    finish(&mut world, &ahead, DeliveryState::Received);
    let link = world.device("alice").link;
    world.server.mischief.clear();
    world.intend("alice", Intent::Delete { to: "bob".parse().unwrap(), message_id });
    world.settle();
    assert_ne!(world.device("alice").link, link);
    assert_eq!(world.device("bob").received("alice").last().unwrap(), "two");
}

// The server waits for the first of what it refused: when that is on its way again, what was deleted behind it keeps nobody waiting.
#[test]
fn what_was_deleted_behind_what_comes_again_costs_no_link() {
    let mut world = of_a_silent_server();
    send_ahead(&mut world);
    for text in ["one", "two", "three", "four"] {
        world.send("alice", "bob", text);
    }
    let [one, two, three, four]: [Frame; 4] = sent(&world).try_into().unwrap();
    for message in [&one, &two, &three, &four] {
        refuse(&mut world, message, Code::TOO_FAST, 1000);
    }
    world.pass(1000);
    let message_id = three.header.message_id;
    world.intend("alice", Intent::Delete { to: "bob".parse().unwrap(), message_id });
    let link = world.device("alice").link;
    take(&mut world, &one);
    assert_eq!(world.device("alice").link, link);
    assert_eq!(ids(&sent(&world)[4..7].iter().collect::<Vec<_>>()), ids(&[&one, &two, &four]));
}

/// Bob asks alice for whatever she told him; she puts it before everything else.
fn ask_for_everything(world: &mut World) {
    let request = ResendRequest { message_ids: Vec::new(), after_id: None, before_id: None };
    world.tell("bob", "alice", Body::ResendRequest(request));
}

// T15: the server takes nothing before what it refused.
#[test]
fn t15_what_was_refused_goes_before_what_is_urgent() {
    let mut world = of_a_silent_server();
    world.server.mischief.clear();
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(Code::STORAGE_FULL, 0));
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    while world.step() {}
    let one = sent(&world)[0].clone();
    ask_for_everything(&mut world);
    world.settle();
    let bob = world.account_id("bob");
    let alices: Vec<Frame> = sent(&world)
        .into_iter()
        .filter(|frame| frame.read::<Envelope>().unwrap().recipient_id.as_ref() == bob.as_bytes())
        .collect();
    assert_eq!(ids(&[&alices[0], &alices[1]]), ids(&[&one, &one]));
    let texts: Vec<_> = world.device("alice").history("bob").iter().map(|it| it.message_id).collect();
    assert!(!texts.contains(&alices[2].header.message_id), "then what was asked for");
    assert_eq!(world.device("bob").received("alice"), ["hello", "one", "two"]);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 3]);
}

/// How many inputs alice handles while time passes and nothing comes.
fn inputs_in(world: &mut World, ms: u64) -> usize {
    let before = world.device("alice").inputs;
    world.pass(ms);
    world.device("alice").inputs - before
}

// What waits for an answer sets no timer of its own.
#[test]
fn a_pause_that_ends_while_something_is_in_flight_rings_once() {
    let mut world = of_a_silent_server();
    world.send("alice", "bob", "one");
    world.send("alice", "bob", "two");
    let one = sent(&world)[0].clone();
    take(&mut world, &one);
    refuse(&mut world, &one, Code::STORAGE_FULL, 5000);
    assert!(inputs_in(&mut world, 30_000) <= 2);
    let two = sent(&world)[1].clone();
    take(&mut world, &two);
    assert_eq!(ids(&[&sent(&world)[2]]), ids(&[&one]));
}

// A message that left the outbox by the record of changes leaves no timer behind.
#[test]
fn a_pause_for_somebody_to_whom_nothing_is_left_to_send_is_forgotten() {
    let mut world = of_a_silent_server();
    world.send("alice", "bob", "one");
    let one = sent(&world)[0].clone();
    refuse(&mut world, &one, Code::STORAGE_FULL, 5000);
    let row = row_of(&mut world, &one, DeliveryState::Received);
    let push = Frame::command(Opcode::STATE_CHANGED, one.header.message_id, world.now, &row).unwrap();
    world.input("alice", Input::Frame(push));
    assert!(inputs_in(&mut world, 30_000) <= 1);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 2]);
}

/// Alice, whose message is under way to the first of bob's two devices; their keys; a server that is silent about the rest.
fn of_two_devices() -> (World, KeyBundles) {
    let mut world = World::of_contacts();
    silence(&mut world, Opcode::SEND_DIRECT);
    world.send("alice", "bob", "one");
    let fetched = world.intercept("alice", Opcode::FETCH_KEYS);
    silence(&mut world, Opcode::FETCH_KEYS);
    let mut bundles: KeyBundles = fetched.read().unwrap();
    let second = DeviceBundle { device_id: 2, ..bundles.devices[0].clone() };
    bundles.devices.push(second);
    world.forge("alice", &fetched, &bundles);
    (world, bundles)
}

fn devices(frames: &[Frame]) -> Vec<u32> {
    frames.iter().map(|frame| frame.read::<Envelope>().unwrap().recipient_device).collect()
}

fn outbox_count(world: &mut World) -> u64 {
    world.device("alice").ask(|tx| tx.outbox_count().unwrap())
}

/// The second device is denied, the first tells that it has received; then keys are fetched, and these are given.
fn deny_the_second_device(world: &mut World, bundles: &KeyBundles) {
    let first = sent(world)[0].clone();
    finish(world, &first, DeliveryState::Sent);
    let second = sent(world)[1].clone();
    refuse(world, &second, Code::DEVICE_UNKNOWN, 0);
    let row = row_of(world, &first, DeliveryState::Received);
    let push = Frame::command(Opcode::STATE_CHANGED, first.header.message_id, world.now, &row).unwrap();
    world.input("alice", Input::Frame(push));
    assert_eq!(outbox_count(world), 1, "the second device still has none");
    world.pass(2000);
    let fetches = world.sent.iter().filter(|frame| frame.header.opcode == Opcode::FETCH_KEYS);
    let fetch = fetches.last().unwrap().clone();
    answer(world, &fetch, Status::FINISHED, Code::DONE, bundles);
}

#[test]
fn a_device_denied_for_now_gets_its_copy_though_another_has_received() {
    let (mut world, bundles) = of_two_devices();
    deny_the_second_device(&mut world, &bundles);
    assert_eq!(devices(&sent(&world)), [1, 2, 2]);
    assert_ne!(
        sent(&world)[1].read::<Envelope>(),
        sent(&world)[2].read::<Envelope>(),
        "sealed by fresh keys"
    );
    let second = sent(&world)[2].clone();
    finish(&mut world, &second, DeliveryState::Sent);
    assert_eq!(outbox_count(&mut world), 0);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

#[test]
fn a_device_that_is_gone_is_waited_for_no_longer() {
    let (mut world, mut bundles) = of_two_devices();
    bundles.devices.pop();
    deny_the_second_device(&mut world, &bundles);
    assert_eq!(devices(&sent(&world)), [1, 2]);
    assert_eq!(outbox_count(&mut world), 0);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

// The message has come as far as on the device where it has come farthest.
#[test]
fn a_message_is_received_when_any_device_has_it() {
    let (mut world, _) = of_two_devices();
    let first = sent(&world)[0].clone();
    finish(&mut world, &first, DeliveryState::Received);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    let second = sent(&world)[1].clone();
    finish(&mut world, &second, DeliveryState::Sent);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    assert_eq!(outbox_count(&mut world), 0);
}

// T15: each device gets messages in order, so nothing goes before one that is for a further device too.
#[test]
fn t15_what_follows_a_message_for_two_devices_goes_behind_both_copies() {
    let (mut world, _) = of_two_devices();
    let first = sent(&world)[0].clone();
    take(&mut world, &first);
    world.send("alice", "bob", "after");
    assert_eq!(devices(&sent(&world)), [1], "its copy for the second device goes first");
    finish(&mut world, &first, DeliveryState::Received);
    assert_eq!(devices(&sent(&world)), [1, 2, 1]);
}
