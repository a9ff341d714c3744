//! Sending as the client's outbox does: so many messages are under way at most, and of one recipient so many whose place is not
//! fixed: one until the server has taken one, and in split mode, where its body is put first.
//!
//! Invariant: texts to one person leave in the order in which they were queued.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result, bail};
use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{AccountId, DeviceId, MessageId};
use tacite_wire::proto::{self, DeliveryState, Envelope, MessageState, RequestUploads, UploadPermits};
use tacite_wire::{Frame, Opcode, Status};

use super::bodies::{Bodies, Name};
use super::sealed;
use super::wire::{Wire, refusal};
use crate::load::Event;
use crate::load::payload::{HEAD_BYTES, PAYLOAD_BYTES, now_ns, put_head, put_payload};

/// Envelopes under way at once, over all recipients, as in the client.
const UNDER_WAY_MAX: usize = UNACKNOWLEDGED_MAX;
/// Messages to one recipient whose places are not fixed, as in the client.
const UNTAKEN_MAX: usize = 16;
/// `Envelope.message_type` of a direct message.
const DIRECT_MESSAGE: u32 = 1;

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
    /// How many messages are on their way whose places are not fixed yet.
    untaken: usize,
    /// The server has taken one.
    is_open: bool,
    waiting: VecDeque<Text>,
}

impl Lane {
    /// Whether another message may go.
    fn has_room(&self, is_split: bool) -> bool {
        self.untaken < if is_split || !self.is_open { 1 } else { UNTAKEN_MAX }
    }

    /// The server has taken a message.
    fn take(&mut self) {
        self.untaken -= 1;
        self.is_open = true;
    }
}

/// A message that was sent.
#[derive(Debug)]
struct UnderWay {
    person: u32,
    is_taken: bool,
}

/// A message whose body is put first.
#[derive(Debug)]
struct Upload {
    message_id: MessageId,
    recipient_id: AccountId,
    sealed: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Sending {
    sender_id: AccountId,
    lanes: HashMap<u32, Lane>,
    /// Lanes in which something waits that may go.
    ready: VecDeque<u32>,
    /// Whose outcome is not known.
    under_way: HashMap<MessageId, UnderWay>,
    is_split: bool,
    /// By the `upld` that asks where its body may be put.
    asked: HashMap<MessageId, Upload>,
    /// By the name under which its body is being put.
    putting: HashMap<Name, Upload>,
    /// Random bytes, the same in every message but for the head.
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
    pub(super) fn new(sender_id: AccountId, is_split: bool, wire: &mut Wire) -> Self {
        Self {
            sender_id,
            is_split,
            asked: HashMap::new(),
            putting: HashMap::new(),
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
            untaken: 0,
            is_open: false,
            waiting: VecDeque::new(),
        });
        lane.waiting.push_back(text);
        if lane.has_room(self.is_split) && lane.waiting.len() == 1 {
            self.ready.push_back(person);
        }
    }

    /// Sends what may be sent now.
    pub(super) fn drive(&mut self, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        while self.under_way.len() < UNDER_WAY_MAX {
            let Some(person) = self.ready.pop_front() else { return Ok(()) };
            let Some(lane) = self.lanes.get_mut(&person).filter(|lane| lane.has_room(self.is_split)) else {
                continue;
            };
            let Some(text) = lane.waiting.pop_front() else { continue };
            lane.untaken += 1;
            if !lane.waiting.is_empty() {
                self.ready.push_back(person);
            }
            let (message_id, recipient_id) = (wire.new_id(), lane.account_id);
            self.under_way.insert(message_id, UnderWay { person, is_taken: false });
            let sealed = self.seal(text);
            if self.is_split {
                self.ask(Upload { message_id, recipient_id, sealed }, wire, out)?;
            } else {
                self.send((message_id, recipient_id), Vec::new(), sealed, wire, out)?;
            }
        }
        Ok(())
    }

    /// Takes the answer to `upld`: puts the body.
    pub(super) fn permitted(&mut self, frame: &Frame, bodies: &Bodies) -> Result<()> {
        let upload = self.asked.remove(&frame.header.message_id).context("a permit that nobody asked for")?;
        let permits: UploadPermits = frame.read()?;
        let [permit] = &permits.permits[..] else { bail!("{} permits for one body", permits.permits.len()) };
        let name = Name::try_from(&permit.name[..]).context("a name of a body has 32 bytes")?;
        bodies.put(name, &permit.permit, &upload.sealed)?;
        self.putting.insert(name, upload);
        Ok(())
    }

    /// A body was put: its message goes.
    pub(super) fn put(&mut self, name: Name, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        let upload = self.putting.remove(&name).context("a body of no message")?;
        self.send((upload.message_id, upload.recipient_id), name.to_vec(), Vec::new(), wire, out)
    }

    /// Takes an answer to `smpu`.
    pub(super) fn answered(&mut self, frame: &Frame, sink: &mut dyn FnMut(Event<'_>)) -> Result<()> {
        let id = frame.header.message_id;
        match frame.header.status {
            Status::IN_PROGRESS => {
                let sent = self.under_way.get_mut(&id).context("an answer to nothing that was sent")?;
                if !std::mem::replace(&mut sent.is_taken, true) {
                    let person = sent.person;
                    self.note(person, Lane::take);
                }
            }
            Status::FINISHED => {
                let sent = self.under_way.remove(&id).context("an answer to nothing that was sent")?;
                if !sent.is_taken {
                    self.note(sent.person, Lane::take);
                }
                sink(Event::Accepted(1));
                note_state(frame, sink)?;
            }
            Status::ERROR => return Err(refusal(frame)),
            status => bail!("an answer with the status {}", status.0),
        }
        Ok(())
    }

    /// Something has become of a message to a person.
    fn note(&mut self, person: u32, note: impl FnOnce(&mut Lane)) {
        let Some(lane) = self.lanes.get_mut(&person) else { return };
        let had_room = lane.has_room(self.is_split);
        note(lane);
        if !had_room && lane.has_room(self.is_split) && !lane.waiting.is_empty() {
            self.ready.push_back(person);
        }
    }

    fn ask(&mut self, upload: Upload, wire: &mut Wire, out: &mut Vec<u8>) -> Result<()> {
        let request = proto::Upload {
            message_id: upload.message_id.as_bytes().to_vec().into(),
            recipient_id: upload.recipient_id.as_bytes().to_vec().into(),
            recipient_device: DeviceId::FIRST.into(),
        };
        let body = RequestUploads { uploads: vec![request] };
        let id = wire.put_command(Opcode::REQUEST_UPLOADS, &body, out)?;
        self.asked.insert(id, upload);
        Ok(())
    }

    fn send(
        &self,
        (message_id, recipient_id): (MessageId, AccountId),
        body_name: Vec<u8>,
        sealed: Vec<u8>,
        wire: &mut Wire,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let envelope = Envelope {
            sender_id: self.sender_id.as_bytes().to_vec().into(),
            sender_device: DeviceId::FIRST.into(),
            recipient_id: recipient_id.as_bytes().to_vec().into(),
            recipient_device: DeviceId::FIRST.into(),
            message_type: DIRECT_MESSAGE,
            body_name: body_name.into(),
            sealed: sealed.into(),
        };
        wire.put_command_with_id(Opcode::SEND_DIRECT, message_id, &envelope, out)
    }

    fn seal(&self, text: Text) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(self.sealed.len());
        put_head(Some(text.due_ns), text.source, text.number, &mut sealed);
        sealed.extend_from_slice(&self.sealed[HEAD_BYTES..]);
        sealed
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
