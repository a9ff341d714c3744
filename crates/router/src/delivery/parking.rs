//! What is being made durable for one device, sender by sender.
//!
//! Invariants: of one sender's messages one is under way to the disk at a time, so that none is kept whose predecessor
//! was not; the others wait here in their order.

use std::collections::{BTreeMap, VecDeque};

use super::{Parcel, Reply};
use crate::{DeviceKey, MessageKey};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Parking {
    /// The first of each is under way; no entry is empty.
    senders: BTreeMap<DeviceKey, VecDeque<Parcel>>,
}

impl Parking {
    pub(super) fn is_empty(&self) -> bool {
        self.senders.is_empty()
    }

    /// How many of a sender's messages are here.
    pub(super) fn count_of(&self, sender: DeviceKey) -> usize {
        self.senders.get(&sender).map_or(0, VecDeque::len)
    }

    /// Puts a message behind the others of its sender; returns it if it is the first: it is to be parked now.
    pub(super) fn add(&mut self, parcel: Parcel) -> Option<Parcel> {
        let waiting = self.senders.entry(parcel.sender()).or_default();
        let first = waiting.is_empty().then(|| parcel.clone());
        waiting.push_back(parcel);
        first
    }

    /// Where to answer the sender of a message, if it is here.
    pub(super) fn reply_to(&mut self, parcel: &Parcel) -> Option<&mut Reply> {
        let waiting = self.senders.get_mut(&parcel.sender())?;
        waiting.iter_mut().find(|waiting| waiting.key == parcel.key).map(|waiting| &mut waiting.reply)
    }

    /// The message that was under way, now that it is done.
    pub(super) fn finish(&mut self, sender: DeviceKey, key: MessageKey) -> Option<Parcel> {
        let waiting = self.senders.get_mut(&sender)?;
        if waiting.front()?.key != key {
            return None;
        }
        let parcel = waiting.pop_front();
        if waiting.is_empty() {
            self.senders.remove(&sender);
        }
        parcel
    }

    /// A sender's next message, to be parked now that the one before is done.
    pub(super) fn next_of(&self, sender: DeviceKey) -> Option<&Parcel> {
        self.senders.get(&sender)?.front()
    }

    /// Everything of a sender that waits behind one that was refused.
    pub(super) fn take_rest(&mut self, sender: DeviceKey) -> VecDeque<Parcel> {
        self.senders.remove(&sender).unwrap_or_default()
    }

    /// Takes a message out that need not be parked any more, unless it is under way already.
    pub(super) fn take_waiting(&mut self, key: MessageKey) -> Option<Parcel> {
        let of_account =
            |(sender, _): &(&DeviceKey, &mut VecDeque<Parcel>)| sender.account_id == key.sender_id;
        self.senders.iter_mut().filter(of_account).find_map(|(_, waiting)| {
            let at = waiting.iter().skip(1).position(|parcel| parcel.key == key)?;
            waiting.remove(at + 1)
        })
    }
}
