//! What must hold when a world has healed and come to rest.
//!
//! Invariants checked: every text that its writer was told is accepted stands once at its recipient, or the writer is told;
//! in the same order on both sides; both sides agree on what became of it; nobody was told anything alarming.

use std::collections::{BTreeMap, BTreeSet};

use tacite_core::{LinkStatus, MessageKind, MessageState, MessageView, Standing, Vault, VaultError, queries};
use tacite_model::{Handle, MessageId, Timestamp};

use crate::person::NAMES;
use crate::world::World;

/// What may be told where a message can come later than five turns of the conversation: its keys are gone by then. It is asked for
/// again, and no line may stay.
const MESSAGE_UNREADABLE: &str = "message-unreadable";
/// What may be told where single frames get lost, or a clock is set forward over the time that a message is waited for.
const MESSAGES_MISSING: &str = "messages-missing";
/// What may be told where frames come twice: device and server count them.
const VAULT_RESTORED: &str = "vault-restored";
/// What may be told in a world in which an old copy of a vault came back.
const TOLD_AFTER_RESTORING: [&str; 5] =
    [VAULT_RESTORED, MESSAGE_UNREADABLE, "asked-too-often", MESSAGES_MISSING, "body-missing"];
/// How often a device asks for a message that it could not read.
const ASKS_MAX: u32 = 3;
/// Messages of one conversation that are looked at: more than there ever are.
const HISTORY_MAX: u32 = 100_000;

impl World {
    /// What is not quiet yet; `None`: the world is at rest.
    pub(crate) fn unrest(&mut self) -> Option<String> {
        if self.agenda.has_messages() {
            return Some(String::from("messages are on their way"));
        }
        if self.has_trips() {
            return Some(String::from("somebody waits for the depot"));
        }
        let handles: Vec<Handle> = self.people.iter().map(|person| person.handle.clone()).collect();
        // A device that takes itself for an old copy sends again, under other names, what may be there: nobody is told of that.
        let sent_again = self.truth.notices.iter().any(|(_, word)| *word == VAULT_RESTORED);
        let sent_again = sent_again || self.truth.was_restored();
        let is_open = |state: MessageState| !(is_settled(state) || sent_again && state == MessageState::Sent);
        for (person, name) in self.people.iter_mut().zip(NAMES) {
            if person.core.link() != LinkStatus::Level {
                return Some(format!("{name} is not level: {:?}", person.core.link()));
            }
            let unreported = person.vault.transaction().and_then(|tx| tx.read_senders());
            if !unreported.is_ok_and(|senders| senders.is_empty()) {
                return Some(format!("{name} has not reported what was read"));
            }
            // Once they are replaced it asks for what it missed.
            let is_stale = person.vault.transaction().and_then(|tx| tx.are_keys_stale());
            if !is_stale.is_ok_and(|stale| !stale) {
                return Some(format!("{name} has not replaced its keys"));
            }
            match asks_on(&mut person.vault) {
                Ok(false) => {}
                Ok(true) => return Some(format!("{name} asks for what could not be read")),
                Err(error) => return Some(format!("the vault of {name} cannot be read: {error}")),
            }
            for peer in &handles {
                match waiting(&mut person.vault, peer) {
                    Ok(Waiting { is_queued: false, held: 0 }) => {}
                    Ok(Waiting { is_queued: true, .. }) => {
                        return Some(format!("messages to {peer} in the outbox of {name}"));
                    }
                    Ok(_) => return Some(format!("{name} holds messages of {peer} back")),
                    Err(error) => return Some(format!("the vault of {name} cannot be read: {error}")),
                }
                let history = history(&mut person.vault, peer);
                let open = history.iter().find(|row| row.outgoing && !row.deleted && is_open(row.state));
                if let Some(open) = open {
                    return Some(format!("message {} of {name} to {peer} is {:?}", number(open), open.state));
                }
            }
        }
        let all = self.wishes.clone();
        let mut strangers = |(one, other): &(usize, usize)| {
            !self.has_contact(*one, *other) || !self.has_contact(*other, *one)
        };
        let wished = all.into_iter().find(&mut strangers);
        wished.map(|(one, other)| format!("{one} and {other} are no contacts yet"))
    }

