//! The words that every other part of Tacite shares: ids, times, handles, invitations, limits.
//!
//! Invariants: nothing here does I/O, reads a clock or draws randomness; a value that exists is valid, because
//! it can only be made by parsing or by a constructor that checks.

pub mod handle;
pub mod ids;
pub mod invitation;
pub mod limits;
pub mod message;
pub mod rate;
pub mod secret;
pub mod time;

pub use handle::{Handle, HandleError};
pub use ids::{AccountId, ConversationId, DeviceId, IdError, MessageId};
pub use invitation::{Invitation, InvitationError, KeyPin};
pub use message::{Expiry, ExpiryStart, MessageName};
pub use secret::Secret;
pub use time::Timestamp;
