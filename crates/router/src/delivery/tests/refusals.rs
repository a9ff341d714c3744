//! Order after a refusal.

use tacite_model::limits::ACKNOWLEDGE_DIRECT_MS_MAX;

use super::*;

fn from_link(number: u8, link: LinkId) -> Input {
    Input::Submit(Box::new(Parcel { reply: Reply { link, ..reply(number) }, ..parcel(number) }))
}

#[test]
fn what_follows_a_refused_message_is_refused_until_it_comes_again() {
    let mut bench = Bench::default();
    bench.submit(1);
    assert_eq!(bench.parked_as(1, Err(Code::STORAGE_FULL)), [refused(1, Code::STORAGE_FULL)]);
    assert_eq!(bench.submit(2), [refused(2, Code::STORAGE_FULL)], "not even taken");
    assert_eq!(bench.submit(3), [refused(3, Code::STORAGE_FULL)]);
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), park(1)]);
    assert_eq!(bench.submit(2), [answer(2, Outcome::Taken)]);
    assert_eq!(bench.parked(1), [answer(1, SENT), park(2)]);
}

#[test]
fn what_waits_behind_a_message_that_could_not_be_stored_is_refused_with_it() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.submit(2);
    bench.submit(3);
    let code = Code::QUEUE_FULL;
    assert_eq!(
        bench.parked_as(1, Ok(Enqueued::Full)),
        [refused(1, code), refused(2, code), refused(3, code)]
    );
    assert_eq!(bench.submit(2), [refused(2, code)]);
}

#[test]
fn of_a_run_what_finds_no_room_is_refused_and_what_waits_behind_it() {
    let mut bench = Bench::default();
    for number in 1..=4 {
        bench.submit(number);
    }
    assert_eq!(bench.parked(1), [answer(1, SENT), park_all(&[2, 3, 4])]);
    bench.submit(5);
    let outcomes =
        vec![(key(2), Ok(Enqueued::Waiting)), (key(3), Ok(Enqueued::Full)), (key(4), Ok(Enqueued::Full))];
    let code = Code::QUEUE_FULL;
    let told = [answer(2, SENT), refused(3, code), refused(4, code), refused(5, code)];
    assert_eq!(bench.at(1000, of_alice(outcomes)), told);
    assert_eq!(bench.submit(4), [refused(4, code)]);
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken), park(3)]);
}

#[test]
fn others_are_not_refused_with_a_sender() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.parked_as(1, Err(Code::STORAGE_FULL));
    let carol = AccountId::from_bytes([0xCA; 16]);
    let from_carol = Parcel { key: MessageKey { sender_id: carol, ..key(2) }, ..parcel(2) };
    let effects = bench.at(1000, Input::Submit(Box::new(from_carol.clone())));
    assert_eq!(effects, [answer(2, Outcome::Taken), Effect::Park(vec![from_carol])]);
}

// A sender gives such a message up: nothing could lift the refusal.
#[test]
fn what_follows_a_message_that_never_comes_again_is_not_refused() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.submit(2);
    assert_eq!(bench.parked_as(1, Ok(Enqueued::IdInUse)), [refused(1, Code::ID_IN_USE), park(2)]);
    assert_eq!(bench.submit(3), [answer(3, Outcome::Taken)]);
}

// The store has it, and failed only to say so: when the device has it too, its sender does not send it again.
#[test]
fn nothing_waits_for_a_refused_message_that_has_arrived() {
    let code = Code::STORAGE_FULL;
    for arrived in [&[1_u8][..], &[1, 2], &[1, 2, 3]] {
        let mut bench = Bench::default();
        for number in [1, 2, 3] {
            bench.submit(number);
        }
        let all = [refused(1, code), refused(2, code), refused(3, code)];
        assert_eq!(bench.parked_as(1, Err(code)), all);
        bench.up(BOB_LINK);
        bench.fetched(BOB_LINK, arrived);
        assert_eq!(bench.submit(4), [refused(4, code)]);
        bench.acknowledge(arrived);
        if let Some(next) = (1..=3).find(|number| !arrived.contains(number)) {
            assert_eq!(bench.submit(4)[0], refused(4, code), "another comes first");
            assert_eq!(bench.submit(next)[0], answer(next, Outcome::Taken));
        }
        assert_eq!(bench.submit(4)[0], answer(4, Outcome::Taken));
    }
}

// T67: as many as a client may have under way.
#[test]
fn of_one_sender_so_many_refusals_are_remembered_and_no_more() {
    let code = Code::STORAGE_FULL;
    let most = u8::try_from(UNACKNOWLEDGED_MAX).unwrap();
    let all: Vec<u8> = (1..=most).collect();
    for (arrived, is_over) in [(&all[..all.len() - 1], false), (&all[..], true)] {
        let mut bench = Bench::default();
        for number in &all {
            bench.submit(*number);
        }
        assert_eq!(bench.parked_as(1, Err(code)).len(), UNACKNOWLEDGED_MAX);
        assert_eq!(bench.submit(most + 1), [refused(most + 1, code)]);
        bench.up(BOB_LINK);
        bench.fetched(BOB_LINK, &all);
        bench.acknowledge(arrived);
        let outcome = if is_over { Outcome::Taken } else { Outcome::Refused(code) };
        assert_eq!(bench.submit(most + 2)[0], answer(most + 2, outcome));
    }
}

