//! Field order, required fields, version bytes and the strictness of the protobuf decoder.

use super::{MessageError, PreKeyMessage, WhisperContent, WhisperMessage};
use crate::{
    curve::{KeyError, KeyPair, PublicKey},
    kyber::{KyberCiphertext, KyberError, KyberKeyPair},
    secret::Secret,
    test_support::rng,
};

const KEY_FIELD: usize = 1;

fn key() -> PublicKey {
    *KeyPair::generate(&mut rng(1)).public()
}

/// Version byte, fields, eight bytes of MAC.
fn whisper() -> Vec<u8> {
    let content = WhisperContent {
        ratchet_key: &key(),
        counter: 0,
        previous_counter: 0,
        ciphertext: vec![1; 16],
        pq_ratchet: vec![1, 1, 1, 0],
        addresses: None,
    };
    [content.encode(), vec![0xAA; 8]].concat()
}

fn prekey() -> PreKeyMessage {
    let ciphertext = KyberKeyPair::generate(&mut rng(2)).public().encapsulate(&Secret::new([1; 32])).0;
    PreKeyMessage {
        one_time_prekey_id: Some(7),
        base_key: key(),
        identity_key: key(),
        message: whisper(),
        registration_id: 1,
        signed_prekey_id: 2,
        kyber_prekey_id: 3,
        kyber_ciphertext: ciphertext,
    }
}

/// A message with `fields` in place of ours.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    [&[0x44], fields, &[0; 8]].concat()
}

fn minimal_fields() -> Vec<u8> {
    [&[0x0A, 33], key().encode().as_slice(), &[0x10, 0, 0x22, 1, 9]].concat()
}

#[test]
fn fields_ascend_and_zero_is_written() {
    let bytes = whisper();
    assert_eq!(bytes[..3], [0x44, 0x0A, 33]);
    assert_eq!(bytes[36..42], [0x10, 0, 0x18, 0, 0x22, 16]);
    let message = WhisperMessage::decode(&bytes).unwrap();
    assert_eq!((message.ratchet_key, message.counter), (key(), 0));
    assert_eq!(message.mac, [0xAA; 8]);
    assert_eq!(message.authenticated, &bytes[..bytes.len() - 8]);
    assert_eq!(message.addresses, None);
}

#[test]
fn a_prekey_message_comes_back() {
    assert_eq!(PreKeyMessage::decode(&prekey().encode()), Ok(prekey()));
    let without = PreKeyMessage { one_time_prekey_id: None, ..prekey() };
    assert_eq!(PreKeyMessage::decode(&without.clone().encode()), Ok(without));
}

#[test]
fn t07_only_version_4_is_accepted_whatever_the_low_half() {
    let mut bytes = whisper();
    for low in [0, 3, 0xF] {
        bytes[0] = 0x40 | low;
        assert!(WhisperMessage::decode(&bytes).is_ok());
    }
    for version in [0, 2, 3, 5, 15] {
        bytes[0] = (version << 4) | 4;
        assert_eq!(WhisperMessage::decode(&bytes).err(), Some(MessageError::Version(version)));
    }
    let mut bytes = prekey().encode();
    bytes[0] = 0x34;
    assert_eq!(PreKeyMessage::decode(&bytes).err(), Some(MessageError::Version(3)));
}

#[test]
fn required_fields_must_be_there() {
    assert!(WhisperMessage::decode(&with_fields(&minimal_fields())).is_ok());
    let fields = minimal_fields();
    for absent in [0..35, 35..37, 37..40] {
        let mut without = fields.clone();
        without.drain(absent);
        assert_eq!(WhisperMessage::decode(&with_fields(&without)).err(), Some(MessageError::Malformed));
    }
    for length in 0..9 {
        assert!(WhisperMessage::decode(&whisper()[..length]).is_err());
    }
}

#[test]
fn unknown_fields_repeated_fields_and_long_varints_pass() {
    let unknown: [&[u8]; 5] = [
        &[0x78, 5],
        &[0x79, 0, 0, 0, 0, 0, 0, 0, 0],
        &[0x7A, 1, 0],
        &[0x7B, 0x08, 1, 0x7C],
        &[0x7D, 0, 0, 0, 0],
    ];
    for field in unknown {
        let fields = [minimal_fields(), field.to_vec()].concat();
        assert!(WhisperMessage::decode(&with_fields(&fields)).is_ok());
    }
    let last: [(&[u8], u32); 4] = [
        (&[0x10, 9], 9),
        (&[0x10, 0x85, 0x80, 0x00], 5),
        (&[0x10, 0x80, 0x80, 0x80, 0x80, 0x10], 0),
        (&[0x10, 1, 0x10, 2], 2),
    ];
    for (field, counter) in last {
        let bytes = with_fields(&[minimal_fields(), field.to_vec()].concat());
        assert_eq!(WhisperMessage::decode(&bytes).unwrap().counter, counter);
    }
}

#[test]
fn malformed_protobuf_is_refused() {
    let malformed: [&[u8]; 7] = [
        &[0x0D, 0, 0, 0, 0],
        &[0x12, 1, 0],
        &[0x7E],
        &[0x7F],
        &[0x7C],
        &[0x00, 0],
        &[0x10, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
    ];
    for field in malformed {
        let bytes = with_fields(&[minimal_fields(), field.to_vec()].concat());
        assert_eq!(WhisperMessage::decode(&bytes).err(), Some(MessageError::Malformed), "{field:?}");
    }
    let truncated = with_fields(&[minimal_fields(), vec![0x22, 200, 1]].concat());
    assert_eq!(WhisperMessage::decode(&truncated).err(), Some(MessageError::Malformed));
}

#[test]
fn keys_within_messages_are_checked() {
    let mut bytes = whisper();
    bytes[KEY_FIELD + 2] = 6;
    assert_eq!(WhisperMessage::decode(&bytes).err(), Some(MessageError::Key(KeyError::Encoding)));
    let mut bytes = prekey().encode();
    let length = bytes.len();
    bytes[length - 1569] = 7;
    assert_eq!(PreKeyMessage::decode(&bytes).err(), Some(MessageError::Kyber(KyberError)));
    assert!(KyberCiphertext::decode(&bytes[length - 1569..]).is_err());
}
