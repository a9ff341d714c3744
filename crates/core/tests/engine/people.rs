//! Contacts beyond messages: blocks, notes, presence, typing.

use tacite_core::{
    ContactNote, ContactView, Event, Intent, MessageState, Outcome, Presence, Settings, Standing, queries,
};
use tacite_wire::proto::{self, AccountPresence, PresenceChanged};
use tacite_wire::{Code, Opcode};

use crate::server::Mischief;
use crate::world::World;

fn block(name: &str) -> Intent {
    Intent::BlockContact { handle: name.parse().unwrap() }
}

fn unblock(name: &str) -> Intent {
    Intent::UnblockContact { handle: name.parse().unwrap() }
}

fn done(world: &mut World, who: &'static str, intent: Intent) -> Outcome {
    let request = world.intend(who, intent);
    world.settle();
    world.device(who).answer(request).unwrap().unwrap()
}

fn contact(world: &mut World, of: &str, name: &str) -> ContactView {
    let contacts = world.device(of).ask(|tx| queries::contacts(tx).unwrap());
    contacts.into_iter().find(|contact| contact.handle.as_str() == name).unwrap()
}

fn commands(world: &World, opcode: Opcode) -> usize {
    world.server.commands.iter().filter(|frame| frame.header.opcode == opcode).count()
}

fn note(name: &str, note: ContactNote) -> Intent {
    Intent::NoteContact { handle: name.parse().unwrap(), note }
}

fn be(presence: Presence) -> Intent {
    Intent::SetPresence { presence }
}

fn typing(to: &str, typing: bool) -> Intent {
    Intent::SetTyping { to: to.parse().unwrap(), typing }
}

/// What was told of the presence of somebody.
fn seen(world: &mut World, who: &str) -> Vec<Presence> {
    let presence = |event: &Event| match event {
        Event::PresenceChanged { presence, .. } => Some(*presence),
        _ => None,
    };
    world.device(who).events.iter().filter_map(presence).collect()
}

#[test]
fn a_blocked_contact_is_heard_no_more_until_unblocked() {
    let mut world = World::of_contacts();
    let outcome = done(&mut world, "bob", block("alice"));
    assert_eq!(outcome, Outcome::Contact { handle: "alice".parse().unwrap(), standing: Standing::Accepted });
    assert!(contact(&mut world, "bob", "alice").blocked);
    assert!(!contact(&mut world, "alice", "bob").blocked, "who blocks one is not told");
    world.send("alice", "bob", "hello");
    let failed = world.send("bob", "alice", "hello");
    world.settle();
    assert_eq!(world.device("bob").failure(failed), "blocked");
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Failed]);
    done(&mut world, "bob", unblock("alice"));
    assert!(!contact(&mut world, "bob", "alice").blocked);
    world.send("alice", "bob", "hello again");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["hello again"]);
    let told = |event: &&Event| matches!(event, Event::ContactBlocked { .. });
    assert_eq!(world.device("bob").events.iter().filter(told).count(), 2);
}

// What was under way when the block came is dropped, and its sender learns nothing (T44).
#[test]
fn what_still_comes_from_a_blocked_contact_is_dropped_silently() {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    let push = world.intercept("bob", Opcode::DIRECT_RECEIVED);
    done(&mut world, "bob", block("alice"));
    world.input("bob", tacite_core::Input::Frame(push));
    world.settle();
    assert!(world.device("bob").history("alice").is_empty());
    assert!(world.device("bob").told().is_empty());
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Sent]);
}

#[test]
fn a_block_whose_answer_is_lost_is_answered_after_all() {
    let mut world = World::of_contacts();
    let request = world.intend("bob", block("alice"));
    let (link_id, command) = world.up.pop_front().unwrap();
    world.server.receive(link_id, &command);
    world.cut("bob");
    world.settle();
    assert!(matches!(world.device("bob").answer(request), Some(Ok(_))));
    assert!(contact(&mut world, "bob", "alice").blocked);
    // What is so already needs no server.
    let before = commands(&world, Opcode::BLOCK_CONTACT);
    done(&mut world, "bob", block("alice"));
    assert_eq!(commands(&world, Opcode::BLOCK_CONTACT), before);
    let failed = world.intend("bob", block("nobody"));
    world.settle();
    assert_eq!(world.device("bob").failure(failed), "not-a-contact");
}

// C7
#[test]
fn a_person_notes_what_they_want_about_a_contact_and_nobody_learns_it() {
    let mut world = World::of_contacts();
    let before = world.server.commands.len();
    done(&mut world, "alice", note("bob", ContactNote::OwnName("Bobby".to_owned())));
    done(&mut world, "alice", note("bob", ContactNote::Notes("plays the violin".to_owned())));
    assert_eq!(world.server.commands.len(), before);
    let bob = contact(&mut world, "alice", "bob");
    assert_eq!(
        (bob.own_name.as_str(), bob.notes.as_str(), bob.verified),
        ("Bobby", "plays the violin", false)
    );
    // What the server says about him changes none of it.
    done(&mut world, "alice", block("bob"));
    let blocked = contact(&mut world, "alice", "bob");
    assert_eq!((blocked.own_name, blocked.notes), (bob.own_name, bob.notes));
}

