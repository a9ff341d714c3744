//! The three ways of delivery, and refusals that hold for a whole lane.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest as _, Sha256};
use tacite_core::BodyName;
use tacite_model::{AccountId, MessageId};
use tacite_wire::proto::{self, DeliveryMode, Envelope};
use tacite_wire::{Code, Frame, Opcode, Status};

use super::messages::sender_of;
use super::{LinkId, Server};

/// What the ways of delivery need.
#[derive(Debug, Default)]
pub(crate) struct Modes {
    /// Split mode: what was put into the depot.
    pub(crate) bodies: BTreeMap<BodyName, Vec<u8>>,
    /// Bodies that the depot loses instead of keeping them.
    pub(crate) loses: usize,
    /// Whose messages to whom are refused, and why.
    refusals: BTreeMap<(AccountId, AccountId), Refusal>,
    /// Who is to be told that somebody is there.
    awaited: BTreeSet<(AccountId, AccountId)>,
}

#[derive(Debug, Clone)]
struct Refusal {
    code: Code,
    /// What was refused: when one of these comes again, its sender has begun anew.
    messages: Vec<MessageId>,
}

impl Refusal {
    fn new(message_id: MessageId, code: Code) -> Self {
        Self { code, messages: vec![message_id] }
    }
}

impl Server {
    /// A body comes by the other way.
    pub(crate) fn put_body(&mut self, name: BodyName, bytes: &[u8]) {
        if self.modes.loses > 0 {
            self.modes.loses -= 1;
        } else {
            let first = self.modes.bodies.entry(name).or_insert_with(|| bytes.to_vec());
            assert!(first == bytes, "two bodies for one message");
        }
    }

    pub(super) fn request_uploads(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        if self.mode != DeliveryMode::Split {
            return self.refuse(link_id, frame, Code::OTHER_MODE);
        }
        let request: proto::RequestUploads = frame.read().unwrap();
        let permit = |upload: proto::Upload| {
            let recipient_id = AccountId::try_from(upload.recipient_id.as_ref()).unwrap();
            let message_id = MessageId::try_from(upload.message_id.as_ref()).unwrap();
            proto::UploadPermit {
                name: name_of((account_id, message_id), recipient_id).0.to_vec().into(),
                permit: vec![1; 41].into(),
                expires_at_ms: u64::MAX,
            }
        };
        let permits = request.uploads.into_iter().map(permit).collect();
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &proto::UploadPermits { permits });
    }

    /// From this message on the sender's messages to its recipient are refused.
    pub(super) fn refuse_lane(&mut self, frame: &Frame, code: Code) {
        let envelope: Envelope = frame.read().unwrap();
        let recipient_id = AccountId::try_from(envelope.recipient_id.as_ref()).unwrap();
        let lane = (sender_of(frame), recipient_id);
        self.modes.refusals.entry(lane).or_insert(Refusal::new(frame.header.message_id, code));
    }

    /// Why a message is refused before it has a place; what follows it is refused with it.
    pub(super) fn refusal(
        &mut self,
        sender_id: AccountId,
        message_id: MessageId,
        envelope: &Envelope,
    ) -> Option<Code> {
        let recipient_id = AccountId::try_from(envelope.recipient_id.as_ref()).unwrap();
        let lane = (sender_id, recipient_id);
        if let Some(refusal) = self.modes.refusals.get_mut(&lane) {
            if !refusal.messages.contains(&message_id) {
                refusal.messages.push(message_id);
                return Some(refusal.code);
            }
            self.modes.refusals.remove(&lane);
        }
        let is_split = self.mode == DeliveryMode::Split;
        if is_split == envelope.body_name.is_empty() {
            self.modes.refusals.insert(lane, Refusal::new(message_id, Code::OTHER_MODE));
            return Some(Code::OTHER_MODE);
        }
        let name = name_of((sender_id, message_id), recipient_id);
        if is_split && self.places.contains_key(&(sender_id, message_id)) {
            return None;
        }
        if is_split && !self.modes.bodies.contains_key(&name) {
            self.modes.refusals.insert(lane, Refusal::new(message_id, Code::BODY_MISSING));
            return Some(Code::BODY_MISSING);
        }
        if self.mode == DeliveryMode::Direct && self.links_of(recipient_id).is_empty() {
            self.modes.refusals.insert(lane, Refusal::new(message_id, Code::RECIPIENT_AWAY));
            self.modes.awaited.insert(lane);
            return Some(Code::RECIPIENT_AWAY);
        }
        None
    }

    /// Direct mode: what was relayed and not acknowledged is refused after all.
    pub(super) fn refuse_relayed(&mut self, recipient_id: AccountId) {
        for (message_id, frame) in self.queues.remove(&recipient_id).unwrap_or_default() {
            let sender_id = sender_of(&frame);
            let lane = (sender_id, recipient_id);
            self.modes.refusals.entry(lane).or_insert(Refusal::new(message_id, Code::RECIPIENT_AWAY));
            self.modes.awaited.insert(lane);
            if let Some((link_id, command)) =
                self.places.remove(&(sender_id, message_id)).and_then(|place| place.open)
                && self.links.contains_key(&link_id)
            {
                self.refuse(link_id, &command, Code::RECIPIENT_AWAY);
            }
        }
    }

    /// `here`, to all who wait for this account.
    pub(super) fn tell_here(&mut self, account_id: AccountId) {
        let (told, rest) =
            std::mem::take(&mut self.modes.awaited).into_iter().partition(|(_, of)| *of == account_id);
        self.modes.awaited = rest;
        let told: BTreeSet<(AccountId, AccountId)> = told;
        let here = proto::PeerHere { account_id: account_id.as_bytes().to_vec().into(), device_id: 1 };
        for (sender_id, _) in told {
            for link_id in self.links_of(sender_id) {
                self.push(link_id, Opcode::PEER_HERE, MessageId::from_bytes([0; 16]), &here);
            }
        }
    }

    pub(super) fn remove_body(&mut self, key: (AccountId, MessageId), recipient_id: AccountId) {
        self.modes.bodies.remove(&name_of(key, recipient_id));
    }
}

/// The name of a body; a real server's cannot be computed by others.
pub(crate) fn name_of(key: (AccountId, MessageId), recipient_id: AccountId) -> BodyName {
    let parts = [*key.0.as_bytes(), *key.1.as_bytes(), *recipient_id.as_bytes()];
    BodyName(Sha256::digest(parts.concat().as_slice()).into())
}
