//! T20 for all that people do with messages: a device dies at every point, and both sides end up seeing the same.

use tacite_core::{Expiry, ExpiryStart, Intent, MessageKind, MessageState, MessageView, queries};

use crate::crashes::assert_same_bytes;
use crate::world::{Crash, World};

const TEXTS: [&str; 3] = ["one", "two", "three"];

/// What one side sees of a message, told as if by nobody's eyes in particular.
type Seen = (String, bool, u32, Vec<String>, bool, MessageKind);

fn seen(world: &mut World, who: &str, with: &str) -> Vec<Seen> {
    let history = world.device(who).history(with).into_iter();
    history
        .map(|message| {
            let reactions = message.reactions.into_iter().map(|reaction| reaction.emoji).collect();
            let answers = message.reply_to.is_some();
            (message.text, message.deleted, message.edits, reactions, answers, message.kind)
        })
        .collect()
}

/// The message of alice that stood at this place.
fn of_alice(world: &mut World, who: &str, with: &str, at: usize) -> MessageView {
    let outgoing = who == "alice";
    let mut history = world.device(who).history(with);
    history.retain(|message| message.outgoing == outgoing && message.kind == MessageKind::Text);
    history.remove(at)
}

/// As a person would: a wish that was neither answered nor carried out is uttered again.
fn insist(
    world: &mut World,
    who: &'static str,
    is_done: impl Fn(&mut World) -> bool,
    wish: impl Fn(&mut World) -> Intent,
) {
    for _ in 0..3 {
        if is_done(world) {
            return;
        }
        let intent = wish(world);
        world.intend(who, intent);
        world.settle();
    }
    assert!(is_done(world), "a wish came to nothing");
}

fn say(world: &mut World, who: &'static str, to: &'static str, text: &'static str, reply_at: Option<usize>) {
    insist(
        world,
        who,
        |world| world.device(who).history(to).iter().any(|message| message.text == text),
        |world| Intent::SendText {
            to: to.parse().unwrap(),
            text: text.to_owned(),
            reply_to: reply_at.map(|at| of_alice(world, who, to, at).name()),
        },
    );
}

/// Alice writes, edits and deletes; bob reads, reacts, answers and sets a timer; either may be told to die.
fn converse(victim: &'static str, crash: Option<(usize, Crash)>) -> World {
    let mut world = World::of_strangers();
    world.befriend("alice", "bob");
    world.device(victim).crash = crash;
    world.start("alice");
    world.start("bob");
    for text in TEXTS {
        say(&mut world, "alice", "bob", text, None);
    }
    let is_read = |message: &MessageView| message.outgoing || message.state == MessageState::Read;
    insist(
        &mut world,
        "bob",
        |world| world.device("bob").history("alice").iter().all(is_read),
        |world| {
            let history = world.device("bob").history("alice").into_iter();
            Intent::MarkRead { messages: history.map(|message| (message.peer, message.message_id)).collect() }
        },
    );
    insist(
        &mut world,
        "bob",
        |world| !of_alice(world, "bob", "alice", 0).reactions.is_empty(),
        |world| Intent::React {
            message: of_alice(world, "bob", "alice", 0).name(), emoji: "👍".to_owned()
        },
    );
    insist(
        &mut world,
        "alice",
        |world| of_alice(world, "alice", "bob", 1).edits > 0,
        |world| {
            let message_id = of_alice(world, "alice", "bob", 1).message_id;
            Intent::Edit { to: "bob".parse().unwrap(), message_id, text: "zwei".to_owned() }
        },
    );
    insist(
        &mut world,
        "alice",
        |world| of_alice(world, "alice", "bob", 2).deleted,
        |world| {
            let message_id = of_alice(world, "alice", "bob", 2).message_id;
            Intent::Delete { to: "bob".parse().unwrap(), message_id }
        },
    );
    let timer = Expiry::new(24 * 3_600_000, ExpiryStart::Read);
    let alice = "alice".parse().unwrap();
    insist(
        &mut world,
        "bob",
        |world| world.device("bob").ask(|tx| queries::timer(tx, &alice).unwrap()) == Some(timer),
        |_| Intent::SetTimer { with: "alice".parse().unwrap(), timer },
    );
    say(&mut world, "bob", "alice", "four", Some(0));
    world
}

fn assert_all_well(world: &mut World, what: &str) {
    let text = |text: &str, deleted, edits, reactions: &[&str], answers, kind| -> Seen {
        let reactions = reactions.iter().map(|emoji| (*emoji).to_owned()).collect();
        (text.to_owned(), deleted, edits, reactions, answers, kind)
    };
    let expected = [
        text("one", false, 0, &["👍"], false, MessageKind::Text),
        text("zwei", false, 1, &[], false, MessageKind::Text),
        text("", true, 0, &[], false, MessageKind::Text),
        text("", false, 0, &[], false, MessageKind::Timer),
        text("four", false, 0, &[], true, MessageKind::Text),
    ];
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        assert_eq!(seen(world, who, with), expected, "{who}: {what}");
        let device = world.device(who);
        assert!(device.notices().is_empty(), "{who}: {what}: {:?}", device.notices());
        assert_eq!(device.ask(|tx| tx.outbox_count().unwrap()), 0, "{who}: {what}");
        assert!(device.ask(|tx| tx.read_senders().unwrap()).is_empty(), "{who}: {what}");
    }
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read; 3], "{what}");
    assert!(world.server.queues.values().all(Vec::is_empty), "{what}");
    assert_same_bytes(world);
}

#[test]
fn t20_a_crash_at_every_input_of_a_lively_conversation_loses_nothing() {
    for victim in ["alice", "bob"] {
        let mut calm = converse(victim, None);
        assert_all_well(&mut calm, "calm");
        let inputs = calm.device(victim).inputs;
        assert!(inputs > 30, "{inputs}");
        for at in 1..=inputs {
            for crash in [Crash::BeforeCommit, Crash::BeforeEffects, Crash::AfterEffects(1)] {
                let mut world = converse(victim, Some((at, crash)));
                assert_all_well(&mut world, &format!("{victim} {at} {crash:?}"));
            }
        }
    }
}
