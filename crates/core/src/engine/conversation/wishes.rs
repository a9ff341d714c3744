//! What a person wants of a conversation, done in the vault at once; whom it concerns hears of it through the outbox.
//!
//! Invariants: a wish is carried out entirely or not at all; what replaces something earlier of the same person bears a later time,
//! whatever the clock shows, so that everybody agrees which of them is the newest.

use tacite_model::limits::{EDITS_MAX, REACTION_BYTES_MAX, TEXT_BYTES_MAX};
use tacite_model::{Expiry, Handle, MessageId, MessageName};
use tacite_seal::{Body, Reaction, Text};
use tacite_vault::{Contact, Message, MessageKind, MessageState, Standing, TimerSetting};
use tacite_wire::Code;

use super::incoming::is_alterable;
use super::outgoing::{leave_chain, queue_content, queue_content_of};
use super::receipts;
use crate::contract::{ContactNote, MessageRef};
use crate::engine::Turn;
use crate::{CoreError, Event, Intent, Outcome, Problem};

/// Most bytes of a person's own name for a contact.
const OWN_NAME_BYTES_MAX: usize = 256;
/// Most bytes of a person's notes about a contact.
const NOTES_BYTES_MAX: usize = 65_536;

/// What a wish came to, or why it cannot be.
pub(in crate::engine) type Done = Result<Result<Outcome, Problem>, CoreError>;

/// Carries out what the vault alone can carry out.
pub(in crate::engine) fn perform(turn: &mut Turn<'_, '_>, intent: Intent) -> Done {
    if turn.tx.account()?.is_none() {
        return Ok(Err(Problem::not_registered()));
    }
    match intent {
        Intent::SendText { to, text, reply_to } => send_text(turn, &to, text, reply_to.as_ref()),
        Intent::React { message, emoji } => react(turn, &message, emoji),
        Intent::Edit { to, message_id, text } => edit(turn, &to, message_id, text),
        Intent::Delete { to, message_id } => delete(turn, &to, message_id),
        Intent::SetTimer { with, timer } => set_timer(turn, &with, timer),
        Intent::MarkRead { messages } => mark_read(turn, &messages),
        Intent::NoteContact { handle, note } => note_contact(turn, &handle, note),
        Intent::ChangeSettings { settings } => {
            turn.tx.save_settings(settings)?;
            Ok(Ok(Outcome::Done))
        }
        _ => Err(CoreError::Internal("an intent that is carried out elsewhere")),
    }
}

fn send_text(turn: &mut Turn<'_, '_>, to: &Handle, text: String, reply_to: Option<&MessageRef>) -> Done {
    if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
        return Ok(Err(Problem::text_length()));
    }
    let contact = match reachable(turn, to)? {
        Ok(contact) => contact,
        Err(problem) => return Ok(Err(problem)),
    };
    let reply_to = match reply_to {
        None => None,
        Some(name) => match target(turn, name)? {
            Some(message) if message.peer_id == contact.account_id => Some(message.name()),
            _ => return Ok(Err(Problem::message_unknown())),
        },
    };
    let body = Body::Text(Text { text: text.clone(), reply_to });
    let content = queue_content(turn, contact.account_id, body)?;
    let message =
        Message { reply_to, expiry: content.expiry, ..outgoing(turn, &contact, content.message_id, text)? };
    turn.tx.add_message(&message)?;
    turn.tx.set_receipt_key(message.name(), content.receipt_key.as_bytes())?;
    Ok(Ok(Outcome::Queued { message_id: content.message_id }))
}

fn react(turn: &mut Turn<'_, '_>, to: &MessageRef, emoji: String) -> Done {
    if emoji.len() > REACTION_BYTES_MAX || emoji.contains(char::is_control) {
        return Ok(Err(Problem::reaction_length()));
    }
    let contact = match reachable(turn, &to.peer)? {
        Ok(contact) => contact,
        Err(problem) => return Ok(Err(problem)),
    };
    let Some(message) = target(turn, to)?.filter(is_alterable) else {
        return Ok(Err(Problem::message_unknown()));
    };
    let own_id = turn.account()?.account_id;
    let set_at = turn.tx.next_reaction_at(message.name(), own_id, turn.clock)?;
    if turn.tx.set_reaction(message.name(), own_id, &emoji, set_at)? {
        let reaction = Reaction { target: message.name(), emoji };
        queue_content_of(turn, contact.account_id, Body::Reaction(reaction), set_at)?;
        turn.tell_message_changed(message)?;
    }
    Ok(Ok(Outcome::Done))
}

fn edit(turn: &mut Turn<'_, '_>, to: &Handle, message_id: MessageId, text: String) -> Done {
    if !(1..=TEXT_BYTES_MAX).contains(&text.len()) {
        return Ok(Err(Problem::text_length()));
    }
    let contact = match reachable(turn, to)? {
        Ok(contact) => contact,
        Err(problem) => return Ok(Err(problem)),
    };
    let Some(message) = own_message(turn, &contact, message_id)?.filter(is_alterable) else {
        return Ok(Err(Problem::message_unknown()));
    };
    if message.edits >= EDITS_MAX {
        return Ok(Err(Problem::edits_used_up()));
    }
    let edited_at = turn.tx.next_edit_at(message.name(), turn.clock)?;
    turn.tx.edit_message(message.name(), &text, edited_at)?;
    queue_content_of(turn, contact.account_id, Body::Edit { message_id, text }, edited_at)?;
    turn.tell_changed(message.name())?;
    Ok(Ok(Outcome::Done))
}

