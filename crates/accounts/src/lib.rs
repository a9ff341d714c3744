//! Who may come in: registration, passwords and words by OPAQUE, devices, sessions and their tokens, invitations.
//!
//! [`Accounts`] holds the rules and knows no transport; a [`Store`] keeps what must be kept, in memory
//! ([`store::MemoryStore`]) or in SQLite ([`store::SqliteStore`]).
//!
//! Invariants: neither password nor words reach this crate, only OPAQUE messages (RFC 9807); the OPAQUE setup and the key
//! that signs tokens ([`Keys`]) are never put into the store, so a stolen database alone allows no guessing; a device has
//! at most one session; refresh tokens and invitations are stored as SHA-256; time and randomness are parameters.

mod error;
mod identity;
mod invitation;
mod keys;
mod log_in;
mod opaque;
mod registration;
mod service;
mod session;
pub mod store;
mod throttle;
mod token;

pub use error::AccountsError;
pub use identity::{AccountRef, DeviceRef, Generation, Granted, Identity, Scope, Scopes, SessionId};
pub use keys::{Keys, KeysError};
pub use log_in::{PasswordProven, PendingPassword, PendingWords};
pub use registration::PendingRegistration;
pub use service::{Accounts, Quotas, Registration, Settings};
pub use store::Store;

/// A source of randomness that may cross an `await`.
pub type Rng = dyn rand_core::CryptoRng + Send;
