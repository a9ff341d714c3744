//! The bodies of messages: who sent which one when, in text that passes every protocol unescaped.
//!
//! Invariant: what stands in the first [`HEAD_BYTES`] is enough to tell loss, doubles, order and latency.

use std::sync::LazyLock;

use tokio::time::Instant;

/// What one message carries for a person, in bytes.
pub const PAYLOAD_BYTES: usize = 256;
/// The part of a body that means something: 16 hex digits of time, 8 of the sender, 8 of the number.
pub const HEAD_BYTES: usize = 32;

const FILLER: [u8; PAYLOAD_BYTES - HEAD_BYTES] = [b'x'; PAYLOAD_BYTES - HEAD_BYTES];

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// What the beginning of a body says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// When the message was due to be sent, on the clock of [`now_ns`].
    pub due_ns: u64,
    /// The sender's number.
    pub source: u32,
    /// Which of the sender's messages to this destination.
    pub number: u32,
}

/// Nanoseconds since this process first asked.
#[must_use]
pub fn now_ns() -> u64 {
    u64::try_from(STARTED.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

/// Appends a body of [`PAYLOAD_BYTES`].
pub fn put_payload(due_ns: Option<u64>, source: u32, number: u32, out: &mut Vec<u8>) {
    put_head(due_ns, source, number, out);
    out.extend_from_slice(&FILLER);
}

/// Appends the first [`HEAD_BYTES`] of a body; without a time it is due now.
pub fn put_head(due_ns: Option<u64>, source: u32, number: u32, out: &mut Vec<u8>) {
    put_hex(&due_ns.unwrap_or_else(now_ns).to_be_bytes(), out);
    put_hex(&source.to_be_bytes(), out);
    put_hex(&number.to_be_bytes(), out);
}

/// What a body says; `None` if it is not one of ours, or shorter than [`PAYLOAD_BYTES`].
#[must_use]
pub fn read_payload(body: &[u8]) -> Option<Head> {
    if body.len() < PAYLOAD_BYTES {
        return None;
    }
    Some(Head {
        due_ns: hex(&body[..16])?,
        source: u32::try_from(hex(&body[16..24])?).ok()?,
        number: u32::try_from(hex(&body[24..HEAD_BYTES])?).ok()?,
    })
}

fn put_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| DIGITS[usize::from(value)];
    out.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]));
}

fn hex(text: &[u8]) -> Option<u64> {
    text.iter().try_fold(0, |value, letter| Some(value << 4 | u64::from(char::from(*letter).to_digit(16)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back() {
        let mut body = Vec::new();
        put_payload(Some(0x0123_4567_89ab), 7, u32::MAX, &mut body);
        assert_eq!(body.len(), PAYLOAD_BYTES);
        assert_eq!(read_payload(&body), Some(Head { due_ns: 0x0123_4567_89ab, source: 7, number: u32::MAX }));
    }

    #[test]
    fn a_body_cut_short_or_not_ours_says_nothing() {
        let mut body = Vec::new();
        put_payload(None, 7, 42, &mut body);
        assert_eq!(read_payload(&body[..PAYLOAD_BYTES - 1]), None);
        body[20] = b'-';
        assert_eq!(read_payload(&body), None);
    }

    #[test]
    fn without_a_time_a_message_is_due_when_it_is_encoded() {
        let before = now_ns();
        let mut body = Vec::new();
        put_payload(None, 1, 2, &mut body);
        let due_ns = read_payload(&body).expect("our own").due_ns;
        assert!((before..=now_ns()).contains(&due_ns));
    }
}
