//! Messages of the server of the tests.

use std::collections::BTreeSet;

use tacite_model::{AccountId, MessageId, Timestamp};
use tacite_wire::proto::{self, DeliveryState, Empty, Envelope};
use tacite_wire::{Code, Frame, Opcode, Status};

use super::{LinkId, Server};

/// What became of a message.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) state: DeliveryState,
    /// What the recipient's device said of the state.
    proof: Vec<u8>,
    recipient_id: AccountId,
    /// The sender's command while the outcome is open: the message is relayed and not acknowledged.
    pub(super) open: Option<(LinkId, Frame)>,
}

/// A row about a message in the record of changes.
#[derive(Debug, Clone)]
pub(crate) struct StateRow {
    recipient_id: AccountId,
    pub(crate) state: DeliveryState,
    proof: Vec<u8>,
    pub(crate) updated_at: u64,
}

impl StateRow {
    pub(super) fn to_proto(&self, message_id: MessageId) -> proto::MessageState {
        proto::MessageState {
            message_id: message_id.as_bytes().to_vec().into(),
            recipient_id: self.recipient_id.as_bytes().to_vec().into(),
            recipient_device: 1,
            state: self.state.into(),
            at_ms: self.updated_at,
            proof: self.proof.clone().into(),
        }
    }
}

impl Server {
    pub(super) fn send_direct(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let envelope: Envelope = frame.read().unwrap();
        let recipient_id = AccountId::try_from(envelope.recipient_id.as_ref()).unwrap();
        let key = (account_id, frame.header.message_id);
        if AccountId::try_from(envelope.sender_id.as_ref()) != Ok(account_id) {
            return self.refuse(link_id, frame, Code::FORBIDDEN);
        }
        if !self.are_contacts(account_id, recipient_id) {
            return self.refuse(link_id, frame, Code::NOT_A_CONTACT);
        }
        if let Some(code) = self.refusal(account_id, key.1, &envelope) {
            return self.refuse(link_id, frame, code);
        }
        self.answer(link_id, frame, Status::IN_PROGRESS, Code::TAKEN, &Empty {});
        if let Some(place) = self.places.get_mut(&key) {
            // The same once more: whatever became of the first.
            place.open = Some((link_id, frame.clone()));
            if place.state != DeliveryState::Unspecified {
                self.close_place(key, DeliveryState::Unspecified);
            }
            return;
        }
        let open = Some((link_id, frame.clone()));
        let state = DeliveryState::Unspecified;
        self.places.insert(key, Place { state, proof: Vec::new(), recipient_id, open });
        self.queues.entry(recipient_id).or_default().push((key.1, frame.clone()));
        let links = self.links_of(recipient_id);
        if links.is_empty() {
            self.close_place(key, DeliveryState::Sent);
        }
        for online in links {
            self.push_waiting(online, recipient_id);
        }
    }

