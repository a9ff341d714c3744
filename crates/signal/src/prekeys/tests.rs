//! Stored prekeys and identities come back; damaged ones do not.

use super::{KyberPreKeyRecord, OneTimePreKeyRecord, SignedPreKeyRecord};
use crate::{codec::StoredError, identity::IdentityKeyPair, test_support::rng};

#[test]
fn stored_forms_come_back_and_begin_with_a_version() {
    let mut rng = rng(1);
    let identity = IdentityKeyPair::generate(&mut rng);
    assert_eq!(IdentityKeyPair::from_bytes(&identity.to_bytes()), Ok(identity.clone()));
    let signed = SignedPreKeyRecord::generate(7, &identity, &mut rng);
    assert_eq!(SignedPreKeyRecord::from_bytes(&signed.to_bytes()), Ok(signed.clone()));
    let kyber = KyberPreKeyRecord::generate(8, &identity, &mut rng);
    assert_eq!(KyberPreKeyRecord::from_bytes(&kyber.to_bytes()), Ok(kyber.clone()));
    let one_time = OneTimePreKeyRecord::generate(9, &mut rng);
    assert_eq!(OneTimePreKeyRecord::from_bytes(&one_time.to_bytes()), Ok(one_time.clone()));
    let lengths = [identity.to_bytes(), signed.to_bytes(), kyber.to_bytes(), one_time.to_bytes()]
        .map(|bytes| (bytes[0], bytes.len()));
    assert_eq!(lengths, [(1, 33), (1, 133), (1, 3237), (1, 69)]);
}

#[test]
fn damaged_bytes_and_other_versions_are_refused() {
    let one_time = OneTimePreKeyRecord::generate(9, &mut rng(2)).to_bytes().to_vec();
    let mut newer = one_time.clone();
    newer[0] = 2;
    assert_eq!(OneTimePreKeyRecord::from_bytes(&newer), Err(StoredError::Version(2)));
    let longer = [one_time.as_slice(), &[0]].concat();
    for damaged in [&one_time[..68], &longer, &[]] {
        assert_eq!(OneTimePreKeyRecord::from_bytes(damaged), Err(StoredError::Damaged));
    }
    let mut unclamped = one_time;
    unclamped[37] |= 1;
    assert_eq!(OneTimePreKeyRecord::from_bytes(&unclamped), Err(StoredError::Damaged));
}

#[test]
fn signatures_cover_the_encodings_with_their_types() {
    let mut rng = rng(3);
    let identity = IdentityKeyPair::generate(&mut rng);
    let signed = SignedPreKeyRecord::generate(1, &identity, &mut rng);
    assert_eq!(identity.public().verify(&signed.public().encode(), signed.signature()), Ok(()));
    let kyber = KyberPreKeyRecord::generate(1, &identity, &mut rng);
    assert_eq!(identity.public().verify(&kyber.public().encode(), kyber.signature()), Ok(()));
}
