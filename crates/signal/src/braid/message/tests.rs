//! Known bytes, and every rule of section 6.1.

use super::{BraidMessage, Payload};
use crate::test_support::{bytes, pattern, vectors};

fn decode(hex: &str) -> Option<BraidMessage> {
    BraidMessage::decode(&hex::decode(hex).unwrap()).ok()
}

#[test]
fn vectors_of_messages() {
    let examples = &vectors("erasure")["message_examples"];
    let nothing = BraidMessage { version: 1, label: 300, index: 128, payload: Payload::Nothing };
    assert_eq!(nothing.encode(), bytes(&examples["none"]));
    assert_eq!(BraidMessage::decode(&bytes(&examples["none"])), Ok(nothing));
    let chunk = pattern(5, 32).try_into().unwrap();
    let header = BraidMessage { version: 1, label: 1, index: 1, payload: Payload::Header(0, chunk) };
    assert_eq!(header.encode(), bytes(&examples["header0"]));
    assert_eq!(BraidMessage::decode(&bytes(&examples["header0"])), Ok(header));
}

#[test]
fn every_type_comes_back() {
    let chunk = [7; 32];
    for payload in [
        Payload::Nothing,
        Payload::Header(0, chunk),
        Payload::Vector(127, chunk),
        Payload::VectorAcknowledging(128, chunk),
        Payload::Acknowledging,
        Payload::FirstCiphertext(u16::MAX, chunk),
        Payload::SecondCiphertext(1, chunk),
    ] {
        let message = BraidMessage { version: 1, label: u64::MAX, index: u32::MAX, payload };
        assert_eq!(BraidMessage::decode(&message.encode()), Ok(message));
    }
}

#[test]
fn t07_absent_empty_and_short_parts_are_refused() {
    for hex in ["", "00", "02", "01", "0101", "010101", "00010100"] {
        assert_eq!(decode(hex), None, "{hex}");
    }
}

#[test]
fn bounds_of_label_index_type_and_chunk_index() {
    let chunk = "00".repeat(32);
    assert_eq!(decode("01000100"), None, "label 0");
    assert!(decode("0101ffffffff0f00").is_some(), "index 2^32 - 1");
    assert_eq!(decode("0101808080801000"), None, "index 2^32");
    assert_eq!(decode("01010107"), None, "type 7");
    assert!(decode(&format!("01010101ffff03{chunk}")).is_some(), "chunk index 65,535");
    assert_eq!(decode(&format!("01010101808004{chunk}")), None, "chunk index 65,536");
    assert_eq!(decode(&format!("0101010100{}", &chunk[2..])), None, "short chunk");
    assert_eq!(decode("01808080808080808080808000010100"), None, "varint of 11 bytes");
    assert_eq!(decode("0180808080808080808002010100"), None, "65 bits");
}

#[test]
fn long_varints_and_trailing_bytes_pass() {
    assert_eq!(decode("0181800081000000"), decode("01010100"));
    assert_eq!(decode(&format!("0101010000{}", "00".repeat(32))), decode("01010100"));
}