fn delete(turn: &mut Turn<'_, '_>, to: &Handle, message_id: MessageId) -> Done {
    let contact = match reachable(turn, to)? {
        Ok(contact) => contact,
        Err(problem) => return Ok(Err(problem)),
    };
    let Some(message) = own_message(turn, &contact, message_id)? else {
        return Ok(Err(Problem::message_unknown()));
    };
    if message.kind != MessageKind::Text || message.deleted {
        return Ok(Err(Problem::message_unknown()));
    }
    leave_chain(turn, message.name())?;
    turn.tx.wipe_message(message.name())?;
    queue_content(turn, contact.account_id, Body::Deletion { message_id })?;
    turn.tell_changed(message.name())?;
    Ok(Ok(Outcome::Done))
}

fn set_timer(turn: &mut Turn<'_, '_>, with: &Handle, timer: Option<Expiry>) -> Done {
    if timer.is_some_and(|timer| Expiry::new(timer.after_ms, timer.start).is_none()) {
        return Ok(Err(Problem::timer_length()));
    }
    let contact = match reachable(turn, with)? {
        Ok(contact) => contact,
        Err(problem) => return Ok(Err(problem)),
    };
    if turn.tx.timer(contact.account_id)? == timer {
        return Ok(Ok(Outcome::Done));
    }
    let set_at = turn.tx.next_timer_at(contact.account_id, turn.clock)?;
    let setting = TimerSetting { expiry: timer, set_at, set_by: turn.account()?.account_id };
    turn.tx.set_timer(contact.account_id, setting)?;
    let content = queue_content_of(turn, contact.account_id, Body::Timer(timer), set_at)?;
    let message = Message {
        kind: MessageKind::Timer,
        expiry: timer,
        ..outgoing(turn, &contact, content.message_id, String::new())?
    };
    turn.tx.add_message(&message)?;
    turn.tell(Event::TimerChanged { handle: contact.handle, timer });
    Ok(Ok(Outcome::Done))
}

/// What cannot be found was shown all the same, and has disappeared since.
fn mark_read(turn: &mut Turn<'_, '_>, messages: &[(Handle, MessageId)]) -> Done {
    for (peer, message_id) in messages {
        let Some(contact) = turn.tx.contact_by_handle(peer)? else { continue };
        if let Some(message) = turn.tx.message(contact.account_id, *message_id)? {
            receipts::mark_read(turn, &message)?;
        }
    }
    Ok(Ok(Outcome::Done))
}

fn note_contact(turn: &mut Turn<'_, '_>, handle: &Handle, note: ContactNote) -> Done {
    let Some(mut contact) = turn.tx.contact_by_handle(handle)? else {
        return Ok(Err(Problem::of(Code::NOT_A_CONTACT)));
    };
    match note {
        ContactNote::OwnName(name) if name.len() > OWN_NAME_BYTES_MAX => {
            return Ok(Err(Problem::note_length()));
        }
        ContactNote::Notes(notes) if notes.len() > NOTES_BYTES_MAX => return Ok(Err(Problem::note_length())),
        ContactNote::OwnName(name) => contact.own_name = name,
        ContactNote::Notes(notes) => contact.notes = notes,
        // Without a key there is nothing that could have been compared.
        ContactNote::Verified(true) if contact.identity_key.is_none() => {
            return Ok(Err(Problem::no_key_yet()));
        }
        ContactNote::Verified(verified) => contact.verified = verified,
    }
    turn.tx.save_contact(&contact)?;
    Ok(Ok(Outcome::Done))
}

/// An accepted contact who is not blocked.
fn reachable(turn: &Turn<'_, '_>, handle: &Handle) -> Result<Result<Contact, Problem>, CoreError> {
    Ok(match turn.tx.contact_by_handle(handle)? {
        Some(contact) if contact.blocked => Err(Problem::blocked(handle)),
        Some(contact) if contact.standing == Standing::Accepted => Ok(contact),
        _ => Err(Problem::of(Code::NOT_A_CONTACT)),
    })
}

/// The message that a view means.
fn target(turn: &Turn<'_, '_>, named: &MessageRef) -> Result<Option<Message>, CoreError> {
    let Some(contact) = turn.tx.contact_by_handle(&named.peer)? else { return Ok(None) };
    let author_id = if named.outgoing { turn.account()?.account_id } else { contact.account_id };
    let message = turn.tx.message(author_id, named.message_id)?;
    Ok(message.filter(|message| message.peer_id == contact.account_id))
}

fn own_message(
    turn: &Turn<'_, '_>,
    contact: &Contact,
    message_id: MessageId,
) -> Result<Option<Message>, CoreError> {
    let message = turn.tx.message(turn.account()?.account_id, message_id)?;
    Ok(message.filter(|message| message.peer_id == contact.account_id))
}

/// A message of ours that is written now.
fn outgoing(
    turn: &Turn<'_, '_>,
    contact: &Contact,
    message_id: MessageId,
    text: String,
) -> Result<Message, CoreError> {
    let name = MessageName { author_id: turn.account()?.account_id, message_id };
    Ok(Message {
        peer_id: contact.account_id,
        outgoing: true,
        state: MessageState::Queued,
        ..super::incoming::incoming(turn, name, text)
    })
}
