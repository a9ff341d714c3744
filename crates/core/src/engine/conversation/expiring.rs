//! Messages disappear: by the vault's own time, which no setting of the clock turns back (T64).
//!
//! Invariants: whatever wakes the engine, what is due is erased before anything else happens; a message of ours counts from what
//! its recipient has proven, so a server cannot make it disappear.

use tacite_model::limits::{DAY_MS, RESEND_MS_MAX};
use tacite_model::{Expiry, ExpiryStart, MessageName, Timestamp};
use tacite_vault::{Message, MessageState, Transaction};

use crate::engine::Turn;
use crate::{CoreError, Event};

/// How long the sender's copy waits for the word that its message was read, which the recipient may keep to themselves.
const UNREAD_MS_MAX: u64 = 7 * DAY_MS;

/// Looks at the clock are at least so far apart, milliseconds …
const LOOK_MS_MIN: u64 = 5 * 60_000;
/// … and otherwise by such a part of the time that is left.
const LOOKS: u64 = 64;

/// Erases what is due when the device's clock shows `clock`.
pub(crate) fn erase_expired(tx: &Transaction<'_>, clock: Timestamp) -> Result<(), CoreError> {
    if tx.next_expiry()?.is_some() {
        erase_due(tx, tx.own_time(clock)?)?;
    }
    Ok(())
}

/// Erases what is due; returns it without its text.
fn erase_due(tx: &Transaction<'_>, now: Timestamp) -> Result<Vec<Message>, CoreError> {
    if tx.next_expiry()?.is_none() {
        return Ok(Vec::new());
    }
    let mut expired = tx.expired_messages(now)?;
    for message in &mut expired {
        tx.erase_message(message.name())?;
        message.text = String::new();
    }
    Ok(expired)
}

/// Erases what is due and tells it.
pub(in crate::engine) fn sweep(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
    for message in erase_due(turn.tx, turn.now)? {
        if let Some(contact) = turn.tx.contact(message.peer_id)? {
            turn.tell(Event::MessageErased {
                peer: contact.handle,
                outgoing: message.outgoing,
                message_id: message.message_id,
            });
        }
    }
    Ok(())
}

/// Forgets what nobody may ask for again, and what waits for such messages.
pub(in crate::engine) fn forget_old_contents(turn: &Turn<'_, '_>) -> Result<(), CoreError> {
    turn.tx.remove_sent_contents_before(turn.now.minus_ms(RESEND_MS_MAX))?;
    turn.tx.forget_early_before(turn.now.minus_ms(RESEND_MS_MAX))?;
    Ok(())
}

/// When to look next while time is counted: not only when the next message disappears, because what passes between two looks
/// is lost when the clock is set back in between. `planned` is what was said before.
pub(in crate::engine) fn next_look_at(
    turn: &Turn<'_, '_>,
    planned: Option<Timestamp>,
) -> Result<Option<Timestamp>, CoreError> {
    let Some(expires_at) = turn.tx.next_expiry()? else { return Ok(None) };
    let pause_ms = (expires_at.ms_since(turn.now) / LOOKS).max(LOOK_MS_MIN);
    let look_at = turn.now.plus_ms(pause_ms).min(expires_at);
    // Inputs that follow each other closely do not move the timer each time.
    Ok(Some(planned.filter(|planned| *planned > turn.now && *planned <= look_at).unwrap_or(look_at)))
}

/// A message of theirs was shown.
pub(super) fn count_shown(turn: &Turn<'_, '_>, message: &Message) -> Result<(), CoreError> {
    match message.expiry {
        Some(Expiry { after_ms, .. }) => count(turn, message.name(), after_ms),
        None => Ok(()),
    }
}

/// A message of ours has come to its recipient, proven.
pub(super) fn count_proven(turn: &Turn<'_, '_>, message: &Message) -> Result<(), CoreError> {
    let Some(Expiry { after_ms, start }) = message.expiry else { return Ok(()) };
    let wait_ms = match (message.state, start) {
        (MessageState::Read, _) | (MessageState::Received, ExpiryStart::Receipt) => after_ms,
        (MessageState::Received, ExpiryStart::Read) => after_ms.saturating_add(UNREAD_MS_MAX),
        _ => return Ok(()),
    };
    count(turn, message.name(), wait_ms)
}

fn count(turn: &Turn<'_, '_>, name: MessageName, wait_ms: u64) -> Result<(), CoreError> {
    Ok(turn.tx.expire_message_at(name, turn.now.plus_ms(wait_ms))?)
}
