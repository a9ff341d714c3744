//! What is being made durable for one device, sender by sender.
//!
//! Invariants: of one sender's messages one run is under way to the disk at a time, and written as a whole or up to some
//! place, so that none is kept whose predecessor was not; the others wait here in their order.

use std::collections::{BTreeMap, VecDeque};

use super::{Parcel, Reply};
use crate::{DeviceKey, MessageKey, Receipt};

/// Messages of one sender that are written together: those behind wait for the next run, and all share its fate.
pub(super) const RUN_MAX: usize = 16;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Parking {
    /// No entry is empty, and something of each is under way.
    senders: BTreeMap<DeviceKey, OfSender>,
}

#[derive(Debug, Default)]
struct OfSender {
    messages: VecDeque<Parked>,
    /// So many of the first are under way.
    under_way: usize,
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
        self.senders.get(&sender).map_or(0, |of_sender| of_sender.messages.len())
    }

    /// Puts a message behind the others of its sender.
    pub(super) fn add(&mut self, parcel: Parcel) {
        let of_sender = self.senders.entry(parcel.sender()).or_default();
        of_sender.messages.push_back(Parked { parcel, receipt: None });
    }

    /// What of a sender is to be parked now: nothing, as long as something is under way.
    pub(super) fn next_run(&mut self, sender: DeviceKey) -> Vec<Parcel> {
        let Some(of_sender) = self.senders.get_mut(&sender).filter(|of_sender| of_sender.under_way == 0)
        else {
            return Vec::new();
        };
        let run: Vec<Parcel> =
            of_sender.messages.iter().take(RUN_MAX).map(|parked| parked.parcel.clone()).collect();
        of_sender.under_way = run.len();
        run
    }

    /// Where to answer the sender of a message, if it is here.
    pub(super) fn reply_to(&mut self, parcel: &Parcel) -> Option<&mut Reply> {
        let of_sender = self.senders.get_mut(&parcel.sender())?;
        let mut parcels = of_sender.messages.iter_mut().map(|parked| &mut parked.parcel);
        parcels.find(|waiting| waiting.key == parcel.key).map(|waiting| &mut waiting.reply)
    }

    /// The first message that is under way, now that it is done.
    pub(super) fn finish(&mut self, sender: DeviceKey, key: MessageKey) -> Option<Parked> {
        let of_sender = self.senders.get_mut(&sender).filter(|of_sender| of_sender.under_way > 0)?;
        if of_sender.messages.front()?.parcel.key != key {
            return None;
        }
        of_sender.under_way -= 1;
        let parked = of_sender.messages.pop_front();
        if of_sender.messages.is_empty() {
            self.senders.remove(&sender);
        }
        parked
    }

    /// Everything of a sender that waits behind one that was refused, and is not under way.
    pub(super) fn take_rest(&mut self, sender: DeviceKey) -> Vec<Parcel> {
        let Some(of_sender) = self.senders.get_mut(&sender) else { return Vec::new() };
        let rest = of_sender.messages.split_off(of_sender.under_way);
        if of_sender.messages.is_empty() {
            self.senders.remove(&sender);
        }
        rest.into_iter().map(|parked| parked.parcel).collect()
    }

    /// Takes a message out that need not be parked any more, unless it is under way already.
    pub(super) fn take_waiting(&mut self, key: MessageKey) -> Option<Parcel> {
        self.of_account(key).find_map(|OfSender { messages, under_way }| {
            let at = messages.iter().skip(*under_way).position(|parked| parked.parcel.key == key)?;
            messages.remove(*under_way + at).map(|parked| parked.parcel)
        })
    }

    /// The device says that it has a message that is under way; false if none such is.
    pub(super) fn acknowledge(&mut self, receipt: Receipt) -> bool {
        let mut under_way = self
            .of_account(receipt.key)
            .flat_map(|OfSender { messages, under_way }| messages.iter_mut().take(*under_way));
        let parked = under_way.find(|parked| parked.parcel.key == receipt.key);
        parked.map(|parked| parked.receipt = Some(receipt)).is_some()
    }

    fn of_account(&mut self, key: MessageKey) -> impl Iterator<Item = &mut OfSender> {
        let of_account = move |sender: &DeviceKey| sender.account_id == key.sender_id;
        self.senders.iter_mut().filter(move |(sender, _)| of_account(sender)).map(|(_, of_sender)| of_sender)
    }
}
