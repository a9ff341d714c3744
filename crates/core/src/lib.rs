//! The client engine: everything that a client of Tacite decides, without a socket, a clock or a random source.
//!
//! # The contract
//!
//! There is one door: [`Core::handle`]. The driver
//! 1. opens a vault transaction,
//! 2. calls `handle` with one [`Input`], the time and a random source,
//! 3. commits the transaction (or, if `handle` failed, rolls it back and performs nothing),
//! 4. and only then performs the returned [`Effect`]s, in order.
//!
//! So a ciphertext never leaves before the ratchet state that made it is on disk, and nothing is acknowledged to the
//! server before it is stored. A crash between commit and send is healed by the outbox, which `core` drives again from
//! the vault after [`Input::Start`]. Whatever lives only in memory (the link's phase, a log-in under way, which
//! outbox entry is in flight) may be lost at any time without harm.
//!
//! The driver keeps one timer: the earliest [`Effect::WakeAt`] not yet passed; when it passes it hands in
//! [`Input::Timer`]. A timer that comes early or twice does no harm.

mod contract;

pub use contract::{
    Effect, Event, Input, Intent, LinkStatus, MessageView, Outcome, Problem, RequestId, Server,
};
