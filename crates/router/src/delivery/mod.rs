//! The way of one message through a server's memory: a pure machine, inputs in, effects out.
//!
//! A device that has a link and nothing waiting is *live*: what is sent to it goes straight to its link and touches no disk.
//! Whatever cannot go that way, or is not acknowledged in time, is *parked*: made durable. A device with parked messages is
//! *draining*: it gets them in the order of its queue, and what is sent meanwhile queues up behind them.
//!
//! A server may be told to store nothing ([`Mode::Direct`]): then what cannot go to the link is refused, and the sender's
//! link is told when the device is live.
//!
//! Invariants:
//! - a parcel handed in is either relayed and unacknowledged (and will be parked or refused if its link dies or is slow), or
//!   parked, or answered; it is never just dropped;
//! - parcels of one sender for one device are pushed, or queued, in the order in which they were handed in; after one is
//!   refused that may come again, those behind it are refused until it comes;
//! - a device's window is bounded by [`UNACKNOWLEDGED_MAX`], and so is what one sender has on its way to the disk;
//! - everything here may be lost with the process: senders keep what was not answered, the store keeps what was parked.
//!
//! The driver performs the effects of one input in order and, for [`Effect::Park`] and [`Effect::Push`], before the next
//! input is handed in.

mod away;
mod lane;
mod parking;
mod refusals;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use away::Away;
use lane::{Context, Lane};
use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{ConversationId, DeviceId, Timestamp};
use tacite_wire::{Code, Frame, Header};

use crate::{DeviceKey, Enqueued, MessageKey, MessageStatusState, Proof, Receipt};

/// How bodies travel, and whether anything is stored. One for a whole server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Bodies travel in frames; what cannot be delivered at once is stored.
    #[default]
    Inline,
    /// Bodies were stored before their messages are sent; frames hold metadata only.
    Split,
    /// Nothing is stored.
    Direct,
}

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
    /// Which of the link's messages it is, counted from one: the sender knows this order.
    pub number: u64,
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

impl Parcel {
    /// The device that sent it.
    #[must_use]
    pub fn sender(&self) -> DeviceKey {
        DeviceKey { account_id: self.key.sender_id, device_id: self.sender_device }
    }
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
        /// Of which.
        sender: DeviceKey,
        /// The messages, in their order, and what became of each: in the queue, or why not. What follows one that may come
        /// again is not in the queue either.
        outcomes: Vec<(MessageKey, Result<Enqueued, Code>)>,
    },
    /// The device of a link has stored these messages.
    Acknowledge {
        /// Which device.
        device: DeviceKey,
        /// The messages, with what it says of each.
        receipts: Vec<Receipt>,
    },
    /// [`Effect::Receive`] is done.
    Settled {
        /// For which device.
        device: DeviceKey,
        /// What could not be recorded.
        failed: Vec<Receipt>,
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
    /// A link was refused something else because a device is away: it is to be told when that is live, as after a refused
    /// message.
    Await {
        /// The link.
        link: LinkId,
        /// The device.
        device: DeviceKey,
    },
    /// Some time has passed: to be handed in at even intervals, about twice a second.
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
    /// Make messages of one sender for one device durable, in this order, all or up to some place: bodies and queue entries,
    /// queued for writing before the next input is handed in. (The entries of several, or of one whose body may be lost, are
    /// written behind the bodies: none may wait without its body while one behind it has one.)
    Park(Vec<Parcel>),
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
        /// The messages, with what it said of each.
        receipts: Vec<Receipt>,
    },
    /// Delete the bodies of messages that a device has stored and that never waited.
    Discard {
        /// Which device.
        device: DeviceKey,
        /// The messages.
        messages: Vec<MessageKey>,
    },
    /// Tell a link that a device is here because of which it was refused something.
    Here {
        /// The link.
        link: LinkId,
        /// The device.
        device: DeviceKey,
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
    /// So far has it come, as its sender may know it. `Sent`: it is durable, or the device has it and does not say so.
    Reached(MessageStatusState, Proof),
    /// It could not be taken; the sender keeps it.
    Refused(Code),
}

/// The machine; see the module.
#[derive(Debug, Default)]
pub struct Delivery {
    mode: Mode,
    // Ordered, so that the effects of one tick come in the same order in every run.
    lanes: BTreeMap<DeviceKey, Lane>,
    away: Away,
}

impl Delivery {
    /// A machine that knows of nothing yet.
    #[must_use]
    pub fn new(mode: Mode) -> Self {
        Self { mode, ..Self::default() }
    }

    /// Takes one input at time `now`; appends what is to be done to `effects`.
    pub fn handle(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        let before = effects.len();
        match input {
            Input::Tick => self.tick(now, effects),
            Input::Await { link, device } if self.lanes.get(&device).is_some_and(Lane::is_live) => {
                effects.push(Effect::Here { link, device });
            }
            Input::Await { link, device } => self.away.remember(link, device),
            input => self.hand_to_lane(input, now, effects),
        }
        self.remember_the_away(&effects[before..]);
    }

    fn hand_to_lane(&mut self, input: Input, now: Timestamp, effects: &mut Vec<Effect>) {
        let device = match &input {
            Input::Tick | Input::Await { .. } => return,
            Input::Submit(parcel) => parcel.recipient,
            Input::Parked { recipient, .. } => *recipient,
            Input::LinkUp { device, .. }
            | Input::LinkDown { device, .. }
            | Input::Acknowledge { device, .. }
            | Input::Settled { device, .. }
            | Input::Fetched { device, .. } => *device,
        };
        let context = Context { device, mode: self.mode, now };
        let lane = self.lanes.entry(device).or_default();
        let was_live = lane.is_live();
        match input {
            Input::LinkUp { link, .. } => {
                lane.link_up(&context, link, effects);
                self.away.link_up(link);
            }
            Input::LinkDown { link, .. } => {
                lane.link_down(&context, link, effects);
                self.away.link_down(link);
            }
            Input::Submit(parcel) => lane.submit(&context, *parcel, effects),
            Input::Parked { sender, outcomes, .. } => lane.parked(&context, sender, outcomes, effects),
            Input::Acknowledge { receipts, .. } => lane.acknowledge(&context, receipts, effects),
            Input::Settled { failed, .. } => lane.settled(&context, failed, effects),
            Input::Fetched { link, messages, .. } => lane.fetched(&context, link, messages, effects),
            Input::Tick | Input::Await { .. } => {}
        }
        debug_assert!(lane.unacknowledged() <= 2 * UNACKNOWLEDGED_MAX, "a window is bounded");
        if !was_live && lane.is_live() {
            effects.extend(self.away.take(device).into_iter().map(|link| Effect::Here { link, device }));
        }
        if lane.is_idle() {
            self.lanes.remove(&device);
        }
    }

    fn tick(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        for (device, lane) in &mut self.lanes {
            lane.tick(&Context { device: *device, mode: self.mode, now }, effects);
        }
        self.lanes.retain(|_, lane| !lane.is_idle());
    }

    fn remember_the_away(&mut self, effects: &[Effect]) {
        for effect in effects {
            // Also while the device's link is up: it may be dead, and then the device comes anew.
            if let Effect::Answer { reply, recipient, outcome: Outcome::Refused(Code::RECIPIENT_AWAY) } =
                effect
            {
                self.away.remember(reply.link, *recipient);
            }
        }
    }
}
