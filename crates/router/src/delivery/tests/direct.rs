//! Direct mode: nothing is stored. Alice is linked, bob comes and goes.

use tacite_model::limits::ACKNOWLEDGE_DIRECT_MS_MAX;

use super::*;

fn bench() -> Bench {
    let mut bench = Bench::in_mode(Mode::Direct);
    bench.at(1000, Input::LinkUp { device: ALICE, link: ALICE_LINK });
    bench
}

/// Bob comes, and nothing waits for him.
fn comes(bench: &mut Bench, link: LinkId) -> Vec<Effect> {
    assert_eq!(bench.up(link), [fetch(link, 0)]);
    bench.fetched(link, &[])
}

fn here() -> Effect {
    Effect::Here { link: ALICE_LINK, device: BOB }
}

#[test]
fn between_two_who_are_online_it_goes_as_ever() {
    let mut bench = bench();
    assert_eq!(comes(&mut bench, BOB_LINK), [Effect::Level { link: BOB_LINK }]);
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), push(BOB_LINK, 1)]);
    assert_eq!(bench.acknowledge(&[1]), [received(1)]);
}

#[test]
fn for_somebody_away_it_is_refused_and_the_sender_told_when_they_come() {
    let mut bench = bench();
    assert_eq!(bench.submit(1), [refused(1, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.submit(2), [refused(2, Code::RECIPIENT_AWAY)]);
    assert_eq!(comes(&mut bench, BOB_LINK), [Effect::Level { link: BOB_LINK }, here()]);
    // This one was on its way when bob came: it may not overtake.
    assert_eq!(bench.submit(3), [refused(3, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.submit(1), [answer(1, Outcome::Taken), push(BOB_LINK, 1)]);
    assert_eq!(bench.submit(2), [answer(2, Outcome::Taken), push(BOB_LINK, 2)]);
    bench.down(BOB_LINK);
    assert_eq!(comes(&mut bench, BOB_LATER_LINK).len(), 2, "told each time");
}

#[test]
fn a_sender_that_is_gone_is_not_told() {
    let mut bench = bench();
    bench.submit(1);
    bench.at(1000, Input::LinkDown { device: ALICE, link: ALICE_LINK });
    assert_eq!(comes(&mut bench, BOB_LINK), [Effect::Level { link: BOB_LINK }]);
}

#[test]
fn what_a_dying_link_did_not_acknowledge_is_refused() {
    let mut bench = bench();
    comes(&mut bench, BOB_LINK);
    bench.submit(1);
    bench.submit(2);
    let code = Code::RECIPIENT_AWAY;
    assert_eq!(bench.down(BOB_LINK), [refused(1, code), refused(2, code)]);
    assert_eq!(comes(&mut bench, BOB_LATER_LINK), [Effect::Level { link: BOB_LATER_LINK }, here()]);
}

#[test]
fn what_is_not_acknowledged_in_time_is_refused() {
    let mut bench = bench();
    comes(&mut bench, BOB_LINK);
    bench.submit(1);
    assert_eq!(bench.at(1000 + ACKNOWLEDGE_DIRECT_MS_MAX - 1, Input::Tick), []);
    let overdue = 1000 + ACKNOWLEDGE_DIRECT_MS_MAX;
    assert_eq!(bench.at(overdue, Input::Tick), [refused(1, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.submit(2), [refused(2, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.submit(1)[1], push(BOB_LINK, 1), "the device recognises it");
}

// The link was dead, which nobody knew yet.
#[test]
fn who_was_refused_while_the_link_was_up_is_told_when_the_device_comes_anew() {
    let mut bench = bench();
    comes(&mut bench, BOB_LINK);
    bench.submit(1);
    let overdue = 1000 + ACKNOWLEDGE_DIRECT_MS_MAX;
    assert_eq!(bench.at(overdue, Input::Tick), [refused(1, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.submit(2), [refused(2, Code::RECIPIENT_AWAY)], "and not called back at once");
    assert_eq!(bench.down(BOB_LINK), []);
    assert_eq!(comes(&mut bench, BOB_LATER_LINK), [Effect::Level { link: BOB_LATER_LINK }, here()]);
}

#[test]
fn a_device_that_does_not_keep_up_takes_no_more() {
    let mut bench = bench();
    comes(&mut bench, BOB_LINK);
    for number in 0..u8::try_from(UNACKNOWLEDGED_MAX).unwrap() {
        bench.submit(number);
    }
    assert_eq!(bench.submit(200), [refused(200, Code::QUEUE_FULL)]);
    bench.acknowledge(&[0]);
    assert_eq!(bench.submit(200)[1], push(BOB_LINK, 200));
}

// An operator may have changed the mode: what had been stored before still arrives, and before anything new.
#[test]
fn what_was_stored_in_another_mode_is_delivered_first() {
    let mut bench = bench();
    bench.up(BOB_LINK);
    assert_eq!(bench.fetched(BOB_LINK, &[1]), [push(BOB_LINK, 1)]);
    assert_eq!(bench.submit(2), [refused(2, Code::RECIPIENT_AWAY)]);
    assert_eq!(bench.acknowledge(&[1]), [receive(&[1]), fetch(BOB_LINK, 1)]);
    assert_eq!(bench.fetched(BOB_LINK, &[]), [Effect::Level { link: BOB_LINK }, here()]);
    assert_eq!(bench.submit(2), [answer(2, Outcome::Taken), push(BOB_LINK, 2)]);
}

// Who could not say what was read says it when the author comes.
#[test]
fn a_link_that_was_refused_something_else_is_told_as_well() {
    let mut bench = bench();
    let waits = || Input::Await { link: ALICE_LINK, device: BOB };
    assert_eq!(bench.at(1000, waits()), []);
    assert_eq!(comes(&mut bench, BOB_LINK), [Effect::Level { link: BOB_LINK }, here()]);
    assert_eq!(bench.at(1000, waits()), [here()], "bob came in the meantime");
}
