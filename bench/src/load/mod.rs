//! The load generator: many connections, each a task, driven by a workload, speaking the protocol of a peer.
//!
//! A workload gives [`Order`]s to connections; a [`Codec`] turns them into bytes and what comes back into [`Event`]s. To add
//! a protocol, write a codec and a way to log in, and list it in [`target`].
//!
//! Invariants: a codec does no input or output of its own; every peer is driven by the same code.

use std::sync::Arc;

use anyhow::Result;
use bytes::BytesMut;
use tokio::sync::Notify;

pub mod command;
pub mod connection;
pub mod counter;
pub mod crowd;
pub mod figures;
pub mod open_files;
pub mod payload;
pub mod protocols;
pub mod tally;
pub mod target;
pub mod usage;
pub mod workloads;

/// Whom a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A person, by number.
    Person(u32),
    /// A room, by number.
    Room(u32),
}

/// What a workload asks of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Begin to receive what is addressed to this person; answered by [`Event::Ready`].
    Online,
    /// Join a room; answered by [`Event::Ready`].
    Join(u32),
    /// Send one message; its body is [`payload::put_payload`] of the fields.
    Send {
        /// Whom to.
        to: Destination,
        /// The sender's number.
        source: u32,
        /// Counts the sender's messages, from 0.
        number: u32,
        /// When the message was due, on the clock of [`payload::now_ns`]; `None` means when it is encoded.
        due_ns: Option<u64>,
    },
    /// Log out in good order and close.
    Close,
}

/// What a connection tells a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'a> {
    /// The last [`Order::Online`] or [`Order::Join`] has taken effect.
    Ready,
    /// The body of a message that arrived.
    Message(&'a [u8]),
    /// The server took responsibility for this many more of our messages.
    Accepted(u64),
    /// This many more of our messages are known to us to have been received.
    Received(u64),
}

/// A protocol, once logged in.
pub trait Codec: Send {
    /// Appends to `out` what `order` asks for. Fails where the protocol has no such thing.
    fn encode(&mut self, order: Order, out: &mut Vec<u8>) -> Result<()>;

    /// Called after the last of a batch of orders that will leave in one write.
    fn end_batch(&mut self, _out: &mut Vec<u8>) {}

    /// What tells that [`Codec::decode`] has something to do although nothing was read: for protocols that fetch things over
    /// other connections.
    fn waker(&self) -> Option<Arc<Notify>> {
        None
    }

    /// Consumes every whole frame of `input`; replies that the protocol calls for go to `out`. Fails when the server broke
    /// the protocol or said farewell.
    fn decode(
        &mut self,
        input: &mut BytesMut,
        out: &mut Vec<u8>,
        sink: &mut dyn FnMut(Event<'_>),
    ) -> Result<()>;
}
