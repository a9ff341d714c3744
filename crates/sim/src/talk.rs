//! What people do with messages and with each other.
//!
//! Invariant: whatever a person does goes to the core as an intent of a view would; what a person may do is looked up where a
//! view would look it up.

use tacite_core::{Intent, MessageKind, MessageRef, MessageView};

use crate::checks::history;
use crate::person::NAMES;
use crate::plan::Gesture;
use crate::world::World;

/// What people react with; the empty one takes a reaction back.
const EMOJI: [&str; 4] = ["👍", "🎉", "😢", ""];

impl World {
    /// Somebody types and sends.
    pub(crate) fn write(&mut self, from: usize, to: usize) {
        if !self.people[from].runs {
            return;
        }
        let reply_to = if self.dice.per_mille(100) { self.some_message(from, to, false) } else { None };
        let text = self.truth.compose(from, to, self.next_request(from), &mut self.dice);
        let number = self.truth.count() - 1;
        self.tell(format_args!("{} writes message {number} to {}", NAMES[from], NAMES[to]));
        let to = self.people[to].handle.clone();
        self.intend(from, Intent::SendText { to, text, reply_to: reply_to.map(|row| row.name()) });
    }

    /// Somebody does something with what stands in a conversation.
    pub(crate) fn gesture(&mut self, person: usize, peer: usize, gesture: Gesture) {
        if !self.people[person].runs {
            return;
        }
        let Some(intent) = self.intent_of(person, peer, gesture) else { return };
        self.tell(format_args!("{}: {gesture:?} in the conversation with {}", NAMES[person], NAMES[peer]));
        self.intend(person, intent);
    }

    fn intent_of(&mut self, person: usize, peer: usize, gesture: Gesture) -> Option<Intent> {
        let to = self.people[peer].handle.clone();
        Some(match gesture {
            Gesture::Read => {
                let rows = history(&mut self.people[person].vault, &to).into_iter();
                let messages = rows.filter(|row| !row.outgoing).map(|row| (to.clone(), row.message_id));
                Intent::MarkRead { messages: messages.collect() }
            }
            Gesture::React => {
                let message: MessageRef = self.some_message(person, peer, false)?.name();
                Intent::React { message, emoji: (*self.dice.pick(&EMOJI)).to_owned() }
            }
            Gesture::Edit => {
                let row = self.some_message(person, peer, true)?;
                let number = row.text.rsplit(' ').next().unwrap_or_default().to_owned();
                let text = self.truth.compose_again(&number, &mut self.dice);
                Intent::Edit { to, message_id: row.message_id, text }
            }
            Gesture::Delete => {
                let message_id = self.some_message(person, peer, true)?.message_id;
                Intent::Delete { to, message_id }
            }
        })
    }

    /// A text of a conversation that is not deleted: one's own, or any.
    fn some_message(&mut self, person: usize, peer: usize, own: bool) -> Option<MessageView> {
        let peer = self.people[peer].handle.clone();
        let mut rows = history(&mut self.people[person].vault, &peer);
        rows.retain(|row| row.kind == MessageKind::Text && !row.deleted && (row.outgoing || !own));
        if rows.is_empty() { None } else { Some(self.dice.pick(&rows).clone()) }
    }

    /// Somebody asks to become a contact; asked again if a program died over it.
    pub(crate) fn meet(&mut self, asker: usize, other: usize) {
        self.wishes.insert((asker, other));
        let handle = self.people[other].handle.clone();
        self.tell(format_args!("{} asks {handle} to become a contact", NAMES[asker]));
        self.intend(asker, Intent::RequestContact { handle });
    }

    /// Somebody accepts a request.
    pub(crate) fn accept(&mut self, index: usize, asker: usize) {
        let handle = self.people[asker].handle.clone();
        self.intend(index, Intent::AcceptContact { handle });
    }
}
