//! Known signatures and every kind of bad one.

use curve25519_dalek::{constants::EIGHT_TORSION, scalar::Scalar};

use super::{SignatureError, sign};
use crate::{
    curve::{KeyPair, PublicKey},
    test_support::{array, bytes, rng, secret, vectors},
};

#[test]
fn vectors_of_signatures() {
    for vector in vectors("xeddsa").as_array().unwrap() {
        let message = bytes(&vector["message"]);
        let signature = sign(&array(&vector["private"]), &message, &secret(&vector["random64"]));
        assert_eq!(signature, array(&vector["signature"]));
        let public = PublicKey::from_u_coordinate(array(&vector["public"]));
        assert_eq!(public.verify(&message, &signature), Ok(()));
    }
}

#[test]
fn signatures_of_both_signs_verify() {
    let mut rng = rng(1);
    let mut signs = [false; 2];
    for _ in 0..20 {
        let alice = KeyPair::generate(&mut rng);
        let signature = alice.private().sign(b"hello", &mut rng);
        assert_eq!(alice.public().verify(b"hello", &signature), Ok(()));
        signs[usize::from(signature[63] >> 7)] = true;
    }
    assert_eq!(signs, [true; 2]);
}

#[test]
fn t03_altered_signatures_are_refused() {
    let mut rng = rng(2);
    let alice = KeyPair::generate(&mut rng);
    let signature = alice.private().sign(b"hello", &mut rng);
    for bit in 0..512 {
        let mut altered = signature;
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(alice.public().verify(b"hello", &altered), Err(SignatureError), "bit {bit}");
    }
    assert_eq!(alice.public().verify(b"hellp", &signature), Err(SignatureError));
    assert_eq!(alice.public().verify(b"hello", &signature[..63]), Err(SignatureError));
    assert_eq!(alice.public().verify(b"hello", &[signature.as_slice(), &[0]].concat()), Err(SignatureError));
}

#[test]
fn t03_a_malleable_s_is_refused() {
    let mut rng = rng(3);
    let alice = KeyPair::generate(&mut rng);
    let mut signature = alice.private().sign(b"hello", &mut rng);
    let mut order = (-Scalar::ONE).to_bytes();
    order[0] += 1;
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = u8::try_from(sum & 0xFF).unwrap();
        carry = sum >> 8;
    }
    assert_eq!(alice.public().verify(b"hello", &signature), Err(SignatureError));
}

#[test]
fn t03_low_order_keys_and_commitments_are_refused() {
    // With A or R of low order and s = 0, half of all messages would verify for anybody.
    for torsion in EIGHT_TORSION {
        let public = PublicKey::from_u_coordinate(torsion.to_montgomery().to_bytes());
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(torsion.compress().as_bytes());
        for message in 0..16_u8 {
            assert_eq!(public.verify(&[message], &signature), Err(SignatureError));
        }
    }
}
