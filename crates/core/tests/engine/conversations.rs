//! What people do with messages: proven receipts, replies, reactions, edits, deletion.

use tacite_core::{
    Event, Input, Intent, MessageRef, MessageState, MessageView, Outcome, ReactionView, RequestId, Settings,
    queries,
};
use tacite_model::limits::{EDITS_MAX, REACTION_BYTES_MAX};
use tacite_model::{MessageId, MessageName};
use tacite_seal::{Body, Reaction};
use tacite_vault::{Message, MessageKind};
use tacite_wire::proto::{self, Acknowledge, DeliveryState};
use tacite_wire::{Code, Frame, Opcode};

use crate::server::Mischief;
use crate::world::World;

/// The messages between two people, as one of them sees them.
fn history(world: &mut World, of: &str, with: &str) -> Vec<MessageView> {
    world.device(of).history(with)
}

/// The newest message.
fn last(world: &mut World, of: &str, with: &str) -> MessageView {
    history(world, of, with).pop().unwrap()
}

fn talked(text: &str) -> World {
    let mut world = World::of_contacts();
    world.send("alice", "bob", text);
    world.settle();
    world
}

/// The intent is carried out and everything it brings about happens.
fn done(world: &mut World, who: &'static str, intent: Intent) {
    let request = world.intend(who, intent);
    world.settle();
    let answer = world.device(who).answer(request);
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

fn refused(world: &mut World, who: &'static str, intent: Intent) -> &'static str {
    let request: RequestId = world.intend(who, intent);
    world.settle();
    world.device(who).failure(request)
}

fn read(world: &mut World, who: &'static str, peer: &str) {
    let unread = history(world, who, peer).into_iter().filter(|message| !message.outgoing);
    let messages = unread.map(|message| (message.peer, message.message_id)).collect();
    done(world, who, Intent::MarkRead { messages });
}

fn edit(message: &MessageView, text: &str) -> Intent {
    Intent::Edit { to: message.peer.clone(), message_id: message.message_id, text: text.to_owned() }
}

fn delete(message: &MessageView) -> Intent {
    Intent::Delete { to: message.peer.clone(), message_id: message.message_id }
}

fn react(message: &MessageView, emoji: &str) -> Intent {
    Intent::React { message: message.name(), emoji: emoji.to_owned() }
}

/// How often a command of this opcode was sent.
fn commands(world: &World, opcode: Opcode) -> usize {
    world.server.commands.iter().filter(|frame| frame.header.opcode == opcode).count()
}

/// The acknowledgements that the server was sent, in order: whether they were silent.
fn silences(world: &World) -> Vec<bool> {
    let frames = world.server.commands.iter().filter(|frame| frame.header.opcode == Opcode::ACKNOWLEDGE);
    frames
        .flat_map(|frame| frame.read::<Acknowledge>().unwrap().messages)
        .map(|reference| reference.silent)
        .collect()
}

// C5: an outbox that an older release left behind.
#[test]
fn what_an_older_release_left_in_the_outbox_is_sent() {
    let mut world = World::of_contacts();
    let (alice, bob, now) = (world.account_id("alice"), world.account_id("bob"), world.now);
    let tx = world.device("alice").vault.transaction().unwrap();
    for number in [1, 2] {
        let message = Message {
            sender_id: alice,
            message_id: MessageId::from_bytes([number; 16]),
            peer_id: bob,
            outgoing: true,
            text: format!("old {number}"),
            sent_at: now,
            stored_at: now,
            state: MessageState::Queued,
            kind: MessageKind::Text,
            reply_to: None,
            edits: 0,
            deleted: false,
            expiry: None,
            expires_at: None,
        };
        tx.add_message(&message).unwrap();
        tx.enqueue(message.message_id, bob).unwrap();
    }
    tx.commit().unwrap();
    world.send("alice", "bob", "new");
    world.settle();
    assert_eq!(world.device("bob").received("alice"), ["old 1", "old 2", "new"]);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received; 3]);
    assert!(world.device("bob").notices().is_empty());
}

