//! Links: how they begin, break and come back.

use tacite_core::{Core, Event, Input, Intent, LinkStatus, Problem};
use tacite_model::{MessageId, Secret};
use tacite_wire::{Code, Frame, Header, Opcode, Status, proto};

use crate::server::Mischief;
use crate::world::World;

fn statuses(world: &World, name: &str) -> Vec<LinkStatus> {
    let status = |event: &Event| match event {
        Event::Link(status) => Some(*status),
        _ => None,
    };
    world.devices[name].events.iter().filter_map(status).collect()
}

fn count(world: &World, opcode: Opcode) -> usize {
    world.server.commands.iter().filter(|frame| frame.header.opcode == opcode).count()
}

#[test]
fn a_link_goes_through_its_stages() {
    for hurries in [false, true] {
        let mut world = World::of_strangers();
        world.server.hurries = hurries;
        world.start("alice");
        world.settle();
        let told = statuses(&world, "alice");
        assert_eq!((told[0], told[1]), (LinkStatus::Connecting, LinkStatus::Online));
        assert_eq!(told.last(), Some(&LinkStatus::Level));
    }
}

#[test]
fn an_empty_vault_stays_offline() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    world.settle();
    assert_eq!(statuses(&world, "alice"), [LinkStatus::Offline { retry_at: None }]);
}

#[test]
fn a_broken_link_comes_back_by_token_while_it_is_good() {
    let mut world = World::of_contacts();
    assert_eq!(count(&world, Opcode::SIGN_IN), 2);
    world.cut("alice");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert_eq!(count(&world, Opcode::SIGN_IN), 2);
    world.network_up = false;
    world.cut("alice");
    world.pass(20 * 60_000);
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert_eq!(count(&world, Opcode::SIGN_IN), 3);
}

// B6: tokens are exchanged before they end.
#[test]
fn tokens_are_refreshed_in_time() {
    let mut world = World::of_contacts();
    world.pass(14 * 60_000);
    assert_eq!(count(&world, Opcode::REFRESH), 2);
    world.pass(3_600_000);
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert_eq!(count(&world, Opcode::SIGN_IN), 2);
}

// T54: a refresh whose answer is lost is not repeated with the same token, which would look like theft.
#[test]
fn t54_a_refresh_token_is_never_used_twice() {
    let mut world = World::of_strangers();
    let refresh_at = world.now.plus_ms(13 * 60_000);
    world.start("alice");
    world.settle();
    world.now = refresh_at;
    world.input("alice", Input::Timer);
    // The server has exchanged the token, the answer never arrives.
    world.intercept("alice", Opcode::REFRESH);
    world.cut("alice");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    world.pass(20 * 60_000);
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert!(!world.server.accounts[&world.account_id("alice")].signed_out);
}

#[test]
fn delays_grow_to_a_minute_and_differ() {
    let mut world = World::of_contacts();
    world.network_up = false;
    world.cut("alice");
    let mut delays = Vec::new();
    for _ in 0..40 {
        let LinkStatus::Offline { retry_at: Some(at) } = world.device("alice").link() else { panic!() };
        let delay_ms = at.ms_since(world.now);
        delays.push(delay_ms);
        world.pass(delay_ms);
    }
    assert!(delays[0] <= 500 && delays[1] <= 1000 && delays[2] <= 2000, "{delays:?}");
    assert!(delays.iter().all(|delay| *delay <= 60_000), "{delays:?}");
    assert!(delays[10..].iter().any(|delay| *delay > 30_000), "{delays:?}");
    let mut different = delays[10..].to_vec();
    different.sort_unstable();
    different.dedup();
    assert!(different.len() > 20, "{delays:?}");
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    world.network_up = false;
    world.cut("alice");
    let LinkStatus::Offline { retry_at: Some(at) } = world.device("alice").link() else { panic!() };
    assert!(at.ms_since(world.now) <= 500);
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    let mut world = World::of_strangers();
    world.server.plan(Opcode::SIGN_IN, Mischief::Refuse(Code::TOO_FAST, 40_000));
    world.start("alice");
    world.settle_within(0);
    let LinkStatus::Offline { retry_at: Some(at) } = world.device("alice").link() else { panic!() };
    assert!(at.ms_since(world.now) >= 40_000);
}

#[test]
fn what_is_refused_for_good_is_not_tried_again() {
    type Prepare = fn(&mut World);
    let cases: [(Prepare, &str); 6] = [
        (|world| world.server.versions = (2, 3), "incompatible"),
        (|world| world.server.plan(Opcode::HELLO, Mischief::Refuse(Code::INCOMPATIBLE, 0)), "incompatible"),
        (|world| world.server.deployment_key = Some(b"club".to_vec()), "deployment-key-wrong"),
        (|world| world.server.name = "evil.example".to_owned(), "other-server"),
        (
            |world| world.server.plan(Opcode::SIGN_IN, Mischief::Refuse(Code::SESSION_ENDED, 0)),
            "session-ended",
        ),
        (|world| world.server.plan(Opcode::SYNC, Mischief::Refuse(Code::FORBIDDEN, 0)), "forbidden"),
    ];
    for (prepare, word) in cases {
        let mut world = World::of_strangers();
        prepare(&mut world);
        world.start("alice");
        let handle = "bob".parse().unwrap();
        let request = world.intend("alice", Intent::RequestContact { handle });
        world.settle();
        world.pass(24 * 3_600_000);
        assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None }, "{word}");
        assert_eq!(world.device("alice").notices(), [word]);
        assert_eq!(world.device("alice").failure(request), word);
    }
}

