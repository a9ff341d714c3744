//! What stands on the wire between a client and a server of Tacite.
//!
//! A frame is a fixed header ([`header`]) and a body padded to one of a few sizes ([`frame`]); the body is a protobuf
//! message ([`proto`], generated from `proto/tacite/v1/*.proto`, the one definition). [`opcode`] names the commands,
//! [`code`] what they may be answered with, [`body`] how sealed bodies travel outside frames, [`password`] the OPAQUE
//! parameters that both ends must share.
//!
//! Invariants: decoding never panics and never allocates more than the frame's own size; unknown opcodes, codes and
//! statuses survive decoding; encoding is deterministic.

pub mod body;
pub mod code;
pub mod frame;
pub mod header;
pub mod opcode;
pub mod password;
pub mod signing;

pub use code::Code;
pub use frame::{Frame, FrameError};
pub use header::{HEADER_BYTES, Header, Status};
pub use opcode::{Mnemonic, Opcode};

/// Lowest and highest protocol version that this build speaks, both included. Version 1: `LINK_WITH_PADDED_FRAMES`.
pub const VERSIONS: core::ops::RangeInclusive<u8> = 1..=1;
/// Name of the binary WebSocket sub-protocol.
pub const SUB_PROTOCOL: &str = "tacite.v1";
/// Path of the WebSocket.
pub const LINK_PATH: &str = "/v1/ws";

/// The messages of `proto/tacite/v1`.
#[expect(missing_docs, clippy::pedantic, reason = "generated; the documentation stands in the .proto files")]
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/tacite.v1.rs"));
}
