//! Known answers of the split encapsulation, and its agreement with the whole one.

use libcrux_ml_kem::mlkem768;
use libcrux_sha3::sha256;

use super::{
    CIPHERTEXT1_LENGTH, decapsulate, encapsulate_first, encapsulate_second, split_key, vector_belongs,
};
use crate::{
    secret::Secret,
    test_support::{array, secret, vectors},
};

#[test]
fn vectors_of_the_split_kem() {
    let vector = vectors("mlkem768_incremental");
    let seed = secret(&vector["keygen_seed_d_z"]);
    let key = split_key(&seed);
    assert_eq!(key.header, array(&vector["header"]));
    assert_eq!(sha256(key.vector.as_slice()), array(&vector["ek_vector_sha3_256"]));
    let coins = secret(&vector["m"]);
    let (first, shared) = encapsulate_first(&key.header, &coins);
    assert_eq!(sha256(first.as_slice()), array(&vector["ct1_sha3_256"]));
    assert_eq!(shared, secret(&vector["shared"]));
    let second = encapsulate_second(&key.header, &coins, &key.vector);
    assert_eq!(second, array(&vector["ct2"]));
    assert_eq!(decapsulate(&seed, &first, &second), shared);
}

#[test]
fn the_halves_are_the_whole_of_fips_203() {
    let (seed, coins) = (Secret::new([3; 64]), Secret::new([4; 32]));
    let key = split_key(&seed);
    let whole = mlkem768::generate_key_pair([3; 64]);
    assert_eq!(whole.pk()[..1152], *key.vector.as_slice());
    assert_eq!(whole.pk()[1152..], key.header[..32]);
    let (ciphertext, shared) = mlkem768::encapsulate(whole.public_key(), [4; 32]);
    let (first, split_shared) = encapsulate_first(&key.header, &coins);
    let second = encapsulate_second(&key.header, &coins, &key.vector);
    assert_eq!(ciphertext.as_ref(), [first.as_slice(), &second].concat());
    assert_eq!(Secret::new(shared), split_shared);
}

#[test]
fn t02_a_vector_that_was_not_announced_or_is_not_reduced_is_refused() {
    let key = split_key(&Secret::new([5; 64]));
    assert!(vector_belongs(&key.header, &key.vector));
    let mut altered = key.vector.clone();
    altered[1000] ^= 1;
    assert!(!vector_belongs(&key.header, &altered));
    // Announced honestly, but with the first coefficient at 3,329.
    let mut unreduced = key.vector.clone();
    (unreduced[0], unreduced[1]) = (0x01, (unreduced[1] & 0xF0) | 0x0D);
    let mut header = key.header;
    header[32..].copy_from_slice(&sha256(&[unreduced.as_slice(), &key.header[..32]].concat()));
    assert!(!vector_belongs(&header, &unreduced));
}

#[test]
fn t02_an_altered_ciphertext_gives_another_secret_and_no_error() {
    let (seed, coins) = (Secret::new([6; 64]), Secret::new([7; 32]));
    let key = split_key(&seed);
    let (first, shared) = encapsulate_first(&key.header, &coins);
    let second = encapsulate_second(&key.header, &coins, &key.vector);
    let altered: [u8; CIPHERTEXT1_LENGTH] =
        std::array::from_fn(|index| first[index] ^ u8::from(index == 500));
    assert_ne!(decapsulate(&seed, &altered, &second), shared);
}
