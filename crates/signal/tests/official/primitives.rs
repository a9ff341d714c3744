//! Signatures, agreements and safety numbers: the same values and verdicts on both sides.

use serde_json::json;
use tacite_signal::{PrivateKey, PublicKey, fingerprint};

use crate::{
    device::alice,
    library::{Official, ask, bytes},
};

const BOB: &str = "796abedb-ca4e-4f18-8803-1fde5b921f9f";

#[test]
fn each_verifies_what_the_other_signed() {
    let mut alice = alice(1);
    let bob = Official::new("sign", BOB, 2);
    let bobs_key = PublicKey::decode(&bytes(
        &ask(json!({
            "command": "new", "user": "sign", "name": BOB, "device": 2, "identity": hex::encode([7; 32]),
        }))
        .unwrap()["identityKey"],
    ))
    .unwrap();
    drop(bob);
    for length in 0..40 {
        let message = vec![0xC3; length];
        let ours = alice.identity.sign(&message, &mut alice.rng);
        let verdict = ask(json!({
            "command": "verify",
            "publicKey": hex::encode(alice.identity.public().encode()),
            "message": hex::encode(&message),
            "signature": hex::encode(ours),
        }));
        assert_eq!(verdict.unwrap()["valid"], json!(true));
        let theirs =
            ask(json!({ "command": "sign", "user": "sign", "message": hex::encode(&message) })).unwrap();
        assert_eq!(bobs_key.verify(&message, &bytes(&theirs["signature"])), Ok(()));
    }
}

#[test]
fn agreements_are_equal_and_private_keys_are_clamped_alike() {
    let mut alice = alice(2);
    for seed in 0..20_u8 {
        let private = PrivateKey::from_bytes(&[seed.wrapping_mul(37) ^ 0xFF; 32]);
        let theirs = *PrivateKey::generate(&mut alice.rng).public().u_coordinate();
        let public = PublicKey::from_u_coordinate(theirs);
        let shared = ask(json!({
            "command": "agree",
            "priv": hex::encode([seed.wrapping_mul(37) ^ 0xFF; 32]),
            "pub": hex::encode(public.encode()),
        }));
        assert_eq!(bytes(&shared.unwrap()["shared"]), private.agree(&public).unwrap().to_vec());
    }
}

#[test]
fn safety_numbers_are_equal_digits_and_codes() {
    for seed in 0..10 {
        let (alice, bob) = (alice(seed), alice(seed + 100));
        let ours = fingerprint(b"alice", alice.identity.public(), BOB.as_bytes(), bob.identity.public());
        let theirs = ask(json!({
            "command": "fingerprint",
            "localName": "alice",
            "localKey": hex::encode(alice.identity.public().encode()),
            "remoteName": BOB,
            "remoteKey": hex::encode(bob.identity.public().encode()),
        }))
        .unwrap();
        assert_eq!(theirs["displayable"], json!(ours.displayable));
        assert_eq!(theirs["scannable"], json!(hex::encode(&ours.scannable)));
    }
}
