//! Sending as the client's outbox does: per recipient, a message goes only after the place of the one before it is fixed; so many
//! are under way at most.
//!
//! Invariant: texts to one person leave in the order in which they were queued.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result, bail};
use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{AccountId, DeviceId, MessageId};
use tacite_wire::proto::{DeliveryState, Envelope, MessageState};
use tacite_wire::{Frame, Opcode, Status};

use super::sealed;
use super::wire::{Wire, refusal};
use crate::load::Event;
use crate::load::payload::{HEAD_BYTES, PAYLOAD_BYTES, now_ns, put_head, put_payload};

/// Envelopes under way at once, over all recipients, as in the client.
const UNDER_WAY_MAX: usize = UNACKNOWLEDGED_MAX;
/// `Envelope.message_type` of a direct message.
pub(super) const DIRECT_MESSAGE: u32 = 1;

/// A text that waits to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    due_ns: u64,
    source: u32,
    number: u32,
}

/// What goes to one person.
#[derive(Debug)]
struct Lane {
    account_id: AccountId,
    /// A message is on its way whose place is not fixed yet.
    is_taken: bool,
    waiting: VecDeque<Text>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sending {
    sender_id: AccountId,
    lanes: HashMap<u32, Lane>,
    /// Lanes that are not taken and have something waiting.
    ready: VecDeque<u32>,
    /// Whose place may be fixed, and whose outcome is not known.
    under_way: HashMap<MessageId, u32>,
    sealed: Vec<u8>,
}

impl Text {
    /// Due at `due_ns`, or now.
    pub(super) fn new(due_ns: Option<u64>, source: u32, number: u32) -> Self {
        Self { due_ns: due_ns.unwrap_or_else(now_ns), source, number }
    }

    /// What it says, not sealed.
    pub(super) fn payload(&self) -> Vec<u8> {
        let mut payload = Vec::with_capacity(PAYLOAD_BYTES);
        put_payload(Some(self.due_ns), self.source, self.number, &mut payload);
        payload
    }
}

impl Sending {
    /// Nothing was sent yet by this account.
    pub(super) fn new(sender_id: AccountId, wire: &mut Wire) -> Self {
        Self {
            sender_id,
            lanes: HashMap::new(),
            ready: VecDeque::new(),
            under_way: HashMap::new(),
            sealed: sealed::random(&mut wire.rng),
        }
    }

    /// Queues a text for a person.
    pub(super) fn queue(&mut self, person: u32, account_id: AccountId, text: Text) {
        let lane = self.lanes.entry(person).or_insert_with(|| Lane {
            account_id,
            is_taken: false,
            waiting: VecDeque::new(),
        });
        lane.waiting.push_back(text);
        if !lane.is_taken && lane.waiting.len() == 1 {
            self.ready.push_back(person);
        }
    }

    /// Sends what may be sent now.
    pub(super) fn drive(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        while self.under_way.len() < UNDER_WAY_MAX {
            let Some(person) = self.ready.pop_front() else { return Ok(()) };
            let Some(lane) = self.lanes.get_mut(&person) else { continue };
            let Some(text) = lane.waiting.pop_front() else { continue };
            lane.is_taken = true;
            let recipient_id = lane.account_id;
            let id = self.send(recipient_id, text, wire, out)?;
            self.under_way.insert(id, person);
        }
        Ok(())
    }

    /// Takes an answer to `smpu`.
    pub(super) fn answered(&mut self, frame: &Frame, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let id = frame.header.message_id;
        match frame.header.status {
            Status::IN_PROGRESS => {
                let person = *self.under_way.get(&id).context("an answer to nothing that was sent")?;
                self.free(person);
            }
            Status::FINISHED => {
                self.under_way.remove(&id).context("an answer to nothing that was sent")?;
                sink(Event::Accepted(1));
                note_state(frame, sink)?;
            }
            Status::ERROR => return Err(refusal(frame)),
            status => bail!("an answer with the status {}", status.0),
        }
        Ok(())
    }

    fn free(&mut self, person: u32) {
        let Some(lane) = self.lanes.get_mut(&person) else { return };
        lane.is_taken = false;
        if !lane.waiting.is_empty() {
            self.ready.push_back(person);
        }
    }

    fn send(
        &mut self,
        recipient_id: AccountId,
        text: Text,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) -> Result<MessageId> {
        let mut head = Vec::with_capacity(HEAD_BYTES);
        put_head(Some(text.due_ns), text.source, text.number, &mut head);
        self.sealed[..HEAD_BYTES].copy_from_slice(&head);
        let envelope =
            Envelope { sealed: self.sealed.clone().into(), ..envelope(self.sender_id, recipient_id) };
        wire.put_command(Opcode::SEND_DIRECT, &envelope, out)
    }
}

/// The routing fields of an envelope between the first devices of two accounts.
fn envelope(sender_id: AccountId, recipient_id: AccountId) -> Envelope {
    Envelope {
        sender_id: sender_id.as_bytes().to_vec().into(),
        sender_device: DeviceId::FIRST.into(),
        recipient_id: recipient_id.as_bytes().to_vec().into(),
        recipient_device: DeviceId::FIRST.into(),
        message_type: DIRECT_MESSAGE,
        ..Envelope::default()
    }
}

/// Takes the state of a message of ours, from an answer or a push.
pub(super) fn note_state(frame: &Frame, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
    let state: MessageState = frame.read()?;
    if state.state() == DeliveryState::Received {
        sink(Event::Received(1));
    }
    Ok(())
}
