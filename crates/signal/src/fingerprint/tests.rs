//! The same digits on both sides, codes that match crosswise. (The values themselves are compared with Signal's library in `tests/official.rs`.)

use super::{FingerprintError, fingerprint};
use crate::{curve::KeyPair, test_support::rng};

#[test]
fn both_sides_see_the_same_60_digits() {
    let mut rng = rng(1);
    let (alice, bob) = (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
    let ours = fingerprint(b"alice", alice.public(), b"bob", bob.public());
    let theirs = fingerprint(b"bob", bob.public(), b"alice", alice.public());
    assert_eq!(ours.displayable, theirs.displayable);
    assert_eq!(ours.displayable.len(), 60);
    assert!(ours.displayable.bytes().all(|digit| digit.is_ascii_digit()));
    assert_eq!(ours.matches(&theirs.scannable), Ok(true));
    assert_eq!(ours.matches(&ours.scannable), Ok(false));
}

#[test]
fn another_key_gives_another_number() {
    let mut rng = rng(2);
    let (alice, bob, mallory) =
        (KeyPair::generate(&mut rng), KeyPair::generate(&mut rng), KeyPair::generate(&mut rng));
    let ours = fingerprint(b"alice", alice.public(), b"bob", mallory.public());
    let theirs = fingerprint(b"bob", bob.public(), b"alice", alice.public());
    assert_ne!(ours.displayable, theirs.displayable);
    assert_eq!(ours.matches(&theirs.scannable), Ok(false));
}

#[test]
fn foreign_codes_are_refused() {
    let alice = KeyPair::generate(&mut rng(3));
    let ours = fingerprint(b"alice", alice.public(), b"alice", alice.public());
    assert_eq!(ours.matches(b"hello"), Err(FingerprintError::Malformed));
    assert_eq!(ours.matches(&[]), Err(FingerprintError::Malformed));
    let mut older = ours.scannable.clone();
    older[1] = 1;
    assert_eq!(ours.matches(&older), Err(FingerprintError::Version(1)));
}
