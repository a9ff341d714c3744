//! Attacks that have broken other messengers, as far as they concern this crate and stand nowhere else; the ids are those of the list of
//! hostile tests.

use tacite_signal::{
    CiphertextMessage, DecryptError, IdentityKeyPair, KyberPreKeyRecord, LocalParty, MessageKind,
    OneTimePreKeyRecord, PublicKey, SessionRecord, SignedPreKeyRecord,
    hazmat::{Forgery, encrypt_forged},
};

use crate::device::{Device, NOW_MS, acquainted, alice, bob, carol, deliver};

#[test]
fn t08_a_message_for_one_device_is_not_taken_by_another_of_the_same_account() {
    let (mut alice, mut phone) = (alice(1), bob(1));
    let mut laptop =
        Device { address: tacite_signal::Address::new(phone.address.name(), 7).unwrap(), ..bob(1) };
    alice.begin(&phone.address, &phone.bundle());
    let message = alice.encrypt(&phone.address, b"for the phone");
    // Both devices hold the same keys, as after a cloned backup: only the addresses tell them apart.
    assert_eq!(laptop.decrypt(&alice.address, &message), Err(DecryptError::Forged));
    assert!(phone.decrypt(&alice.address, &message).is_ok());
}

#[test]
fn t08_t16_a_message_is_bound_to_its_sender_and_its_receiver() {
    let (mut alice, mut bob, mut carol) = (alice(2), bob(2), carol(2));
    alice.begin(&bob.address, &bob.bundle());
    let message = alice.encrypt(&bob.address, b"hello");
    assert_eq!(bob.decrypt(&carol.address, &message), Err(DecryptError::Forged), "as if from Carol");
    assert!(carol.decrypt(&alice.address, &message).is_err(), "to Carol");
    assert!(alice.decrypt(&bob.address, &message).is_err(), "back to Alice");
    assert!(bob.decrypt(&alice.address, &message).is_ok());
}

#[test]
fn t09_no_key_or_iv_serves_two_messages_across_restarts() {
    let (mut alice, bob) = acquainted(3);
    let mut tails = std::collections::BTreeSet::new();
    // The device restarts around every message. Equal keys and IV would give equal ciphertexts for equal plaintexts.
    for _ in 0..200 {
        let message = alice.encrypt(&bob.address, &[0; 64]);
        let ciphertext = message.bytes[40..].windows(80).next().unwrap().to_vec();
        assert!(tails.insert(ciphertext));
    }
}

#[test]
fn t10_a_signature_over_a_servers_challenge_is_no_prekey_signature() {
    let mut alice = alice(4);
    let mallory = bob(4);
    // The server picks 32 bytes: those of a prekey of its own, without the type byte.
    let prekey = SignedPreKeyRecord::generate(1, &mallory.identity, &mut alice.rng);
    let challenge = prekey.public().u_coordinate();
    let signature = alice.identity.sign(challenge, &mut alice.rng);
    assert!(alice.identity.public().verify(&prekey.public().encode(), &signature).is_err());
}

#[test]
fn t11_nobody_speaks_for_an_identity_without_its_private_key() {
    let (alice, mut bob, mut mallory) = (alice(5), bob(5), carol(5));
    mallory.address = alice.address.clone();
    mallory.begin(&bob.address, &bob.bundle());
    let mut message = mallory.encrypt(&bob.address, b"I am Alice");
    let (own, claimed) = (mallory.identity.public().encode(), alice.identity.public().encode());
    let place = message.bytes.windows(33).position(|window| window == own).unwrap();
    message.bytes[place..place + 33].copy_from_slice(&claimed);
    assert_eq!(bob.decrypt(&alice.address, &message), Err(DecryptError::Forged));
    assert!(bob.prekeys.one_time.contains_key(&1), "no prekey was burnt");
}

#[test]
fn t06_a_first_message_with_a_bad_mac_leaves_session_and_prekeys_alone() {
    let (mut alice, mut bob) = (alice(6), bob(6));
    alice.begin(&bob.address, &bob.bundle());
    let good = alice.encrypt(&bob.address, b"hello");
    let mut bad = good.clone();
    let place = bad.bytes.len() - 1_700;
    bad.bytes[place] ^= 1;
    assert!(bob.decrypt(&alice.address, &bad).is_err());
    assert!(bob.sessions.is_empty());
    assert_eq!((bob.prekeys.one_time.len(), bob.prekeys.kyber.len()), (3, 3));
    assert!(bob.decrypt(&alice.address, &good).is_ok());
}

#[test]
fn t07_a_bundle_cannot_be_without_a_kyber_prekey() {
    // The type has no place for its absence, and an unsigned one is refused.
    let (mut alice, bob) = (alice(7), bob(7));
    let mut bundle = bob.bundle();
    bundle.kyber_prekey = KyberPreKeyRecord::generate(1, &alice.identity, &mut alice.rng).public();
    let local = LocalParty { address: &alice.address, identity: &alice.identity, registration_id: 1 };
    let result = SessionRecord::empty().process_bundle(&local, &bob.address, &bundle, NOW_MS, &mut alice.rng);
    assert!(result.is_err());
}

