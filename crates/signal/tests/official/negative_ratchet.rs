//! Section 9, bounds and the post-quantum ratchet over time.

use rand_core::Rng;
use tacite_signal::{
    CiphertextMessage,
    hazmat::{Forgery, skip_keys},
};

use crate::{
    arena::{Accepts, Arena, BOTH, Rejects, Who},
    device::alice,
    fields::{alter, set},
    library::Official,
    wire::pq_head,
};

const PQ_RATCHET: u64 = 5;

#[test]
fn t17_gaps_of_25_000_and_one_more() {
    for who in BOTH {
        // One message of the chain has arrived, so the Double Ratchet expects counter 1, the other index 2 or 3.
        for (seeds, pq_keys, expected) in [(25_001, 0, Rejects), (0, 25_000, Rejects), (25_000, 0, Accepts)] {
            let mut arena = Arena::acquainted();
            assert_eq!(arena.honest(who), Accepts);
            arena.skip(who, seeds, pq_keys);
            assert_eq!(arena.honest(who), expected, "{who:?}: {seeds} {pq_keys}");
        }
        let mut arena = Arena::acquainted();
        assert_eq!(arena.honest(who), Accepts);
        arena.skip(who, 0, 24_999);
        assert_eq!(arena.honest(who), Accepts, "{who:?}: 24,999 lost indices are a gap of 25,000");
    }
}

#[test]
fn jumps_of_30_000_are_followed_in_sessions_with_ourselves_only() {
    for (same_account, expected) in [(true, Accepts), (false, Rejects)] {
        let mut alice = alice(1_900);
        let other = "1b4e28ba-2fa1-41d2-883f-0016d3cca427";
        let name = if same_account { alice.address.name().to_owned() } else { other.to_owned() };
        let theirs = Official::with_identity("self", &name, 2, alice.identity.private());
        alice.begin(&theirs.address, &theirs.publish(true));
        let first = alice.encrypt(&theirs.address, b"hello");
        theirs.decrypt(&alice.address, &first).unwrap();
        let mut record = alice.record(&theirs.address);
        skip_keys(&mut record, 30_000, 30_000, &mut alice.rng);
        alice.store(&theirs.address, &record);
        let far = alice.encrypt(&theirs.address, b"far");
        assert_eq!(
            theirs.decrypt(&alice.address, &far).is_ok(),
            expected == Accepts,
            "theirs: {same_account}"
        );

        let mut ours = crate::device::alice(1_900);
        ours.address = theirs.address.clone();
        let mut sender = crate::device::alice(1_900);
        sender.begin(&ours.address, &ours.bundle());
        let first = sender.encrypt(&ours.address, b"hello");
        ours.decrypt(&sender.address, &first).unwrap();
        let mut record = sender.record(&ours.address);
        skip_keys(&mut record, 30_000, 30_000, &mut sender.rng);
        sender.store(&ours.address, &record);
        let far = sender.encrypt(&ours.address, b"far");
        assert_eq!(ours.decrypt(&sender.address, &far).is_ok(), expected == Accepts, "ours: {same_account}");
    }
}

#[test]
fn t17_2_000_behind_the_newest_and_one_more() {
    for who in BOTH {
        let mut arena = Arena::acquainted();
        let messages: Vec<_> = (0..2_002).map(|_| arena.send(who)).collect();
        let newest = messages.last().unwrap();
        assert_eq!(arena.deliver(who, newest), Accepts);
        assert_eq!(arena.deliver(who, &messages[0]), Rejects);
        assert_eq!(arena.deliver(who, &messages[1]), Accepts);
    }
}

#[test]
fn the_fifth_newest_chain_and_the_sixth() {
    for who in BOTH {
        let mut arena = Arena::acquainted();
        let held: Vec<_> = (0..6)
            .map(|_| {
                let message = arena.send(who);
                arena.exchange(who);
                message
            })
            .collect();
        assert_eq!(arena.deliver(who, &held[0]), Rejects, "{who:?}");
        for message in &held[1..] {
            assert_eq!(arena.deliver(who, message), Accepts, "{who:?}");
        }
    }
}

#[test]
fn t07_versions_above_1_before_the_first_of_version_1() {
    for version in [2, 255] {
        let mut arena = Arena::introduced();
        for who in BOTH {
            let message = arena.forge(who, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[0] = version));
            assert_eq!(arena.deliver(who, &message), Accepts, "{who:?}");
            assert_eq!(arena.honest(who), Accepts);
            let message = arena.forge(who, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[0] = version));
            assert_eq!(arena.deliver(who, &message), Rejects, "{who:?}");
        }
    }
}