#[test]
fn a_refusal_ends_with_the_link_of_the_sender() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.parked_as(1, Err(Code::STORAGE_FULL));
    assert_eq!(bench.submit(2), [refused(2, Code::STORAGE_FULL)]);
    assert_eq!(bench.at(1000, from_link(2, LinkId(9)))[1], park_from(2, LinkId(9)));
}

fn park_from(number: u8, link: LinkId) -> Effect {
    Effect::Park(vec![Parcel { reply: Reply { link, ..reply(number) }, ..parcel(number) }])
}

// Found by the simulation (15075194). On a new link a sender begins with the oldest; the server may hold them in another order, as what
// had been refused came again behind the others. Waiting for what was refused first, it refused for minutes what came first.
#[test]
fn t15_of_what_is_refused_that_is_waited_for_which_was_handed_in_first() {
    const LATER_LINK: LinkId = LinkId(9);
    let code = Code::STORAGE_FULL;
    let mut bench = Bench::default();
    bench.submit(2);
    bench.at(1000, from_link(1, LATER_LINK));
    bench.at(1000, from_link(2, LATER_LINK));
    assert_eq!(bench.parked_as(2, Err(code)).len(), 2, "both are refused");
    assert_eq!(bench.at(1000, from_link(3, LATER_LINK)).len(), 1, "nothing overtakes them");
    assert_eq!(bench.at(1000, from_link(1, LATER_LINK))[1], park_from(1, LATER_LINK));

    let mut bench = Bench::in_mode_with_bob_live(Mode::Direct);
    bench.submit(2);
    let reply = Reply { link: LATER_LINK, ..reply(1) };
    bench
        .at(5000, Input::Submit(Box::new(Parcel { taken_at: Timestamp::from_ms(5000), reply, ..parcel(1) })));
    bench.at(5000, from_link(2, LATER_LINK));
    let refusals =
        |effects: &[Effect]| effects.iter().filter(|effect| matches!(effect, Effect::Answer { .. })).count();
    assert_eq!(refusals(&bench.at(1000 + ACKNOWLEDGE_DIRECT_MS_MAX, Input::Tick)), 1);
    assert_eq!(refusals(&bench.down(BOB_LINK)), 1);
    bench.up(BOB_LATER_LINK);
    bench.fetched(BOB_LATER_LINK, &[]);
    assert_eq!(bench.at(1000, from_link(1, LATER_LINK))[1], push(BOB_LATER_LINK, 1));
}

#[test]
fn a_refusal_ends_with_time_and_is_forgotten() {
    let mut bench = Bench::default();
    bench.submit(1);
    bench.parked_as(1, Err(Code::STORAGE_FULL));
    let submit = |number| Input::Submit(Box::new(parcel(number)));
    let last = 1000 + REFUSAL_MS_MAX - 1;
    assert_eq!(bench.at(last, submit(2)), [refused(2, Code::STORAGE_FULL)]);
    bench.at(last, Input::Tick);
    assert_eq!(bench.delivery.lanes.len(), 1);
    bench.at(last + 1, Input::Tick);
    assert!(bench.delivery.lanes.is_empty(), "nothing is remembered of an absent device");
    assert_eq!(bench.at(last + 1, submit(2)), [answer(2, Outcome::Taken), park(2)]);
}

// T67: who can send may not fill the server's memory with refusals.
#[test]
fn of_so_many_senders_a_refusal_is_remembered_and_of_no_more() {
    let mut bench = Bench::default();
    let from = |number: usize| {
        let mut account = [0; 16];
        account[..8].copy_from_slice(&number.to_be_bytes());
        Parcel { key: MessageKey { sender_id: AccountId::from_bytes(account), ..key(1) }, ..parcel(1) }
    };
    for number in 0..=REFUSALS_PER_DEVICE_MAX {
        let parcel = from(number);
        let (sender, key) = (parcel.sender(), parcel.key);
        bench.at(1000, Input::Submit(Box::new(parcel)));
        let outcomes = vec![(key, Err(Code::STORAGE_FULL))];
        bench.at(1000, Input::Parked { recipient: BOB, sender, outcomes });
    }
    let mut second_of = |number: usize| {
        let second =
            Parcel { key: MessageKey { sender_id: from(number).key.sender_id, ..key(2) }, ..parcel(2) };
        bench.at(1000, Input::Submit(Box::new(second))).remove(0)
    };
    assert_eq!(second_of(REFUSALS_PER_DEVICE_MAX - 1), refused(2, Code::STORAGE_FULL));
    assert_eq!(second_of(REFUSALS_PER_DEVICE_MAX), answer(2, Outcome::Taken));
}

// T67: a disk that hangs does not fill the memory with what one sender sends.
#[test]
fn a_sender_has_so_many_messages_on_their_way_to_the_disk_and_no_more() {
    let mut bench = Bench::default();
    for number in 0..u8::try_from(UNACKNOWLEDGED_MAX).unwrap() {
        assert_eq!(bench.submit(number)[0], answer(number, Outcome::Taken));
    }
    assert_eq!(bench.submit(200), [refused(200, Code::UNAVAILABLE)]);
    bench.parked(0);
    assert_eq!(bench.submit(201), [refused(201, Code::UNAVAILABLE)], "in order");
    assert_eq!(bench.submit(200), [answer(200, Outcome::Taken)]);
}
