//! The one way out: every content goes through here into the vault and its outbox.
//!
//! Invariants: what is told stands in one chain for each recipient; questions and answers about what is missing stand in none, nor
//! do contents sent again, and they go before everything else; what is sealed is what is stored here, byte for byte.

use rand_core::CryptoRng;
use tacite_model::{AccountId, MessageId, MessageName, Secret, Timestamp};
use tacite_seal::{Body, Content, ReceiptKey, Text};
use tacite_vault::{OutboxEntry, SentContent};
use zeroize::Zeroizing;

use crate::CoreError;
use crate::engine::Turn;

/// Tells somebody something: behind all that was told them before. A text disappears as the conversation's timer says.
pub(in crate::engine) fn queue_content(
    turn: &mut Turn<'_, '_>,
    recipient_id: AccountId,
    body: Body,
) -> Result<Content, CoreError> {
    let sent_at = turn.clock;
    queue_content_of(turn, recipient_id, body, sent_at)
}

/// The same with another time than the clock's.
pub(super) fn queue_content_of(
    turn: &mut Turn<'_, '_>,
    recipient_id: AccountId,
    body: Body,
    sent_at: Timestamp,
) -> Result<Content, CoreError> {
    let expiry = if matches!(body, Body::Text(_)) { turn.tx.timer(recipient_id)? } else { None };
    let content = Content {
        message_id: MessageId::random(turn.rng),
        sent_at,
        previous_id: turn.tx.last_sent_id(recipient_id)?,
        body,
        receipt_key: random_key(turn.rng),
        expiry,
        original_id: None,
    };
    keep(turn, recipient_id, &content)?;
    turn.tx.enqueue(content.message_id, recipient_id)?;
    turn.tx.set_last_sent_id(recipient_id, content.message_id)?;
    Ok(content)
}

/// Asks about what is missing, or answers that: outside of the chain. It is never held back, so what was told before it would not
/// be missed if later contents named it.
pub(in crate::engine) fn queue_about_missing(
    turn: &mut Turn<'_, '_>,
    recipient_id: AccountId,
    body: Body,
) -> Result<(), CoreError> {
    let content = Content {
        message_id: MessageId::random(turn.rng),
        sent_at: turn.clock,
        previous_id: None,
        body,
        receipt_key: random_key(turn.rng),
        expiry: None,
        original_id: None,
    };
    queue_urgent(turn, recipient_id, &content)
}

/// Puts a content that was asked for before all others, with the place in the chain that it names itself.
pub(in crate::engine) fn queue_urgent(
    turn: &Turn<'_, '_>,
    recipient_id: AccountId,
    content: &Content,
) -> Result<(), CoreError> {
    keep(turn, recipient_id, content)?;
    Ok(turn.tx.enqueue_urgent(content.message_id, recipient_id)?)
}

/// The content of an outbox entry that was written by a release which stored none: made from its message now. It stands in no
/// chain: what was written later may have its place there already.
pub(in crate::engine) fn adopt(
    turn: &mut Turn<'_, '_>,
    entry: &OutboxEntry,
) -> Result<Secret<Vec<u8>>, CoreError> {
    let account_id = turn.account()?.account_id;
    let message = turn
        .tx
        .message(account_id, entry.message_id)?
        .ok_or(CoreError::Internal("an outbox entry without its content"))?;
    let content = Content {
        message_id: entry.message_id,
        sent_at: message.sent_at,
        previous_id: None,
        body: Body::Text(Text { text: message.text.clone(), reply_to: None }),
        receipt_key: random_key(turn.rng),
        expiry: message.expiry,
        original_id: None,
    };
    turn.tx.set_receipt_key(message.name(), content.receipt_key.as_bytes())?;
    keep(turn, entry.recipient_id, &content)
}

/// What is about a message that is to be wiped out, and waits in the outbox, is taken out of the chain: the content behind it
/// names the one before it, so that nobody waits for what never left. If it has left all the same, there are two behind one.
pub(super) fn leave_chain(turn: &Turn<'_, '_>, name: MessageName) -> Result<(), CoreError> {
    let about = turn.tx.waiting_contents_about(name)?;
    for message_id in about.into_iter().map(|sent| sent.message_id) {
        // Read again: an earlier one of these may have changed it.
        let Some(leaving) = turn.tx.sent_content(message_id)? else { continue };
        let (recipient_id, previous_id) = (leaving.recipient_id, leaving.previous_id);
        if let Some((behind, is_unsealed)) = turn.tx.sent_content_behind(recipient_id, message_id)? {
            if !is_unsealed {
                // It may have left already: whoever asks for what it names is told that nothing is there.
                continue;
            }
            rename_previous(turn, &behind, previous_id)?;
        } else if turn.tx.last_sent_id(recipient_id)? == Some(message_id) {
            match previous_id {
                Some(previous_id) => turn.tx.set_last_sent_id(recipient_id, previous_id)?,
                None => turn.tx.remove_last_sent_id(recipient_id)?,
            }
        }
        turn.tx.remove_waiting_content(message_id)?;
    }
    Ok(())
}

fn rename_previous(
    turn: &Turn<'_, '_>,
    sent: &SentContent,
    previous_id: Option<MessageId>,
) -> Result<(), CoreError> {
    let Some(bytes) = &sent.content else { return Ok(()) };
    let content = Content::decode(bytes.expose(), sent.message_id)
        .map_err(|_| CoreError::Internal("a stored content cannot be read"))?;
    let mut encoded = Content { previous_id, ..content }
        .encode()
        .map_err(|_| CoreError::Internal("a content that breaks its own bounds"))?;
    let encoded = Secret::new(std::mem::take(&mut *encoded));
    Ok(turn.tx.set_previous_id(sent.message_id, previous_id, &encoded)?)
}

/// Stores a content word for word; returns the padded bytes.
fn keep(
    turn: &Turn<'_, '_>,
    recipient_id: AccountId,
    content: &Content,
) -> Result<Secret<Vec<u8>>, CoreError> {
    let mut encoded: Zeroizing<Vec<u8>> =
        content.encode().map_err(|_| CoreError::Internal("a content that breaks its own bounds"))?;
    let encoded = Secret::new(std::mem::take(&mut *encoded));
    turn.tx.add_sent_content(&SentContent {
        position: 0,
        message_id: content.message_id,
        recipient_id,
        previous_id: content.previous_id,
        subject: subject_of(turn, content)?,
        content: Some(encoded.clone()),
        sent_at: content.sent_at,
    })?;
    Ok(encoded)
}

/// The message with which a content ends. Deletions and timers outlive what they are about.
fn subject_of(turn: &Turn<'_, '_>, content: &Content) -> Result<Option<MessageName>, CoreError> {
    let author_id = turn.account()?.account_id;
    Ok(match &content.body {
        Body::Text(_) => Some(MessageName { author_id, message_id: content.known_id() }),
        Body::Edit { message_id, .. } => Some(MessageName { author_id, message_id: *message_id }),
        Body::Reaction(reaction) => Some(reaction.target),
        Body::Deletion { .. }
        | Body::Timer(_)
        | Body::ResendRequest(_)
        | Body::Gone(_)
        | Body::Read { .. } => None,
    })
}

pub(in crate::engine) fn random_key(rng: &mut dyn CryptoRng) -> ReceiptKey {
    let mut key = Zeroizing::new([0; 32]);
    rng.fill_bytes(key.as_mut_slice());
    ReceiptKey::from_bytes(*key)
}
