//! The machine's transitions, one by one. Alice sends, bob receives.

mod direct;
mod order;
mod refusals;

use std::collections::VecDeque;

use tacite_model::limits::{ACKNOWLEDGE_MS_MAX, REFUSAL_MS_MAX, REFUSALS_PER_DEVICE_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{AccountId, MessageId};
use tacite_wire::{Opcode, proto};

use super::*;

const ALICE_LINK: LinkId = LinkId(1);
const BOB_LINK: LinkId = LinkId(2);
const BOB_LATER_LINK: LinkId = LinkId(3);
const BOB: DeviceKey =
    DeviceKey { account_id: AccountId::from_bytes([0xB0; 16]), device_id: DeviceId::FIRST };
const ALICE: DeviceKey =
    DeviceKey { account_id: AccountId::from_bytes([0xA1; 16]), device_id: DeviceId::FIRST };
const SENT: Outcome = Outcome::Reached(MessageStatusState::Sent, None);
const PROOF: Proof = Some([0x77; 16]);

fn key(number: u8) -> MessageKey {
    MessageKey { sender_id: ALICE.account_id, message_id: MessageId::from_bytes([number; 16]) }
}

/// What bob's device says of a message that it has stored.
fn receipt(number: u8) -> Receipt {
    Receipt { key: key(number), proof: PROOF, silent: false }
}

fn frame(number: u8) -> Frame {
    let id = MessageId::from_bytes([number; 16]);
    Frame::command(Opcode::DIRECT_RECEIVED, id, Timestamp::from_ms(1), &proto::Envelope::default()).unwrap()
}

fn reply(number: u8) -> Reply {
    Reply { link: ALICE_LINK, header: frame(number).header, number: number.into() }
}

fn parcel(number: u8) -> Parcel {
    Parcel {
        key: key(number),
        sender_device: DeviceId::FIRST,
        session_id: [5; 16],
        recipient: BOB,
        conversation_id: ConversationId::from_bytes([6; 16]),
        frame: frame(number),
        reply: reply(number),
        taken_at: Timestamp::from_ms(1000),
    }
}

/// The machine with short ways to drive it; each returns the effects.
#[derive(Default)]
struct Bench {
    delivery: Delivery,
}

impl Bench {
    fn at(&mut self, now_ms: u64, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.delivery.handle(input, Timestamp::from_ms(now_ms), &mut effects);
        effects
    }

    fn submit(&mut self, number: u8) -> Vec<Effect> {
        self.at(1000, Input::Submit(Box::new(parcel(number))))
    }

    fn up(&mut self, link: LinkId) -> Vec<Effect> {
        self.at(1000, Input::LinkUp { device: BOB, link })
    }

    fn down(&mut self, link: LinkId) -> Vec<Effect> {
        self.at(1000, Input::LinkDown { device: BOB, link })
    }

    fn parked(&mut self, number: u8) -> Vec<Effect> {
        self.parked_as(number, Ok(Enqueued::Waiting))
    }

    fn parked_as(&mut self, number: u8, outcome: Result<Enqueued, Code>) -> Vec<Effect> {
        self.at(1000, of_alice(vec![(key(number), outcome)]))
    }

    fn all_parked(&mut self, numbers: &[u8]) -> Vec<Effect> {
        let outcomes = numbers.iter().map(|number| (key(*number), Ok(Enqueued::Waiting)));
        self.at(1000, of_alice(outcomes.collect()))
    }

    fn fetched(&mut self, link: LinkId, numbers: &[u8]) -> Vec<Effect> {
        let message = |number: &u8| Fetched {
            position: u64::from(*number),
            key: key(*number),
            frame: Some(frame(*number)),
        };
        let messages = numbers.iter().map(message).collect();
        self.at(1000, Input::Fetched { device: BOB, link, messages })
    }

    fn acknowledge(&mut self, numbers: &[u8]) -> Vec<Effect> {
        let receipts = numbers.iter().copied().map(receipt).collect();
        self.at(1000, Input::Acknowledge { device: BOB, receipts })
    }

    fn in_mode(mode: Mode) -> Self {
        Self { delivery: Delivery::new(mode) }
    }

    /// Bob linked and level.
    fn with_bob_live() -> Self {
        Self::in_mode_with_bob_live(Mode::Inline)
    }

    fn in_mode_with_bob_live(mode: Mode) -> Self {
        let mut bench = Self::in_mode(mode);
        bench.up(BOB_LINK);
        assert_eq!(bench.fetched(BOB_LINK, &[]), [Effect::Level { link: BOB_LINK }]);
        bench
    }
}

fn answer(number: u8, outcome: Outcome) -> Effect {
    Effect::Answer { reply: reply(number), recipient: BOB, outcome }
}

fn received(number: u8) -> Effect {
    answer(number, Outcome::Reached(MessageStatusState::Received, PROOF))
}

fn refused(number: u8, code: Code) -> Effect {
    answer(number, Outcome::Refused(code))
}

fn receive(numbers: &[u8]) -> Effect {
    Effect::Receive { device: BOB, receipts: numbers.iter().copied().map(receipt).collect() }
}

fn push(link: LinkId, number: u8) -> Effect {
    Effect::Push { link, frame: frame(number) }
}

fn park(number: u8) -> Effect {
    park_all(&[number])
}

fn park_all(numbers: &[u8]) -> Effect {
    Effect::Park(numbers.iter().copied().map(parcel).collect())
}

fn of_alice(outcomes: Vec<(MessageKey, Result<Enqueued, Code>)>) -> Input {
    Input::Parked { recipient: BOB, sender: ALICE, outcomes }
}

fn fetch(link: LinkId, after: u64) -> Effect {
    Effect::Fetch { device: BOB, link, after }
}

#[test]
fn to_a_live_device_a_message_goes_without_touching_the_store() {
    let mut bench = Bench::with_bob_live();
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), push(BOB_LINK, 1)]);
    assert_eq!(bench.acknowledge(&[1]), [received(1)]);
}

