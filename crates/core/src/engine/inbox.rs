//! Receiving: opening, storing, acknowledging.
//!
//! Invariants:
//! - A message is acknowledged only when what became of it is stored; a message that was received before is acknowledged and
//!   nothing else.
//! - Nothing that a stranger wrote is opened or shown. While the person has not decided about its sender, a message is not
//!   acknowledged: it waits on the server, and nobody is told that it was received.
//! - A message that cannot be opened leaves a trace in the conversation and is told: it is never lost in silence.

use tacite_model::limits::{ACKNOWLEDGEMENTS_PER_FRAME_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{AccountId, DeviceId, MessageId, Timestamp};
use tacite_seal::{Body, Content, ContentError, Sealed};
use tacite_vault::{Account, Contact, Message, MessageState, Standing};
use tacite_wire::Frame;
use tacite_wire::proto::{Acknowledge, Envelope, MessageRef};

use super::commands::{Answer, Reply, Waiting};
use super::outbox::DIRECT_MESSAGE;
use super::{Engine, Turn};
use crate::session::{self, OpenError, Party, Peer};
use crate::{CoreError, Problem};

/// Acknowledgements that wait for the answer to the one before: more than a server may push unacknowledged.
const WAITING_MAX: usize = 4 * UNACKNOWLEDGED_MAX;

impl Engine {
    /// `rvum`.
    pub(super) fn direct_received(
        &mut self,
        turn: &mut Turn<'_, '_>,
        frame: &Frame,
    ) -> Result<(), CoreError> {
        let Some(envelope) = self.read::<Envelope>(turn, frame) else { return Ok(()) };
        // Without a sender there is nothing to acknowledge: the server's own fault.
        let Ok(sender_id) = AccountId::try_from(envelope.sender_id.as_ref()) else { return Ok(()) };
        let message_id = frame.header.message_id;
        if !turn.tx.is_seen(sender_id, message_id)? {
            if is_undecided(turn, sender_id)? {
                self.leave_waiting(turn, sender_id);
                return Ok(());
            }
            receive(turn, sender_id, message_id, &envelope)?;
        }
        self.acknowledgements.push((sender_id, message_id));
        if self.acknowledgements.len() > WAITING_MAX {
            self.distrust_link(turn);
        }
        Ok(())
    }

    /// Acknowledges what is stored by now, one frame at a time; what comes meanwhile goes with the next.
    pub(super) fn drive_acknowledgements(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        if self.acknowledgements.is_empty() || self.is_waiting(|it| *it == Waiting::Acknowledge) {
            return Ok(());
        }
        let count = self.acknowledgements.len().min(ACKNOWLEDGEMENTS_PER_FRAME_MAX);
        let messages = self.acknowledgements.drain(..count).map(|(sender_id, message_id)| MessageRef {
            sender_id: sender_id.as_bytes().to_vec().into(),
            message_id: message_id.as_bytes().to_vec().into(),
            ..MessageRef::default()
        });
        let body = Acknowledge { messages: messages.collect() };
        self.command(turn, Waiting::Acknowledge, &body)
    }

    /// A new link brings the messages that waited for the person's decision, once the server knows it.
    pub(super) fn fetch_left_waiting(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        for sender_id in self.left_waiting.clone() {
            let contact = turn.tx.contact(sender_id)?;
            if contact.is_some_and(|contact| contact.standing != Standing::Asking) {
                self.drop_link(turn, None);
                break;
            }
        }
        Ok(())
    }

    fn leave_waiting(&mut self, turn: &mut Turn<'_, '_>, sender_id: AccountId) {
        self.left_waiting.insert(sender_id);
        if self.left_waiting.len() > UNACKNOWLEDGED_MAX {
            self.distrust_link(turn);
        }
    }

    /// Answers to `ackm`. If it was refused, a new link brings the messages again.
    #[expect(clippy::unnecessary_wraps, reason = "all handlers have one signature")]
    pub(super) fn acknowledge_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        if let Reply::Refused(problem) = answer.reply {
            self.drop_link(turn, Some(&problem));
        }
        Ok(())
    }
}

