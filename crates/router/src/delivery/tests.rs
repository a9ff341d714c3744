//! The machine's transitions, one by one. Alice sends, bob receives.

use tacite_model::limits::{ACKNOWLEDGE_MS_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{AccountId, MessageId};
use tacite_wire::{Opcode, proto};

use super::*;

const ALICE_LINK: LinkId = LinkId(1);
const BOB_LINK: LinkId = LinkId(2);
const BOB_LATER_LINK: LinkId = LinkId(3);
const BOB: DeviceKey =
    DeviceKey { account_id: AccountId::from_bytes([0xB0; 16]), device_id: DeviceId::FIRST };

fn key(number: u8) -> MessageKey {
    let sender_id = AccountId::from_bytes([0xA1; 16]);
    MessageKey { sender_id, message_id: MessageId::from_bytes([number; 16]) }
}

fn frame(number: u8) -> Frame {
    let id = MessageId::from_bytes([number; 16]);
    Frame::command(Opcode::DIRECT_RECEIVED, id, Timestamp::from_ms(1), &proto::Envelope::default()).unwrap()
}

fn reply(number: u8) -> Reply {
    Reply { link: ALICE_LINK, header: frame(number).header }
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
        let outcome = Ok(Enqueued::Waiting);
        self.at(1000, Input::Parked { recipient: BOB, key: key(number), outcome })
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
        let messages = numbers.iter().copied().map(key).collect();
        self.at(1000, Input::Acknowledge { device: BOB, messages })
    }

    /// Bob linked and level.
    fn with_bob_live() -> Self {
        let mut bench = Self::default();
        bench.up(BOB_LINK);
        assert_eq!(bench.fetched(BOB_LINK, &[]), [Effect::Level { link: BOB_LINK }]);
        bench
    }
}

fn answer(number: u8, outcome: Outcome) -> Effect {
    Effect::Answer { reply: reply(number), recipient: BOB, outcome }
}

fn push(link: LinkId, number: u8) -> Effect {
    Effect::Push { link, frame: frame(number) }
}

fn park(number: u8) -> Effect {
    Effect::Park(Box::new(parcel(number)))
}

fn fetch(link: LinkId, after: u64) -> Effect {
    Effect::Fetch { device: BOB, link, after }
}

#[test]
fn to_a_live_device_a_message_goes_without_touching_the_store() {
    let mut bench = Bench::with_bob_live();
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), push(BOB_LINK, 1)]);
    assert_eq!(bench.acknowledge(&[1]), [answer(1, Outcome::Received)]);
}

#[test]
fn for_an_absent_device_it_is_parked_and_the_sender_told_once_durable() {
    let mut bench = Bench::default();
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), park(1)]);
    assert_eq!(bench.parked(1), [answer(1, Outcome::Sent)]);
    assert!(bench.delivery.lanes.is_empty(), "nothing is remembered of an absent device");
}

#[test]
fn a_link_that_dies_has_its_unacknowledged_messages_parked_in_order() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    bench.submit(2);
    bench.submit(3);
    bench.acknowledge(&[2]);
    assert_eq!(bench.down(BOB_LINK), [park(1), park(3)]);
}

#[test]
fn a_device_that_does_not_acknowledge_in_time_gets_its_messages_from_the_store() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    bench.submit(2);
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_MS_MAX - 1, Input::Tick), []);
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_MS_MAX, Input::Tick), [park(1), park(2)]);
    // What comes meanwhile does not overtake.
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken), park(3)]);
    bench.parked(1);
    bench.parked(2);
    assert_eq!(bench.parked(3), [answer(3, Outcome::Sent), fetch(BOB_LINK, 0)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1, 2, 3]), [1, 2, 3].map(|number| push(BOB_LINK, number)));
}

