//! What was refused lately of each sender of one device: what follows must not overtake it.
//!
//! Invariants: only codes after which the same message comes again are remembered; one refusal a sender, for at most
//! [`REFUSAL_MS_MAX`], for at most [`REFUSALS_PER_DEVICE_MAX`] senders (a sender who keeps the protocol sends again in order
//! anyway: this catches what was on its way when it was refused).

use std::collections::BTreeMap;

use tacite_model::limits::{REFUSAL_MS_MAX, REFUSALS_PER_DEVICE_MAX};
use tacite_model::{MessageId, Timestamp};
use tacite_wire::Code;

use super::{LinkId, Parcel};
use crate::{DeviceKey, MessageKey};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    senders: BTreeMap<DeviceKey, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    message_id: MessageId,
    /// What was refused after it: next in order, should the device have the first all the same.
    next: Option<MessageId>,
    code: Code,
    /// The sender's link: what it sent before is lost with it, and it begins anew.
    link: LinkId,
    refused_at: Timestamp,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Remembers that `parcel` was refused, unless an earlier one of its sender was.
    pub(super) fn add(&mut self, parcel: &Parcel, code: Code, now: Timestamp) {
        let has_room = self.senders.len() < REFUSALS_PER_DEVICE_MAX;
        if !code.is_retryable() || !(has_room || self.senders.contains_key(&parcel.sender())) {
            return;
        }
        let message_id = parcel.key.message_id;
        let link = parcel.reply.link;
        let refusal = self.senders.entry(parcel.sender());
        refusal.or_insert(Refusal { message_id, next: None, code, link, refused_at: now }).follow(message_id);
    }

    /// With what `parcel` is to be refused because an earlier one was. The earlier one itself may pass.
    pub(super) fn code_for(&mut self, parcel: &Parcel, now: Timestamp) -> Option<Code> {
        let refusal = self.senders.get_mut(&parcel.sender())?;
        let comes_again = refusal.message_id == parcel.key.message_id;
        if comes_again || refusal.link != parcel.reply.link || refusal.is_over(now) {
            self.senders.remove(&parcel.sender());
            return None;
        }
        refusal.follow(parcel.key.message_id);
        Some(refusal.code)
    }

    /// The device has this message all the same: the store had it, and failed only to say so. Its sender hears of that and does not
    /// send it again, so what was refused after it is waited for instead.
    pub(super) fn arrived(&mut self, key: MessageKey) {
        self.senders.retain(|sender, refusal| {
            if (sender.account_id, refusal.message_id) != (key.sender_id, key.message_id) {
                return true;
            }
            let next = refusal.next.take();
            refusal.message_id = next.unwrap_or(refusal.message_id);
            next.is_some()
        });
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.senders.retain(|_, refusal| !refusal.is_over(now));
    }
}

impl Refusal {
    fn follow(&mut self, message_id: MessageId) {
        if message_id != self.message_id {
            self.next.get_or_insert(message_id);
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.ms_since(self.refused_at) >= REFUSAL_MS_MAX
    }
}
