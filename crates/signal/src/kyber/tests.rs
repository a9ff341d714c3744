//! Known answers, bad encodings, implicit rejection.

use libcrux_sha3::sha256;

use super::{KyberCiphertext, KyberError, KyberKeyPair, KyberPublicKey};
use crate::{
    secret::Secret,
    test_support::{array, rng, secret, vectors},
};

#[test]
fn vectors_of_kyber1024_round_3() {
    let vector = vectors("kyber1024_r3");
    let pair = KyberKeyPair::from_seed(&secret(&vector["mlkem_keygen_seed_d_z"]));
    let public = pair.public();
    assert_eq!(sha256(&public.encode()[1..]), array(&vector["public_sha3_256"]));
    let (ciphertext, shared) = public.encapsulate(&secret(&vector["coins"]));
    assert_eq!(sha256(&ciphertext.encode()[1..]), array(&vector["ct_sha3_256"]));
    assert_eq!(shared, secret(&vector["kyber_shared"]));
    assert_eq!(pair.decapsulate(&ciphertext), shared);
}

#[test]
fn t02_keys_and_ciphertexts_of_wrong_type_or_length_are_refused() {
    let pair = KyberKeyPair::generate(&mut rng(1));
    let encoded = pair.public().encode();
    assert_eq!(KyberPublicKey::decode(&encoded), Ok(pair.public()));
    assert!(KyberCiphertext::decode(&encoded).is_ok());
    let longer = [encoded.as_slice(), &[0]].concat();
    for wrong in [&encoded[..1568], &longer, &encoded[1..], &[]] {
        assert_eq!(KyberPublicKey::decode(wrong), Err(KyberError));
        assert_eq!(KyberCiphertext::decode(wrong), Err(KyberError));
    }
    for kind in [0x07, 0x0A, 0x00] {
        let mut other = encoded.clone();
        other[0] = kind;
        assert_eq!(KyberPublicKey::decode(&other), Err(KyberError));
        assert_eq!(KyberCiphertext::decode(&other), Err(KyberError));
    }
}

#[test]
fn t02_a_key_that_is_not_reduced_is_refused() {
    let mut encoded = KyberKeyPair::generate(&mut rng(2)).public().encode();
    // The first coefficient becomes 3,329 = 0xD01, one past the largest.
    encoded[1] = 0x01;
    encoded[2] = (encoded[2] & 0xF0) | 0x0D;
    assert_eq!(KyberPublicKey::decode(&encoded), Err(KyberError));
    encoded[1] = 0x00;
    assert!(KyberPublicKey::decode(&encoded).is_ok());
}

#[test]
fn t02_an_altered_ciphertext_gives_another_secret_and_no_error() {
    let pair = KyberKeyPair::generate(&mut rng(3));
    let (ciphertext, shared) = pair.public().encapsulate(&Secret::new([9; 32]));
    let mut altered = ciphertext.encode();
    altered[700] ^= 1;
    let altered = KyberCiphertext::decode(&altered).unwrap();
    let rejected = pair.decapsulate(&altered);
    assert_ne!(rejected, shared);
    assert_eq!(rejected, pair.decapsulate(&altered));
}
