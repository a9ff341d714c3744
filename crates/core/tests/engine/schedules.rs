//! Random schedules: frames, breaks, crashes, mischief and time in any order; then rest, and nothing may be lost, doubled
//! or out of order.

use proptest::prelude::*;
use tacite_core::{Intent, MessageState, MessageView};
use tacite_wire::proto::DeliveryMode;
use tacite_wire::{Code, Opcode};

use crate::crashes::assert_same_bytes;
use crate::server::Mischief;
use crate::world::{Crash, World};

/// What may happen next.
#[derive(Debug, Clone)]
enum Act {
    Step(u8),
    ArriveTogether {
        alice: bool,
    },
    Send {
        from_alice: bool,
    },
    Cut {
        alice: bool,
    },
    Crash {
        alice: bool,
        how: Crash,
    },
    Pass {
        ms: u16,
    },
    Network {
        up: bool,
    },
    Mischief(Mischief),
    PushTwice(bool),
    /// Something is done with the message at a place in one's history, if it is there.
    Alter {
        by_alice: bool,
        at: u8,
        what: Alteration,
    },
}

/// What may be done with a message.
#[derive(Debug, Clone, Copy)]
enum Alteration {
    Read,
    React,
    Edit,
    Delete,
}

fn act() -> impl Strategy<Value = Act> {
    let crash = prop_oneof![
        Just(Crash::BeforeCommit),
        Just(Crash::BeforeEffects),
        (0..4_usize).prop_map(Crash::AfterEffects),
    ];
    let mischief = prop_oneof![
        Just(Mischief::Ignore),
        Just(Mischief::Refuse(Code::STORAGE_FULL, 0)),
        Just(Mischief::Refuse(Code::UNAVAILABLE, 500)),
        Just(Mischief::Refuse(Code::TOO_FAST, 2000)),
        Just(Mischief::Refuse(Code::QUEUE_FULL, 0)),
    ];
    let alteration = prop_oneof![
        2 => Just(Alteration::Read),
        2 => Just(Alteration::React),
        2 => Just(Alteration::Edit),
        1 => Just(Alteration::Delete),
    ];
    prop_oneof![
        10 => (1..12_u8).prop_map(Act::Step),
        5 => any::<bool>().prop_map(|alice| Act::ArriveTogether { alice }),
        6 => any::<bool>().prop_map(|from_alice| Act::Send { from_alice }),
        2 => any::<bool>().prop_map(|alice| Act::Cut { alice }),
        2 => (any::<bool>(), crash).prop_map(|(alice, how)| Act::Crash { alice, how }),
        1 => any::<u16>().prop_map(|ms| Act::Pass { ms }),
        1 => any::<bool>().prop_map(|up| Act::Network { up }),
        1 => mischief.prop_map(Act::Mischief),
        1 => any::<bool>().prop_map(Act::PushTwice),
        6 => (any::<bool>(), 0..8_u8, alteration).prop_map(|(by_alice, at, what)| Act::Alter { by_alice, at, what }),
    ]
}

fn mode() -> impl Strategy<Value = DeliveryMode> {
    prop_oneof![Just(DeliveryMode::Inline), Just(DeliveryMode::Split), Just(DeliveryMode::Direct)]
}

fn name(alice: bool) -> &'static str {
    if alice { "alice" } else { "bob" }
}

fn perform(world: &mut World, act: &Act, number: usize) {
    match act {
        Act::Step(count) => {
            for _ in 0..*count {
                world.step();
            }
        }
        Act::ArriveTogether { alice } => {
            world.arrive_together(name(*alice));
        }
        Act::Send { from_alice } => {
            world.send(name(*from_alice), name(!*from_alice), &format!("text {number}"));
        }
        Act::Cut { alice } => world.cut(name(*alice)),
        Act::Crash { alice, how } => {
            let device = world.device(name(*alice));
            device.crash = Some((device.inputs + 1, *how));
        }
        Act::Pass { ms } => world.pass(u64::from(*ms)),
        Act::Network { up } => world.network_up = *up,
        Act::Mischief(mischief) => world.server.plan(Opcode::SEND_DIRECT, *mischief),
        Act::PushTwice(twice) => world.server.pushes_twice = *twice,
        Act::Alter { by_alice, at, what } => alter(world, *by_alice, usize::from(*at), *what, number),
    }
}

fn alter(world: &mut World, by_alice: bool, at: usize, what: Alteration, number: usize) {
    let (who, with) = (name(by_alice), name(!by_alice));
    let Some(message) = world.device(who).history(with).into_iter().nth(at) else { return };
    let MessageView { peer, message_id, .. } = message.clone();
    world.intend(
        who,
        match what {
            Alteration::Read => Intent::MarkRead { messages: vec![(peer, message_id)] },
            Alteration::React => Intent::React { message: message.name(), emoji: format!("{number}") },
            Alteration::Edit => Intent::Edit { to: peer, message_id, text: format!("edit {number}") },
            Alteration::Delete => Intent::Delete { to: peer, message_id },
        },
    );
}

/// What both sides must see alike of a message that was not deleted.
fn essence(message: &MessageView) -> (String, u32, Vec<String>) {
    let mut reactions: Vec<String> =
        message.reactions.iter().map(|reaction| reaction.emoji.clone()).collect();
    reactions.sort_unstable();
    (message.text.clone(), message.edits, reactions)
}

/// A refusal after the place in the order was fixed may let later messages overtake; this server refuses before.
fn assert_all_well(world: &mut World, from: &'static str, to: &'static str) {
    let sent = world.device(from).history(to);
    let sent: Vec<_> = sent.into_iter().filter(|message| message.outgoing && !message.deleted).collect();
    let received = world.device(to).history(from);
    let received: Vec<_> =
        received.into_iter().filter(|message| !message.outgoing && !message.deleted).collect();
    let essences = |messages: &[MessageView]| messages.iter().map(essence).collect::<Vec<_>>();
    assert_eq!(essences(&received), essences(&sent));
    let states = |messages: &[MessageView]| messages.iter().map(|message| message.state).collect::<Vec<_>>();
    assert_eq!(states(&received), states(&sent), "received and read are known on both sides");
    assert!(sent.iter().all(|message| message.state >= MessageState::Received), "{sent:?}");
    assert!(world.device(to).ask(|tx| tx.read_senders().unwrap()).is_empty());
    assert!(world.device(to).notices().is_empty(), "{:?}", world.device(to).notices());
    assert_eq!(world.device(from).ask(|tx| tx.outbox_count().unwrap()), 0);
    let mut told: Vec<String> = world.device(to).told().iter().map(|text| (*text).to_owned()).collect();
    told.sort_unstable();
    told.dedup();
    assert_eq!(told.len(), world.device(to).told().len(), "shown twice");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    // C6, E3, T14, T15, T20.
    #[test]
    fn t15_any_schedule_ends_well(mode in mode(), acts in proptest::collection::vec(act(), 1..60)) {
        let mut world = World::of_contacts_by(mode);
        for (number, act) in acts.iter().enumerate() {
            perform(&mut world, act, number);
        }
        for name in ["alice", "bob"] {
            world.device(name).crash = None;
        }
        world.network_up = true;
        world.settle_within(6 * 60_000);
        assert_all_well(&mut world, "alice", "bob");
        assert_all_well(&mut world, "bob", "alice");
        assert_same_bytes(&world);
    }
}
