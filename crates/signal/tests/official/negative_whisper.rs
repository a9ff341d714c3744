//! Section 9, messages of kind 2: every case against Signal's library and against us.

use curve25519_dalek::{constants::EIGHT_TORSION, montgomery::MontgomeryPoint};

use crate::{
    arena::{Accepts, Arena, BOTH, Rejects, row},
    fields::{Value, alter, append, edit, put_varint, remove, set},
};

const RATCHET_KEY: u64 = 1;
const COUNTER: u64 = 2;
const PREVIOUS_COUNTER: u64 = 3;
const CIPHERTEXT: u64 = 4;
const PQ_RATCHET: u64 = 5;
const ADDRESSES: u64 = 6;

/// The same key with a component of order 8.
pub(crate) fn with_torsion(encoded: &[u8]) -> Vec<u8> {
    let u = encoded[1..33].try_into().unwrap();
    let point = MontgomeryPoint(u).to_edwards(0).unwrap() + EIGHT_TORSION[1];
    [&[5], point.to_montgomery().to_bytes().as_slice()].concat()
}

#[test]
fn t07_versions() {
    for high in [2, 3, 5] {
        row("high half of the version", Rejects, Rejects, &|mut bytes| {
            bytes[0] = high << 4 | 4;
            bytes
        });
    }
    for low in [0, 3, 0xF] {
        row("low half of the version", Accepts, Accepts, &|mut bytes| {
            bytes[0] = 0x40 | low;
            bytes
        });
    }
}

#[test]
fn fields_absent_repeated_unknown_or_of_wrong_type() {
    for field in [RATCHET_KEY, COUNTER, CIPHERTEXT] {
        row("required field absent", Rejects, Rejects, &|bytes| remove(&bytes, field));
    }
    row("previous counter absent", Accepts, Accepts, &|bytes| remove(&bytes, PREVIOUS_COUNTER));
    row("previous counter arbitrary", Accepts, Accepts, &|bytes| {
        set(&bytes, PREVIOUS_COUNTER, Value::Number(123_456))
    });
    row("unknown fields", Accepts, Accepts, &|bytes| {
        append(&bytes, &[0x78, 5, 0x7A, 1, 0, 0x7B, 0x08, 1, 0x7C])
    });
    row("the last of two counters counts", Accepts, Accepts, &|bytes| {
        edit(&bytes, |fields| fields.insert(0, (COUNTER, Value::Number(99))))
    });
    row("counter 2^32", Accepts, Accepts, &|bytes| set(&bytes, COUNTER, Value::Number(1 << 32)));
    row("wrong wire type", Rejects, Rejects, &|bytes| append(&bytes, &[0x12, 1, 0]));
    row("wire type 6", Rejects, Rejects, &|bytes| append(&bytes, &[0x7E]));
    row("unbalanced end of group", Rejects, Rejects, &|bytes| append(&bytes, &[0x7C]));
    row("field number 0", Rejects, Rejects, &|bytes| append(&bytes, &[0x00, 0]));
    row("truncated field", Rejects, Rejects, &|bytes| append(&bytes, &[0x22, 200, 1]));
}

#[test]
fn t01_ratchet_keys() {
    row("trailing byte", Accepts, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| key.push(0)));
    row("type 6", Rejects, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| key[0] = 6));
    row("32 bytes", Rejects, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| key.truncate(32)));
    row("zero", Rejects, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| key[1..].fill(0)));
    row("bit 255", Accepts, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| key[32] |= 0x80));
    row("torsion", Accepts, Rejects, &|bytes| alter(&bytes, RATCHET_KEY, |key| *key = with_torsion(key)));
}

#[test]
fn t13_ciphertexts_and_macs() {
    for length in [0, 15, 17] {
        row("length of the ciphertext", Rejects, Rejects, &|bytes| {
            alter(&bytes, CIPHERTEXT, |ciphertext| ciphertext.resize(length, 0))
        });
    }
    row("padding", Rejects, Rejects, &|bytes| alter(&bytes, CIPHERTEXT, |ciphertext| ciphertext[15] ^= 0x80));
    let mut arena = Arena::acquainted();
    for who in BOTH {
        let honest = arena.send(who);
        for length in 0..=8 {
            let short = tacite_signal::CiphertextMessage { bytes: honest.bytes[..length].to_vec(), ..honest };
            assert_eq!(arena.deliver(who, &short), Rejects);
        }
        assert_eq!(arena.deliver(who, &honest), Accepts);
    }
}

