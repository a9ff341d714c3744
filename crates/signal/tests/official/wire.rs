//! Reading messages as a wiretapper would: label, index and type of the post-quantum part.
//!
//! Invariant: written without the crate's own decoders, so that it can witness for them.

use tacite_signal::{CiphertextMessage, MessageKind};

/// What the post-quantum part says in clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PqHead {
    pub(crate) label: u64,
    pub(crate) index: u64,
    pub(crate) kind: u8,
}

/// The head of a message's post-quantum part.
pub(crate) fn pq_head(message: &CiphertextMessage) -> PqHead {
    let inner = match message.kind {
        MessageKind::Whisper => message.bytes.clone(),
        MessageKind::PreKey => bytes_field(&message.bytes[1..], 4).unwrap(),
    };
    let part = bytes_field(&inner[1..inner.len() - 8], 5).unwrap();
    let mut rest = &part[1..];
    let (label, index) = (varint(&mut rest), varint(&mut rest));
    PqHead { label, index, kind: rest[0] }
}

/// The last bytes field `number` of a protobuf message without groups.
pub(crate) fn bytes_field(mut message: &[u8], number: u64) -> Option<Vec<u8>> {
    let mut found = None;
    while !message.is_empty() {
        let tag = varint(&mut message);
        match tag & 7 {
            0 => drop(varint(&mut message)),
            2 => {
                let length = usize::try_from(varint(&mut message)).unwrap();
                let (value, rest) = message.split_at(length);
                message = rest;
                if tag >> 3 == number {
                    found = Some(value.to_vec());
                }
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

pub(crate) fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}