#[test]
fn after_connecting_the_queue_is_drained_in_pages_then_the_device_is_live() {
    let mut bench = Bench::default();
    assert_eq!(bench.up(BOB_LINK), [fetch(BOB_LINK, 0)]);
    assert_eq!(bench.fetched(BOB_LINK, &[1, 2]), [push(BOB_LINK, 1), push(BOB_LINK, 2)]);
    // Sent while draining: behind the queue.
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken), park(3)]);
    assert_eq!(bench.acknowledge(&[1]), [Effect::Receive { device: BOB, messages: vec![key(1)] }]);
    bench.acknowledge(&[2]);
    assert_eq!(bench.parked(3), [answer(3, Outcome::Sent), fetch(BOB_LINK, 2)]);
    assert_eq!(bench.fetched(BOB_LINK, &[3]), [push(BOB_LINK, 3)]);
    assert_eq!(
        bench.acknowledge(&[3]),
        [Effect::Receive { device: BOB, messages: vec![key(3)] }, fetch(BOB_LINK, 3)]
    );
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
    assert_eq!(bench.submit(2), [answer(2, Outcome::Taken), park(2)]);
    bench.parked(1);
    assert_eq!(bench.parked(2), [answer(2, Outcome::Sent), fetch(BOB_LINK, 0)]);
}

#[test]
fn a_second_link_takes_over_and_the_first_is_closed() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    assert_eq!(bench.up(BOB_LATER_LINK), [Effect::Close { link: BOB_LINK }, park(1)]);
    assert_eq!(bench.down(BOB_LINK), [], "the end of the old link changes nothing");
    assert_eq!(bench.parked(1), [answer(1, Outcome::Sent), fetch(BOB_LATER_LINK, 0)]);
}

#[test]
fn the_window_is_bounded_and_the_rest_waits_in_the_store() {
    let mut bench = Bench::with_bob_live();
    for number in 0..UNACKNOWLEDGED_MAX {
        let number = u8::try_from(number).unwrap();
        assert_eq!(bench.submit(number)[1], push(BOB_LINK, number));
    }
    let effects = bench.submit(200);
    let parked = (0..u8::try_from(UNACKNOWLEDGED_MAX).unwrap()).chain([200]).map(park);
    assert_eq!(effects[1..], parked.collect::<Vec<_>>(), "what was relayed keeps its place before the rest");
    assert_eq!(bench.down(BOB_LINK), [], "all of it is in the queue already");
}

// C5: what is parked and durable between a read of the queue and its answer was not read.
#[test]
fn a_message_that_became_durable_while_the_queue_was_read_is_read_once_more() {
    let mut bench = Bench::default();
    bench.up(BOB_LINK);
    bench.submit(1);
    assert_eq!(bench.parked(1), [answer(1, Outcome::Sent)]);
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
    assert_eq!(bench.acknowledge(&[2]), [Effect::Receive { device: BOB, messages: vec![key(2)] }]);
    assert_eq!(bench.at(1000, Input::Settled { device: BOB }), [fetch(BOB_LINK, 0)]);
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
    assert_eq!(effects, [Effect::Receive { device: BOB, messages: vec![key(1)] }, fetch(BOB_LINK, 1)]);
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
    assert_eq!(bench.parked(1), [to_new_link(Outcome::Sent)]);
}

// T14: a sender that lost its link repeats itself; the recipient is not bothered twice.
#[test]
fn a_repetition_of_what_is_under_way_changes_only_where_the_answer_goes() {
    let mut bench = Bench::with_bob_live();
    bench.submit(1);
    let again = Parcel { reply: Reply { link: LinkId(9), ..reply(1) }, ..parcel(1) };
    let taken = Effect::Answer { reply: again.reply, recipient: BOB, outcome: Outcome::Taken };
    assert_eq!(bench.at(1000, Input::Submit(Box::new(again.clone()))), [taken]);
    let received = Effect::Answer { reply: again.reply, recipient: BOB, outcome: Outcome::Received };
    assert_eq!(bench.acknowledge(&[1]), [received]);
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
        let effects = bench.at(1000, Input::Parked { recipient: BOB, key: key(1), outcome });
        assert_eq!(effects, [answer(1, Outcome::Refused(code))]);
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
    assert_eq!(bench.acknowledge(&[1]), [Effect::Receive { device: BOB, messages: vec![key(1)] }]);
    assert_eq!(bench.parked(1), [answer(1, Outcome::Sent)]);
    assert_eq!(bench.at(1000, Input::Settled { device: BOB }), [fetch(BOB_LINK, 0)]);
}
