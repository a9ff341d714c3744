//! The way of one message through a server's memory: a pure machine, inputs in, effects out.
//!
//! A device that has a link and nothing waiting is *live*: what is sent to it goes straight to its link and touches no disk.
//! Whatever cannot go that way, or is not acknowledged in time, is *parked*: made durable. A device with parked messages is
//! *draining*: it gets them in the order of its queue, and what is sent meanwhile queues up behind them.
//!
//! Invariants:
//! - a parcel handed in is either relayed and unacknowledged (and will be parked if its link dies or is slow), or parked,
//!   or answered; it is never just dropped;
//! - parcels for one device are pushed in the order in which they were handed in;
//! - a device's window is bounded by [`UNACKNOWLEDGED_MAX`];
//! - everything here may be lost with the process: senders keep what was not answered, the store keeps what was parked.
//!
//! The driver performs the effects of one input in order and, for [`Effect::Park`] and [`Effect::Push`], before the next
//! input is handed in.

mod lane;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lane::Lane;
use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{ConversationId, DeviceId, Timestamp};
use tacite_wire::{Code, Frame, Header};

use crate::{DeviceKey, Enqueued, MessageKey};

/// One link of one process, never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId(pub u64);

/// Where to answer a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply {
    /// The link that it came over.
    pub link: LinkId,
    /// The header of the command.
    pub header: Header,
}

/// A message on its way to one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// Sender and id.
    pub key: MessageKey,
    /// The sender's device.
    pub sender_device: DeviceId,
    /// The sender's log-in session.
    pub session_id: [u8; 16],
    /// The device that it goes to.
    pub recipient: DeviceKey,
    /// Between whom.
    pub conversation_id: ConversationId,
    /// The frame to push, as it came but for its header.
    pub frame: Frame,
    /// Whom to tell what became of it.
    pub reply: Reply,
    /// When it was handed in.
    pub taken_at: Timestamp,
}

/// A waiting message, read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Its place in the queue.
    pub position: u64,
    /// Sender and id.
    pub key: MessageKey,
    /// The frame to push; `None` if its body is not there (its sender was never told that it was, and will send again).
    pub frame: Option<Frame>,
}

/// What happens.
#[derive(Debug)]
pub enum Input {
    /// A device is signed in over this link and wants its messages. An earlier link of it is closed.
    LinkUp {
        /// Which device.
        device: DeviceKey,
        /// Its link.
        link: LinkId,
    },
    /// A link is gone.
    LinkDown {
        /// Whose link it was.
        device: DeviceKey,
        /// The link.
        link: LinkId,
    },
    /// A message was sent; the rules allow it.
    Submit(Box<Parcel>),
    /// [`Effect::Park`] is done.
    Parked {
        /// For which device.
        recipient: DeviceKey,
        /// The message.
        key: MessageKey,
        /// What became of it: in the queue, or why not.
        outcome: Result<Enqueued, Code>,
    },
    /// The device of a link has stored these messages.
    Acknowledge {
        /// Which device.
        device: DeviceKey,
        /// The messages.
        messages: Vec<MessageKey>,
    },
    /// [`Effect::Receive`] is done, or has failed (then the messages come again at the next link).
    Settled {
        /// For which device.
        device: DeviceKey,
    },
    /// [`Effect::Fetch`] is done; nothing in it means that the queue is empty behind the given place.
    Fetched {
        /// For which device.
        device: DeviceKey,
        /// For which link.
        link: LinkId,
        /// The messages, in the order of the queue.
        messages: Vec<Fetched>,
    },
    /// Some time has passed: to be handed in about every second.
    Tick,
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send a frame over a link, if it is still there.
    Push {
        /// Which link.
        link: LinkId,
        /// What.
        frame: Frame,
    },
    /// Answer the sender of a message.
    Answer {
        /// Where to.
        reply: Reply,
        /// To which device the message goes.
        recipient: DeviceKey,
        /// What has become of it.
        outcome: Outcome,
    },
    /// Make a message durable: body and queue entry, both queued for writing before the next input is handed in.
    Park(Box<Parcel>),
    /// Read what waits for a device.
    Fetch {
        /// Which device.
        device: DeviceKey,
        /// Its link.
        link: LinkId,
        /// Behind which place in the queue.
        after: u64,
    },
    /// Record that a device has stored these messages, delete their bodies, tell their senders.
    Receive {
        /// Which device.
        device: DeviceKey,
        /// The messages.
        messages: Vec<MessageKey>,
    },
    /// Tell a device that nothing waits any more.
    Level {
        /// Its link.
        link: LinkId,
    },
    /// Close a link: its device has a newer one.
    Close {
        /// Which.
        link: LinkId,
    },
}

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Its place in the order is fixed.
    Taken,
    /// It is durable.
    Sent,
    /// The device has it.
    Received,
    /// It waited too long and was deleted.
    Expired,
    /// It could not be taken; the sender keeps it.
    Refused(Code),
}

/// The machine; see the module.
#[derive(Debug, Default)]
pub struct Delivery {
    // Ordered, so that the effects of one tick come in the same order in every run.
    lanes: BTreeMap<DeviceKey, Lane>,
}

impl Delivery {
    /// Takes one input at time `now`; appends what is to be done to `effects`.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        let device = match &input {
            Input::Tick => return self.tick(now, effects),
            Input::Submit(parcel) => parcel.recipient,
            Input::Parked { recipient, .. } => *recipient,
            Input::LinkUp { device, .. }
            | Input::LinkDown { device, .. }
            | Input::Acknowledge { device, .. }
            | Input::Settled { device }
            | Input::Fetched { device, .. } => *device,
        };
        let lane = self.lanes.entry(device).or_default();
        match input {
            Input::LinkUp { link, .. } => lane.link_up(device, link, effects),
            Input::LinkDown { link, .. } => lane.link_down(link, effects),
            Input::Submit(parcel) => lane.submit(*parcel, effects),
            Input::Parked { key, outcome, .. } => lane.parked(device, key, outcome, effects),
            Input::Acknowledge { messages, .. } => lane.acknowledge(device, messages, effects),
            Input::Settled { .. } => lane.settled(device, effects),
            Input::Fetched { link, messages, .. } => lane.fetched(device, link, messages, effects),
            Input::Tick => {}
        }
        debug_assert!(lane.unacknowledged() <= 2 * UNACKNOWLEDGED_MAX, "a window is bounded");
        if lane.is_idle() {
            self.lanes.remove(&device);
        }
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for (device, lane) in &mut self.lanes {
            lane.park_overdue(*device, now, effects);
        }
    }
}