    /// Whether somebody has somebody for a contact.
    pub(crate) fn has_contact(&mut self, one: usize, other: usize) -> bool {
        let handle = self.people[other].handle.clone();
        let found = self.people[one].vault.transaction().and_then(|tx| tx.contact_by_handle(&handle));
        found.ok().flatten().is_some_and(|contact| contact.standing == Standing::Accepted)
    }

    /// Looks at everything; what is wrong is noted.
    pub(crate) fn check(&mut self) {
        for from in 0..self.people.len() {
            for to in 0..self.people.len() {
                if from != to {
                    self.check_way(from, to);
                }
            }
        }
        let notices = std::mem::take(&mut self.truth.notices);
        for (person, word) in notices {
            if !self.may_be_told(word) {
                self.wrong(format!("{} was told {word}", NAMES[person]));
            }
        }
        if self.server.disk.has_leaked() {
            self.wrong(String::from("what a person wrote stands in a file of the server"));
        }
    }

    /// What a person may be told by the way without anything being wrong.
    fn may_be_told(&self, word: &str) -> bool {
        (self.truth.was_restored() && TOLD_AFTER_RESTORING.contains(&word))
            || ((self.hostile.is_on() || self.clock_leaps) && word == MESSAGES_MISSING)
            || (self.hostile.delays_messages() && word == MESSAGE_UNREADABLE)
            || (self.hostile.doubles > 0 && word == VAULT_RESTORED)
    }

    /// One person's messages to another.
    fn check_way(&mut self, from: usize, to: usize) {
        let (from_handle, to_handle) = (self.people[from].handle.clone(), self.people[to].handle.clone());
        let way = format!("{from_handle} → {to_handle}");
        let sent = history(&mut self.people[from].vault, &to_handle);
        let sent: Vec<MessageView> = sent.into_iter().filter(|row| row.outgoing && is_text(row)).collect();
        let received = history(&mut self.people[to].vault, &from_handle);
        let received: Vec<MessageView> =
            received.into_iter().filter(|row| !row.outgoing && is_text(row)).collect();
        let arrived: BTreeMap<MessageId, &MessageView> =
            received.iter().map(|row| (row.message_id, row)).collect();
        let mut faults = Vec::new();

        let mut texts = BTreeSet::new();
        let destroyed = &self.truth.destroyed;
        for row in received.iter().filter(|row| !row.deleted) {
            if row.state == MessageState::Unreadable {
                // Who wrote it may not have it any more.
                if !destroyed.contains(&(from, row.message_id)) {
                    faults.push(format!("{way}: message {} cannot be read", row.message_id));
                }
            } else if !texts.insert(number(row)) {
                faults.push(format!("{way}: message {} stands twice: doubled", number(row)));
            }
        }
        for typed in self.truth.typed().iter().filter(|typed| (typed.from, typed.to) == (from, to)) {
            let Some(id) = typed.accepted else { continue };
            let is_excused = destroyed.contains(&(from, id));
            let own = sent.iter().find(|row| row.message_id == id);
            let is_told = own.is_some_and(|row| is_given_up(row.state) || row.deleted);
            let has_come = arrived.get(&id).is_some_and(|row| row.text == typed.text || is_changed(row));
            if !has_come && !is_told && !is_excused {
                faults.push(format!("{way}: message {} is lost", last_word(&typed.text)));
            }
        }
        for row in &sent {
            let has_come = arrived.contains_key(&row.message_id);
            let is_excused = destroyed.contains(&(from, row.message_id));
            if is_given_up(row.state) == has_come && !is_excused && !row.deleted {
                let (number, state) = (number(row), row.state);
                faults.push(format!("{way}: message {number} is {state:?}, but arrived: {has_come}"));
            }
            if is_given_up(row.state) && !self.truth.was_restored() {
                faults.push(format!("{way}: message {} was given up", number(row)));
            }
        }
        for row in &sent {
            let Some(came) = arrived.get(&row.message_id) else { continue };
            let difference = difference(row, came);
            if !difference.is_empty() && !self.truth.was_restored() {
                faults.push(format!("{way}: message {} differs: {difference}", number(came)));
            }
        }
        let in_order: Vec<MessageId> =
            sent.iter().map(|row| row.message_id).filter(|id| arrived.contains_key(id)).collect();
        let came: Vec<MessageId> =
            received.iter().map(|row| row.message_id).filter(|id| in_order.contains(id)).collect();
        if in_order != came && !self.hostile.is_on() && !self.truth.was_restored() {
            faults.push(format!("{way}: the order differs"));
        }
        for fault in faults {
            self.wrong(fault);
        }
    }
}

