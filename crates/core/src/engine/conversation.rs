//! What people do with messages: the one way out for contents, the one way in, and what follows from both.
//!
//! - `outgoing`: a content gets its place in the chain, is stored word for word, and waits in the outbox.
//! - `incoming`: a content that was opened is applied to the vault.
//! - `receipts`: how far messages have come, as far as it is proven; what was shown and is to be told.
//! - `expiring`: messages disappear.
//! - `wishes`: what a person wants of a conversation.
//!
//! Invariants: a content is only ever applied to messages of the conversation with its sender, and edits and deletions only to
//! messages of its sender (T65); a content without effect is settled silently (T44).

mod expiring;
mod incoming;
pub(super) mod outgoing;
mod receipts;
mod wishes;

pub(crate) use expiring::erase_expired;
pub(super) use expiring::{forget_old_contents, next_look_at, sweep};
pub(super) use incoming::{Applied, apply, incoming};
pub(super) use outgoing::adopt;
pub(super) use receipts::{Reads, advance_sent, known_proof, proof_of_receipt, proven_state, recipient_of};
pub(super) use wishes::perform;
