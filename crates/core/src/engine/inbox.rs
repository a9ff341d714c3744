//! Receiving: opening, storing, acknowledging.
//!
//! Invariants:
//! - A message is acknowledged only when what became of it is stored; a message that was received before is acknowledged and
//!   nothing else.
//! - Nothing that a stranger wrote is opened or shown. While the person has not decided about its sender, a message is not
//!   acknowledged: it waits on the server, and nobody is told that it was received.
//! - A message that cannot be opened leaves a trace in the conversation and is told: it is never lost in silence.

use tacite_model::limits::{ACKNOWLEDGEMENTS_PER_FRAME_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Secret};
use tacite_seal::{Body, Content, ContentError, Sealed};
use tacite_vault::{Account, Contact, Message, MessageState, Standing};
use tacite_wire::Frame;
use tacite_wire::proto::{Acknowledge, Envelope, MessageRef};

use super::commands::{Answer, Reply, Waiting};
use super::conversation::{Applied, incoming, known_proof, proof_of_receipt};
use super::order::{self, Arrived};
use super::outbox::DIRECT_MESSAGE;
use super::{Engine, Turn, healing};
use crate::problem::UNREADABLE;
use crate::session::{self, OpenError, Party, Peer};
use crate::{CoreError, Problem};

/// A message that is stored and to be acknowledged.
#[derive(Debug, Clone)]
pub(crate) struct Acknowledgement {
    name: MessageName,
    /// What convinces the sender; `None`: the sender is not to be told (T44).
    proof: Option<[u8; 16]>,
}

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
        let name = MessageName { author_id: sender_id, message_id: frame.header.message_id };
        if !turn.tx.is_seen(sender_id, name.message_id)? {
            if is_undecided(turn, sender_id)? {
                self.leave_waiting(turn, sender_id);
                return Ok(());
            }
            if self.must_wait_for_body(sender_id, &envelope) {
                self.await_body(turn, name, envelope);
                return Ok(());
            }
        }
        self.take_in(turn, name, &envelope)
    }

    /// Stores a message that is here as a whole, unless it was stored before, and has it acknowledged.
    pub(super) fn take_in(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: MessageName,
        envelope: &Envelope,
    ) -> Result<(), CoreError> {
        let proof = if turn.tx.is_seen(name.author_id, name.message_id)? {
            match order::key_of_held(turn, name)? {
                Some(key) => proof_of_receipt(turn, name.message_id, &key).map(Some)?,
                None => known_proof(turn, name)?,
            }
        } else {
            self.receive_content(turn, name, envelope)?
        };
        self.acknowledgements.push(Acknowledgement { name, proof });
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
        // Counted when they leave, as the server hears of them: in the order of what is sent.
        turn.tx.grow_generation(count)?;
        let messages =
            self.acknowledgements.drain(..count).map(|Acknowledgement { name, proof }| MessageRef {
                sender_id: name.author_id.as_bytes().to_vec().into(),
                message_id: name.message_id.as_bytes().to_vec().into(),
                proof: proof.map_or_else(Vec::new, |proof| proof.to_vec()).into(),
                silent: proof.is_none(),
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

    /// Opens and takes in a message that was not received before; the proof for its sender, who is not to be told of everything.
    fn receive_content(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: MessageName,
        envelope: &Envelope,
    ) -> Result<Option<[u8; 16]>, CoreError> {
        let account = turn.account()?;
        let Some(contact) = turn.tx.contact(name.author_id)? else { return Ok(None) };
        if contact.standing == Standing::Refused || contact.blocked {
            return Ok(None);
        }
        let Ok(device_id) = DeviceId::try_from(envelope.sender_device) else { return Ok(None) };
        if !is_for(&account, envelope) {
            return Ok(None);
        }
        turn.tx.mark_seen(name.author_id, name.message_id)?;
        let peer = Peer { account_id: name.author_id, device_id };
        let arrived = match open(turn, &account, &contact, peer, name.message_id, envelope)? {
            Ok(arrived) => arrived,
            Err(problem) => {
                leave_placeholder(turn, name, device_id, problem)?;
                return Ok(None);
            }
        };
        let key = arrived.content.receipt_key.clone();
        let body = arrived.content.body.clone();
        let applied = order::take(turn, &contact, arrived)?;
        match body {
            Body::ResendRequest(request) => self.answer_request(turn, &contact, &request)?,
            Body::Gone(gone) => healing::heed_gone(turn, &contact, &gone)?,
            _ => {}
        }
        match applied {
            Applied::Shown => proof_of_receipt(turn, name.message_id, &key).map(Some),
            Applied::Silent => Ok(None),
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

/// A message could not be opened: that is shown and told. It is asked for again, unless its sender's identity is another than
/// the known one, or its kind is one of a newer release.
fn leave_placeholder(
    turn: &mut Turn<'_, '_>,
    name: MessageName,
    device_id: DeviceId,
    problem: Problem,
) -> Result<(), CoreError> {
    let placeholder = incoming(turn, name, String::new());
    turn.tx.add_message(&Message { state: MessageState::Unreadable, ..placeholder })?;
    if problem.word == UNREADABLE {
        healing::note_unreadable(turn, name, device_id)?;
    }
    turn.notice(problem);
    order::stand_in(turn, name, device_id)
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
) -> Result<Result<Arrived, Problem>, CoreError> {
    let unreadable = || Problem::message_unreadable(&contact.handle);
    if envelope.message_type != DIRECT_MESSAGE {
        return Ok(Err(Problem::message_too_new(&contact.handle)));
    }
    let Ok(sealed) = Sealed::decode(&envelope.sealed) else { return Ok(Err(unreadable())) };
    let party = Party::new(account)?;
    let opened = session::open(turn.tx, &party, peer, contact.identity_key, &sealed, turn.rng)?;
    let opened = match opened {
        Ok(opened) => opened,
        Err(OpenError::IdentityChanged(offered)) => {
            if let Some(offered) = offered {
                turn.tx.offer_identity(contact.account_id, &offered)?;
            }
            return Ok(Err(Problem::identity_changed(&contact.handle)));
        }
        Err(OpenError::Unreadable) => return Ok(Err(unreadable())),
    };
    if contact.identity_key.is_none() {
        turn.tx.save_contact(&Contact { identity_key: Some(opened.identity_key), ..contact.clone() })?;
    }
    let content = match Content::decode(&opened.plaintext, message_id) {
        Ok(content) => content,
        Err(ContentError::UnknownKind) => return Ok(Err(Problem::message_too_new(&contact.handle))),
        Err(ContentError::Malformed | ContentError::OtherMessage | ContentError::TextLength(_)) => {
            return Ok(Err(unreadable()));
        }
    };
    let bytes = Secret::new(opened.plaintext.to_vec());
    Ok(Ok(Arrived { device_id: peer.device_id, content, bytes }))
}