    pub(super) fn acknowledge(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let acknowledge: proto::Acknowledge = frame.read().unwrap();
        for reference in acknowledge.messages {
            let sender_id = AccountId::try_from(reference.sender_id.as_ref()).unwrap();
            let message_id = MessageId::try_from(reference.message_id.as_ref()).unwrap();
            let queue = self.queues.entry(account_id).or_default();
            queue.retain(|(waiting, envelope)| *waiting != message_id || sender_of(envelope) != sender_id);
            let key = (sender_id, message_id);
            self.remove_body(key, account_id);
            let Some(place) = self.places.get_mut(&key) else { continue };
            if reference.silent {
                self.close_place(key, DeliveryState::Sent);
            } else {
                if (place.state as i32) < DeliveryState::Received as i32 {
                    place.proof = reference.proof.to_vec();
                }
                self.close_place(key, DeliveryState::Received);
            }
        }
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &Empty {});
        self.tell_level(link_id, account_id);
    }

    pub(super) fn mark_read(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let read: proto::MarkRead = frame.read().unwrap();
        for reference in read.messages {
            let sender_id = AccountId::try_from(reference.sender_id.as_ref()).unwrap();
            let key = (sender_id, MessageId::try_from(reference.message_id.as_ref()).unwrap());
            if !self.are_contacts(account_id, sender_id) {
                return self.refuse(link_id, frame, Code::NOT_A_CONTACT);
            }
            if let Some(place) = self.places.get_mut(&key) {
                place.proof = reference.proof.to_vec();
                self.close_place(key, DeliveryState::Read);
            }
        }
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &Empty {});
    }

    /// The server claims to hold a message, and forgets it.
    pub(crate) fn swallow(&mut self, key: (AccountId, MessageId)) {
        for queue in self.queues.values_mut() {
            queue.retain(|(waiting, envelope)| *waiting != key.1 || sender_of(envelope) != key.0);
        }
        self.close_place(key, DeliveryState::Sent);
    }

    /// After the last page of a synchronisation.
    pub(super) fn begin_pushing(&mut self, link_id: LinkId, account_id: AccountId) {
        self.links.get_mut(&link_id).unwrap().caught_up = true;
        self.push_waiting(link_id, account_id);
        self.tell_level(link_id, account_id);
        self.tell_here(account_id);
    }

    /// A link has ended with messages pushed and not acknowledged: they wait now, and their senders are told.
    pub(super) fn relayed_in_vain(
        &mut self,
        account_id: Option<AccountId>,
        pushed: &BTreeSet<(AccountId, MessageId)>,
    ) {
        let Some(account_id) = account_id else { return };
        if !self.links_of(account_id).is_empty() {
            return;
        }
        if self.mode == proto::DeliveryMode::Direct {
            return self.refuse_relayed(account_id);
        }
        for key in pushed {
            let open = self.places.get(key).is_some_and(|place| place.state == DeliveryState::Unspecified);
            if open {
                self.close_place(*key, DeliveryState::Sent);
            }
        }
    }

    fn push_waiting(&mut self, link_id: LinkId, account_id: AccountId) {
        for (message_id, envelope) in self.queues.get(&account_id).cloned().unwrap_or_default() {
            let link = self.links.get_mut(&link_id).unwrap();
            if !link.pushed.insert((sender_of(&envelope), message_id)) {
                continue;
            }
            let push = envelope.forward(Opcode::DIRECT_RECEIVED, Timestamp::from_ms(self.clock));
            for _ in 0..=u8::from(self.pushes_twice) {
                self.out.push_back((link_id, push.clone()));
            }
        }
    }

    fn tell_level(&mut self, link_id: LinkId, account_id: AccountId) {
        let is_empty = self.queues.get(&account_id).is_none_or(Vec::is_empty);
        let link = self.links.get_mut(&link_id).unwrap();
        if is_empty && !link.level_told {
            link.level_told = true;
            self.push(link_id, Opcode::LEVEL, MessageId::from_bytes([0; 16]), &Empty {});
        }
    }

    /// Advances a message and tells its sender, by the open answer or by a push.
    fn close_place(&mut self, key: (AccountId, MessageId), state: DeliveryState) {
        let updated_at = self.tick();
        let place = self.places.get_mut(&key).unwrap();
        let advances = state as i32 > place.state as i32;
        if advances {
            place.state = state;
        }
        let (recipient_id, proof) = (place.recipient_id, place.proof.clone());
        let row = StateRow { recipient_id, state: place.state, proof, updated_at };
        let open = place.open.take();
        let body = row.to_proto(key.1);
        self.states.insert(key, row);
        match open {
            Some((link_id, command)) if self.links.contains_key(&link_id) => {
                self.answer(link_id, &command, Status::FINISHED, Code::DONE, &body);
            }
            _ if advances => {
                for link_id in self.links_of(key.0) {
                    self.push(link_id, Opcode::STATE_CHANGED, key.1, &body);
                }
            }
            _ => {}
        }
    }
}

pub(super) fn sender_of(envelope: &Frame) -> AccountId {
    AccountId::try_from(envelope.read::<Envelope>().unwrap().sender_id.as_ref()).unwrap()
}
