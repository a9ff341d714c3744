//! The outbox of one recipient against a server whose answers come one by one, in the order that a test chooses.

use tacite_core::{Input, MessageState};
use tacite_wire::proto::{self, DeliveryState, Empty, Envelope, Failure};
use tacite_wire::{Code, Frame, Opcode, Status};

use crate::server::Mischief;
use crate::world::World;

/// Alice and bob, who have written before; the server is silent about what alice sends next.
fn of_a_silent_server() -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    world.settle();
    for _ in 0..9 {
        world.server.plan(Opcode::SEND_DIRECT, Mischief::Ignore);
    }
    world
}

/// What alice sent after the first message of all.
fn sent(world: &World) -> Vec<Frame> {
    let messages = world.sent.iter().filter(|frame| frame.header.opcode == Opcode::SEND_DIRECT);
    messages.skip(1).cloned().collect()
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
    let row = row_of(command, state);
    answer(world, command, Status::FINISHED, Code::DONE, &row);
}

fn row_of(command: &Frame, state: DeliveryState) -> proto::MessageState {
    let envelope: Envelope = command.read().unwrap();
    proto::MessageState {
        message_id: command.header.message_id.as_bytes().to_vec().into(),
        recipient_id: envelope.recipient_id,
        recipient_device: envelope.recipient_device,
        state: state.into(),
        at_ms: 1,
    }
}

fn answer(world: &mut World, command: &Frame, status: Status, code: Code, body: &impl prost::Message) {
    let frame = Frame::answer(&command.header, status, code, world.now, body).unwrap();
    world.input("alice", Input::Frame(frame));
}

// T15: a message refused after its place was fixed goes again on the same link, before all that was not sent yet.
#[test]
fn t15_what_is_refused_late_is_sent_again_before_what_follows() {
    for code in [Code::STORAGE_FULL, Code::QUEUE_FULL, Code::UNAVAILABLE] {
        let mut world = of_a_silent_server();
        for text in ["one", "two", "three"] {
            world.send("alice", "bob", text);
        }
        let one = sent(&world)[0].clone();
        take(&mut world, &one);
        let two = sent(&world)[1].clone();
        refuse(&mut world, &one, code, 5000);
        take(&mut world, &two);
        world.pass(6000);
        let after = sent(&world);
        assert_eq!(after.len(), 3, "{code:?}");
        assert_eq!(ids(&[&after[2]]), ids(&[&one]), "{code:?}");
        take(&mut world, &one);
        finish(&mut world, &one, DeliveryState::Received);
        finish(&mut world, &two, DeliveryState::Received);
        let three = sent(&world)[3].clone();
        finish(&mut world, &three, DeliveryState::Received);
        assert_eq!(sent(&world).len(), 4, "each but the first was sent once");
        assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 4]);
    }
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
    let row = row_of(&one, DeliveryState::Received);
    let push = Frame::command(Opcode::STATE_CHANGED, one.header.message_id, world.now, &row).unwrap();
    world.input("alice", Input::Frame(push));
    assert!(inputs_in(&mut world, 30_000) <= 1);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 2]);
}
