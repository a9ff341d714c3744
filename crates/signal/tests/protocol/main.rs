//! The protocol through its public interface, between devices of our own; `tests/official.rs` sets it against Signal's library.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a failed test")]

mod conversation;
mod corpus;
mod device;
mod differential;
mod hostile;
mod model;
mod wycheproof;