/// What is not done yet between a person and somebody in the world. Contacts who are in no world at all never come.
struct Waiting {
    is_queued: bool,
    held: usize,
}

fn waiting(vault: &mut Vault, peer: &Handle) -> Result<Waiting, VaultError> {
    let tx = vault.transaction()?;
    let Some(contact) = tx.contact_by_handle(peer)? else { return Ok(Waiting { is_queued: false, held: 0 }) };
    let is_queued = tx.outbox_after(contact.account_id, 0)?.is_some();
    Ok(Waiting { is_queued, held: tx.held_count(contact.account_id)? })
}

/// Whether somebody will ask once more for a message that could not be read. After the third time nobody waits for an answer.
fn asks_on(vault: &mut Vault) -> Result<bool, VaultError> {
    let at_any_time = Timestamp::from_ms(u64::MAX);
    let unreadable = vault.transaction()?.unreadable_due(at_any_time, HISTORY_MAX as usize)?;
    Ok(unreadable.iter().any(|unreadable| unreadable.asks < ASKS_MAX))
}

/// A conversation, from the vault.
pub(crate) fn history(vault: &mut Vault, peer: &Handle) -> Vec<MessageView> {
    let read = vault.transaction().and_then(|tx| queries::history(&tx, peer, HISTORY_MAX));
    read.ok().flatten().unwrap_or_default()
}

/// Whether its author has changed it since.
const fn is_changed(row: &MessageView) -> bool {
    row.edits > 0 || row.deleted
}

/// What the two sides see differently.
fn difference(sent: &MessageView, came: &MessageView) -> &'static str {
    let reaction = |row: &MessageView, own: bool| {
        row.reactions.iter().find(|reaction| reaction.own == own).map(|reaction| reaction.emoji.clone())
    };
    let is_read = |row: &MessageView| row.state == MessageState::Read;
    if sent.deleted != came.deleted {
        "deleted"
    } else if (&sent.text, sent.edits) != (&came.text, came.edits) {
        "edited"
    } else if [true, false].into_iter().any(|own| reaction(sent, own) != reaction(came, !own)) {
        "reactions"
    } else if !sent.deleted && is_read(sent) != is_read(came) {
        "read"
    } else {
        ""
    }
}

fn is_text(row: &MessageView) -> bool {
    row.kind == MessageKind::Text
}

/// The number of a text: its last word.
fn number(row: &MessageView) -> &str {
    last_word(&row.text)
}

fn last_word(text: &str) -> &str {
    text.rsplit(' ').next().unwrap_or_default()
}

/// The writer knows that it did not arrive.
const fn is_given_up(state: MessageState) -> bool {
    matches!(state, MessageState::Failed | MessageState::Expired)
}

const fn is_settled(state: MessageState) -> bool {
    is_given_up(state) || matches!(state, MessageState::Received | MessageState::Read)
}
