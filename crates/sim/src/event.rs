//! What is to come: happenings with a time, in order.
//!
//! Invariant: of two happenings at the same time, the one planned first comes first.

use std::collections::BTreeMap;

use bytes::Bytes;
use tacite_server::LinkMessage;
use tacite_wire::{HEADER_BYTES, Header, Opcode};

use crate::plan::Act;

/// Something that will happen.
#[derive(Debug, Clone)]
pub(crate) enum Happening {
    /// From the plan.
    Act(Act),
    /// A person's program begins.
    Start(usize),
    /// A person's driver wakes, if this is still its timer.
    Timer(usize, u64),
    /// A person accepts a request.
    Accept { person: usize, asker: usize },
    /// The request to open a link reaches the server.
    Establish(u64),
    /// A person's device hears that the link is open.
    Opened(u64),
    /// A frame reaches the server.
    Up(u64, Bytes),
    /// A pong reaches the server.
    Pong(u64),
    /// The end of a link reaches the server.
    UpEnd(u64),
    /// What the server sent reaches the device.
    Down(u64, LinkMessage),
    /// The server's end of a link reaches the device.
    DownEnd(u64),
    /// A device notices that its link is gone.
    Lost(u64),
    /// A device looks whether it has heard anything.
    Silence(u64),
    /// A request reaches the depot.
    AtDepot(u64),
    /// What came of a request to the depot reaches the device.
    FromDepot(u64),
    /// A device waits no longer for the depot.
    DepotSilent(u64),
    /// The server begins again with a clock that is so much ahead of the world's, milliseconds.
    ServerStart(i64),
    /// All faults end.
    Heal,
    /// The world is looked at: is it quiet?
    Look,
    /// Nothing: somebody waits for the time.
    Pause,
}

impl Happening {
    /// The link whose network it takes.
    pub(crate) const fn link(&self) -> Option<u64> {
        match self {
            Self::Establish(link)
            | Self::Opened(link)
            | Self::Up(link, _)
            | Self::Pong(link)
            | Self::UpEnd(link)
            | Self::Down(link, _)
            | Self::DownEnd(link) => Some(*link),
            _ => None,
        }
    }
}

/// Whether a frame carries a message or tells of one.
fn concerns_message(bytes: &Bytes) -> bool {
    let opcode = bytes.first_chunk::<HEADER_BYTES>().map(|header| Header::decode(header).opcode);
    opcode.is_some_and(|opcode| MESSAGE_OPCODES.contains(&opcode))
}

const MESSAGE_OPCODES: [Opcode; 5] = [
    Opcode::SEND_DIRECT,
    Opcode::DIRECT_RECEIVED,
    Opcode::ACKNOWLEDGE,
    Opcode::MARK_READ,
    Opcode::STATE_CHANGED,
];

/// All that is to come.
#[derive(Default)]
pub(crate) struct Agenda {
    happenings: BTreeMap<(u64, u64), Happening>,
    planned: u64,
}

/// A way to plan.
pub(crate) trait Due {
    /// Plans a happening for so many milliseconds from now.
    fn after(&mut self, ms: u64, happening: Happening);
}

impl Agenda {
    /// Plans a happening.
    pub(crate) fn add(&mut self, at_ms: u64, happening: Happening) {
        self.planned += 1;
        self.happenings.insert((at_ms, self.planned), happening);
    }

    /// When the next one is due.
    pub(crate) fn next_at(&self) -> Option<u64> {
        self.happenings.first_key_value().map(|((at_ms, _), _)| *at_ms)
    }

    /// Takes the next one.
    pub(crate) fn pop(&mut self) -> Option<Happening> {
        self.happenings.pop_first().map(|(_, happening)| happening)
    }

    /// Whether any message, or news of one, is on its way.
    pub(crate) fn has_messages(&self) -> bool {
        self.happenings.values().any(|happening| match happening {
            Happening::Up(_, bytes) | Happening::Down(_, LinkMessage::Binary(bytes)) => {
                concerns_message(bytes)
            }
            _ => false,
        })
    }
}
