//! The whole ratchet: keys agree over many labels and any schedule, every state survives storage, downgrades are refused.

use rand_core::Rng;

use super::{BraidMessage, NoPqKey, PqRatchet, message::Payload};
use crate::{
    chain::NoKey,
    codec::{Reader, Writer},
    secret::Secret,
    test_support::rng,
};

fn pair() -> (PqRatchet, PqRatchet) {
    let key = Secret::new([9; 32]);
    (PqRatchet::initiate(&key), PqRatchet::respond(&key))
}

/// Stores and reads the ratchet; the stored form must come back byte by byte.
fn restart(ratchet: &PqRatchet) -> PqRatchet {
    let store = |ratchet: &PqRatchet| {
        let mut writer = Writer::with_capacity(ratchet.stored_length());
        ratchet.write(&mut writer);
        writer.finish()
    };
    let bytes = store(ratchet);
    assert!(bytes.len() <= ratchet.stored_length());
    let mut reader = Reader::new(&bytes);
    let restored = PqRatchet::read(&mut reader).unwrap();
    reader.end().unwrap();
    assert_eq!(store(&restored), bytes);
    restored
}

fn receive(ratchet: &mut PqRatchet, bytes: &[u8]) -> Result<Secret<32>, NoPqKey> {
    let (key, change) = ratchet.plan(bytes, false)?;
    ratchet.apply(change);
    Ok(key)
}

fn message(label: u64, index: u32) -> Vec<u8> {
    BraidMessage { version: 1, label, index, payload: Payload::Nothing }.encode()
}

#[test]
fn t20_every_state_survives_a_restart_after_every_message() {
    let mut rng = rng(1);
    let (mut alice, mut bob) = pair();
    while bob.braid.label < 6 {
        let (message, key) = alice.send(&mut rng);
        alice = restart(&alice);
        assert_eq!(receive(&mut bob, &message), Ok(key));
        bob = restart(&bob);
        (alice, bob) = (bob, alice);
    }
}

#[test]
fn t15_bursts_with_loss_and_reordering_reach_ten_labels() {
    for seed in 0..4 {
        let mut rng = rng(seed);
        let (mut alice, mut bob) = pair();
        while alice.braid.label < 10 {
            let mut burst: Vec<_> = (0..=rng.next_u32() % 3).map(|_| alice.send(&mut rng)).collect();
            if rng.next_u32().is_multiple_of(2) {
                burst.reverse();
            }
            for (message, key) in burst {
                if !rng.next_u32().is_multiple_of(5) {
                    assert_eq!(receive(&mut bob, &message), Ok(key), "seed {seed}");
                }
            }
            (alice, bob) = (bob, alice);
        }
    }
}

#[test]
fn t07_no_key_and_index_0_are_refused_at_every_label() {
    let mut rng = rng(2);
    let (mut alice, mut bob) = pair();
    assert_eq!(bob.plan(&[], false).err(), Some(NoPqKey::Malformed));
    assert_eq!(bob.plan(&message(1, 0), false).err(), Some(NoPqKey::Key(NoKey::Past)));
    while bob.braid.label < 4 {
        let (message, _) = alice.send(&mut rng);
        receive(&mut bob, &message).unwrap();
        (alice, bob) = (bob, alice);
    }
    for label in [1, bob.braid.label] {
        assert_eq!(bob.plan(&message(label, 0), false).err(), Some(NoPqKey::Key(NoKey::Past)));
    }
    assert_eq!(bob.plan(&message(1, 1), false).err(), Some(NoPqKey::Key(NoKey::Past)));
}

#[test]
fn t07_another_version_is_processed_only_before_the_first_message_of_version_1() {
    let mut rng = rng(3);
    let (mut alice, mut bob) = pair();
    for (version, expected) in [(2, true), (255, true), (1, true), (2, false), (0, false)] {
        let (mut message, key) = alice.send(&mut rng);
        message[0] = version;
        let received = receive(&mut bob, &message);
        assert_eq!(received, if expected { Ok(key) } else { Err(NoPqKey::Malformed) }, "version {version}");
    }
}

#[test]
fn a_refused_message_changes_nothing() {
    let (mut alice, bob) = pair();
    let (message, key) = alice.send(&mut rng(4));
    assert_eq!(bob.plan(&message, false).unwrap().0, key);
    assert_eq!(bob.plan(&message, false).unwrap().0, key);
}

#[test]
fn a_stored_state_that_could_not_send_is_refused() {
    let mut rng = rng(5);
    let (mut alice, mut bob) = pair();
    let stored = |ratchet: &PqRatchet| {
        let mut writer = Writer::with_capacity(0);
        ratchet.write(&mut writer);
        let bytes = writer.finish();
        PqRatchet::read(&mut Reader::new(&bytes)).is_ok()
    };
    while !matches!(bob.braid.state, super::machine::State::SendingFirst { .. }) {
        let (message, _) = alice.send(&mut rng);
        receive(&mut bob, &message).unwrap();
        (alice, bob) = (bob, alice);
        bob.send(&mut rng);
    }
    assert!(stored(&bob));
    // The label of another state, of no state, and one whose chain is gone.
    for label in [0, 2, u64::MAX] {
        let honest = std::mem::replace(&mut bob.braid.label, label);
        assert!(!stored(&bob), "label {label}");
        bob.braid.label = honest;
    }
    bob.epochs = super::Epochs::new(&Secret::new([1; 32]), bob.direction);
    assert!(!stored(&bob));
}
