//! A frame: header and body, the body padded with zeros to one of five sizes, so that who watches an encrypted link
//! learns neither kind nor length.
//!
//! Invariants: a frame on the wire has 40 bytes plus exactly one of [`FRAME_BODY_BYTES`]; padding is zero; the padded
//! size is the smallest that holds the body. Forwarding rewrites the header only.

use bytes::{BufMut as _, Bytes, BytesMut};
use prost::Message;
use tacite_model::limits::{FRAME_BODY_BYTES, FRAME_BODY_BYTES_MAX};
use tacite_model::{MessageId, Timestamp};
use thiserror::Error;

use crate::{Code, HEADER_BYTES, Header, Mnemonic, Opcode, Status, VERSIONS};

/// A frame as it travels: padded bytes whose header has been read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The decoded header; always equal to the first 40 of the bytes.
    pub header: Header,
    bytes: Bytes,
}

/// Why bytes are not a frame. The peer is to blame for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// Not 40 bytes plus one of the five body sizes.
    #[error("a frame cannot have {0} bytes")]
    Size(usize),
    /// The header's body length does not belong to the padded size.
    #[error("the body of {0} bytes is not padded to the right size")]
    Length(u32),
    /// The padding holds something other than zeros.
    #[error("the padding is not zero")]
    Padding,
    /// The body is not the protobuf message that the opcode demands.
    #[error("the body cannot be read")]
    Body,
    /// The body to send is larger than a frame can hold.
    #[error("a body of {0} bytes does not fit a frame")]
    TooLarge(usize),
}

impl Frame {
    /// Makes a frame with the given header; the length is filled in.
    ///
    /// Fails only with [`FrameError::TooLarge`].
    pub fn new(mut header: Header, body: &impl Message) -> Result<Self, FrameError> {
        let body_bytes = body.encoded_len();
        let padded = padded_bytes(body_bytes).ok_or(FrameError::TooLarge(body_bytes))?;
        header.body_bytes = u32::try_from(body_bytes).map_err(|_| FrameError::TooLarge(body_bytes))?;
        let mut bytes = BytesMut::with_capacity(HEADER_BYTES + padded);
        bytes.put_slice(&header.encode());
        body.encode_raw(&mut bytes);
        bytes.resize(HEADER_BYTES + padded, 0);
        Ok(Self { header, bytes: bytes.freeze() })
    }

    /// A command of a client, or a push of a server.
    pub fn command(
        opcode: Opcode,
        message_id: MessageId,
        now: Timestamp,
        body: &impl Message,
    ) -> Result<Self, FrameError> {
        let header = Header {
            opcode,
            mnemonic: opcode.mnemonic().unwrap_or(Mnemonic([0; 4])),
            message_id,
            timestamp: now,
            version: *VERSIONS.end(),
            status: Status::VALID,
            code: Code(0),
            body_bytes: 0,
        };
        Self::new(header, body)
    }

    /// An answer to the command with header `to`.
    pub fn answer(
        to: &Header,
        status: Status,
        code: Code,
        now: Timestamp,
        body: &impl Message,
    ) -> Result<Self, FrameError> {
        Self::new(Header { status, code, timestamp: now, version: *VERSIONS.end(), ..*to }, body)
    }

    /// Decodes a frame from the bytes of one binary WebSocket message.
    pub fn decode(bytes: Bytes) -> Result<Self, FrameError> {
        let header = bytes.first_chunk::<HEADER_BYTES>().ok_or(FrameError::Size(bytes.len()))?;
        let header = Header::decode(header);
        let padded = bytes.len() - HEADER_BYTES;
        if !FRAME_BODY_BYTES.contains(&padded) {
            return Err(FrameError::Size(bytes.len()));
        }
        let body_bytes = header.body_bytes as usize;
        if padded_bytes(body_bytes) != Some(padded) {
            return Err(FrameError::Length(header.body_bytes));
        }
        // All of it, instead of up to the first: that is many bytes at a time.
        if bytes[HEADER_BYTES + body_bytes..].iter().fold(0, |all, byte| all | byte) != 0 {
            return Err(FrameError::Padding);
        }
        Ok(Self { header, bytes })
    }

    /// The body without padding.
    #[must_use]
    pub fn body(&self) -> Bytes {
        self.bytes.slice(HEADER_BYTES..HEADER_BYTES + self.header.body_bytes as usize)
    }

    /// The body as a protobuf message.
    pub fn read<M: Message + Default>(&self) -> Result<M, FrameError> {
        M::decode(self.body()).map_err(|_| FrameError::Body)
    }