#[test]
fn each_content_names_the_one_before_it() {
    let mut world = talked("one");
    let first = last(&mut world, "alice", "bob");
    done(&mut world, "alice", react(&first, "👍"));
    world.send("alice", "bob", "two");
    world.settle();
    let bob = world.account_id("bob");
    let sent = world.device("alice").ask(|tx| tx.sent_contents_between(bob, 0, i64::MAX, 9).unwrap());
    assert_eq!(sent.len(), 3);
    assert_eq!(sent[0].previous_id, None);
    for pair in sent.windows(2) {
        assert_eq!(pair[1].previous_id, Some(pair[0].message_id));
    }
}

// T30: received and read only by proof.
#[test]
fn t30_received_and_read_are_proven_from_end_to_end() {
    let mut world = talked("hello");
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    read(&mut world, "bob", "alice");
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read]);
    assert_eq!(last(&mut world, "bob", "alice").state, MessageState::Read);
    assert_eq!(commands(&world, Opcode::MARK_READ), 1);
}

/// What a server claims of the only message that alice sent.
fn claim(world: &mut World, state: DeliveryState, proof: Vec<u8>) -> MessageState {
    let message = last(world, "alice", "bob");
    let row = proto::MessageState {
        message_id: message.message_id.as_bytes().to_vec().into(),
        recipient_id: world.account_id("bob").as_bytes().to_vec().into(),
        recipient_device: 1,
        state: state.into(),
        at_ms: 1,
        proof: proof.into(),
    };
    let push = Frame::command(Opcode::STATE_CHANGED, message.message_id, world.now, &row).unwrap();
    world.input("alice", Input::Frame(push));
    last(world, "alice", "bob").state
}

// T30: a lying server gets no farther than `sent`, and takes nothing back.
#[test]
fn t30_a_server_that_lies_about_receipts_is_not_believed() {
    let mut world = World::of_contacts();
    world.network_up = false;
    world.cut("bob");
    world.send("alice", "bob", "hello");
    while last(&mut world, "alice", "bob").state == MessageState::Queued {
        assert!(world.step());
    }
    let command =
        world.sent.iter().rfind(|frame| frame.header.opcode == Opcode::SEND_DIRECT).unwrap().clone();
    let received = world.device("alice").proof_for(&command, DeliveryState::Received);
    let read = world.device("alice").proof_for(&command, DeliveryState::Read);
    for (state, proof) in [
        (DeliveryState::Received, vec![]),
        (DeliveryState::Read, vec![]),
        (DeliveryState::Received, vec![0; 16]),
        (DeliveryState::Received, received[..15].to_vec()),
        // The proof of one state is none of the other.
        (DeliveryState::Read, received.clone()),
        (DeliveryState::Received, read.clone()),
    ] {
        assert_eq!(claim(&mut world, state, proof), MessageState::Sent, "{state:?}");
    }
    assert_eq!(claim(&mut world, DeliveryState::Received, received), MessageState::Received);
    assert_eq!(claim(&mut world, DeliveryState::Read, vec![]), MessageState::Received);
    assert_eq!(claim(&mut world, DeliveryState::Read, read), MessageState::Read);
    assert_eq!(claim(&mut world, DeliveryState::Sent, vec![]), MessageState::Read);
}

// T30: an unproven receipt still empties the outbox: the server has taken the message.
#[test]
fn t30_an_unproven_receipt_counts_as_sent() {
    let mut world = World::of_contacts();
    world.send("alice", "bob", "hello");
    let answer = world.intercept("alice", Opcode::SEND_DIRECT);
    let mut row: proto::MessageState = answer.read().unwrap();
    assert_eq!((row.state(), row.proof.len()), (DeliveryState::Received, 16));
    row.proof = vec![9; 16].into();
    world.forge("alice", &answer, &row);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Sent]);
    assert_eq!(world.device("alice").ask(|tx| tx.outbox_count().unwrap()), 0);
}

#[test]
fn what_was_read_offline_is_told_on_the_next_link() {
    let mut world = talked("hello");
    world.network_up = false;
    world.cut("bob");
    let shown = last(&mut world, "bob", "alice");
    world.intend("bob", Intent::MarkRead { messages: vec![(shown.peer, shown.message_id)] });
    world.crash("bob");
    world.settle_within(0);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
    world.network_up = true;
    world.settle();
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read]);
}

// In direct mode the sender may be away, and is told when they are back.
#[test]
fn a_read_that_cannot_be_told_is_told_again() {
    let mut world = talked("hello");
    for code in [Code::RECIPIENT_AWAY, Code::RECIPIENT_AWAY, Code::TOO_FAST] {
        world.server.plan(Opcode::MARK_READ, Mischief::Refuse(code, 0));
    }
    read(&mut world, "bob", "alice");
    assert_eq!(commands(&world, Opcode::MARK_READ), 4);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read]);
}