// A5: a server that accepts its own clients only.
#[test]
fn the_deployment_key_opens_a_server_that_demands_it() {
    for (key, status) in [("club", LinkStatus::Level), ("pub", LinkStatus::Offline { retry_at: None })] {
        let mut world = World::of_strangers();
        world.server.deployment_key = Some(b"club".to_vec());
        let key = Secret::new(key.as_bytes().to_vec());
        world.device("alice").core = Core::with_deployment_key(key);
        world.start("alice");
        world.settle();
        assert_eq!(world.device("alice").link(), status);
    }
}

#[test]
fn a_key_that_does_not_fit_stops_the_tries() {
    let mut world = World::of_contacts();
    let mut cause = Problem::of(Code::FORBIDDEN);
    cause.word = "other-key";
    world.device("alice").link = None;
    world.input("alice", Input::LinkClosed { cause: Some(cause) });
    assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None });
    let handle = "bob".parse().unwrap();
    let request = world.intend("alice", Intent::AcceptContact { handle });
    assert_eq!(world.device("alice").failure(request), "other-key");
}

#[test]
fn a_session_that_ends_while_online_is_told() {
    let mut world = World::of_contacts();
    world.server.plan(Opcode::SEND_DIRECT, Mischief::Refuse(Code::SESSION_ENDED, 0));
    world.server.plan(Opcode::SIGN_IN, Mischief::Refuse(Code::SESSION_ENDED, 0));
    world.send("alice", "bob", "hello");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None });
    assert_eq!(world.device("alice").notices(), ["session-ended"]);
    let handle = "bob".parse().unwrap();
    let request = world.intend("alice", Intent::RequestContact { handle });
    assert_eq!(world.device("alice").failure(request), "session-ended");
}

// T70: a device whose clock was set back exchanges its token too late. Its signature is still good.
#[test]
fn t70_a_token_that_ends_before_the_device_expects_it_costs_a_new_link_only() {
    let mut world = World::of_contacts();
    let header = Header {
        opcode: Opcode::LINK_ERROR,
        mnemonic: Opcode::LINK_ERROR.mnemonic().unwrap(),
        message_id: MessageId::from_bytes([3; 16]),
        timestamp: world.now,
        version: 1,
        status: Status::ERROR,
        code: Code::SESSION_ENDED,
        body_bytes: 0,
    };
    world.input("alice", Input::Frame(Frame::new(header, &proto::Failure::default()).unwrap()));
    world.send("bob", "alice", "still there?");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert_eq!(world.device("alice").received("bob"), ["still there?"]);
    assert_eq!(count(&world, Opcode::SIGN_IN), 3);
}

// T70: what was planned stays as far away as it was, however far the clock is set back.
#[test]
fn t70_a_clock_that_is_set_back_keeps_nobody_offline() {
    let mut world = World::of_contacts();
    world.cut("alice");
    let LinkStatus::Offline { retry_at: Some(retry_at) } = world.device("alice").link() else {
        panic!("alice is to try again");
    };
    let pause_ms = retry_at.ms_since(world.now);
    world.now = world.now.minus_ms(24 * 3_600_000);
    // As a driver does that counts the time itself.
    world.now = world.now.plus_ms(pause_ms);
    world.input("alice", Input::Timer);
    world.send("bob", "alice", "still there?");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    assert_eq!(world.device("alice").received("bob"), ["still there?"]);
}

#[test]
fn a_server_that_says_nothing_is_left() {
    for opcode in [Opcode::HELLO, Opcode::SIGN_IN, Opcode::SYNC, Opcode::SEND_DIRECT, Opcode::FETCH_KEYS] {
        let mut world = World::of_strangers();
        world.befriend("alice", "bob");
        world.start("bob");
        world.settle();
        world.server.plan(opcode, Mischief::Ignore);
        world.start("alice");
        world.send("alice", "bob", "hello");
        world.settle();
        assert_eq!(world.device("bob").received("alice"), ["hello"], "{opcode:?}");
    }
}

#[test]
fn early_late_and_repeated_inputs_do_no_harm() {
    let mut world = World::of_contacts();
    for _ in 0..3 {
        world.input("alice", Input::Timer);
        world.input("alice", Input::LinkOpened);
    }
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    world.network_up = false;
    world.cut("alice");
    let resting = world.device("alice").link();
    world.input("alice", Input::LinkClosed { cause: None });
    world.input("alice", Input::LinkOpened);
    assert_eq!(world.device("alice").link(), resting);
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
}

#[test]
fn many_pages_are_read_to_the_end() {
    let mut world = World::of_strangers();
    world.server.page_rows = 2;
    world.befriend("alice", "bob");
    world.start("alice");
    world.start("bob");
    for number in 0..7 {
        world.send("alice", "bob", &number.to_string());
    }
    world.settle();
    world.crash("alice");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    let before = count(&world, Opcode::SYNC);
    world.cut("alice");
    world.settle();
    // One asks what the server knows, one tells the generation of this link.
    assert_eq!(count(&world, Opcode::SYNC), before + 2);
}