#[test]
fn for_an_absent_device_it_is_parked_and_the_sender_told_once_durable() {
    let mut bench = Bench::default();
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), park(1)]);
    assert_eq!(bench.parked(1), [answer(1, SENT)]);
    assert!(bench.delivery.lanes.is_empty(), "nothing is remembered of an absent device");
}

#[test]
fn a_link_that_dies_has_its_unacknowledged_messages_parked_in_order() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    bench.submit(2);
    bench.submit(3);
    bench.acknowledge(&[2]);
    assert_eq!(bench.down(BOB_LINK), [park_all(&[1, 3])]);
    assert_eq!(bench.submit(4), [answer(4, Outcome::Taken)], "one run of a sender at a time");
    assert_eq!(bench.all_parked(&[1, 3]), [answer(1, SENT), answer(3, SENT), park(4)]);
    assert_eq!(bench.parked(4), [answer(4, SENT)]);
}

#[test]
fn a_device_that_does_not_acknowledge_in_time_gets_its_messages_from_the_store() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    bench.submit(2);
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_MS_MAX - 1, Input::Tick), []);
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_MS_MAX, Input::Tick), [park_all(&[1, 2])]);
    // What comes meanwhile does not overtake.
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken)]);
    let parked = bench.all_parked(&[1, 2]);
    assert_eq!(parked, [answer(1, SENT), answer(2, SENT), park(3), fetch(BOB_LINK, 0)]);
    assert_eq!(bench.parked(3), [answer(3, SENT)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1, 2, 3]), [1, 2, 3].map(|number| push(BOB_LINK, number)));
}

