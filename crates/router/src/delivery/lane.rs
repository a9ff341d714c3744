//! What is on its way to one device.
//!
//! Invariants: `relayed`, `drained` and `late` hold only what was pushed over the present link; while something is being
//! parked the device is not live, and what was relayed is parked before anything behind it, so that nothing overtakes what
//! is being made durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

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
    /// Pushed straight to the link, then parked before they were acknowledged.
    late: BTreeSet<MessageKey>,
    /// Each [`Effect::Park`] under way, and whom to tell.
    parking: BTreeMap<MessageKey, Reply>,
    /// How often [`Effect::Receive`] is under way.
    settling: usize,
    level_was_told: bool,
    /// A read of the queue passed over a message without a body.
    has_gap: bool,
    /// Something was parked that a read of the queue may have missed: it is to be read once more from its start.
    is_stale: bool,
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
    pub(super) fn is_idle(&self) -> bool {
        self.link.is_none() && self.parking.is_empty() && self.settling == 0
    }

    pub(super) fn link_up(&mut self, device: DeviceKey, link: LinkId, effects: &mut Vec<Effect>) {
        if self.link == Some(link) {
            return;
        }
        if let Some(old) = self.link {
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
        self.late.clear();
    }

    pub(super) fn submit(&mut self, parcel: Parcel, effects: &mut Vec<Effect>) {
        let (reply, recipient) = (parcel.reply, parcel.recipient);
        effects.push(Effect::Answer { reply, recipient, outcome: Outcome::Taken });
        // The sender lost its link before the answer and sends again what is still under way.
        if let Some(relayed) = self.relayed.iter_mut().find(|relayed| relayed.key == parcel.key) {
            relayed.reply = reply;
            return;
        }
        if let Some(parking) = self.parking.get_mut(&parcel.key) {
            *parking = reply;
            return;
        }
        match (self.phase, self.link) {
            (Phase::Live, Some(link)) if self.relayed.len() < UNACKNOWLEDGED_MAX => {
                effects.push(Effect::Push { link, frame: parcel.frame.clone() });
                self.relayed.push_back(parcel);
            }
            _ => {
                self.leave_live();
                self.park_relayed(effects);
                self.park(parcel, effects);
            }
        }
    }

    pub(super) fn parked(
        &mut self,
        device: DeviceKey,
        key: MessageKey,
        outcome: Result<Enqueued, Code>,
        effects: &mut Vec<Effect>,
    ) {
        if outcome.is_err() {
            self.late.remove(&key);
        }
        if let Phase::Draining { fetching, .. } = self.phase {
            self.is_stale |= fetching || self.has_gap;
        }
        let outcome = match outcome {
            Ok(Enqueued::Waiting) => Outcome::Sent,
            Ok(Enqueued::Received) => Outcome::Received,
            Ok(Enqueued::Expired) => Outcome::Expired,
            Ok(Enqueued::Full) => Outcome::Refused(Code::QUEUE_FULL),
            Ok(Enqueued::IdInUse) => Outcome::Refused(Code::ID_IN_USE),
            Err(code) => Outcome::Refused(code),
        };
        if let Some(reply) = self.parking.remove(&key) {
            effects.push(Effect::Answer { reply, recipient: device, outcome });
        }
        self.advance(device, effects);
    }

    /// What is not on its way to the device is passed over: nobody may keep the store busy with what does not concern it.
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
            } else if self.drained.remove(&key) | self.late.remove(&key) {
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
            if self.is_stale {
                self.advance(device, effects);
            } else {
                self.reach_level(link, effects);
            }
            return;
        };
        self.phase = Phase::Draining { after: last.position, fetching: false };
        for message in messages {
            let Some(frame) = message.frame else {
                self.has_gap = true;
                continue;
            };
            self.late.remove(&message.key);
            self.drained.insert(message.key);
            effects.push(Effect::Push { link, frame });
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
        let after = if self.is_stale { 0 } else { after };
        // From the start of the queue only when it no longer shows what has just been acknowledged.
        let is_settled = after > 0 || self.settling == 0;
        if self.parking.is_empty() && self.drained.is_empty() && is_settled {
            if after == 0 {
                (self.is_stale, self.has_gap) = (false, false);
            }
            self.phase = Phase::Draining { after, fetching: true };
            effects.push(Effect::Fetch { device, link, after });
        }
    }

    /// The queue was empty. If something is being parked behind it, [`Lane::parked`] goes on.
    fn reach_level(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
        if !self.parking.is_empty() {
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
            self.late.insert(parcel.key);
            self.park(parcel, effects);
        }
    }

    fn park(&mut self, parcel: Parcel, effects: &mut Vec<Effect>) {
        self.parking.insert(parcel.key, parcel.reply);
        effects.push(Effect::Park(Box::new(parcel)));
    }
}
