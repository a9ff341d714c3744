//! Registering, logging in and out, with the real OPAQUE.

use tacite_core::{Intent, LinkStatus, Outcome, Server, queries};
use tacite_model::Secret;
use tacite_vault::{AccountStanding, PrekeyKind};
use tacite_wire::{Code, Opcode};

use crate::server::Mischief;
use crate::world::{ADDRESS, Crash, World};

fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}

fn server() -> Server {
    Server {
        address: ADDRESS.to_owned(),
        name: None,
        pin: None,
        tls_disabled: true,
        certificate_unchecked: false,
    }
}

fn register(name: &str) -> Intent {
    Intent::Register {
        server: server(),
        invitation: Some(Secret::new([9; 16])),
        handle: name.parse().unwrap(),
        password: secret("a long password"),
        words: secret("apple bread cloud"),
    }
}

fn log_in(password: &str, words: &str) -> Intent {
    Intent::LogIn { password: secret(password), words: secret(words) }
}

fn standing(world: &mut World, name: &str) -> Option<AccountStanding> {
    world.device(name).ask(|tx| tx.account().unwrap().map(|account| account.standing))
}

// B1, B2, B3, B6: registered, logged out, logged in again; wrong secrets and repeated steps change nothing.
#[test]
fn an_account_is_registered_left_and_entered_again() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    let request = world.intend("alice", register("alice"));
    world.settle();
    let account_id = world.account_id("alice");
    let handle = "alice".parse().unwrap();
    let signed_in = Outcome::SignedIn { account_id, handle, administrator: false };
    assert_eq!(world.device("alice").answer(request), Some(Ok(signed_in.clone())));
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    let account = &world.server.accounts[&account_id];
    assert_eq!((account.one_time.len(), account.kyber.len()), (100, 30));
    assert!(account.signed_prekey.is_some() && account.last_resort.is_some());

    let request = world.intend("alice", Intent::LogOut);
    world.settle();
    assert_eq!(world.device("alice").answer(request), Some(Ok(Outcome::SignedOut)));
    assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None });
    assert_eq!(standing(&mut world, "alice"), Some(AccountStanding::SignedOut));
    world.crash("alice");
    world.settle();
    assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None });

    for (password, words) in
        [("another password", "apple bread cloud"), ("a long password", "apple bread clouds")]
    {
        let request = world.intend("alice", log_in(password, words));
        world.settle();
        assert_eq!(world.device("alice").failure(request), "credentials-wrong");
        assert_eq!(standing(&mut world, "alice"), Some(AccountStanding::SignedOut));
    }
    let request = world.intend("alice", log_in("a long password", "apple bread cloud"));
    world.settle();
    assert_eq!(world.device("alice").answer(request), Some(Ok(signed_in.clone())));
    assert_eq!(world.device("alice").link(), LinkStatus::Level);

    // A log-in from within a session begins a new one on a new link; a failed one leaves the old.
    let failed = world.intend("alice", log_in("another password", "apple bread cloud"));
    world.settle();
    assert_eq!(world.device("alice").failure(failed), "credentials-wrong");
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
    let request = world.intend("alice", log_in("a long password", "apple bread cloud"));
    world.settle();
    assert_eq!(world.device("alice").answer(request), Some(Ok(signed_in)));
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
}

// T20: the device dies, or the link breaks, after the last step was sent; the account exists and is found by signing in.
#[test]
fn t20_a_registration_whose_answer_is_lost_is_completed() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    world.intend("alice", register("alice"));
    while standing(&mut world, "alice").is_none() {
        assert!(world.step());
    }
    let (link_id, finish) = world.up.pop_front().unwrap();
    world.server.receive(link_id, &finish);
    world.crash("alice");
    world.settle();
    assert_eq!(standing(&mut world, "alice"), Some(AccountStanding::SignedIn));
    assert_eq!(world.device("alice").link(), LinkStatus::Level);
}

#[test]
fn a_registration_that_did_not_arrive_leaves_nothing_behind() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    let request = world.intend("alice", register("alice"));
    while standing(&mut world, "alice").is_none() {
        assert!(world.step());
    }
    world.cut("alice");
    world.settle();
    assert_eq!(world.device("alice").failure(request), "registration-interrupted");
    let status = world.device("alice").ask(|tx| queries::status(tx).unwrap());
    assert_eq!((status.account, status.server), (None, None));
}

#[test]
fn a_refused_registration_leaves_nothing_behind() {
    for (code, word) in [(Code::NAME_TAKEN, "name-taken"), (Code::INVITATION_INVALID, "invitation-invalid")] {
        let mut world = World::empty();
        world.add_newcomer("alice", 1);
        world.start("alice");
        world.server.plan(Opcode::REGISTER, Mischief::Refuse(code, 0));
        let request = world.intend("alice", register("alice"));
        world.settle();
        assert_eq!(world.device("alice").failure(request), word);
        assert_eq!(standing(&mut world, "alice"), None);
        assert_eq!(world.device("alice").link(), LinkStatus::Offline { retry_at: None });
    }
}

#[test]
fn a_server_that_cannot_be_reached_fails_the_registration_at_once() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    world.network_up = false;
    let request = world.intend("alice", register("alice"));
    world.settle();
    assert_eq!(world.device("alice").failure(request), "link-lost");
}

#[test]
fn intents_that_make_no_sense_are_refused_at_once() {
    let mut world = World::empty();
    world.add_newcomer("alice", 1);
    world.start("alice");
    let fails = |world: &mut World, intent: Intent, word: &str| {
        let request = world.intend("alice", intent);
        assert_eq!(world.device("alice").failure(request), word);
    };
    fails(&mut world, log_in("x", "a b c"), "not-registered");
    fails(&mut world, Intent::LogOut, "not-registered");
    fails(&mut world, Intent::RequestContact { handle: "bob".parse().unwrap() }, "not-registered");
    for words in ["apple bread", "apple  bread cloud", " apple bread cloud", "a b c d", ""] {
        let Intent::Register { server, invitation, handle, password, .. } = register("alice") else {
            unreachable!()
        };
        let intent = Intent::Register { server, invitation, handle, password, words: secret(words) };
        fails(&mut world, intent, "words-not-three");
    }
    world.intend("alice", register("alice"));
    fails(&mut world, register("alice"), "busy");
    world.settle();
    fails(&mut world, register("carol"), "already-registered");
    fails(&mut world, Intent::RequestContact { handle: "alice".parse().unwrap() }, "not-yourself");
}

// The keys of a registration are in the vault before anything of them leaves.
#[test]
fn t20_a_crash_at_every_input_of_a_registration_loses_no_account() {
    // Each run stretches secrets for real, so only the inputs from the server's first frame on are tried.
    for at in 4..=7 {
        for crash in [Crash::BeforeCommit, Crash::BeforeEffects] {
            let mut world = World::empty();
            world.add_newcomer("alice", 1);
            world.device("alice").crash = Some((at, crash));
            world.start("alice");
            world.intend("alice", register("alice"));
            world.settle();
            if standing(&mut world, "alice").is_none() {
                assert!(world.server.account_named("alice").is_none(), "{at} {crash:?}");
                world.intend("alice", register("alice"));
                world.settle();
            }
            assert_eq!(standing(&mut world, "alice"), Some(AccountStanding::SignedIn), "{at} {crash:?}");
            for kind in [PrekeyKind::Signed, PrekeyKind::LastResort] {
                let prekey = world.device("alice").ask(|tx| tx.newest_prekey(kind).unwrap());
                assert!(prekey.is_some_and(|prekey| prekey.published), "{at} {crash:?} {kind}");
            }
        }
    }
}
