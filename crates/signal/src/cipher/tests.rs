//! Known answers, padding and MAC.

use super::MessageKeys;
use crate::test_support::{array, bytes, secret, vectors};

fn keys() -> MessageKeys {
    let vector = vectors("double_ratchet");
    MessageKeys::derive(&secret(&vector["seed"]), &secret(&vector["spqr_key"]))
}

#[test]
fn vectors_of_message_keys() {
    let vector = vectors("double_ratchet");
    let keys = keys();
    assert_eq!(*keys.cipher_key(), array(&vector["cipher_key"]));
    assert_eq!(*keys.mac_key(), array(&vector["mac_key"]));
    assert_eq!(*keys.iv(), array(&vector["iv"]));
    let ciphertext = keys.encrypt(&bytes(&vector["plaintext"]));
    assert_eq!(ciphertext, bytes(&vector["ciphertext"]));
    assert_eq!(keys.decrypt(&ciphertext), Some(bytes(&vector["plaintext"])));
}

#[test]
fn every_length_comes_back() {
    let keys = keys();
    for length in 0..50 {
        let plaintext = vec![0xA5; length];
        let ciphertext = keys.encrypt(&plaintext);
        assert_eq!(ciphertext.len(), (length / 16 + 1) * 16);
        assert_eq!(keys.decrypt(&ciphertext), Some(plaintext));
    }
}

#[test]
fn lengths_that_are_no_multiple_of_16_and_bad_padding_are_refused() {
    let keys = keys();
    for length in [0, 1, 15, 17] {
        assert_eq!(keys.decrypt(&vec![0; length]), None);
    }
    let mut ciphertext = keys.encrypt(&[7; 20]);
    // The last byte of the first block flips the last byte of padding.
    ciphertext[15] ^= 0xFF;
    assert_eq!(keys.decrypt(&ciphertext), None);
}

#[test]
fn a_mac_covers_all_parts() {
    let keys = keys();
    let mut mac = keys.mac(&[b"alice", b"bob"]);
    assert!(keys.verify(&[b"alice", b"bob"], mac));
    assert!(!keys.verify(&[b"bob", b"alice"], mac));
    mac[7] ^= 1;
    assert!(!keys.verify(&[b"alice", b"bob"], mac));
}
