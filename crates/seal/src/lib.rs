//! The inside of a sealed message: content, its padding, and the framing of the ciphertext.
//!
//! From the inside out: a [`Content`] is encoded as protobuf and padded to one of [`CONTENT_BYTES`]; a session of the
//! Signal protocol encrypts that; [`Sealed`] puts a version byte and the kind of Signal message in front. The sizes are
//! such that a frame with a padded content of one size always falls into the same frame size, so a server learns from a
//! message no more than one of five lengths. A [`ReceiptKey`] within the content lets its recipient prove to its sender that it
//! came.
//!
//! Invariants: decoding never panics and accepts only what encoding makes; contents cannot be printed.

mod body;
mod content;
mod padding;
mod receipt;
mod sealed;

pub use body::{Body, Gone, Reaction, ResendRequest, Text};
pub use content::{Content, ContentError};
pub use padding::CONTENT_BYTES;
pub use receipt::{Receipt, ReceiptKey, ReceiptState};
pub use sealed::{SealKind, Sealed, SealedError};

/// The messages of `proto/tacite/content/v1`.
#[expect(
    unreachable_pub,
    clippy::pedantic,
    reason = "generated; the documentation stands in the .proto file"
)]
mod proto {
    include!(concat!(env!("OUT_DIR"), "/tacite.content.v1.rs"));
}
