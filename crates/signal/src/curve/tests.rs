//! Encodings, agreement, and every kind of bad key.

use curve25519_dalek::constants::EIGHT_TORSION;

use super::{KeyError, KeyPair, MontgomeryPoint, Point, PrivateKey, PublicKey};
use crate::test_support::{array, rng, vectors};

fn point_error(u: [u8; 32]) -> Option<KeyError> {
    Point::checked(&PublicKey::from_u_coordinate(u)).err()
}

#[test]
fn vectors_of_key_pairs() {
    for vector in vectors("xeddsa").as_array().unwrap() {
        let private = PrivateKey::from_bytes(&array(&vector["private"]));
        assert_eq!(*private.public().u_coordinate(), array(&vector["public"]));
    }
}

#[test]
fn import_clamps() {
    let private = PrivateKey::from_bytes(&[0xFF; 32]);
    assert_eq!((private.to_bytes()[0], private.to_bytes()[31]), (0xF8, 0x7F));
}

#[test]
fn encoding_is_33_bytes_beginning_with_5() {
    let key = *KeyPair::generate(&mut rng(1)).public();
    let encoded = key.encode();
    assert_eq!(PublicKey::decode(&encoded), Ok(key));
    let mut other_type = encoded;
    other_type[0] = 6;
    let trailing = [encoded.as_slice(), &[0]].concat();
    for wrong in [&other_type[..], &encoded[1..], &encoded[..32], &[], &trailing] {
        assert_eq!(PublicKey::decode(wrong), Err(KeyError::Encoding));
    }
}

#[test]
fn both_ways_of_agreeing_give_the_same() {
    let mut rng = rng(2);
    for _ in 0..20 {
        let (alice, bob) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
        let shared = alice.private().agree(bob.public()).unwrap();
        assert_eq!(shared, bob.private().agree(alice.public()).unwrap());
        let point = Point::checked(bob.public()).unwrap();
        assert_eq!(*shared, *alice.private().agree_with(&point).unwrap().expose());
    }
}

#[test]
fn t01_zero_low_order_and_twist_keys_are_refused() {
    for torsion in EIGHT_TORSION {
        let u = torsion.to_montgomery().to_bytes();
        assert_eq!(point_error(u), Some(KeyError::Point));
        let private = PrivateKey::generate(&mut rng(3));
        assert_eq!(private.agree(&PublicKey::from_u_coordinate(u)).err(), Some(KeyError::Agreement));
    }
    let mut twist = [0; 32];
    twist[0] = 2;
    assert_eq!(point_error(twist), Some(KeyError::Point));
}

#[test]
fn t01_keys_that_are_not_canonical_are_refused() {
    let honest = *KeyPair::generate(&mut rng(4)).public().u_coordinate();
    assert_eq!(point_error(honest), None);
    let mut high_bit = honest;
    high_bit[31] |= 0x80;
    assert_eq!(point_error(high_bit), Some(KeyError::Point));
    // The base point's u is 9; p + 9 is the same point, written otherwise.
    let mut base = [0; 32];
    base[0] = 9;
    assert_eq!(point_error(base), None);
    let mut above_p = [0xFF; 32];
    (above_p[0], above_p[31]) = (0xED + 9, 0x7F);
    assert_eq!(point_error(above_p), Some(KeyError::Point));
}

#[test]
fn t01_keys_with_a_torsion_component_are_refused() {
    let honest =
        MontgomeryPoint(*KeyPair::generate(&mut rng(5)).public().u_coordinate()).to_edwards(0).unwrap();
    for torsion in &EIGHT_TORSION[1..] {
        assert_eq!(point_error((honest + torsion).to_montgomery().to_bytes()), Some(KeyError::Point));
    }
}

#[test]
fn t13_a_private_key_cannot_be_printed() {
    let pair = KeyPair::generate(&mut rng(6));
    let printed = format!("{pair:?}");
    assert!(!printed.contains(&format!("{:?}", pair.private().to_bytes()[0..4].to_vec())));
    assert!(printed.contains("Secret<32>(..)"));
}
