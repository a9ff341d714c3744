//! The header of a frame: 40 bytes, big endian.
//!
//! | bytes | field |
//! |---|---|
//! | 0–3 | opcode |
//! | 4–7 | mnemonic |
//! | 8–23 | message id; an answer repeats its command's |
//! | 24–31 | timestamp, milliseconds since the Unix epoch |
//! | 32 | protocol version |
//! | 33 | status |
//! | 34–35 | code |
//! | 36–39 | length of the body without padding |
//!
//! Invariant: every 40 bytes decode, and encode back to the same 40 bytes.

use tacite_model::{MessageId, Timestamp};

use crate::{Code, Mnemonic, Opcode};

/// Bytes of a header.
pub const HEADER_BYTES: usize = 40;

/// How far a command has come. Any byte decodes; the named ones have meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u8);

impl Status {
    /// A command or a push.
    pub const VALID: Self = Self(0);
    /// An answer after which another is to come: a further step is wanted, or the outcome is still open.
    pub const IN_PROGRESS: Self = Self(1);
    /// An answer: refused, the code says why.
    pub const ERROR: Self = Self(2);
    /// An answer: done.
    pub const FINISHED: Self = Self(3);

    /// Whether a frame with this status answers a command.
    #[must_use]
    pub const fn is_answer(self) -> bool {
        self.0 != Self::VALID.0
    }
}

/// A decoded header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub opcode: Opcode,
    /// The four letters that go with the opcode.
    pub mnemonic: Mnemonic,
    /// Chosen by the side that sends a command or push; repeated in answers.
    pub message_id: MessageId,
    /// When the frame was made, by the clock of its maker.
    pub timestamp: Timestamp,
    /// Protocol version of the frame.
    pub version: u8,
    /// How far the command has come.
    pub status: Status,
    /// What became of it, three digits; 0 in commands and pushes.
    pub code: Code,
    /// Bytes of the body without padding.
    pub body_bytes: u32,
}

impl Header {
    /// Decodes 40 bytes.
    #[must_use]
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Self {
        Self {
            opcode: Opcode(u32::from_be_bytes(part(bytes, 0))),
            mnemonic: Mnemonic(part(bytes, 4)),
            message_id: MessageId::from_bytes(part(bytes, 8)),
            timestamp: Timestamp::from_ms(u64::from_be_bytes(part(bytes, 24))),
            version: bytes[32],
            status: Status(bytes[33]),
            code: Code(u16::from_be_bytes(part(bytes, 34))),
            body_bytes: u32::from_be_bytes(part(bytes, 36)),
        }
    }

    /// Encodes to 40 bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0..4].copy_from_slice(&self.opcode.0.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.mnemonic.0);
        bytes[8..24].copy_from_slice(self.message_id.as_bytes());
        bytes[24..32].copy_from_slice(&self.timestamp.as_ms().to_be_bytes());
        bytes[32] = self.version;
        bytes[33] = self.status.0;
        bytes[34..36].copy_from_slice(&self.code.0.to_be_bytes());
        bytes[36..40].copy_from_slice(&self.body_bytes.to_be_bytes());
        bytes
    }
}

fn part<const N: usize>(bytes: &[u8; HEADER_BYTES], from: usize) -> [u8; N] {
    bytes[from..from + N].try_into().expect("the ranges above lie within the header")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_layout_is_fixed() {
        let header = Header {
            opcode: Opcode::SEND_DIRECT,
            mnemonic: Mnemonic(*b"smpu"),
            message_id: MessageId::from_bytes([0xAB; 16]),
            timestamp: Timestamp::from_ms(0x0102_0304_0506_0708),
            version: 1,
            status: Status::ERROR,
            code: Code(404),
            body_bytes: 513,
        };
        let expected = "000186a9736d7075abababababababababababababababab010203040506070801020194\
                        00000201";
        let hex = hex::encode(header.encode());
        assert_eq!(hex, expected);
    }

    proptest! {
        #[test]
        fn any_forty_bytes_survive(bytes in any::<[u8; 32]>(), rest in any::<[u8; 8]>()) {
            let all: [u8; HEADER_BYTES] = [&bytes[..], &rest[..]].concat().try_into().unwrap();
            prop_assert_eq!(Header::decode(&all).encode(), all);
        }
    }
}
