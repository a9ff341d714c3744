//! How far messages have come, as far as their recipients have proven it; and what was shown here and is to be told.
//!
//! Invariants: the server's word alone takes a message of ours no farther than `sent` (T30); what was shown is told until the
//! server has taken it, on one link after another, or as a content where the server stores nothing; what the person does not want to
//! be told is never noted.

use std::collections::BTreeMap;

use tacite_model::limits::READS_PER_FRAME_MAX;
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Timestamp};
use tacite_seal::{Body, Content, Receipt, ReceiptKey, ReceiptState};
use tacite_vault::{Message, MessageState, Standing};
use tacite_wire::proto::{DeliveryMode, MarkRead, MessageRef};

use super::expiring;
use super::outgoing::queue_content;
use crate::CoreError;
use crate::engine::commands::{Answer, Reply, Waiting};
use crate::engine::link::backoff_ms;
use crate::engine::{Engine, Turn};

/// Upper bound of the first delay before a sender who could not be told is tried again, milliseconds.
const RETRY_MS_MIN: u64 = 5000;
/// Upper bound of every such delay, milliseconds.
const RETRY_MS_MAX: u64 = 10 * 60_000;

/// Senders who could not be told, and when they are tried again on this link.
#[derive(Debug, Clone, Default)]
pub(in crate::engine) struct Reads {
    paused: BTreeMap<AccountId, Pause>,
}

#[derive(Debug, Clone, Default)]
struct Pause {
    retry_at: Timestamp,
    attempt: u32,
}

impl Reads {
    pub(in crate::engine) fn forget_link(&mut self) {
        self.paused.clear();
    }

    pub(in crate::engine) fn next_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.paused.values().map(|pause| pause.retry_at).filter(|at| *at > now).min()
    }

    /// A sender is there now.
    pub(in crate::engine) fn resume(&mut self, sender_id: AccountId) {
        self.paused.remove(&sender_id);
    }

    fn is_paused(&self, sender_id: AccountId, now: Timestamp) -> bool {
        self.paused.get(&sender_id).is_some_and(|pause| pause.retry_at > now)
    }
}

impl Engine {
    /// Tells one sender after the other what was shown.
    pub(in crate::engine) fn drive_reads(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.is_waiting(|it| matches!(it, Waiting::MarkRead { .. })) {
            return Ok(());
        }
        let senders = turn.tx.read_senders()?;
        let Some(sender_id) = senders.into_iter().find(|id| !self.reads.is_paused(*id, turn.now)) else {
            return Ok(());
        };
        let reads = turn.tx.reads_of(sender_id, READS_PER_FRAME_MAX)?;
        let Some(position) = reads.last().map(|read| read.position) else { return Ok(()) };
        let messages = reads.iter().map(|read| MessageRef {
            sender_id: read.name.author_id.as_bytes().to_vec().into(),
            message_id: read.name.message_id.as_bytes().to_vec().into(),
            proof: read.proof.to_vec().into(),
            ..MessageRef::default()
        });
        let body = MarkRead { messages: messages.collect() };
        self.command(turn, Waiting::MarkRead { sender_id, position }, &body)
    }

    /// Where the server stores nothing it cannot know whether its word comes to somebody whose link may be dead: what was shown
    /// becomes a content, which the outbox keeps until its author has it.
    pub(in crate::engine) fn tell_reads_by_content(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let mode = turn.tx.server()?.map(|server| server.delivery_mode);
        if mode != Some(DeliveryMode::Direct.into()) {
            return Ok(());
        }
        while let Some(sender_id) = turn.tx.read_senders()?.first().copied() {
            let reads = turn.tx.reads_of(sender_id, READS_PER_FRAME_MAX)?;
            let Some(position) = reads.last().map(|read| read.position) else { break };
            let contact = turn.tx.contact(sender_id)?;
            if contact.is_some_and(|contact| contact.standing == Standing::Accepted && !contact.blocked) {
                let message_ids = reads.iter().map(|read| read.name.message_id).collect();
                queue_content(turn, sender_id, Body::Read { message_ids })?;
            }
            turn.tx.remove_reads(sender_id, position)?;
        }
        Ok(())
    }

    /// Answers to `read`. Who cannot be told now (in direct mode: is away) is told later.
    pub(in crate::engine) fn mark_read_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::MarkRead { sender_id, position } = answer.waiting else { return Ok(()) };
        match answer.reply {
            Reply::Refused(problem) if problem.retryable => {
                let pause = self.reads.paused.entry(sender_id).or_default();
                let delay_ms = backoff_ms(pause.attempt, RETRY_MS_MIN, RETRY_MS_MAX, turn.rng);
                let delay_ms = delay_ms.max(problem.retry_after_ms.unwrap_or(0)).max(1);
                pause.attempt = pause.attempt.saturating_add(1);
                pause.retry_at = turn.now.plus_ms(delay_ms);
                Ok(())
            }
            Reply::Finished | Reply::Refused(_) => {
                self.reads.paused.remove(&sender_id);
                Ok(turn.tx.remove_reads(sender_id, position)?)
            }
            Reply::InProgress => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }
}

