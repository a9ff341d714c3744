//! The post-quantum ratchet's part of a message (section 6.1): `version ‖ label ‖ index ‖ type ‖ [chunk index ‖ chunk]`.
//!
//! Invariant: a decoded message has a label of at least 1, a chunk index of at most 65,535 and a known payload; bytes behind it are ignored.

use super::erasure::{CHUNK_LENGTH, Chunk};

/// The version that we send, and process.
pub(super) const VERSION: u8 = 1;

/// LEB128 of 64 bits.
const VARINT_LENGTH_MAX: usize = 10;

/// Malformed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedBraid;

/// What a message brings of the key agreement in progress. Every chunk has its index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    /// Type 0, from the ciphertext side.
    Nothing,
    /// Type 1: header of the encapsulation key.
    Header(u16, Chunk),
    /// Type 2: vector of the encapsulation key.
    Vector(u16, Chunk),
    /// Type 3: the same, and the first ciphertext part has arrived.
    VectorAcknowledging(u16, Chunk),
    /// Type 4: the first ciphertext part has arrived.
    Acknowledging,
    /// Type 5: first ciphertext part.
    FirstCiphertext(u16, Chunk),
    /// Type 6: second ciphertext part with its MAC.
    SecondCiphertext(u16, Chunk),
}

/// A message of the post-quantum ratchet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BraidMessage {
    /// 1 in all that we send; above, a peer that also speaks something newer.
    pub(super) version: u8,
    /// The key agreement in progress at the sender, from 1.
    pub(super) label: u64,
    /// Number of the message within the chain of `label − 1`, from 1 (0: no key).
    pub(super) index: u32,
    pub(super) payload: Payload,
}

impl BraidMessage {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(20 + CHUNK_LENGTH);
        bytes.push(self.version);
        write_varint(&mut bytes, self.label);
        write_varint(&mut bytes, u64::from(self.index));
        let (kind, chunk) = self.payload.parts();
        bytes.push(kind);
        if let Some((index, chunk)) = chunk {
            write_varint(&mut bytes, u64::from(index));
            bytes.extend_from_slice(&chunk);
        }
        bytes
    }

    pub(super) fn decode(mut bytes: &[u8]) -> Result<Self, MalformedBraid> {
        let version = read_byte(&mut bytes)?;
        let label = read_varint(&mut bytes)?;
        let index = u32::try_from(read_varint(&mut bytes)?).map_err(|_| MalformedBraid)?;
        if version == 0 || label == 0 {
            return Err(MalformedBraid);
        }
        let payload = Payload::decode(&mut bytes)?;
        Ok(Self { version, label, index, payload })
    }
}

impl Payload {
    fn parts(&self) -> (u8, Option<(u16, Chunk)>) {
        match *self {
            Self::Nothing => (0, None),
            Self::Header(index, chunk) => (1, Some((index, chunk))),
            Self::Vector(index, chunk) => (2, Some((index, chunk))),
            Self::VectorAcknowledging(index, chunk) => (3, Some((index, chunk))),
            Self::Acknowledging => (4, None),
            Self::FirstCiphertext(index, chunk) => (5, Some((index, chunk))),
            Self::SecondCiphertext(index, chunk) => (6, Some((index, chunk))),
        }
    }

    fn decode(bytes: &mut &[u8]) -> Result<Self, MalformedBraid> {
        let with_chunk: fn(u16, Chunk) -> Self = match read_byte(bytes)? {
            0 => return Ok(Self::Nothing),
            4 => return Ok(Self::Acknowledging),
            1 => Self::Header,
            2 => Self::Vector,
            3 => Self::VectorAcknowledging,
            5 => Self::FirstCiphertext,
            6 => Self::SecondCiphertext,
            _ => return Err(MalformedBraid),
        };
        let index = u16::try_from(read_varint(bytes)?).map_err(|_| MalformedBraid)?;
        let chunk = bytes.first_chunk().ok_or(MalformedBraid)?;
        Ok(with_chunk(index, *chunk))
    }
}

fn write_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let low = u8::try_from(value & 0x7F).expect("seven bits");
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// LEB128 of at most 10 bytes, not necessarily minimal; more than 64 bits are refused.
fn read_varint(bytes: &mut &[u8]) -> Result<u64, MalformedBraid> {
    let mut value = 0_u64;
    for position in 0..VARINT_LENGTH_MAX {
        let byte = read_byte(bytes)?;
        let low = u64::from(byte & 0x7F);
        if position == VARINT_LENGTH_MAX - 1 && low > 1 {
            return Err(MalformedBraid);
        }
        value |= low << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(MalformedBraid)
}

fn read_byte(bytes: &mut &[u8]) -> Result<u8, MalformedBraid> {
    let (first, rest) = bytes.split_first().ok_or(MalformedBraid)?;
    *bytes = rest;
    Ok(*first)
}

#[cfg(test)]
mod tests;