    /// The padded bytes, for the wire.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// The same body under another opcode, as a push made at `now`: what a router does with a message.
    ///
    /// The body is not looked at; it is copied only if somebody else still holds the bytes.
    #[must_use]
    pub fn forward(self, opcode: Opcode, now: Timestamp) -> Self {
        let header = Header {
            opcode,
            mnemonic: opcode.mnemonic().unwrap_or(Mnemonic([0; 4])),
            timestamp: now,
            version: *VERSIONS.end(),
            status: Status::VALID,
            code: Code(0),
            ..self.header
        };
        let mut bytes = self.bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..]));
        bytes[..HEADER_BYTES].copy_from_slice(&header.encode());
        Self { header, bytes: bytes.freeze() }
    }
}

/// The padded size of a body; `None` if it is too large.
fn padded_bytes(body_bytes: usize) -> Option<usize> {
    debug_assert!(FRAME_BODY_BYTES_MAX == FRAME_BODY_BYTES[FRAME_BODY_BYTES.len() - 1], "sizes ascend");
    FRAME_BODY_BYTES.into_iter().find(|size| body_bytes <= *size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::{Envelope, Failure};

    fn failure(detail_bytes: usize) -> Failure {
        Failure { detail: "x".repeat(detail_bytes), ..Failure::default() }
    }

    fn frame(body: &impl Message) -> Frame {
        Frame::command(Opcode::HELLO, MessageId::from_bytes([1; 16]), Timestamp::from_ms(5), body).unwrap()
    }

    // A3, T45: only five sizes exist.
    #[test]
    fn every_body_is_padded_to_one_of_five_sizes() {
        for (detail_bytes, padded) in
            [(0, 256), (253, 256), (254, 1024), (1021, 1024), (1022, 4096), (60_000, 65_536)]
        {
            let frame = frame(&failure(detail_bytes));
            assert_eq!(frame.bytes.len(), HEADER_BYTES + padded, "{detail_bytes}");
            assert_eq!(Frame::decode(frame.clone().into_bytes()).unwrap(), frame);
            assert_eq!(frame.read::<Failure>().unwrap().detail.len(), detail_bytes);
        }
    }

    #[test]
    fn the_largest_body_fits_and_one_more_byte_does_not() {
        let header = frame(&Failure::default()).header;
        let largest = FRAME_BODY_BYTES_MAX - 4;
        assert!(Frame::new(header, &failure(largest)).is_ok());
        assert_eq!(
            Frame::new(header, &failure(largest + 1)),
            Err(FrameError::TooLarge(FRAME_BODY_BYTES_MAX + 1))
        );
    }

    #[test]
    fn wrong_sizes_lengths_and_padding_are_refused() {
        let good = frame(&failure(3)).into_bytes();
        let decode = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.to_vec();
            change(&mut bytes);
            Frame::decode(bytes.into())
        };
        assert_eq!(decode(&|bytes| bytes.truncate(39)), Err(FrameError::Size(39)));
        assert_eq!(decode(&|bytes| bytes.push(0)), Err(FrameError::Size(297)));
        assert_eq!(decode(&|bytes| bytes.resize(HEADER_BYTES + 1024, 0)), Err(FrameError::Length(5)));
        assert_eq!(decode(&|bytes| bytes[36] = 0xFF), Err(FrameError::Length(0xFF00_0005)));
        assert_eq!(decode(&|bytes| *bytes.last_mut().unwrap() = 1), Err(FrameError::Padding));
        assert!(decode(&|_| ()).is_ok());
    }

    #[test]
    fn forwarding_changes_the_header_and_no_byte_of_the_body() {
        let envelope = Envelope { sealed: vec![7; 90].into(), ..Envelope::default() };
        let sent = frame(&envelope);
        let (body, id) = (sent.body(), sent.header.message_id);
        let pushed = sent.forward(Opcode::DIRECT_RECEIVED, Timestamp::from_ms(9));
        assert_eq!(pushed.body(), body);
        assert_eq!(pushed.header.message_id, id);
        let decoded = Frame::decode(pushed.into_bytes()).unwrap();
        assert_eq!(decoded.header.opcode, Opcode::DIRECT_RECEIVED);
        assert_eq!(decoded.header.mnemonic, Mnemonic(*b"rvum"));
        assert_eq!(decoded.header.timestamp, Timestamp::from_ms(9));
    }

    proptest! {
        // T74
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            if let Ok(frame) = Frame::decode(bytes.into()) {
                let _ = frame.read::<Envelope>();
            }
        }
    }
}
