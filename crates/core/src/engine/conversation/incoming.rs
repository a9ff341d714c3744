//! The one way in: what a content that was opened does to the vault.
//!
//! Invariants: nobody changes another's message (T65); what is deleted or has disappeared does not come back, whoever sends it
//! again (T64); what a content is about must belong to the conversation with its sender; what its sender did with a message of
//! their own that is missing, or cannot be read yet, is done when that message comes; of several edits of a message, and of several
//! reactions of a person to it, the newest counts, in whichever order they come.
//!
//! The newest is the one with the latest time inside its content: no server can change that, and whoever edits or reacts takes a
//! later one than before, whatever their clock shows (`wishes`). The chain of contents would not do: it has holes where contents are
//! missing, and whoever drops enough of them can have a hole forgotten. Nor would a number: two copies of a vault give it twice.

use tacite_model::limits::{DAY_MS, EDITS_MAX, HELD_MESSAGES_MAX};
use tacite_model::{Expiry, ExpiryStart, MessageId, MessageName, Secret, Timestamp};
use tacite_seal::{Body, Content, Reaction};
use tacite_vault::{Contact, Early, Message, MessageKind, MessageState, TimerSetting};

use super::receipts::advance_sent;
use crate::engine::{Turn, order};
use crate::{CoreError, Event};

/// What became of a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Applied {
    /// It is a text of theirs to show: its sender may know that it came.
    Shown,
    /// Anything else, or nothing at all: its sender learns nothing (T44).
    Silent,
}

/// Applies a content that came from `contact` and was not received before.
pub(in crate::engine) fn apply(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    content: Content,
) -> Result<Applied, CoreError> {
    let name = MessageName { author_id: contact.account_id, message_id: content.known_id() };
    if let Some(target_id) = missing_target(turn, contact, &content.body)? {
        keep_early(turn, name, target_id, &content)?;
        return Ok(Applied::Silent);
    }
    let Content { sent_at, expiry, receipt_key, body, .. } = content;
    match body {
        Body::Text(text) => {
            let message = Message { sent_at, expiry, ..incoming(turn, name, text.text) };
            return show(
                turn,
                contact,
                Message { reply_to: text.reply_to, ..message },
                receipt_key.as_bytes(),
            );
        }
        Body::Reaction(reaction) => react(turn, contact, &reaction, sent_at)?,
        Body::Edit { message_id, text } => edit(turn, MessageName { message_id, ..name }, &text, sent_at)?,
        Body::Deletion { message_id } => delete(turn, MessageName { message_id, ..name })?,
        Body::Timer(timer) => {
            let message = Message { sent_at, ..incoming(turn, name, String::new()) };
            set_timer(turn, contact, message, timer)?;
        }
        Body::Read { message_ids } => note_read(turn, contact, &message_ids)?,
        // Healing is the business of whoever opened the content.
        Body::ResendRequest(_) | Body::Gone(_) => {}
    }
    Ok(Applied::Silent)
}

/// A message of somebody else that is stored now.
pub(in crate::engine) fn incoming(turn: &Turn<'_, '_>, name: MessageName, text: String) -> Message {
    Message {
        sender_id: name.author_id,
        message_id: name.message_id,
        peer_id: name.author_id,
        outgoing: false,
        text,
        sent_at: turn.clock,
        stored_at: turn.clock,
        state: MessageState::Received,
        kind: MessageKind::Text,
        reply_to: None,
        edits: 0,
        deleted: false,
        expiry: None,
        expires_at: None,
    }
}

fn show(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    mut message: Message,
    receipt_key: &[u8; 32],
) -> Result<Applied, CoreError> {
    let own_id = turn.account()?.account_id;
    let is_of_us = |name: &MessageName| name.author_id == own_id || name.author_id == contact.account_id;
    message.reply_to = message.reply_to.filter(is_of_us);
    let name = message.name();
    if !turn.tx.add_message(&message)? {
        return Ok(Applied::Silent);
    }
    turn.tx.set_receipt_key(name, receipt_key)?;
    if let Some(Expiry { after_ms, start: ExpiryStart::Receipt }) = message.expiry {
        let expires_at = turn.now.plus_ms(after_ms);
        turn.tx.expire_message_at(name, expires_at)?;
        message.expires_at = Some(expires_at);
    }
    turn.tell_message_received(message, contact.handle.clone())?;
    for early in turn.tx.take_early(name)? {
        let content = Content::decode(early.content.expose(), early.name.message_id)
            .map_err(|_| CoreError::Internal("a content that was kept cannot be read"))?;
        apply(turn, contact, content)?;
    }
    Ok(Applied::Shown)
}