/// A message with label 1, index 0 and no post-quantum key: what breaking the classical ratchet alone would allow.
fn downgraded(arena: &mut Arena, who: Who, label: u8, without_pq_key: bool) -> CiphertextMessage {
    let edit = |bytes: Vec<u8>| set(&bytes, PQ_RATCHET, crate::fields::Value::Bytes(vec![1, label, 0, 0]));
    arena.forge_with(who, Forgery { without_pq_key, edit: &edit })
}

#[test]
fn t07_a_message_without_post_quantum_key_is_refused_by_us_at_every_label() {
    for (who, at_label_1, later) in [(Who::Theirs, Accepts, Accepts), (Who::Ours, Rejects, Rejects)] {
        let mut arena = Arena::acquainted();
        let message = downgraded(&mut arena, who, 1, true);
        assert_eq!(arena.deliver(who, &message), at_label_1, "{who:?}");
        reach_label(&mut arena, who, 4);
        let message = downgraded(&mut arena, who, 1, true);
        assert_eq!(arena.deliver(who, &message), later, "{who:?}");
        let message = downgraded(&mut arena, who, 4, true);
        assert_eq!(arena.deliver(who, &message), Rejects, "{who:?}: index 0 of a later label");
        assert_eq!(arena.honest(who), Accepts);
    }
}

/// Exchanges messages until Alice sends `label`.
fn reach_label(arena: &mut Arena, who: Who, label: u64) {
    loop {
        let message = arena.send(who);
        assert_eq!(arena.deliver(who, &message), Accepts);
        arena.answer(who);
        if pq_head(&message).label >= label {
            return;
        }
    }
}

#[test]
fn late_messages_of_the_label_before_and_of_the_one_before_that() {
    for who in BOTH {
        let mut arena = Arena::acquainted();
        let (mut held, mut accepted, mut refused) = (Vec::new(), 0, 0);
        for _ in 0..12 {
            (0..40).for_each(|_| assert_eq!(arena.honest(who), Accepts));
            held.push([arena.send(who), arena.send(who)]);
            let label = (0..40).map(|_| pq_head(&arena.answer(who)).label).max().unwrap();
            // A receiver remembers five chains, which at 40 messages a burst reach into the label before the last.
            let oldest = held.len().saturating_sub(4);
            for [first, second] in &held[oldest..] {
                match label - pq_head(first).label {
                    // Delivered again in a later round, it is a duplicate.
                    1 => accepted += u32::from(arena.deliver(who, first) == Accepts),
                    2 => {
                        assert_eq!(arena.deliver(who, second), Rejects, "{who:?}: sending label {label}");
                        refused += 1;
                    }
                    _ => {}
                }
            }
        }
        assert!(
            accepted >= 4 && refused >= 3,
            "{who:?}: {accepted} of the label before, {refused} of the one before that"
        );
    }
}

/// Exchanges messages in which Alice's chunks of the given types are random, until one is refused; returns which types she had sent by then.
fn until_refused(arena: &mut Arena, who: Who, kinds: &[u8]) -> Vec<u8> {
    let mut seen = Vec::new();
    for _ in 0..200 {
        let noise: [u8; 32] =
            std::array::from_fn(|_| u8::try_from(arena.alice.rng.next_u32() % 256).unwrap());
        let spoil = |bytes: Vec<u8>| {
            alter(&bytes, PQ_RATCHET, |part| {
                if kinds.contains(&part[3]) && part.len() > 32 {
                    let start = part.len() - 32;
                    part[start..].copy_from_slice(&noise);
                }
            })
        };
        let message = arena.forge(who, &spoil);
        seen.push(pq_head(&message).kind);
        if arena.deliver(who, &message) == Rejects {
            assert_eq!(arena.honest(who), Rejects, "the braid is wrecked for good");
            return seen;
        }
        arena.answer(who);
    }
    panic!("never refused");
}

#[test]
fn forged_headers_and_vectors_are_refused_with_the_chunk_that_completes_them() {
    for who in BOTH {
        // Alice, who began, is the side with the key: three chunks of header, 36 of vector.
        let mut arena = Arena::introduced();
        assert_eq!(until_refused(&mut arena, who, &[1]), [1, 1, 1], "{who:?}");
        let mut arena = Arena::introduced();
        let seen = until_refused(&mut arena, who, &[2, 3]);
        assert_eq!(seen.iter().filter(|kind| matches!(kind, 2 | 3)).count(), 36, "{who:?}");
    }
}

#[test]
fn forged_ciphertexts_are_refused_with_the_fifth_chunk_of_the_second_part() {
    for who in BOTH {
        // In label 2 Alice is the side with the ciphertext.
        let mut arena = Arena::acquainted();
        reach_label(&mut arena, who, 2);
        let seen = until_refused(&mut arena, who, &[6]);
        assert_eq!(seen.iter().filter(|kind| matches!(kind, 6)).count(), 5, "{who:?}");
    }
}
