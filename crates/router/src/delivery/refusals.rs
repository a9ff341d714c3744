//! What was refused lately of each sender of one device: what follows must not overtake it.
//!
//! Invariants: only codes after which the same message comes again are remembered; for each sender those of its latest link, until that one
//! comes again which was handed in first there (its sender begins with that); for at most [`REFUSAL_MS_MAX`], for at most
//! [`REFUSALS_PER_DEVICE_MAX`] senders and [`UNACKNOWLEDGED_MAX`] messages of each (a sender who keeps the protocol sends again in order
//! anyway: this catches what was on its way when it was refused).

use std::collections::BTreeMap;

use tacite_model::limits::{REFUSAL_MS_MAX, REFUSALS_PER_DEVICE_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{MessageId, Timestamp};
use tacite_wire::Code;

#[cfg(doc)]
use super::Reply;
use super::{LinkId, Parcel};
use crate::{DeviceKey, MessageKey};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    senders: BTreeMap<DeviceKey, Refusal>,
}

#[derive(Debug)]
struct Refusal {
    /// What was refused, by [`Reply::number`]: the first is waited for; should the device have it all the same, the next.
    messages: BTreeMap<u64, MessageId>,
    code: Code,
    /// The sender's link: what it sent before is lost with it, and it begins anew.
    link: LinkId,
    refused_at: Timestamp,
}

impl Refusals {
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// Remembers that `parcel` was refused.
    pub(super) fn add(&mut self, parcel: &Parcel, code: Code, now: Timestamp) {
        let has_room = self.senders.len() < REFUSALS_PER_DEVICE_MAX;
        if !code.is_retryable() || !(has_room || self.senders.contains_key(&parcel.sender())) {
            return;
        }
        let link = parcel.reply.link;
        let first = || Refusal { messages: BTreeMap::new(), code, link, refused_at: now };
        let refusal = self.senders.entry(parcel.sender()).or_insert_with(first);
        if link > refusal.link {
            // What came over an older link is sent again anyway.
            *refusal = first();
        }
        refusal.remember(parcel);
    }

    /// With what `parcel` is to be refused because an earlier one was. The earlier one itself may pass.
    pub(super) fn code_for(&mut self, parcel: &Parcel, now: Timestamp) -> Option<Code> {
        let refusal = self.senders.get_mut(&parcel.sender())?;
        let first = refusal.messages.values().next();
        let comes_again = first == Some(&parcel.key.message_id);
        if comes_again || refusal.link != parcel.reply.link || refusal.is_over(now) {
            self.senders.remove(&parcel.sender());
            return None;
        }
        refusal.remember(parcel);
        Some(refusal.code)
    }

    /// The device has this message all the same: the store had it, and failed only to say so. Its sender hears of that and does not
    /// send it again, so what was refused after it is waited for instead.
    pub(super) fn arrived(&mut self, key: MessageKey) {
        self.senders.retain(|sender, refusal| {
            if sender.account_id == key.sender_id {
                refusal.messages.retain(|_, message_id| *message_id != key.message_id);
            }
            !refusal.messages.is_empty()
        });
    }

    pub(super) fn forget_old(&mut self, now: Timestamp) {
        self.senders.retain(|_, refusal| !refusal.is_over(now));
    }
}

impl Refusal {
    /// What was refused again keeps its place.
    fn remember(&mut self, parcel: &Parcel) {
        let message_id = parcel.key.message_id;
        let is_known = self.messages.values().any(|known| *known == message_id);
        // What came over an older link is sent again behind what has come over this one.
        if self.messages.len() < UNACKNOWLEDGED_MAX && !is_known && parcel.reply.link == self.link {
            self.messages.insert(parcel.reply.number, message_id);
        }
    }

    fn is_over(&self, now: Timestamp) -> bool {
        now.ms_since(self.refused_at) >= REFUSAL_MS_MAX
    }
}