#[test]
fn after_connecting_the_queue_is_drained_in_pages_then_the_device_is_live() {
    let mut bench = Bench::default();
    assert_eq!(bench.up(BOB_LINK), [fetch(BOB_LINK, 0)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1, 2]), [push(BOB_LINK, 1), push(BOB_LINK, 2)]);
    // Sent while draining: behind the queue.
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken), park(3)]);
    assert_eq!(bench.acknowledge(&[1]), [receive(&[1])]);
    assert_eq!(bench.acknowledge(&[2]), [receive(&[2]), fetch(BOB_LINK, 2)]);
    assert_eq!(bench.fetched(BOB_LINK, &[]), [], "not level: one is on its way to the disk");
    assert_eq!(bench.parked(3), [answer(3, SENT), fetch(BOB_LINK, 2)]);
    assert_eq!(bench.fetched(BOB_LINK, &[3]), [push(BOB_LINK, 3)]);
    assert_eq!(bench.acknowledge(&[3]), [receive(&[3]), fetch(BOB_LINK, 3)]);
    assert_eq!(bench.fetched(BOB_LINK, &[]), [Effect::Level { link: BOB_LINK }]);
    assert_eq!(bench.submit(4), [answer(4, Outcome::Taken), push(BOB_LINK, 4)]);
}

#[test]
fn a_message_that_is_parked_while_the_queue_is_read_is_not_overtaken() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    bench.submit(1);
    // The read did not see it yet.
    assert_eq!(bench.fetched(BOB_LINK, &[]), []);
    assert_eq!(bench.submit(2), [answer(2, Outcome::Taken)]);
    assert_eq!(bench.parked(1), [answer(1, SENT), park(2), fetch(BOB_LINK, 0)]);
    assert_eq!(bench.parked(2), [answer(2, SENT)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1]), [push(BOB_LINK, 1)]);
    bench.acknowledge(&[1]);
    assert_eq!(bench.fetched(BOB_LINK, &[2]), [push(BOB_LINK, 2)]);
}

// C3: the device has it and will not say so again before its next link.
#[test]
fn a_receipt_that_could_not_be_recorded_is_tried_again() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.parked(1);
    bench.up(BOB_LINK);
    bench.fetched(BOB_LINK, &[1]);
    assert_eq!(bench.acknowledge(&[1])[0], receive(&[1]));
    let Effect::Receive { receipts, .. } = receive(&[1]) else { unreachable!() };
    bench.at(1000, Input::Settled { device: BOB, failed: receipts });
    bench.down(BOB_LINK);
    assert_eq!(bench.at(5999, Input::Tick), []);
    assert_eq!(bench.at(6000, Input::Tick), [receive(&[1])]);
    bench.at(6000, Input::Settled { device: BOB, failed: Vec::new() });
    assert_eq!(bench.at(12_000, Input::Tick), []);
}

// What is sent without a pause keeps nobody from getting what waits.
#[test]
fn a_device_drains_its_queue_while_more_is_parked_all_the_time() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.up(BOB_LINK);
    for number in 1..100 {
        // There is always one on its way to the disk.
        bench.submit(number + 1);
        bench.parked(number);
        assert_eq!(bench.fetched(BOB_LINK, &[number]), [push(BOB_LINK, number)]);
        let effects = bench.acknowledge(&[number]);
        assert_eq!(effects, [receive(&[number]), fetch(BOB_LINK, u64::from(number))], "{number}");
        bench.at(1000, Input::Settled { device: BOB, failed: Vec::new() });
    }
}

#[test]
fn a_second_link_takes_over_and_the_first_is_closed() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    assert_eq!(
        bench.up(BOB_LATER_LINK),
        [Effect::Close { link: BOB_LINK }, park(1), fetch(BOB_LATER_LINK, 0)]
    );
    assert_eq!(bench.down(BOB_LINK), [], "the end of the old link changes nothing");
    assert_eq!(bench.parked(1), [answer(1, SENT)]);
    assert_eq!(bench.fetched(BOB_LATER_LINK, &[]), [fetch(BOB_LATER_LINK, 0)], "that read did not show it");
}

#[test]
fn the_window_is_bounded_and_the_rest_waits_in_the_store() {
    let mut bench = Bench::with_bob_live();
    for number in 0..UNACKNOWLEDGED_MAX {
        let number = u8::try_from(number).unwrap();
        assert_eq!(bench.submit(number)[1], push(BOB_LINK, number));
    }
    let all: Vec<u8> = (0..u8::try_from(UNACKNOWLEDGED_MAX).unwrap()).chain([200]).collect();
    let runs: Vec<&[u8]> = all.chunks(parking::RUN_MAX).collect();
    assert_eq!(bench.submit(200), [answer(200, Outcome::Taken), park_all(runs[0])]);
    assert_eq!(bench.down(BOB_LINK), [], "all of it is on its way to the disk already");
    for (at, run) in runs.iter().enumerate() {
        let told = run.iter().map(|number| answer(*number, SENT));
        let next = runs.get(at + 1).map(|next| park_all(next));
        assert_eq!(bench.all_parked(run), told.chain(next).collect::<Vec<_>>(), "in the order of sending");
    }
}

