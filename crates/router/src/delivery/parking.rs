//! What is being made durable for one device, sender by sender.
//!
//! Invariants: of one sender's messages one is under way to the disk at a time, so that none is kept whose predecessor
//! was not; the others wait here in their order.

use std::collections::{BTreeMap, VecDeque};

use super::{Parcel, Reply};
use crate::{DeviceKey, MessageKey, Receipt};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Parking {
    /// The first of each is under way; no entry is empty.
    senders: BTreeMap<DeviceKey, VecDeque<Parked>>,
}

/// A message that is to be made durable.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) parcel: Parcel,
    /// What the device has said of it meanwhile: it has it, whatever becomes of it here.
    pub(super) receipt: Option<Receipt>,
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
        waiting.push_back(Parked { parcel, receipt: None });
        first
    }

    /// Where to answer the sender of a message, if it is here.
    pub(super) fn reply_to(&mut self, parcel: &Parcel) -> Option<&mut Reply> {
        let waiting = self.senders.get_mut(&parcel.sender())?;
        let mut parcels = waiting.iter_mut().map(|parked| &mut parked.parcel);
        parcels.find(|waiting| waiting.key == parcel.key).map(|waiting| &mut waiting.reply)
    }

    /// The message that was under way, now that it is done.
    pub(super) fn finish(&mut self, sender: DeviceKey, key: MessageKey) -> Option<Parked> {
        let waiting = self.senders.get_mut(&sender)?;
        if waiting.front()?.parcel.key != key {
            return None;
        }
        let parked = waiting.pop_front();
        if waiting.is_empty() {
            self.senders.remove(&sender);
        }
        parked
    }

    /// A sender's next message, to be parked now that the one before is done.
    pub(super) fn next_of(&self, sender: DeviceKey) -> Option<&Parcel> {
        self.senders.get(&sender)?.front().map(|parked| &parked.parcel)
    }

    /// Everything of a sender that waits behind one that was refused.
    pub(super) fn take_rest(&mut self, sender: DeviceKey) -> impl Iterator<Item = Parcel> + use<> {
        self.senders.remove(&sender).unwrap_or_default().into_iter().map(|parked| parked.parcel)
    }

    /// Takes a message out that need not be parked any more, unless it is under way already.
    pub(super) fn take_waiting(&mut self, key: MessageKey) -> Option<Parcel> {
        self.of_account(key).find_map(|waiting| {
            let at = waiting.iter().skip(1).position(|parked| parked.parcel.key == key)?;
            waiting.remove(at + 1).map(|parked| parked.parcel)
        })
    }

    /// The device says that it has a message that is under way; false if none such is.
    pub(super) fn acknowledge(&mut self, receipt: Receipt) -> bool {
        let mut under_way = self.of_account(receipt.key).filter_map(VecDeque::front_mut);
        let parked = under_way.find(|parked| parked.parcel.key == receipt.key);
        parked.map(|parked| parked.receipt = Some(receipt)).is_some()
    }

    fn of_account(&mut self, key: MessageKey) -> impl Iterator<Item = &mut VecDeque<Parked>> {
        let of_account = move |sender: &DeviceKey| sender.account_id == key.sender_id;
        self.senders.iter_mut().filter(move |(sender, _)| of_account(sender)).map(|(_, waiting)| waiting)
    }
}
