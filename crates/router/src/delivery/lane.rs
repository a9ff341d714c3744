//! What is on its way to one device.
//!
//! Invariants: `relayed`, `drained` and `late` hold only what was pushed over the present link; while something is being
//! parked the device is not live, and what was relayed is parked before anything behind it, so that nothing overtakes what
//! is being made durable. The store's queue is read on while more is being parked: new messages keep nobody waiting.

use std::collections::{BTreeSet, VecDeque};

use tacite_model::Timestamp;
use tacite_model::limits::{ACKNOWLEDGE_DIRECT_MS_MAX, ACKNOWLEDGE_MS_MAX, UNACKNOWLEDGED_MAX};
use tacite_wire::Code;

use super::parking::{Parked, Parking};
use super::refusals::Refusals;
use super::{Effect, Fetched, LinkId, Mode, Outcome, Parcel, Reply};
use crate::{DeviceKey, Enqueued, MessageKey, MessageStatusState, Receipt};

/// Pause before what could not be recorded is tried again, milliseconds.
const RECORD_AGAIN_MS: u64 = 5000;

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
    /// Whom to tell at the next tick that a message is taken care of. The device has it and does not say so: the time of its
    /// acknowledgement would say it all the same, and how far the device is (T44).
    quiet: Vec<Reply>,
    parking: Parking,
    refusals: Refusals,
    /// How often [`Effect::Receive`] is under way, or waits for a message to be on the disk.
    settling: usize,
    unrecorded: Unrecorded,
    level_was_told: bool,
    reading: Reading,
}

/// What the device has stored and the store could not record (a full disk): tried again for as long as it takes, or the
/// senders would not hear of it before the device's next link.
#[derive(Debug, Default)]
struct Unrecorded {
    receipts: Vec<Receipt>,
    /// When to try again.
    due_at: Timestamp,
}

/// What the reads of the queue may not have shown.
#[derive(Debug, Default)]
struct Reading {
    /// A read passed over a message without a body.
    has_gap: bool,
    /// That message may have its body now: the queue is to be read once more from its start.
    is_stale: bool,
    /// Something was parked, or got its body, that the read under way may not show.
    was_missed: bool,
}

/// For which device, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) device: DeviceKey,
    pub(super) mode: Mode,
    pub(super) now: Timestamp,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Parcels go straight to the link.
    Live,
    #[default]
    Away,
    /// The store may hold more behind this place; with `fetching` it is being asked.
    Draining { after: u64, fetching: bool },
}

impl Context {
    fn answer(&self, reply: Reply, outcome: Outcome) -> Effect {
        Effect::Answer { reply, recipient: self.device, outcome }
    }
}

impl Lane {
    pub(super) fn unacknowledged(&self) -> usize {
        self.relayed.len() + self.drained.len()
    }

    pub(super) fn is_live(&self) -> bool {
        self.phase == Phase::Live
    }

    /// True when forgetting this lane changes nothing.
    pub(super) fn is_idle(&self) -> bool {
        let is_done = self.parking.is_empty() && self.settling == 0 && self.quiet.is_empty();
        let is_done = is_done && self.unrecorded.receipts.is_empty();
        self.link.is_none() && is_done && self.refusals.is_empty()
    }

    pub(super) fn link_up(&mut self, context: &Context, link: LinkId, effects: &mut Vec<Effect>) {
        if self.link == Some(link) {
            return;
        }
        if let Some(old) = self.link {
            effects.push(Effect::Close { link: old });
            self.link_down(context, old, effects);
        }
        self.link = Some(link);
        self.level_was_told = false;
        // Also in direct mode: there may be messages from a time when the server still stored some.
        self.phase = Phase::Draining { after: 0, fetching: false };
        self.advance(context, effects);
    }

