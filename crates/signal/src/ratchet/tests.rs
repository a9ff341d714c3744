//! Known answers of the key schedule, and the rule of five chains.

use rand_core::CryptoRng;

use super::{DoubleRatchet, NoSeed, SeedChain, root_step};
use crate::{
    chain::{ChainRules, NoKey},
    curve::{KeyError, KeyPair, Point, PublicKey},
    secret::Secret,
    test_support::{rng, secret, vectors},
};

fn ratchets(rng: &mut dyn CryptoRng) -> (DoubleRatchet, DoubleRatchet) {
    let (root, chain) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let signed_prekey = KeyPair::generate(rng);
    let point = Point::checked(signed_prekey.public()).unwrap();
    let alice = DoubleRatchet::initiate(&root, chain.clone(), (signed_prekey.public(), &point), rng).unwrap();
    (alice, DoubleRatchet::respond(root, chain, signed_prekey))
}

fn receive(
    ratchet: &mut DoubleRatchet,
    key: &PublicKey,
    counter: u32,
    rng: &mut dyn CryptoRng,
) -> Result<Secret<32>, NoSeed> {
    let (seed, change) = ratchet.plan(key, counter, false, rng)?;
    ratchet.apply(change);
    Ok(seed)
}

#[test]
fn vectors_of_the_key_schedule() {
    let vector = vectors("double_ratchet");
    let (root, chain) = root_step(&secret(&vector["root"]), &secret(&vector["dh"]));
    assert_eq!(root, secret(&vector["new_root"]));
    assert_eq!(chain, secret(&vector["new_chain"]));
    let (seed, next) = SeedChain::step(&secret(&vector["chain_key"]), 0);
    assert_eq!(seed, secret(&vector["seed"]));
    assert_eq!(next, secret(&vector["next_chain"]));
}

#[test]
fn previous_counter_is_one_less_than_the_messages_sent() {
    let mut rng = rng(1);
    let (mut alice, mut bob) = ratchets(&mut rng);
    let alices_key = *alice.ratchet_key();
    let seeds: Vec<_> = (0..5).map(|_| alice.send().1).collect();
    assert_eq!(receive(&mut bob, &alices_key, 0, &mut rng).as_ref(), Ok(&seeds[0]));
    assert_eq!(bob.previous_counter(), 0);
    let bobs_key = *bob.ratchet_key();
    let seed = bob.send().1;
    assert_eq!(receive(&mut alice, &bobs_key, 0, &mut rng), Ok(seed));
    assert_eq!(alice.previous_counter(), 4);
}

#[test]
fn the_five_newest_chains_stay_usable() {
    let mut rng = rng(2);
    let (mut alice, mut bob) = ratchets(&mut rng);
    let mut held = Vec::new();
    for _ in 0..6 {
        let key = *alice.ratchet_key();
        held.push((key, alice.send().1));
        alice.send();
        receive(&mut bob, &key, 1, &mut rng).unwrap();
        let key = *bob.ratchet_key();
        bob.send();
        receive(&mut alice, &key, 0, &mut rng).unwrap();
    }
    let (oldest, rest) = held.split_first().unwrap();
    for (key, seed) in rest {
        assert_eq!(receive(&mut bob, key, 0, &mut rng).as_ref(), Ok(seed));
    }
    // The sixth newest is unknown again: taken for a new key, it gives another seed, which the MAC refuses.
    assert_ne!(bob.plan(&oldest.0, 0, false, &mut rng).unwrap().0, oldest.1);
}

#[test]
fn t01_a_bad_ratchet_key_is_refused() {
    let mut rng = rng(3);
    let (_, bob) = ratchets(&mut rng);
    let zero = PublicKey::from_u_coordinate([0; 32]);
    assert_eq!(bob.plan(&zero, 0, false, &mut rng).err(), Some(NoSeed::RatchetKey(KeyError::Point)));
}

#[test]
fn t14_a_seed_is_given_once() {
    let mut rng = rng(4);
    let (mut alice, mut bob) = ratchets(&mut rng);
    let key = *alice.ratchet_key();
    alice.send();
    receive(&mut bob, &key, 0, &mut rng).unwrap();
    assert_eq!(receive(&mut bob, &key, 0, &mut rng), Err(NoSeed::Key(NoKey::Past)));
}
