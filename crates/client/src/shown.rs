//! Which messages a person has been shown.
//!
//! An incoming message is `received` when it is stored and `read` once a view has shown it, so that a message which came
//! while another command ran is not passed over by the next `listen`.
//!
//! Invariant: marking only ever advances the state of incoming messages; the engine's memory holds nothing of it.

use tacite_core::{MessageState, MessageView, Transaction, VaultError, queries};
use tacite_model::{Handle, MessageId, Timestamp};

/// Messages that are looked at first for each contact; doubled as long as all of them are unshown.
const LOOK_BACK: u32 = 64;

/// The incoming messages that were not shown yet, by time of writing; within a conversation in the order in which they
/// came.
pub(crate) fn unshown(tx: &Transaction<'_>) -> Result<Vec<MessageView>, VaultError> {
    let mut found = Vec::new();
    for contact in queries::contacts(tx)? {
        found.extend(unshown_of(tx, &contact.handle)?);
    }
    found.sort_by_key(|(latest, _)| *latest);
    Ok(found.into_iter().map(|(_, message)| message).collect())
}

/// Notes that a message was shown.
pub(crate) fn mark(tx: &Transaction<'_>, peer: &Handle, message_id: MessageId) -> Result<(), VaultError> {
    if let Some(contact) = tx.contact_by_handle(peer)? {
        tx.advance_message(contact.account_id, message_id, MessageState::Read)?;
    }
    Ok(())
}

/// Each message comes with the latest time of writing up to it, which never steps back as a sender's clock may: sorting
/// by it keeps the order within the conversation.
fn unshown_of(tx: &Transaction<'_>, peer: &Handle) -> Result<Vec<(Timestamp, MessageView)>, VaultError> {
    let mut limit = LOOK_BACK;
    loop {
        let history = queries::history(tx, peer, limit)?.unwrap_or_default();
        let all = u32::try_from(history.len()).unwrap_or(u32::MAX) < limit;
        let is_shown = |message: &MessageView| !message.outgoing && message.state == MessageState::Read;
        let last_shown = history.iter().rposition(is_shown);
        if !all && last_shown.is_none() && limit < u32::MAX {
            limit = limit.saturating_mul(2);
            continue;
        }
        let mut latest = Timestamp::default();
        let after = last_shown.map_or(0, |at| at + 1);
        let unshown = history.into_iter().skip(after).filter(is_unshown);
        return Ok(unshown
            .map(|message| {
                latest = latest.max(message.sent_at);
                (latest, message)
            })
            .collect());
    }
}

/// What could not be opened has nothing to show; the person was told when it came.
fn is_unshown(message: &MessageView) -> bool {
    !message.outgoing && message.state == MessageState::Received
}