/// What the server says of a device's copy of a content of ours, as far as it is proven.
pub(in crate::engine) fn proven_state(
    turn: &Turn<'_, '_>,
    message_id: MessageId,
    recipient_id: AccountId,
    recipient_device: DeviceId,
    (state, proof): (MessageState, &[u8]),
) -> Result<MessageState, CoreError> {
    let claim = match state {
        MessageState::Received => ReceiptState::Received,
        MessageState::Read => ReceiptState::Read,
        other => return Ok(other),
    };
    let receipt = Receipt { state: claim, message_id, recipient_id, recipient_device };
    let key = sent_key(turn, message_id)?;
    let is_proven = key.is_some_and(|key| key.verifies(&receipt, proof));
    Ok(if is_proven { state } else { MessageState::Sent })
}

/// To whom a content of ours went, as long as anything is known of it.
pub(in crate::engine) fn recipient_of(
    turn: &Turn<'_, '_>,
    message_id: MessageId,
) -> Result<Option<AccountId>, CoreError> {
    if let Some(sent) = turn.tx.sent_content(message_id)? {
        return Ok(Some(sent.recipient_id));
    }
    let message = turn.tx.message(turn.account()?.account_id, message_id)?;
    Ok(message.map(|message| message.peer_id))
}

/// A content of ours has come to `state`; if it is a message, that advances.
pub(in crate::engine) fn advance_sent(
    turn: &mut Turn<'_, '_>,
    message_id: MessageId,
    state: MessageState,
) -> Result<(), CoreError> {
    let account_id = turn.account()?.account_id;
    let known_id = told(turn, message_id)?.map_or(message_id, |content| content.known_id());
    if let Some(message) = turn.tx.advance_message(account_id, known_id, state)? {
        expiring::count_proven(turn, &message)?;
        turn.tell_changed(message.name())?;
    }
    Ok(())
}

/// The proof that a content which came under `message_id` has been received.
pub(in crate::engine) fn proof_of_receipt(
    turn: &Turn<'_, '_>,
    message_id: MessageId,
    key: &ReceiptKey,
) -> Result<[u8; 16], CoreError> {
    prove(turn, message_id, key, ReceiptState::Received)
}

/// The same for a message that was received before; `None`: it is none to show, or not any more.
pub(in crate::engine) fn known_proof(
    turn: &Turn<'_, '_>,
    name: MessageName,
) -> Result<Option<[u8; 16]>, CoreError> {
    match received_key(turn, name)? {
        Some(key) => proof_of_receipt(turn, name.message_id, &key).map(Some),
        None => Ok(None),
    }
}

/// A message of theirs was shown to the person; false if it was before, or is none to show.
pub(super) fn mark_read(turn: &mut Turn<'_, '_>, message: &Message) -> Result<bool, CoreError> {
    let name = message.name();
    let is_new = message.state == MessageState::Received && !message.outgoing;
    if !is_new || turn.tx.advance_message(name.author_id, name.message_id, MessageState::Read)?.is_none() {
        return Ok(false);
    }
    expiring::count_shown(turn, message)?;
    if turn.tx.settings()?.read_receipts
        && !message.deleted
        && let Some(key) = received_key(turn, name)?
    {
        turn.tx.add_read(name, &prove(turn, name.message_id, &key, ReceiptState::Read)?)?;
    }
    turn.tell_changed(name)?;
    Ok(true)
}

fn prove(
    turn: &Turn<'_, '_>,
    message_id: MessageId,
    key: &ReceiptKey,
    state: ReceiptState,
) -> Result<[u8; 16], CoreError> {
    let account = turn.account()?;
    let receipt =
        Receipt { state, message_id, recipient_id: account.account_id, recipient_device: account.device_id };
    Ok(key.prove(&receipt))
}

fn received_key(turn: &Turn<'_, '_>, name: MessageName) -> Result<Option<ReceiptKey>, CoreError> {
    Ok(turn.tx.receipt_key(name)?.map(|key| ReceiptKey::from_bytes(*key.expose())))
}

/// The receipt key of a content of ours: what was told may be forgotten sooner than the message.
fn sent_key(turn: &Turn<'_, '_>, message_id: MessageId) -> Result<Option<ReceiptKey>, CoreError> {
    if let Some(content) = told(turn, message_id)? {
        return Ok(Some(content.receipt_key));
    }
    let author_id = turn.account()?.account_id;
    received_key(turn, MessageName { author_id, message_id })
}

/// A content that this device told, unless it was erased.
fn told(turn: &Turn<'_, '_>, message_id: MessageId) -> Result<Option<Content>, CoreError> {
    let sent = turn.tx.sent_content(message_id)?;
    let Some(content) = sent.and_then(|sent| sent.content) else { return Ok(None) };
    Content::decode(content.expose(), message_id)
        .map(Some)
        .map_err(|_| CoreError::Internal("a stored content cannot be read"))
}
