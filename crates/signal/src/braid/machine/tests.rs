//! The machine alone: order of types, both secrets equal, refusals, wrapping.

use super::{Braid, BraidRefusal, Payload, Received, State};
use crate::{secret::Secret, test_support::rng};

/// A side with the epoch secrets that it has produced.
struct Side {
    braid: Braid,
    secrets: Vec<Secret<32>>,
}

impl Side {
    fn send(&mut self) -> (u64, Payload) {
        let label = self.braid.label;
        let (payload, secret) = self.braid.send(&mut rng(label));
        self.secrets.extend(secret);
        (label, payload)
    }

    fn receive(&mut self, (label, payload): &(u64, Payload)) -> Result<(), BraidRefusal> {
        if let Some(Received { braid, completed }) = self.braid.receive(*label, payload)? {
            self.braid = braid;
            self.secrets.extend(completed);
        }
        Ok(())
    }
}

fn sides() -> (Side, Side) {
    let key = Secret::new([1; 32]);
    (
        Side { braid: Braid::initiate(&key), secrets: vec![] },
        Side { braid: Braid::respond(&key), secrets: vec![] },
    )
}

fn kind(payload: &Payload) -> usize {
    match payload {
        Payload::Nothing => 0,
        Payload::Header(..) => 1,
        Payload::Vector(..) => 2,
        Payload::VectorAcknowledging(..) => 3,
        Payload::Acknowledging => 4,
        Payload::FirstCiphertext(..) => 5,
        Payload::SecondCiphertext(..) => 6,
    }
}

#[test]
fn label_1_in_strict_alternation_takes_86_messages_of_the_documented_types() {
    let (mut alice, mut bob) = sides();
    let (mut by_alice, mut by_bob) = ([0; 7], [0; 7]);
    let mut messages = 0;
    loop {
        let message = alice.send();
        if message.0 > 1 {
            break;
        }
        by_alice[kind(&message.1)] += 1;
        bob.receive(&message).unwrap();
        let answer = bob.send();
        by_bob[kind(&answer.1)] += 1;
        alice.receive(&answer).unwrap();
        messages += 2;
    }
    assert_eq!(messages, 86);
    assert_eq!(by_alice, [0, 3, 29, 7, 4, 0, 0]);
    assert_eq!(by_bob, [2 + 6, 0, 0, 0, 0, 30, 5]);
}

#[test]
fn both_sides_get_the_same_secrets_and_change_places() {
    let (mut alice, mut bob) = sides();
    while bob.secrets.len() < 5 || alice.secrets.len() < 5 {
        let message = alice.send();
        bob.receive(&message).unwrap();
        let answer = bob.send();
        alice.receive(&answer).unwrap();
    }
    let common = alice.secrets.len().min(bob.secrets.len());
    assert_eq!(alice.secrets[..common], bob.secrets[..common]);
    assert!((1..common).all(|epoch| alice.secrets[epoch] != alice.secrets[epoch - 1]));
}

#[test]
fn a_label_ahead_is_refused_and_one_behind_is_ignored() {
    let (mut alice, mut bob) = sides();
    let (_, payload) = alice.send();
    assert_eq!(bob.receive(&(2, payload.clone())), Err(BraidRefusal::LabelAhead));
    bob.braid.label = 2;
    bob.receive(&(1, payload)).unwrap();
    assert!(matches!(bob.braid.state, State::CollectingHeader { .. }));
}

#[test]
fn a_forged_header_is_refused_when_it_completes_and_ever_after() {
    let (mut alice, mut bob) = sides();
    bob.receive(&(1, Payload::Header(9, [7; 32]))).unwrap();
    let messages = [alice.send(), alice.send(), alice.send()];
    bob.receive(&messages[0]).unwrap();
    for message in &messages[1..] {
        assert_eq!(bob.receive(message), Err(BraidRefusal::ForgedObject));
    }
}

#[test]
fn chunk_indices_wrap() {
    let (mut alice, mut bob) = sides();
    alice.send();
    let State::SendingHeader { header, .. } = &mut alice.braid.state else { panic!("sending the header") };
    header.next = u16::MAX;
    for _ in 0..3 {
        let message = alice.send();
        bob.receive(&message).unwrap();
    }
    assert!(matches!(bob.braid.state, State::HeaderKnown { .. }));
}

#[test]
fn types_that_are_not_expected_are_ignored() {
    let (mut alice, _) = sides();
    alice.send();
    for payload in [
        Payload::Nothing,
        Payload::Header(0, [0; 32]),
        Payload::Acknowledging,
        Payload::SecondCiphertext(0, [0; 32]),
    ] {
        assert!(alice.braid.receive(1, &payload).unwrap().is_none());
    }
}
