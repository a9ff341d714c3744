//! Replays the committed corpus of every decoder; the same entry points are fuzzed (`fuzz/` at the root).

use std::{fs, path::PathBuf};

use tacite_signal::{CiphertextMessage, PreKeyBundle, hazmat::decoders};

use crate::device::{acquainted, alice, bob, deliver};

fn folder(target: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(target)
}

#[test]
fn t74_j3_the_corpus_of_every_decoder_holds() {
    for (target, decoder) in decoders::ALL {
        let mut accepted = 0;
        let mut refused = 0;
        for entry in fs::read_dir(folder(target)).unwrap() {
            let bytes = fs::read(entry.unwrap().path()).unwrap();
            if decoder(&bytes) {
                accepted += 1;
                // Whatever is cut off, nothing may panic.
                for length in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
                    decoder(&bytes[..length]);
                }
            } else {
                refused += 1;
            }
        }
        assert!(accepted > 0 && refused > 0, "{target}: {accepted} accepted, {refused} refused");
    }
}

#[test]
#[ignore = "writes the seeds of the corpus; run by hand when a format changes"]
fn write_the_seeds() {
    for (target, decoder) in decoders::ALL {
        fs::create_dir_all(folder(target)).unwrap();
        for (name, bytes) in seeds(target) {
            assert_eq!(decoder(&bytes), !name.starts_with("bad"), "{target}: {name}");
            fs::write(folder(target).join(name), bytes).unwrap();
        }
    }
}

/// Named inputs of a target; those whose names begin with "bad" are refused.
fn seeds(target: &str) -> Vec<(&'static str, Vec<u8>)> {
    let (mut alice, bob) = (alice(1), bob(1));
    alice.begin(&bob.address, &bob.bundle());
    let first = alice.encrypt(&bob.address, b"hello").bytes;
    match target {
        "signal_message" => messages(),
        "signal_prekey_message" => {
            let older = [&[0x34], &first[1..]].concat();
            vec![("first", first.clone()), ("bad-version", older), ("bad-cut", first[..200].to_vec())]
        }
        "signal_ratchet_message" => vec![
            ("nothing", vec![1, 0xAC, 2, 0x80, 1, 0]),
            ("header", [&[1, 1, 1, 1, 0], [7; 32].as_slice()].concat()),
            ("trailing", vec![1, 1, 1, 4, 9, 9]),
            ("bad-type", vec![1, 1, 1, 7]),
            ("bad-label", vec![1, 0, 1, 0]),
        ],
        "signal_stored_session" => stored(),
        "signal_bundle" => bundles(&bob.bundle()),
        other => panic!("no target {other}"),
    }
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let (mut alice, bob) = acquainted(1);
    let CiphertextMessage { bytes, .. } = alice.encrypt(&bob.address, b"hello");
    vec![
        ("whisper", bytes.clone()),
        ("bad-short", bytes[..8].to_vec()),
        ("bad-version", [&[0x54], &bytes[1..]].concat()),
    ]
}

/// Records in many states of the braid, with skipped keys and archived sessions.
fn stored() -> Vec<(&'static str, Vec<u8>)> {
    let mut seeds =
        vec![("empty", vec![1, 0, 0]), ("bad-version", vec![2, 0, 0]), ("bad-flag", vec![1, 2, 0])];
    let (mut alice, mut bob) = acquainted(2);
    let names = ["01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11", "12"];
    for name in names {
        for _ in 0..8 {
            alice.encrypt(&bob.address, b"lost");
            deliver(&mut alice, &mut bob, b"hello");
            deliver(&mut bob, &mut alice, b"hello");
        }
        seeds.push((name, bob.record(&alice.address).to_bytes().to_vec()));
    }
    let bundle = bob.bundle();
    alice.begin(&bob.address, &bundle);
    seeds.push(("pending", alice.record(&bob.address).to_bytes().to_vec()));
    seeds
}

/// The form that the fuzz entry reads: keys and signatures one behind the other.
fn bundles(bundle: &PreKeyBundle) -> Vec<(&'static str, Vec<u8>)> {
    let without = [
        bundle.identity_key.encode().as_slice(),
        &bundle.signed_prekey.encode(),
        &bundle.signed_prekey_signature,
        &bundle.kyber_prekey.encode(),
        &bundle.kyber_prekey_signature,
    ]
    .concat();
    let with = [without.as_slice(), &bundle.one_time_prekey.unwrap().1.encode()].concat();
    let mut unsigned = with.clone();
    unsigned[100] ^= 1;
    vec![("one-time", with), ("last-resort", without), ("bad-signature", unsigned)]
}
