//! Known answers of the chains, retention and bounds.

use super::{Direction, Epochs};
use crate::{
    chain::NoKey,
    limits::FORWARD_JUMP_MAX,
    secret::Secret,
    test_support::{secret, vectors},
};

fn pair() -> (Epochs, Epochs) {
    let key = secret(&vectors("spqr_keys")["auth_key"]);
    (Epochs::new(&key, Direction::InitiatorToResponder), Epochs::new(&key, Direction::ResponderToInitiator))
}

fn add(pair: &mut (Epochs, Epochs), secret: &Secret<32>) {
    pair.0.add(secret, Direction::InitiatorToResponder);
    pair.1.add(secret, Direction::ResponderToInitiator);
}

fn receive(epochs: &mut Epochs, epoch: u64, index: u32) -> Result<Secret<32>, NoKey> {
    let (key, change) = epochs.plan(epoch, index, false)?;
    epochs.apply(epoch, change);
    Ok(key)
}

#[test]
fn vectors_of_the_chains() {
    let vector = vectors("spqr_keys");
    let (mut alice, mut bob) = pair();
    assert_eq!(alice.next_root, secret(&vector["start"]["next_root"]));
    for (index, key) in [(1, "a2b_key_1"), (2, "a2b_key_2")] {
        assert_eq!(alice.send(0), (index, secret(&vector[key])));
        assert_eq!(receive(&mut bob, 0, index), Ok(secret(&vector[key])));
    }
    let mut both = (alice, bob);
    add(&mut both, &secret(&vector["scka_key_epoch1"]));
    assert_eq!(both.0.next_root, secret(&vector["add_epoch_1"]["next_root"]));
    assert_eq!(both.0.next_root, both.1.next_root);
    let (index, key) = both.1.send(1);
    assert_eq!(receive(&mut both.0, 1, index), Ok(key));
}

#[test]
fn t17_a_jump_of_25_000_is_followed_and_one_more_is_not() {
    let (_, bob) = pair();
    assert!(bob.plan(0, FORWARD_JUMP_MAX, false).is_ok());
    assert_eq!(bob.plan(0, FORWARD_JUMP_MAX + 1, false).err(), Some(NoKey::TooFarAhead));
    assert!(bob.plan(0, 30_000, true).is_ok());
}

#[test]
fn t17_2_000_behind_the_newest_works_and_one_more_does_not() {
    let (_, mut bob) = pair();
    receive(&mut bob, 0, 3_000).unwrap();
    assert!(receive(&mut bob, 0, 1_000).is_ok());
    assert_eq!(receive(&mut bob, 0, 999), Err(NoKey::Past));
    assert_eq!(receive(&mut bob, 0, 1_000), Err(NoKey::Past), "used");
    receive(&mut bob, 0, 3_001).unwrap();
    assert!(receive(&mut bob, 0, 1_001).is_ok());
}

#[test]
fn the_epoch_before_the_one_sent_on_is_kept_and_older_ones_are_not() {
    let mut both = pair();
    for epoch in 1..=3 {
        add(&mut both, &Secret::new([epoch; 32]));
        both.0.send(u64::from(epoch));
    }
    assert_eq!(receive(&mut both.0, 1, 1).err(), Some(NoKey::Past));
    assert!(receive(&mut both.0, 2, 1).is_ok());
    assert!(receive(&mut both.0, 3, 1).is_ok());
    assert_eq!(receive(&mut both.0, 4, 1).err(), Some(NoKey::Past), "not there yet");
    let halves: Vec<_> = both.0.chains.iter().map(|pair| pair.sending.is_some()).collect();
    assert_eq!(halves, [false, true]);
}