#[test]
fn a_sender_who_comes_back_is_told_at_once_what_was_read() {
    let mut world = talked("hello");
    for _ in 0..8 {
        world.server.plan(Opcode::MARK_READ, Mischief::Refuse(Code::RECIPIENT_AWAY, 3_600_000));
    }
    read(&mut world, "bob", "alice");
    assert_eq!(commands(&world, Opcode::MARK_READ), 1);
    world.server.mischief.clear();
    let here =
        proto::PeerHere { account_id: world.account_id("alice").as_bytes().to_vec().into(), device_id: 1 };
    let push = Frame::command(Opcode::PEER_HERE, MessageId::from_bytes([0; 16]), world.now, &here).unwrap();
    world.input("bob", Input::Frame(push));
    world.settle();
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read]);
}

#[test]
fn a_read_that_is_refused_for_good_is_not_told_again() {
    let mut world = talked("hello");
    world.server.plan(Opcode::MARK_READ, Mischief::Refuse(Code::NOT_A_CONTACT, 0));
    read(&mut world, "bob", "alice");
    world.cut("bob");
    world.settle();
    assert_eq!(commands(&world, Opcode::MARK_READ), 1);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

#[test]
fn each_message_is_told_as_read_once() {
    let mut world = talked("one");
    world.send("alice", "bob", "two");
    world.settle();
    read(&mut world, "bob", "alice");
    read(&mut world, "bob", "alice");
    assert_eq!(commands(&world, Opcode::MARK_READ), 1);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Read; 2]);
}

