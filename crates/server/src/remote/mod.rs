//! A part of the server in a process of its own (E1): the same store, called over a connection.
//!
//! One call is one method of the store: a frame there, a frame back. Frames are a length (u32, big endian) and so many
//! bytes: version 1, the number of the call (u64), the method or the outcome (u8), a protobuf message.
//!
//! Invariants: both sides are who they say (the server of the part by its pinned key, the caller by a secret that both
//! have in a file) before a call is read; calls are begun in the order in which they were made; nothing is repeated here,
//! because a call whose answer was lost may have been done: whoever asked is told that the store is unavailable.

mod accounts;
mod caller;
mod calls;
mod depot;
mod frames;
mod secret;
mod serving;
#[cfg(test)]
mod tests;
mod tls;

pub(crate) use accounts::AccountsPart;
pub use accounts::RemoteAccounts;
pub(crate) use calls::Part;
pub use depot::RemoteDepot;
pub use secret::PartSecret;
pub(crate) use serving::serve;

/// Where a part is and how it is recognised.
#[derive(Debug, Clone)]
pub struct PartAddress {
    /// `host:port`.
    pub address: String,
    /// Which key it must show.
    pub pin: tacite_model::KeyPin,
    /// What the caller shows.
    pub secret: PartSecret,
}