/// The message of theirs that an edit or a reaction is about, if it may still come.
fn missing_target(
    turn: &Turn<'_, '_>,
    contact: &Contact,
    body: &Body,
) -> Result<Option<MessageId>, CoreError> {
    let author_id = contact.account_id;
    let message_id = match body {
        Body::Edit { message_id, .. } => *message_id,
        Body::Reaction(Reaction { target, .. }) if target.author_id == author_id => target.message_id,
        _ => return Ok(None),
    };
    let is_missing = match turn.tx.message(author_id, message_id)? {
        Some(message) => message.state == MessageState::Unreadable && !message.deleted,
        None => !order::is_applied(turn, MessageName { author_id, message_id })?,
    };
    Ok(is_missing.then_some(message_id))
}

/// Keeps a content until what it is about comes, unless too many are kept already.
fn keep_early(
    turn: &Turn<'_, '_>,
    name: MessageName,
    target_id: MessageId,
    content: &Content,
) -> Result<(), CoreError> {
    if turn.tx.early_count(name.author_id)? >= HELD_MESSAGES_MAX {
        return Ok(());
    }
    let mut encoded =
        content.encode().map_err(|_| CoreError::Internal("a content that breaks its own bounds"))?;
    let content = Secret::new(std::mem::take(&mut *encoded));
    Ok(turn.tx.keep_early(&Early { name, target_id, content, kept_at: turn.now })?)
}

fn react(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    reaction: &Reaction,
    sent_at: Timestamp,
) -> Result<(), CoreError> {
    let target = reaction.target;
    let Some(message) = turn.tx.message(target.author_id, target.message_id)? else { return Ok(()) };
    if message.peer_id != contact.account_id || !is_alterable(&message) {
        return Ok(());
    }
    if turn.tx.set_reaction(target, contact.account_id, &reaction.emoji, sent_at)? {
        turn.tell_message_changed(message)?;
    }
    Ok(())
}

/// Whoever says so has opened the content in a session of their own: that needs no other proof.
fn note_read(turn: &mut Turn<'_, '_>, contact: &Contact, message_ids: &[MessageId]) -> Result<(), CoreError> {
    let author_id = turn.account()?.account_id;
    for message_id in message_ids {
        let message = turn.tx.message(author_id, *message_id)?;
        if message.is_some_and(|message| message.peer_id == contact.account_id) {
            advance_sent(turn, *message_id, MessageState::Read)?;
        }
    }
    Ok(())
}

/// `name` bears the content's sender as its author, so nobody can edit what another wrote. One that is older than what is shown
/// only counts.
fn edit(turn: &mut Turn<'_, '_>, name: MessageName, text: &str, sent_at: Timestamp) -> Result<(), CoreError> {
    let Some(message) = turn.tx.message(name.author_id, name.message_id)? else { return Ok(()) };
    if !is_alterable(&message) || message.edits >= EDITS_MAX {
        return Ok(());
    }
    turn.tx.edit_message(name, text, sent_at)?;
    turn.tell_changed(name)
}

/// As for edits. What could not be opened, or has not come, may be deleted too: its author has said that it is to be nowhere.
fn delete(turn: &mut Turn<'_, '_>, name: MessageName) -> Result<(), CoreError> {
    let Some(message) = turn.tx.message(name.author_id, name.message_id)? else {
        return order::never_apply(turn, name);
    };
    if message.kind != MessageKind::Text || message.deleted {
        return Ok(());
    }
    turn.tx.wipe_message(name)?;
    turn.tell_changed(name)
}

fn set_timer(
    turn: &mut Turn<'_, '_>,
    contact: &Contact,
    message: Message,
    timer: Option<Expiry>,
) -> Result<(), CoreError> {
    let before = turn.tx.timer(contact.account_id)?;
    // A clock that is far ahead does not win for ever.
    let set_at = message.sent_at.min(turn.clock.plus_ms(DAY_MS));
    let setting = TimerSetting { expiry: timer, set_at, set_by: contact.account_id };
    if !turn.tx.set_timer(contact.account_id, setting)? || before == timer {
        return Ok(());
    }
    // There is nothing in it to be read.
    let message = Message { kind: MessageKind::Timer, expiry: timer, state: MessageState::Read, ..message };
    turn.tx.add_message(&message)?;
    turn.tell(Event::TimerChanged { handle: contact.handle.clone(), timer });
    Ok(())
}

/// Whether a message is a text that is there to be reacted to and edited.
pub(super) fn is_alterable(message: &Message) -> bool {
    message.kind == MessageKind::Text && !message.deleted && message.state != MessageState::Unreadable
}