#[test]
fn only_a_known_key_can_be_verified() {
    let mut world = World::of_contacts();
    let verify = |verified| note("bob", ContactNote::Verified(verified));
    let failed = world.intend("alice", verify(true));
    assert_eq!(world.device("alice").failure(failed), "no-key-yet");
    world.send("alice", "bob", "hello");
    world.settle();
    for verified in [true, false] {
        done(&mut world, "alice", verify(verified));
        assert_eq!(contact(&mut world, "alice", "bob").verified, verified);
    }
}

#[test]
fn notes_have_bounds() {
    let mut world = World::of_contacts();
    let text = |length| "x".repeat(length);
    for (intent, is_good) in [
        (note("bob", ContactNote::OwnName(text(256))), true),
        (note("bob", ContactNote::OwnName(text(257))), false),
        (note("bob", ContactNote::Notes(text(65_536))), true),
        (note("bob", ContactNote::Notes(text(65_537))), false),
        (note("nobody", ContactNote::Notes(text(1))), false),
    ] {
        let request = world.intend("alice", intent);
        assert_eq!(matches!(world.device("alice").answer(request), Some(Ok(Outcome::Done))), is_good);
    }
}

// C8
#[test]
fn those_who_show_themselves_see_each_other() {
    let mut world = World::of_contacts();
    done(&mut world, "alice", be(Presence::Online));
    assert!(seen(&mut world, "bob").is_empty(), "bob has not shown himself");
    done(&mut world, "bob", be(Presence::Busy));
    assert_eq!(seen(&mut world, "alice"), [Presence::Busy]);
    assert_eq!(seen(&mut world, "bob"), [Presence::Online]);
    done(&mut world, "bob", be(Presence::Online));
    assert_eq!(seen(&mut world, "alice"), [Presence::Busy, Presence::Online]);
    // It is said again on the next link, and without a link nobody is known to be there.
    world.cut("alice");
    assert_eq!(seen(&mut world, "alice").last(), Some(&Presence::Offline));
    world.settle();
    assert_eq!(seen(&mut world, "alice").last(), Some(&Presence::Online));
}

#[test]
fn presence_can_be_switched_off_even_after_it_was_said() {
    let mut world = World::of_contacts();
    done(&mut world, "bob", be(Presence::Online));
    done(&mut world, "alice", be(Presence::Online));
    let settings = Settings { presence: false, ..Settings::default() };
    done(&mut world, "alice", Intent::ChangeSettings { settings });
    assert_eq!(seen(&mut world, "bob"), [Presence::Online, Presence::Offline]);
    let before = commands(&world, Opcode::SET_PRESENCE);
    done(&mut world, "alice", be(Presence::Busy));
    world.cut("alice");
    world.settle();
    assert_eq!(commands(&world, Opcode::SET_PRESENCE), before);
}

#[test]
fn a_refused_presence_is_said_on_the_next_link() {
    let mut world = World::of_contacts();
    world.server.plan(Opcode::SET_PRESENCE, Mischief::Refuse(Code::TOO_FAST, 1000));
    done(&mut world, "alice", be(Presence::Online));
    assert!(world.server.presences.is_empty());
    world.cut("alice");
    world.settle();
    assert_eq!(world.server.presences.len(), 1);
}

#[test]
fn typing_is_told_in_passing() {
    let mut world = World::of_contacts();
    for is_typing in [true, true, false] {
        world.intend("alice", typing("bob", is_typing));
    }
    world.settle();
    let told = |event: &Event| match event {
        Event::TypingChanged { typing, .. } => Some(*typing),
        _ => None,
    };
    let told: Vec<bool> = world.device("bob").events.iter().filter_map(told).collect();
    assert_eq!(told, [true, false], "the same is not told with every key");
    let settings = Settings { typing: false, ..Settings::default() };
    done(&mut world, "alice", Intent::ChangeSettings { settings });
    done(&mut world, "alice", typing("bob", true));
    assert_eq!(commands(&world, Opcode::SET_TYPING), 2);
    world.network_up = false;
    world.cut("bob");
    let request = world.intend("bob", typing("alice", true));
    assert!(matches!(world.device("bob").answer(request), Some(Ok(_))), "nobody needs to know");
    let failed = world.intend("bob", typing("nobody", true));
    assert_eq!(world.device("bob").failure(failed), "not-a-contact");
}

// T30: of strangers and the blocked a server may tell what it likes.
#[test]
fn t30_presence_and_typing_are_heard_of_accepted_contacts_only() {
    let mut world = World::of_contacts();
    done(&mut world, "bob", be(Presence::Online));
    done(&mut world, "alice", be(Presence::Online));
    let push =
        world.server.commands.iter().find(|frame| frame.header.opcode == Opcode::SET_PRESENCE).unwrap();
    let push = tacite_wire::Frame::command(
        Opcode::PRESENCE_CHANGED,
        push.header.message_id,
        world.now,
        &proto::Empty {},
    )
    .unwrap();
    done(&mut world, "bob", block("alice"));
    let before = world.device("bob").events.len();
    let alice = world.account_id("alice").as_bytes().to_vec();
    for account_id in [vec![9; 16], alice, vec![1, 2, 3]] {
        let row = AccountPresence { account_id: account_id.into(), presence: proto::Presence::Busy.into() };
        world.forge("bob", &push, &PresenceChanged { presences: vec![row] });
    }
    assert_eq!(world.device("bob").events.len(), before);
}