/// Opens and stores a message that was not received before.
fn receive(
    turn: &mut Turn<'_, '_>,
    sender_id: AccountId,
    message_id: MessageId,
    envelope: &Envelope,
) -> Result<(), CoreError> {
    let account = turn.account()?;
    let Some(contact) = turn.tx.contact(sender_id)? else { return Ok(()) };
    if contact.standing == Standing::Refused {
        return Ok(());
    }
    let Ok(device_id) = DeviceId::try_from(envelope.sender_device) else { return Ok(()) };
    if !is_for(&account, envelope) {
        return Ok(());
    }
    turn.tx.mark_seen(sender_id, message_id)?;
    let peer = Peer { account_id: sender_id, device_id };
    match open(turn, &account, &contact, peer, message_id, envelope)? {
        Ok(content) => {
            let Body::Text(text) = content.body;
            let message = incoming(sender_id, message_id, turn.now, text, content.sent_at);
            if turn.tx.add_message(&message)? {
                turn.tell_message_received(message, contact.handle);
            }
        }
        Err(problem) => {
            let message = Message {
                state: MessageState::Unreadable,
                ..incoming(sender_id, message_id, turn.now, String::new(), turn.now)
            };
            turn.tx.add_message(&message)?;
            turn.notice(problem);
        }
    }
    Ok(())
}

/// Whether the person has neither asked, accepted nor refused the sender. The server's news of an acceptance may come after
/// the message. A message of our own that the server sends back has no contact either.
fn is_undecided(turn: &Turn<'_, '_>, sender_id: AccountId) -> Result<bool, CoreError> {
    let Some(contact) = turn.tx.contact(sender_id)? else { return Ok(true) };
    Ok(contact.standing == Standing::Asking && !turn.tx.has_consent(&contact.handle)?)
}

/// Whether an envelope is addressed to this device.
fn is_for(account: &Account, envelope: &Envelope) -> bool {
    envelope.recipient_id.as_ref() == account.account_id.as_bytes()
        && envelope.recipient_device == u32::from(account.device_id)
}

/// The content of an envelope, or what the person is told instead.
fn open(
    turn: &mut Turn<'_, '_>,
    account: &Account,
    contact: &Contact,
    peer: Peer,
    message_id: MessageId,
    envelope: &Envelope,
) -> Result<Result<Content, Problem>, CoreError> {
    let unreadable = || Problem::message_unreadable(&contact.handle);
    if envelope.message_type != DIRECT_MESSAGE {
        return Ok(Err(Problem::message_too_new(&contact.handle)));
    }
    let Ok(sealed) = Sealed::decode(&envelope.sealed) else { return Ok(Err(unreadable())) };
    let party = Party::new(account)?;
    let opened = session::open(turn.tx, &party, peer, contact.identity_key, &sealed, turn.rng)?;
    let opened = match opened {
        Ok(opened) => opened,
        Err(OpenError::IdentityChanged) => return Ok(Err(Problem::identity_changed(&contact.handle))),
        Err(OpenError::Unreadable) => return Ok(Err(unreadable())),
    };
    if contact.identity_key.is_none() {
        turn.tx.save_contact(&Contact { identity_key: Some(opened.identity_key), ..contact.clone() })?;
    }
    Ok(Content::decode(&opened.plaintext, message_id).map_err(|error| match error {
        ContentError::UnknownKind => Problem::message_too_new(&contact.handle),
        ContentError::Malformed | ContentError::OtherMessage | ContentError::TextLength(_) => unreadable(),
    }))
}

fn incoming(
    sender_id: AccountId,
    message_id: MessageId,
    now: Timestamp,
    text: String,
    sent_at: Timestamp,
) -> Message {
    Message {
        sender_id,
        message_id,
        peer_id: sender_id,
        outgoing: false,
        text,
        sent_at,
        stored_at: now,
        state: MessageState::Received,
    }
}