// C5: what is parked and durable between a read of the queue and its answer was not read.
#[test]
fn a_message_that_became_durable_while_the_queue_was_read_is_read_once_more() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    bench.submit(1);
    assert_eq!(bench.parked(1), [answer(1, SENT)]);
    assert_eq!(bench.fetched(BOB_LINK, &[]), [fetch(BOB_LINK, 0)], "not level yet");
    assert_eq!(bench.fetched(BOB_LINK, &[1]), [push(BOB_LINK, 1)]);
}

// A sender is never told that a message without a body is kept, so it comes again, into its old place.
#[test]
fn a_message_whose_body_comes_later_is_not_left_behind() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    let missing = Fetched { position: 1, key: key(1), frame: None };
    let present = Fetched { position: 2, key: key(2), frame: Some(frame(2)) };
    let messages = vec![missing, present];
    bench.at(1000, Input::Fetched { device: BOB, link: BOB_LINK, messages });
    bench.submit(1);
    bench.parked(1);
    assert_eq!(bench.acknowledge(&[2]), [receive(&[2])]);
    assert_eq!(bench.at(1000, Input::Settled { device: BOB, failed: Vec::new() }), [fetch(BOB_LINK, 0)]);
}

// C6: found by the property of `order` with more cases.
#[test]
fn what_lies_behind_a_message_whose_body_has_just_come_does_not_overtake_it() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    let missing = Fetched { position: 1, key: key(1), frame: None };
    bench.at(1000, Input::Fetched { device: BOB, link: BOB_LINK, messages: vec![missing] });
    bench.submit(1);
    bench.submit(2);
    bench.parked(1);
    bench.parked(2);
    assert_eq!(bench.fetched(BOB_LINK, &[2]), [fetch(BOB_LINK, 0)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1, 2]), [push(BOB_LINK, 1), push(BOB_LINK, 2)]);
}

#[test]
fn a_second_synchronisation_on_one_link_begins_nothing_anew() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    assert_eq!(bench.up(BOB_LINK), []);
    assert_eq!(bench.submit(2)[1], push(BOB_LINK, 2));
}

// T71: the store is kept busy only by what is on its way.
#[test]
fn acknowledgements_of_what_was_not_pushed_are_passed_over() {
    let mut bench = Bench::default();
    assert_eq!(bench.acknowledge(&[1, 2]), []);
    bench.up(BOB_LINK);
    bench.fetched(BOB_LINK, &[1]);
    let effects = bench.acknowledge(&[1, 2, 1]);
    assert_eq!(effects, [receive(&[1]), fetch(BOB_LINK, 1)]);
}

// T14: while a message is being parked, its repetition is not parked beside it.
#[test]
fn a_repetition_of_what_is_being_parked_changes_only_where_the_answer_goes() {
    let mut bench = Bench::default();
    bench.submit(1);
    let again = Parcel { reply: Reply { link: LinkId(9), ..reply(1) }, ..parcel(1) };
    let to_new_link = |outcome| Effect::Answer { reply: again.reply, recipient: BOB, outcome };
    let effects = bench.at(1000, Input::Submit(Box::new(again.clone())));
    assert_eq!(effects, [to_new_link(Outcome::Taken)]);
    assert_eq!(bench.parked(1), [to_new_link(SENT)]);
}

