//! Drives the engine of `tacite_core` on an ordinary computer: gives it a vault in a profile's directory, a clock, a
//! random source and a link to its server.
//!
//! [`profile`] finds and locks a profile, [`vault_key`] comes by the vault's key, [`Session`] runs the engine; [`tls`]
//! says what a connection is made of. Programs reach the engine's own types through [`core`] and [`model`].
//!
//! Invariants: only this crate (for the client) touches files, sockets, the clock and the random source; the contract of
//! `tacite_core` is kept in one place, the private module `engine`.

pub mod clock;
mod depot;
mod engine;
mod link;
mod mailbox;
mod problem;
pub mod profile;
pub mod session;
mod shown;
pub mod tls;
pub mod vault_key;

pub use profile::{Profile, ProfileError, ProfileName};
pub use session::{PerformError, Permissions, Session, SessionError, SessionOptions};
pub use tacite_core as core;
pub use tacite_model as model;
pub use vault_key::{KeyError, KeyFile};