#[test]
fn read_receipts_can_be_switched_off() {
    let mut world = talked("hello");
    let settings = Settings { read_receipts: false, ..Settings::default() };
    done(&mut world, "bob", Intent::ChangeSettings { settings });
    assert_eq!(world.device("bob").ask(|tx| queries::settings(tx).unwrap()), settings);
    read(&mut world, "bob", "alice");
    // What was read while it was off is not told later either.
    done(&mut world, "bob", Intent::ChangeSettings { settings: Settings::default() });
    assert_eq!(commands(&world, Opcode::MARK_READ), 0);
    assert_eq!(last(&mut world, "bob", "alice").state, MessageState::Read);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

#[test]
fn only_messages_of_theirs_that_are_there_can_be_read() {
    let mut world = talked("hello");
    let own = last(&mut world, "alice", "bob");
    let nobody = "nobody".parse().unwrap();
    let unknown = MessageId::from_bytes([9; 16]);
    let messages = vec![(own.peer.clone(), own.message_id), (own.peer, unknown), (nobody, unknown)];
    done(&mut world, "alice", Intent::MarkRead { messages });
    assert_eq!(commands(&world, Opcode::MARK_READ), 0);
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

#[test]
fn a_reply_names_what_it_answers() {
    let mut world = talked("how are you?");
    let question = last(&mut world, "bob", "alice");
    let answer = |reply_to| Intent::SendText {
        to: "alice".parse().unwrap(),
        text: "well".to_owned(),
        reply_to: Some(reply_to),
    };
    done(&mut world, "bob", answer(question.name()));
    assert_eq!(last(&mut world, "bob", "alice").reply_to, Some(question.name()));
    let asked = history(&mut world, "alice", "bob")[0].name();
    assert_eq!(last(&mut world, "alice", "bob").reply_to, Some(asked));
    let unknown = MessageRef { message_id: MessageId::from_bytes([9; 16]), ..question.name() };
    assert_eq!(refused(&mut world, "bob", answer(unknown)), "message-unknown");
}

#[test]
fn reactions_come_change_and_go() {
    let mut world = talked("hello");
    let shown = last(&mut world, "bob", "alice");
    let of = |own, emoji: &str| ReactionView { own, emoji: emoji.to_owned() };
    done(&mut world, "bob", react(&shown, "👍"));
    done(&mut world, "bob", react(&shown, "🎉"));
    assert_eq!(last(&mut world, "bob", "alice").reactions, [of(true, "🎉")]);
    assert_eq!(last(&mut world, "alice", "bob").reactions, [of(false, "🎉")]);
    let told = world.device("alice").events.iter().rev().find_map(|event| match event {
        Event::MessageChanged(view) => Some(view.reactions.clone()),
        _ => None,
    });
    assert_eq!(told, Some(vec![of(false, "🎉")]));
    // One's own message can be reacted to as well.
    let own = last(&mut world, "alice", "bob");
    done(&mut world, "alice", react(&own, "🙂"));
    assert_eq!(last(&mut world, "bob", "alice").reactions.len(), 2);
    done(&mut world, "bob", react(&shown, ""));
    assert_eq!(last(&mut world, "alice", "bob").reactions, [of(true, "🙂")]);
    for (emoji, word) in
        [("x".repeat(REACTION_BYTES_MAX + 1), "reaction-length"), ("\n".into(), "reaction-length")]
    {
        assert_eq!(refused(&mut world, "bob", react(&shown, &emoji)), word);
    }
    let unknown = MessageRef { message_id: MessageId::from_bytes([9; 16]), ..shown.name() };
    let intent = Intent::React { message: unknown, emoji: "👍".to_owned() };
    assert_eq!(refused(&mut world, "bob", intent), "message-unknown");
}

#[test]
fn an_edit_replaces_the_text_for_both() {
    let mut world = talked("helo");
    let own = last(&mut world, "alice", "bob");
    done(&mut world, "alice", edit(&own, "hello"));
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        let messages = history(&mut world, who, with);
        assert_eq!(messages.len(), 1);
        assert_eq!((messages[0].text.as_str(), messages[0].edits), ("hello", 1));
    }
    assert_eq!(world.device("alice").sent_states("bob"), [MessageState::Received]);
}

// T65: on one's own device too, nobody edits or deletes what another wrote.
#[test]
fn t65_only_the_author_can_edit_or_delete() {
    let mut world = talked("hello");
    let theirs = last(&mut world, "bob", "alice");
    assert_eq!(refused(&mut world, "bob", edit(&theirs, "goodbye")), "message-unknown");
    assert_eq!(refused(&mut world, "bob", delete(&theirs)), "message-unknown");
    assert_eq!(last(&mut world, "alice", "bob").text, "hello");
}

// T65: a client that claims another's message as its own is not heeded.
#[test]
fn t65_edits_and_deletions_by_others_have_no_effect_and_are_settled_silently() {
    let mut world = talked("hello");
    let message_id = last(&mut world, "bob", "alice").message_id;
    world.tell("bob", "alice", Body::Edit { message_id, text: "goodbye".to_owned() });
    world.tell("bob", "alice", Body::Deletion { message_id });
    let messages = history(&mut world, "alice", "bob");
    assert_eq!(messages.len(), 1);
    assert_eq!((messages[0].text.as_str(), messages[0].edits, messages[0].deleted), ("hello", 0, false));
    assert_eq!(silences(&world), [false, true, true]);
    assert!(world.server.queues.values().all(Vec::is_empty));
}

// T65: the history of edits is capped, on both sides.
#[test]
fn t65_a_message_can_be_edited_so_often_and_not_once_more() {
    let mut world = talked("0");
    let own = last(&mut world, "alice", "bob");
    for number in 1..=EDITS_MAX {
        done(&mut world, "alice", edit(&own, &number.to_string()));
    }
    assert_eq!(last(&mut world, "bob", "alice").edits, EDITS_MAX);
    assert_eq!(refused(&mut world, "alice", edit(&own, "once more")), "edits-used-up");
    // A client that forgets to count.
    world.tell("alice", "bob", Body::Edit { message_id: own.message_id, text: "once more".to_owned() });
    let shown = last(&mut world, "bob", "alice");
    assert_eq!((shown.text, shown.edits), (EDITS_MAX.to_string(), EDITS_MAX));
}

#[test]
fn a_deletion_wipes_a_message_out_for_both() {
    let mut world = talked("hello");
    let own = last(&mut world, "alice", "bob");
    let shown = last(&mut world, "bob", "alice");
    done(&mut world, "alice", edit(&own, "hello again"));
    done(&mut world, "bob", react(&shown, "👍"));
    done(&mut world, "alice", delete(&own));
    for (who, with) in [("alice", "bob"), ("bob", "alice")] {
        let left = last(&mut world, who, with);
        assert!(
            left.deleted && left.text.is_empty() && left.reactions.is_empty() && left.edits == 0,
            "{who}"
        );
    }
    let (alice, bob) = (world.account_id("alice"), world.account_id("bob"));
    // The deletion alone is left to be asked for again; of bob's words nothing.
    for (who, peer, count) in [("alice", bob, 1), ("bob", alice, 0)] {
        assert_eq!(world.device(who).kept_for(peer), count, "{who}");
    }
    for intent in [delete(&own), edit(&own, "back"), react(&own, "👍")] {
        assert_eq!(refused(&mut world, "alice", intent), "message-unknown");
    }
    assert_eq!(refused(&mut world, "bob", react(&shown, "👍")), "message-unknown");
}

// What never left and never will is no gap to wait for, wherever in the order it stood.
#[test]
fn what_is_deleted_before_it_left_leaves_no_mark() {
    let mut world = World::of_contacts();
    world.network_up = false;
    world.cut("alice");
    for text in ["one", "two", "three", "four", "five"] {
        world.send("alice", "bob", text);
    }
    for at in [0, 2, 3] {
        let message = history(&mut world, "alice", "bob").remove(at);
        world.intend("alice", delete(&message));
    }
    world.network_up = true;
    world.settle_within(6 * 60_000);
    assert_eq!(world.device("bob").received("alice"), ["two", "five"]);
    assert!(world.device("bob").notices().is_empty(), "{:?}", world.device("bob").notices());
    assert_eq!(world.device("alice").ask(|tx| tx.outbox_count().unwrap()), 0);
    // Nor does he ask for it: it never was in the order.
    let bob = world.account_id("bob");
    let is_bobs = |frame: &&Frame| {
        frame.header.opcode == Opcode::SEND_DIRECT
            && frame.read::<proto::Envelope>().unwrap().sender_id.as_ref() == bob.as_bytes()
    };
    assert_eq!(world.sent.iter().filter(is_bobs).count(), 0);
}

// T44: a probe learns nothing; only what is shown is told as received.
#[test]
fn t44_probes_are_settled_silently() {
    let mut world = talked("hello");
    let own = last(&mut world, "alice", "bob");
    for intent in [react(&own, "👍"), edit(&own, "again"), delete(&own)] {
        done(&mut world, "alice", intent);
    }
    assert_eq!(silences(&world), [false, true, true, true]);
    // To messages that bob does not have.
    let mut world = talked("hello");
    let own = last(&mut world, "alice", "bob");
    let name = MessageName { author_id: world.account_id("alice"), message_id: own.message_id };
    let tx = world.device("bob").vault.transaction().unwrap();
    tx.erase_message(name).unwrap();
    tx.commit().unwrap();
    let before = world.device("bob").events.len();
    for intent in [react(&own, "👍"), edit(&own, "again"), delete(&own)] {
        done(&mut world, "alice", intent);
    }
    assert_eq!(silences(&world), [false, true, true, true]);
    assert_eq!(world.device("bob").events.len(), before, "nobody is told of a probe");
    let received = world.server.places.values().filter(|place| place.state == DeliveryState::Received);
    assert_eq!(received.count(), 1);
}

// A conversation is between two: nobody reaches into another one.
#[test]
fn t65_a_reaction_reaches_only_its_own_conversation() {
    let mut world = World::of_contacts();
    world.add_registered("carol", 3);
    world.befriend("carol", "bob");
    world.start("carol");
    world.settle();
    world.send("alice", "bob", "for bob alone");
    world.settle();
    let theirs = last(&mut world, "bob", "alice");
    let alice = world.account_id("alice");
    // Carol has somehow learned the id, and her client reacts to alice's message as if it were one of hers with bob.
    let target = MessageName { author_id: alice, message_id: theirs.message_id };
    world.tell("carol", "bob", Body::Reaction(Reaction { target, emoji: "👎".to_owned() }));
    assert!(last(&mut world, "bob", "alice").reactions.is_empty());
    assert_eq!(silences(&world), [false, true]);
}

#[test]
fn a_queued_text_is_answered_with_its_id() {
    let mut world = World::of_contacts();
    let request = world.send("alice", "bob", "hello");
    let Some(Ok(Outcome::Queued { message_id })) = world.device("alice").answer(request) else { panic!() };
    assert_eq!(last(&mut world, "alice", "bob").message_id, message_id);
}