#[test]
fn t08_addresses() {
    let own = |arena: &Arena, who, swapped: bool| {
        let (alice, peer) = (&arena.alice.address, arena.address(who));
        let half = |address: &tacite_signal::Address| {
            let uuid = hex::decode(address.name().replace('-', "")).unwrap();
            [&[0], uuid.as_slice(), &[address.device()]].concat()
        };
        if swapped { [half(&peer), half(alice)].concat() } else { [half(alice), half(&peer)].concat() }
    };
    for who in BOTH {
        let mut arena = Arena::acquainted();
        let (right, swapped) = (own(&arena, who, false), own(&arena, who, true));
        let longer = [right.as_slice(), &[0]].concat();
        let mut wrong = right.clone();
        wrong[17] ^= 1;
        for (addresses, expected) in
            [(swapped, Rejects), (Vec::new(), Rejects), (longer, Rejects), (wrong, Rejects), (right, Accepts)]
        {
            let add = |bytes: Vec<u8>| {
                edit(&bytes, |fields| fields.push((ADDRESSES, Value::Bytes(addresses.clone()))))
            };
            let message = arena.forge(who, &add);
            assert_eq!(arena.deliver(who, &message), expected, "{who:?}");
        }
    }
}

#[test]
fn t13_every_flipped_bit_is_refused_and_the_original_still_works() {
    let mut arena = Arena::acquainted();
    for who in BOTH {
        let honest = arena.send(who);
        for place in 0..honest.bytes.len() {
            for bit in [0x01, 0x80] {
                let mut altered = honest.clone();
                altered.bytes[place] ^= bit;
                assert_eq!(arena.deliver(who, &altered), Rejects, "{who:?}: byte {place}");
            }
        }
        assert_eq!(arena.deliver(who, &honest), Accepts);
        assert_eq!(arena.deliver(who, &honest), Rejects, "replay");
    }
}

#[test]
fn t07_malformed_post_quantum_parts() {
    let replace = |part: &[u8]| {
        let part = part.to_vec();
        move |bytes: Vec<u8>| set(&bytes, PQ_RATCHET, Value::Bytes(part.clone()))
    };
    row("absent", Rejects, Rejects, &|bytes| remove(&bytes, PQ_RATCHET));
    for part in [&[][..], &[0], &[2]] {
        row("empty or a version alone", Rejects, Rejects, &replace(part));
    }
    for version in [0, 2, 255] {
        row("version after the first of version 1", Rejects, Rejects, &|bytes| {
            alter(&bytes, PQ_RATCHET, |part| part[0] = version)
        });
    }
    row("label 0", Rejects, Rejects, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[1] = 0));
    row("label + 1", Rejects, Rejects, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[1] = 2));
    row("index used before", Rejects, Rejects, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[2] = 1));
    row("type 7", Rejects, Rejects, &|bytes| alter(&bytes, PQ_RATCHET, |part| part[3] = 7));
    row("chunk too short", Rejects, Rejects, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| part.truncate(part.len() - 1))
    });
    row("ends after the index", Rejects, Rejects, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| part.truncate(3))
    });
    row("chunk index 65,536", Rejects, Rejects, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| drop(part.splice(4..5, [0x80, 0x80, 0x04])))
    });
    row("index 2^32", Rejects, Rejects, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| {
            let mut index = Vec::new();
            put_varint(&mut index, (1 << 32) + 2);
            part.splice(2..3, index);
        })
    });
    row("varint of 11 bytes", Rejects, Rejects, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| {
            let long = [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00];
            part.splice(2..3, long);
        })
    });
}

#[test]
fn unusual_but_valid_post_quantum_parts() {
    row("trailing bytes", Accepts, Accepts, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| part.extend([1, 2, 3]))
    });
    row("type 0 with a chunk behind", Accepts, Accepts, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| part[3] = 0)
    });
    row("long varint", Accepts, Accepts, &|bytes| {
        alter(&bytes, PQ_RATCHET, |part| drop(part.splice(2..3, [part[2] | 0x80, 0x80, 0x00])))
    });
    // Alice is sending her header; the receiver expects nothing else.
    for kind in [0, 2, 3, 4, 5, 6] {
        row("a type that is not expected", Accepts, Accepts, &|bytes| {
            alter(&bytes, PQ_RATCHET, |part| part[3] = kind)
        });
    }
}
