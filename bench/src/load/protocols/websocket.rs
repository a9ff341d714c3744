//! The client's side of WebSocket framing (RFC 6455): the upgrade, and unfragmented frames.
//!
//! Invariant: nothing here copies a payload, the masking of what leaves is done in place.

use anyhow::{Result, ensure};

use crate::load::connection::Io;

/// Binary data.
pub const BINARY: u8 = 2;
/// The other side is leaving.
pub const CLOSE: u8 = 8;
/// Asks for a [`PONG`].
pub const PING: u8 = 9;
/// Answers a [`PING`].
pub const PONG: u8 = 10;

/// No peer sends more in one frame.
const LONGEST_FRAME_BYTES: usize = 1 << 20;
const LAST_FRAGMENT: u8 = 0x80;
const MASKED: u8 = 0x80;
const LENGTH_IN_16_BITS: u8 = 126;
const LENGTH_IN_64_BITS: u8 = 127;

/// Asks for a WebSocket at `path`; `headers` are whole lines, each with its line end.
pub async fn upgrade(io: &mut Io, path: &str, headers: &str) -> Result<()> {
    io.write(format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n{headers}\r\n"
    ))
    .await?;
    let answer = io.read_through("\r\n\r\n").await?;
    ensure!(answer.starts_with(b"HTTP/1.1 101"), "no WebSocket: {:?}", String::from_utf8_lossy(&answer));
    Ok(())
}

/// Where a frame stands in the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// [`BINARY`], [`PING`], …
    pub opcode: u8,
    /// Where the payload begins.
    pub start: usize,
    /// Where the frame, and its payload, end.
    pub end: usize,
}

impl Frame {
    /// The first frame of `input`, if it is whole. Servers do not mask.
    pub fn first_of(input: &[u8]) -> Result<Option<Self>> {
        let [first, second, rest @ ..] = input else { return Ok(None) };
        let (start, length) = match *second {
            LENGTH_IN_16_BITS => match rest.first_chunk() {
                Some(length) => (4, usize::from(u16::from_be_bytes(*length))),
                None => return Ok(None),
            },
            LENGTH_IN_64_BITS => match rest.first_chunk() {
                Some(length) => (10, usize::try_from(u64::from_be_bytes(*length))?),
                None => return Ok(None),
            },
            length => (2, usize::from(length)),
        };
        ensure!(second & MASKED == 0, "a server must not mask its frames");
        ensure!(first & LAST_FRAGMENT != 0, "the frame is a fragment");
        ensure!(length <= LONGEST_FRAME_BYTES, "a frame of {length} bytes");
        let end = start + length;
        Ok((input.len() >= end).then_some(Self { opcode: first & 0x0f, start, end }))
    }
}

/// Writes masked frames.
#[derive(Debug)]
pub struct Masking(u32);

impl Default for Masking {
    fn default() -> Self {
        Self(0x9e37_79b9)
    }
}

impl Masking {
    /// Appends one frame, whose payload of `length` bytes `write` appends.
    pub fn put_frame(
        &mut self,
        opcode: u8,
        length: usize,
        out: &mut Vec<u8>,
        write: impl FnOnce(&mut Vec<u8>),
    ) {
        // Any changing key will do: masking protects intermediaries, and there are none.
        self.0 = self.0.wrapping_mul(0x915f_77f5).wrapping_add(1);
        let key = self.0.to_ne_bytes();
        out.push(LAST_FRAGMENT | opcode);
        match (u8::try_from(length), u16::try_from(length)) {
            (Ok(short), _) if short < LENGTH_IN_16_BITS => out.push(MASKED | short),
            (_, Ok(length)) => {
                out.push(MASKED | LENGTH_IN_16_BITS);
                out.extend_from_slice(&length.to_be_bytes());
            }
            _ => {
                out.push(MASKED | LENGTH_IN_64_BITS);
                out.extend_from_slice(&(length as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&key);
        let start = out.len();
        write(out);
        debug_assert_eq!(out.len() - start, length, "the payload has the length that was told");
        let (quads, tail) = out[start..].as_chunks_mut::<4>();
        for quad in quads {
            *quad = (u32::from_ne_bytes(*quad) ^ self.0).to_ne_bytes();
        }
        for (byte, key) in tail.iter_mut().zip(key) {
            *byte ^= key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_server(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![LAST_FRAGMENT | opcode];
        match payload.len() {
            length @ 0..126 => frame.push(u8::try_from(length).expect("short")),
            length @ 126..65_536 => {
                frame.push(126);
                frame.extend(u16::try_from(length).expect("middling").to_be_bytes());
            }
            length => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(payload);
        frame
    }

    #[test]
    fn frames_of_every_length_are_found_when_whole() {
        for length in [0, 125, 126, 65_535, 65_536] {
            let frame = from_server(BINARY, &vec![7; length]);
            let found = Frame::first_of(&frame).expect("valid").expect("whole");
            assert_eq!((found.opcode, found.end - found.start, found.end), (BINARY, length, frame.len()));
            for cut in 0..frame.len().min(12) {
                assert_eq!(Frame::first_of(&frame[..cut.min(frame.len() - 1)]).expect("valid"), None);
            }
        }
    }

    #[test]
    fn what_a_server_must_not_send_is_refused() {
        assert!(Frame::first_of(&[0x82, 0x81, 0, 0, 0, 0, 0]).is_err(), "masked");
        assert!(Frame::first_of(&[0x02, 0x00]).is_err(), "a fragment");
        let mut long = vec![0x82, 127];
        long.extend((LONGEST_FRAME_BYTES as u64 + 1).to_be_bytes());
        assert!(Frame::first_of(&long).is_err(), "too long");
    }

    #[test]
    fn masked_payloads_come_back() {
        let mut masking = Masking::default();
        for length in [0, 5, 125, 126, 300, 65_536] {
            let payload: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).expect("small")).collect();
            let mut out = Vec::new();
            masking.put_frame(BINARY, length, &mut out, |out| out.extend_from_slice(&payload));
            assert_eq!(out[0], 0x82);
            assert_eq!(out[1] & MASKED, MASKED);
            let start = out.len() - length;
            let key: [u8; 4] = out[start - 4..start].try_into().expect("four");
            let plain: Vec<u8> =
                out[start..].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            assert_eq!(plain, payload);
        }
    }
}
