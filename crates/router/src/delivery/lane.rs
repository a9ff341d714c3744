//! What is on its way to one device.
//!
//! Invariants: `relayed` and `drained` hold only what was pushed over the present link; while `parking` is not zero the
//! device is not live, so that nothing overtakes what is being made durable.

use std::collections::{BTreeSet, VecDeque};

use tacite_model::Timestamp;
use tacite_model::limits::{ACKNOWLEDGE_MS_MAX, UNACKNOWLEDGED_MAX};
use tacite_wire::Code;

use super::{Effect, Fetched, LinkId, Outcome, Parcel, Reply};
use crate::{DeviceKey, Enqueued, MessageKey};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lane {
    link: Option<LinkId>,
    phase: Phase,
    /// Pushed straight to the link, unacknowledged, in order.
    relayed: VecDeque<Parcel>,
    /// Pushed from the store, unacknowledged.
    drained: BTreeSet<MessageKey>,
    /// Effects under way: [`Effect::Park`], [`Effect::Receive`].
    parking: usize,
    settling: usize,
    level_was_told: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Parcels go straight to the link.
    Live,
    /// The store may hold more behind this place; with `fetching` it is being asked.
    #[default]
    Away,
    Draining {
        after: u64,
        fetching: bool,
    },
}

impl Lane {
    pub(super) fn unacknowledged(&self) -> usize {
        self.relayed.len() + self.drained.len()
    }

    /// True when forgetting this lane changes nothing.
    pub(super) const fn is_idle(&self) -> bool {
        self.link.is_none() && self.parking == 0 && self.settling == 0
    }

    pub(super) fn link_up(&mut self, device: DeviceKey, link: LinkId, effects: &mut Vec<Effect>) {
        if let Some(old) = self.link.filter(|old| *old != link) {
            effects.push(Effect::Close { link: old });
            self.link_down(old, effects);
        }
        self.link = Some(link);
        self.level_was_told = false;
        self.phase = Phase::Draining { after: 0, fetching: false };
        self.advance(device, effects);
    }

    pub(super) fn link_down(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        if self.link != Some(link) {
            return;
        }
        self.link = None;
        self.phase = Phase::Away;
        self.drained.clear();
        self.park_relayed(effects);
    }

    pub(super) fn submit(&mut self, parcel: Parcel, effects: &mut Vec<Effect>) {
        let (reply, recipient) = (parcel.reply, parcel.recipient);
        effects.push(Effect::Answer { reply, recipient, outcome: Outcome::Taken });
        // The sender lost its link before the answer and sends again what is still under way.
        if let Some(relayed) = self.relayed.iter_mut().find(|relayed| relayed.key == parcel.key) {
            relayed.reply = reply;
            return;
        }
        match (self.phase, self.link) {
            (Phase::Live, Some(link)) if self.relayed.len() < UNACKNOWLEDGED_MAX => {
                effects.push(Effect::Push { link, frame: parcel.frame.clone() });
                self.relayed.push_back(parcel);
            }
            _ => {
                self.leave_live();
                self.park(parcel, effects);
            }
        }
    }

    pub(super) fn parked(
        &mut self,
        device: DeviceKey,
        reply: Reply,
        outcome: Result<Enqueued, Code>,
        effects: &mut Vec<Effect>,
    ) {
        self.parking = self.parking.saturating_sub(1);
        let outcome = match outcome {
            Ok(Enqueued::Waiting) => Outcome::Sent,
            Ok(Enqueued::Received) => Outcome::Received,
            Ok(Enqueued::Expired) => Outcome::Expired,
            Ok(Enqueued::Full) => Outcome::Refused(Code::QUEUE_FULL),
            Ok(Enqueued::IdInUse) => Outcome::Refused(Code::ID_IN_USE),
            Err(code) => Outcome::Refused(code),
        };
        effects.push(Effect::Answer { reply, recipient: device, outcome });
        self.advance(device, effects);
    }

    pub(super) fn acknowledge(
        &mut self,
        device: DeviceKey,
        messages: Vec<MessageKey>,
        effects: &mut Vec<Effect>,
    ) {
        let mut stored = Vec::new();
        for key in messages {
            if let Some(at) = self.relayed.iter().position(|parcel| parcel.key == key) {
                if let Some(parcel) = self.relayed.remove(at) {
                    let (reply, outcome) = (parcel.reply, Outcome::Received);
                    effects.push(Effect::Answer { reply, recipient: device, outcome });
                }
            } else {
                self.drained.remove(&key);
                stored.push(key);
            }
        }
        if !stored.is_empty() {
            self.settling += 1;
            effects.push(Effect::Receive { device, messages: stored });
        }
        self.advance(device, effects);
    }

    pub(super) fn settled(&mut self, device: DeviceKey, effects: &mut Vec<Effect>) {
        self.settling = self.settling.saturating_sub(1);
        self.advance(device, effects);
    }

    pub(super) fn fetched(
        &mut self,
        device: DeviceKey,
        link: LinkId,
        messages: Vec<Fetched>,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Draining { after, fetching: true } = self.phase else { return };
        if self.link != Some(link) {
            return;
        }
        let Some(last) = messages.last() else {
            self.phase = Phase::Draining { after, fetching: false };
            return self.reach_level(link, effects);
        };
        self.phase = Phase::Draining { after: last.position, fetching: false };
        for message in messages {
            if let Some(frame) = message.frame {
                self.drained.insert(message.key);
                effects.push(Effect::Push { link, frame });
            }
        }
        self.advance(device, effects);
    }

    /// Makes durable what the device has not acknowledged in time, and everything behind it.
    pub(super) fn park_overdue(&mut self, device: DeviceKey, now: Timestamp, effects: &mut Vec<Effect>) {
        let is_overdue = |parcel: &Parcel| now.ms_since(parcel.taken_at) >= ACKNOWLEDGE_MS_MAX;
        if self.relayed.front().is_some_and(is_overdue) {
            self.leave_live();
            self.park_relayed(effects);
            self.advance(device, effects);
        }
    }

    /// Asks the store for more, once nothing is under way that could change the answer.
    fn advance(&mut self, device: DeviceKey, effects: &mut Vec<Effect>) {
        let (Phase::Draining { after, fetching: false }, Some(link)) = (self.phase, self.link) else {
            return;
        };
        // From the start of the queue only when it no longer shows what has just been acknowledged.
        let is_settled = after > 0 || self.settling == 0;
        if self.parking == 0 && self.drained.is_empty() && is_settled {
            self.phase = Phase::Draining { after, fetching: true };
            effects.push(Effect::Fetch { device, link, after });
        }
    }

    /// The queue was empty. If something is being parked behind it, [`Lane::parked`] goes on.
    fn reach_level(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        if self.parking > 0 {
            return;
        }
        self.phase = Phase::Live;
        if !self.level_was_told {
            self.level_was_told = true;
            effects.push(Effect::Level { link });
        }
    }

    fn leave_live(&mut self) {
        if self.phase == Phase::Live {
            self.phase = Phase::Draining { after: 0, fetching: false };
        }
    }

    fn park_relayed(&mut self, effects: &mut Vec<Effect>) {
        while let Some(parcel) = self.relayed.pop_front() {
            self.park(parcel, effects);
        }
    }

    fn park(&mut self, parcel: Parcel, effects: &mut Vec<Effect>) {
        self.parking += 1;
        effects.push(Effect::Park(Box::new(parcel)));
    }
}