// T14: a sender that lost its link repeats itself; the recipient is not bothered twice.
#[test]
fn a_repetition_of_what_is_under_way_changes_only_where_the_answer_goes() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    let again = Parcel { reply: Reply { link: LinkId(9), ..reply(1) }, ..parcel(1) };
    let taken = Effect::Answer { reply: again.reply, recipient: BOB, outcome: Outcome::Taken };
    assert_eq!(bench.at(1000, Input::Submit(Box::new(again.clone()))), [taken]);
    let outcome = Outcome::Reached(MessageStatusState::Received, PROOF);
    assert_eq!(bench.acknowledge(&[1]), [Effect::Answer { reply: again.reply, recipient: BOB, outcome }]);
}

// T69: what could not be made durable is never acknowledged.
#[test]
fn a_message_that_cannot_be_parked_is_refused() {
    for (outcome, code) in [
        (Err(Code::STORAGE_FULL), Code::STORAGE_FULL),
        (Ok(Enqueued::Full), Code::QUEUE_FULL),
        (Ok(Enqueued::IdInUse), Code::ID_IN_USE),
    ] {
        let mut bench = Bench::default();
        bench.submit(1);
        assert_eq!(bench.parked_as(1, outcome), [refused(1, code)]);
    }
}

#[test]
fn a_message_whose_body_is_missing_is_passed_over() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    let missing = Fetched { position: 7, key: key(1), frame: None };
    let effects = bench.at(1000, Input::Fetched { device: BOB, link: BOB_LINK, messages: vec![missing] });
    assert_eq!(effects, [fetch(BOB_LINK, 7)]);
}

#[test]
fn the_queue_is_read_again_only_after_acknowledgements_are_recorded() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    bench.at(1000 + ACKNOWLEDGE_MS_MAX, Input::Tick);
    // The acknowledgement comes late: after parking began.
    assert_eq!(bench.acknowledge(&[1]), []);
    assert_eq!(bench.parked(1), [receive(&[1]), answer(1, SENT)]);
    assert_eq!(bench.at(1000, Input::Settled { device: BOB, failed: Vec::new() }), [fetch(BOB_LINK, 0)]);
}

// T30: what the device says to prove it goes to the sender unchanged, relayed or not.
#[test]
fn t30_the_proof_of_receipt_is_handed_on() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    assert_eq!(bench.acknowledge(&[1]), [received(1)]);
    bench.submit(2);
    bench.down(BOB_LINK);
    let settled = Ok(Enqueued::Settled(MessageStatusState::Read, PROOF));
    let outcome = Outcome::Reached(MessageStatusState::Read, PROOF);
    assert_eq!(bench.parked_as(2, settled), [answer(2, outcome)], "a repetition hears how far it came");
}

// T44: whoever probes with messages that show nothing learns nothing from their receipt.
#[test]
fn t44_a_silent_acknowledgement_tells_no_more_than_sent() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    let silent = Receipt { silent: true, ..receipt(1) };
    let effects = bench.at(1000, Input::Acknowledge { device: BOB, receipts: vec![silent] });
    assert_eq!(effects, [], "not even when");
    bench.down(BOB_LINK);
    assert_eq!(bench.at(1500, Input::Tick), [answer(1, SENT)]);
    assert!(bench.delivery.lanes.is_empty());
}

#[test]
fn what_is_acknowledged_before_it_goes_to_the_disk_does_not_go_there() {
    let mut bench = Bench::with_bob_live();
    for number in 1..=17 {
        bench.submit(number);
    }
    let run: Vec<u8> = (1..=16).collect();
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_MS_MAX, Input::Tick), [park_all(&run)]);
    assert_eq!(bench.acknowledge(&[17]), [received(17), fetch(BOB_LINK, 0)]);
    let told: Vec<Effect> = run.iter().map(|number| answer(*number, SENT)).collect();
    assert_eq!(bench.all_parked(&run), told);
}

// E3 split: the body was stored before; once the device has it, it goes.
#[test]
fn in_split_mode_the_body_of_a_relayed_message_is_deleted_when_it_was_received() {
    let mut bench = Bench::in_mode_with_bob_live(Mode::Split);
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), push(BOB_LINK, 1)]);
    let discard = Effect::Discard { device: BOB, messages: vec![key(1)] };
    assert_eq!(bench.acknowledge(&[1]), [received(1), discard]);
}
