//! The load generator: many connections in one task each, driven by a workload, speaking the protocol of a peer.
//!
//! Invariants: a protocol does no input or output of its own; every peer is driven by the same code.

/// Whom a message goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// A person, by number.
    Person(u32),
    /// A room, by number.
    Room(u32),
}
