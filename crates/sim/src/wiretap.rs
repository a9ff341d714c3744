//! Somebody who reads along on every wire.
//!
//! Invariants looked after: no frame and no file of the server holds what a person wrote; no two ciphertexts of one session
//! have the same place in it, that is, were made with the same key.

use std::collections::BTreeMap;

use prost::Message as _;
use tacite_seal::{SealKind, Sealed};

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Wiretap {
    /// By sender, ratchet key and counter: what was sealed there.
    places: BTreeMap<(usize, Vec<u8>, u32), Vec<u8>>,
}

/// The readable fields of Signal's message.
#[derive(Clone, PartialEq, prost::Message)]
struct Whisper {
    #[prost(bytes = "vec", tag = "1")]
    ratchet_key: Vec<u8>,
    #[prost(uint32, tag = "2")]
    counter: u32,
    #[prost(bytes = "vec", tag = "4")]
    ciphertext: Vec<u8>,
}

/// The readable fields of Signal's first message.
#[derive(Clone, PartialEq, prost::Message)]
struct Prekey {
    #[prost(bytes = "vec", tag = "4")]
    message: Vec<u8>,
}

/// Bytes of the MAC behind a message.
const MAC_BYTES: usize = 8;

impl Wiretap {
    /// Looks at a sealed body that leaves a person's device; says what is wrong with it.
    pub(crate) fn sealed(&mut self, sender: usize, body: &[u8]) -> Result<(), &'static str> {
        let sealed = Sealed::decode(body).map_err(|_| "a sealed body that cannot be read")?;
        let bytes = match sealed.kind {
            SealKind::Whisper => sealed.message,
            SealKind::Prekey => {
                let outer = sealed.message.get(1..).unwrap_or_default();
                Prekey::decode(outer).map_err(|_| "a first message that cannot be read")?.message
            }
        };
        let inner = bytes.len().checked_sub(MAC_BYTES).and_then(|end| bytes.get(1..end)).unwrap_or_default();
        let whisper = Whisper::decode(inner).map_err(|_| "a message that cannot be read")?;
        if whisper.ratchet_key.is_empty() || whisper.ciphertext.is_empty() {
            return Err("a message without a place in its session");
        }
        let place = (sender, whisper.ratchet_key, whisper.counter);
        let first = self.places.entry(place).or_insert_with(|| whisper.ciphertext.clone());
        if *first == whisper.ciphertext { Ok(()) } else { Err("two ciphertexts under one key") }
    }
}

/// Whether `bytes` hold `marker` somewhere.
pub(crate) fn holds(bytes: &[u8], marker: &[u8]) -> bool {
    let Some((first, rest)) = marker.split_first() else { return false };
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| byte == first) {
        from += at + 1;
        if bytes[from..].starts_with(rest) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(ratchet_key: u8, counter: u32, ciphertext: u8) -> Vec<u8> {
        let whisper =
            Whisper { ratchet_key: vec![ratchet_key; 33], counter, ciphertext: vec![ciphertext; 16] };
        let message = [&[0x44][..], &whisper.encode_to_vec(), &[0; MAC_BYTES]].concat();
        Sealed { kind: SealKind::Whisper, message }.encode()
    }

    #[test]
    fn the_same_bytes_may_go_again_other_bytes_may_not() {
        let mut tap = Wiretap::default();
        tap.sealed(0, &sealed(1, 0, 1)).unwrap();
        tap.sealed(0, &sealed(1, 0, 1)).unwrap();
        tap.sealed(0, &sealed(1, 1, 2)).unwrap();
        tap.sealed(0, &sealed(2, 0, 3)).unwrap();
        tap.sealed(0, &sealed(1, 1, 3)).unwrap_err();
    }

    #[test]
    fn a_marker_is_found_anywhere() {
        assert!(holds(b"xxabcabdy", b"abd") && holds(b"abd", b"abd") && holds(b"aabd", b"abd"));
        assert!(!holds(b"abcab", b"abd") && !holds(b"", b"abd"));
    }
}