    pub(super) fn link_down(&mut self, context: &Context, link: LinkId, effects: &mut Vec<Effect>) {
        if self.link != Some(link) {
            return;
        }
        self.link = None;
        self.phase = Phase::Away;
        self.drained.clear();
        if context.mode == Mode::Direct {
            while let Some(parcel) = self.relayed.pop_front() {
                self.refuse(context, &parcel, Code::RECIPIENT_AWAY, effects);
            }
        }
        self.park_relayed(effects);
        self.late.clear();
    }

    pub(super) fn submit(&mut self, context: &Context, parcel: Parcel, effects: &mut Vec<Effect>) {
        let taken = context.answer(parcel.reply, Outcome::Taken);
        if self.is_under_way(&parcel) {
            effects.push(taken);
            return;
        }
        if let Some(code) = self.refusals.code_for(&parcel, context.now) {
            effects.push(context.answer(parcel.reply, Outcome::Refused(code)));
            return;
        }
        match (self.phase, self.link) {
            (Phase::Live, Some(link)) if self.relayed.len() < UNACKNOWLEDGED_MAX => {
                effects.push(taken);
                effects.push(Effect::Push { link, frame: parcel.frame.clone() });
                self.relayed.push_back(parcel);
            }
            (phase, _) if context.mode == Mode::Direct => {
                let code = if phase == Phase::Live { Code::QUEUE_FULL } else { Code::RECIPIENT_AWAY };
                self.refuse(context, &parcel, code, effects);
            }
            _ if self.parking.count_of(parcel.sender()) >= UNACKNOWLEDGED_MAX => {
                self.refuse(context, &parcel, Code::UNAVAILABLE, effects);
            }
            _ => {
                effects.push(taken);
                self.leave_live();
                self.park_relayed(effects);
                self.park(parcel, effects);
            }
        }
    }

    /// The sender lost its link before the answer and sends again what is still under way: the answer goes to the new one.
    fn is_under_way(&mut self, parcel: &Parcel) -> bool {
        let relayed = self.relayed.iter_mut().find(|relayed| relayed.key == parcel.key);
        let reply = relayed.map(|relayed| &mut relayed.reply).or_else(|| self.parking.reply_to(parcel));
        let Some(reply) = reply else { return false };
        // Sent twice over one link it keeps its place.
        if reply.link != parcel.reply.link {
            *reply = parcel.reply;
        }
        true
    }

    pub(super) fn parked(
        &mut self,
        context: &Context,
        sender: DeviceKey,
        outcomes: Vec<(MessageKey, Result<Enqueued, Code>)>,
        effects: &mut Vec<Effect>,
    ) {
        if let Phase::Draining { fetching, .. } = self.phase {
            self.reading.was_missed |= fetching;
            self.reading.is_stale |= self.reading.has_gap;
        }
        let mut refusal = None;
        for (key, outcome) in outcomes {
            if let Some(parked) = self.parking.finish(sender, key) {
                let code = self.parked_one(context, parked, outcome, effects);
                refusal = refusal.or(code.filter(|code| code.is_retryable()));
            }
        }
        // What may come again is not to come behind those that wait behind it.
        if let Some(code) = refusal {
            for behind in self.parking.take_rest(sender) {
                self.refuse(context, &behind, code, effects);
            }
        }
        self.park_next(sender, effects);
        self.advance(context, effects);
    }

    /// Answers the sender of a message that was under way to the disk; with what code, if it is refused.
    fn parked_one(
        &mut self,
        context: &Context,
        Parked { parcel, receipt }: Parked,
        outcome: Result<Enqueued, Code>,
        effects: &mut Vec<Effect>,
    ) -> Option<Code> {
        let receipt = receipt.map(|receipt| self.record(context, receipt, effects));
        let code = match outcome {
            Ok(Enqueued::Waiting) => {
                let outcome = Outcome::Reached(MessageStatusState::Sent, None);
                effects.push(context.answer(parcel.reply, outcome));
                return None;
            }
            Ok(Enqueued::Settled(state, proof)) => {
                effects.push(context.answer(parcel.reply, Outcome::Reached(state, proof)));
                return None;
            }
            Ok(Enqueued::Full) => Code::QUEUE_FULL,
            Ok(Enqueued::IdInUse) => Code::ID_IN_USE,
            Err(code) => code,
        };
        match receipt {
            // The device has it all the same.
            Some(receipt) if code != Code::ID_IN_USE => {
                effects.extend(self.tell_received(context, parcel.reply, &receipt));
                None
            }
            _ => {
                self.refuse(context, &parcel, code, effects);
                Some(code)
            }
        }
    }