#[test]
fn t13_mac_padding_and_addresses_fail_alike() {
    let (mut alice, mut bob) = acquainted(8);
    let mut forge = |edit: &dyn Fn(Vec<u8>) -> Vec<u8>| {
        let mut record = alice.record(&bob.address);
        let local = LocalParty { address: &alice.address, identity: &alice.identity, registration_id: 1 };
        let forgery = Forgery { without_pq_key: false, edit };
        let message =
            encrypt_forged(&mut record, &local, &bob.address, &[0; 20], forgery, &mut alice.rng).unwrap();
        alice.store(&bob.address, &record);
        message
    };
    // Field 4 begins behind ratchet key, counter and previous counter; the last byte of its first block is padding's first cause.
    let padding = forge(&|mut bytes| {
        let place = bytes.windows(2).position(|window| window == [0x22, 32]).unwrap() + 2;
        bytes[place + 15] ^= 0xFF;
        bytes
    });
    let addresses = forge(&|bytes| [bytes.as_slice(), &[0x32, 0]].concat());
    let mut mac = forge(&|bytes| bytes);
    *mac.bytes.last_mut().unwrap() ^= 1;
    for message in [padding, addresses, mac] {
        assert_eq!(bob.decrypt(&alice.address, &message), Err(DecryptError::Forged));
    }
}

#[test]
fn t13_nothing_that_holds_a_secret_prints_it() {
    let (mut alice, bob) = acquainted(9);
    let record = alice.record(&bob.address);
    assert_eq!(format!("{record:?}"), "SessionRecord { current: true, archived: 0, .. }");
    let signed = SignedPreKeyRecord::generate(1, &bob.identity, &mut alice.rng);
    let one_time = OneTimePreKeyRecord::generate(1, &mut alice.rng);
    let kyber = KyberPreKeyRecord::generate(1, &bob.identity, &mut alice.rng);
    let held = [
        (format!("{:?}", alice.identity), alice.identity.to_bytes()),
        (format!("{signed:?}"), signed.to_bytes()),
        (format!("{one_time:?}"), one_time.to_bytes()),
        (format!("{kyber:?}"), kyber.to_bytes()),
    ];
    for (printed, stored) in held {
        assert!(printed.contains("(..)"), "{printed}");
        // Signatures are public and may be printed; every other stretch of the stored form may not.
        let secret_part = &stored[..stored.len().saturating_sub(64).max(33)];
        for window in secret_part.windows(8) {
            let list = format!("{window:?}");
            assert!(!printed.contains(list.trim_matches(['[', ']'])), "{printed}");
            assert!(!printed.contains(&hex::encode(window)), "{printed}");
        }
    }
}

#[test]
fn t14_a_ciphertext_of_one_conversation_is_nothing_in_another() {
    let (mut alice, mut bob) = acquainted(10);
    let mut carol = carol(10);
    alice.begin(&carol.address, &carol.bundle());
    deliver(&mut alice, &mut carol, b"hello");
    deliver(&mut carol, &mut alice, b"hello");
    let message = alice.encrypt(&bob.address, b"for Bob");
    assert!(carol.decrypt(&alice.address, &message).is_err());
    assert!(bob.decrypt(&alice.address, &message).is_ok());
}

#[test]
fn t18_an_old_state_restored_is_noticed_by_the_peer_and_a_new_session_heals_it() {
    let (mut alice, mut bob) = acquainted(11);
    let snapshot = alice.sessions.clone();
    for _ in 0..3 {
        deliver(&mut alice, &mut bob, b"after the snapshot");
    }
    alice.sessions = snapshot;
    let repeated = alice.encrypt(&bob.address, b"with keys that were used");
    assert_eq!(bob.decrypt(&alice.address, &repeated), Err(DecryptError::Duplicate));
    alice.begin(&bob.address, &bob.bundle());
    deliver(&mut alice, &mut bob, b"anew");
    deliver(&mut bob, &mut alice, b"heard");
    deliver(&mut alice, &mut bob, b"and on");
}

#[test]
fn t20_a_crash_before_storing_loses_nothing_and_repeats_nothing_that_left() {
    let (mut alice, mut bob) = acquainted(12);
    // The record was advanced in memory, but neither stored nor sent.
    let mut record = alice.record(&bob.address);
    let local = LocalParty { address: &alice.address, identity: &alice.identity, registration_id: 1 };
    record.encrypt(&local, &bob.address, b"never left", NOW_MS, &mut alice.rng).unwrap();
    drop(record);
    let stored = alice.encrypt(&bob.address, b"left");
    // The receiver crashes between decrypting and storing: the message comes again and is read.
    let mut record = bob.record(&alice.address);
    let local = LocalParty { address: &bob.address, identity: &bob.identity, registration_id: 1 };
    let trust = |_: &PublicKey| true;
    record.decrypt_whisper(&local, &alice.address, &stored.bytes, &mut bob.rng, &trust).unwrap();
    drop(record);
    assert_eq!(bob.decrypt(&alice.address, &stored).as_deref(), Ok(b"left".as_slice()));
}

#[test]
fn t01_an_identity_of_low_order_in_a_bundle_or_message_is_refused() {
    let (mut alice, mut bob) = (alice(13), bob(13));
    let zero = PublicKey::from_u_coordinate([0; 32]);
    let bundle = tacite_signal::PreKeyBundle { identity_key: zero, ..bob.bundle() };
    let local = LocalParty { address: &alice.address, identity: &alice.identity, registration_id: 1 };
    let result = SessionRecord::empty().process_bundle(&local, &bob.address, &bundle, NOW_MS, &mut alice.rng);
    assert!(result.is_err());
    alice.begin(&bob.address, &bob.bundle());
    let mut message = alice.encrypt(&bob.address, b"hello");
    let own = IdentityKeyPair::public(&alice.identity).encode();
    let place = message.bytes.windows(33).position(|window| window == own).unwrap();
    message.bytes[place + 1..place + 33].fill(0);
    let message = CiphertextMessage { kind: MessageKind::PreKey, bytes: message.bytes };
    assert!(matches!(bob.decrypt(&alice.address, &message), Err(DecryptError::Key(_))));
}