    /// What is not on its way to the device is passed over: nobody may keep the store busy with what does not concern it.
    pub(super) fn acknowledge(
        &mut self,
        context: &Context,
        receipts: Vec<Receipt>,
        effects: &mut Vec<Effect>,
    ) {
        let (mut stored, mut never_waited) = (Vec::new(), Vec::new());
        for receipt in receipts {
            if let Some(parcel) = self.take_relayed(receipt.key) {
                effects.extend(self.tell_received(context, parcel.reply, &receipt));
                never_waited.push(receipt.key);
            } else if self.late.contains(&receipt.key) && self.parking.acknowledge(receipt) {
                // Recorded once it is known what there is to be recorded of.
                self.late.remove(&receipt.key);
                self.settling += 1;
            } else if self.drained.remove(&receipt.key) | self.late.remove(&receipt.key) {
                self.refusals.arrived(receipt.key);
                stored.push(receipt);
            }
        }
        if context.mode == Mode::Split && !never_waited.is_empty() {
            effects.push(Effect::Discard { device: context.device, messages: never_waited });
        }
        if !stored.is_empty() {
            self.settling += 1;
            effects.push(Effect::Receive { device: context.device, receipts: stored });
        }
        self.advance(context, effects);
    }

    /// Has what the device said recorded of a message that was on its way to the disk then.
    fn record(&mut self, context: &Context, receipt: Receipt, effects: &mut Vec<Effect>) -> Receipt {
        self.refusals.arrived(receipt.key);
        effects.push(Effect::Receive { device: context.device, receipts: vec![receipt] });
        receipt
    }

    /// The answer to the sender of a message that the device has and the disk has not; if there is none now, it comes later.
    fn tell_received(&mut self, context: &Context, reply: Reply, receipt: &Receipt) -> Option<Effect> {
        if receipt.silent {
            self.quiet.push(reply);
            return None;
        }
        let outcome = Outcome::Reached(MessageStatusState::Received, receipt.proof);
        Some(context.answer(reply, outcome))
    }

    /// Takes out a message that was pushed straight to the link and has not begun to go to the disk.
    fn take_relayed(&mut self, key: MessageKey) -> Option<Parcel> {
        if let Some(at) = self.relayed.iter().position(|parcel| parcel.key == key) {
            return self.relayed.remove(at);
        }
        let was_pushed = self.late.contains(&key);
        let waiting = was_pushed.then(|| self.parking.take_waiting(key)).flatten()?;
        self.late.remove(&key);
        Some(waiting)
    }

    pub(super) fn settled(&mut self, context: &Context, failed: Vec<Receipt>, effects: &mut Vec<Effect>) {
        self.settling = self.settling.saturating_sub(1);
        if !failed.is_empty() {
            self.unrecorded.receipts.extend(failed);
            self.unrecorded.due_at = context.now.plus_ms(RECORD_AGAIN_MS);
        }
        self.advance(context, effects);
    }

    pub(super) fn fetched(
        &mut self,
        context: &Context,
        link: LinkId,
        messages: Vec<Fetched>,
        effects: &mut Vec<Effect>,
    ) {
        let Phase::Draining { after, fetching: true } = self.phase else { return };
        if self.link != Some(link) {
            return;
        }
        if self.reading.is_stale {
            // Something before these has its body now: they may not overtake it.
            self.phase = Phase::Draining { after: 0, fetching: false };
            return self.advance(context, effects);
        }
        let Some(last) = messages.last() else {
            self.phase = Phase::Draining { after, fetching: false };
            if self.reading.was_missed {
                self.advance(context, effects);
            } else if self.parking.is_empty() {
                self.reach_level(link, effects);
            }
            return;
        };
        self.phase = Phase::Draining { after: last.position, fetching: false };
        for message in messages {
            let Some(frame) = message.frame else {
                self.reading.has_gap = true;
                continue;
            };
            self.late.remove(&message.key);
            self.drained.insert(message.key);
            effects.push(Effect::Push { link, frame });
        }
        self.reading.is_stale |= self.reading.has_gap && self.reading.was_missed;
        self.advance(context, effects);
    }

    /// Senders of what was received silently are told. What the device has not acknowledged in time is made durable with
    /// everything behind it; where nothing is stored, it is refused.
    pub(super) fn tick(&mut self, context: &Context, effects: &mut Vec<Effect>) {
        self.refusals.forget_old(context.now);
        let sent = Outcome::Reached(MessageStatusState::Sent, None);
        effects.extend(self.quiet.drain(..).map(|reply| context.answer(reply, sent)));
        if !self.unrecorded.receipts.is_empty() && self.unrecorded.due_at <= context.now {
            self.settling += 1;
            let receipts = std::mem::take(&mut self.unrecorded.receipts);
            effects.push(Effect::Receive { device: context.device, receipts });
        }
        let wait_ms_max =
            if context.mode == Mode::Direct { ACKNOWLEDGE_DIRECT_MS_MAX } else { ACKNOWLEDGE_MS_MAX };
        let is_overdue = |parcel: &Parcel| context.now.ms_since(parcel.taken_at) >= wait_ms_max;
        if !self.relayed.front().is_some_and(is_overdue) {
            return;
        }
        if context.mode == Mode::Direct {
            while let Some(parcel) = self.relayed.pop_front_if(|parcel| is_overdue(parcel)) {
                self.refuse(context, &parcel, Code::RECIPIENT_AWAY, effects);
            }
        } else {
            self.leave_live();
            self.park_relayed(effects);
        }
    }

    /// Asks the store for more, once nothing is under way that could change the answer.
    fn advance(&mut self, context: &Context, effects: &mut Vec<Effect>) {
        let (Phase::Draining { after, fetching: false }, Some(link)) = (self.phase, self.link) else {
            return;
        };
        let after = if self.reading.is_stale { 0 } else { after };
        // From the start of the queue only when it no longer shows what has just been acknowledged.
        let is_settled = after > 0 || self.settling == 0;
        if self.drained.is_empty() && is_settled {
            if after == 0 {
                (self.reading.is_stale, self.reading.has_gap) = (false, false);
            }
            self.reading.was_missed = false;
            self.phase = Phase::Draining { after, fetching: true };
            effects.push(Effect::Fetch { device: context.device, link, after });
        }
    }

    /// The queue was empty, and nothing is on its way into it.
    fn reach_level(&mut self, link: LinkId, effects: &mut Vec<Effect>) {
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

    fn refuse(&mut self, context: &Context, parcel: &Parcel, code: Code, effects: &mut Vec<Effect>) {
        self.late.remove(&parcel.key);
        self.refusals.add(parcel, code, context.now);
        effects.push(context.answer(parcel.reply, Outcome::Refused(code)));
    }

    fn park_relayed(&mut self, effects: &mut Vec<Effect>) {
        let mut senders = Vec::new();
        while let Some(parcel) = self.relayed.pop_front() {
            self.late.insert(parcel.key);
            if !senders.contains(&parcel.sender()) {
                senders.push(parcel.sender());
            }
            self.parking.add(parcel);
        }
        for sender in senders {
            self.park_next(sender, effects);
        }
    }

    fn park(&mut self, parcel: Parcel, effects: &mut Vec<Effect>) {
        let sender = parcel.sender();
        self.parking.add(parcel);
        self.park_next(sender, effects);
    }

    fn park_next(&mut self, sender: DeviceKey, effects: &mut Vec<Effect>) {
        let run = self.parking.next_run(sender);
        if !run.is_empty() {
            effects.push(Effect::Park(run));
        }
    }
}
