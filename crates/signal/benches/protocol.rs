//! What an operation costs, and how that compares with Signal's library called from Node in the same run.
//!
//! `cargo bench -p tacite-signal`. Each figure is the median over many runs, in microseconds, with the goal where there is one.

#![expect(clippy::unwrap_used, reason = "a failure ends the bench")]
#![expect(clippy::print_stdout, reason = "a bench prints its results")]
#![expect(clippy::disallowed_methods, reason = "a bench measures time")]

#[path = "../tests/protocol/device.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod device;
#[path = "../tests/official/library.rs"]
#[expect(dead_code, reason = "the tests use the rest")]
mod library;

use std::{hint::black_box, time::Instant};

use device::{Device, NOW_MS, acquainted, alice, bob};
use serde_json::json;
use tacite_signal::{CiphertextMessage, LocalParty, PublicKey, SessionRecord};

const PLAINTEXT: [u8; 100] = [0xA5; 100];

fn main() {
    println!("{:<52} {:>9} {:>7}", "operation", "µs", "goal");
    handshake();
    let (encrypt, decrypt) = one_chain();
    ping_pong();
    storage();
    against_official(encrypt, decrypt);
}

/// One side with its record in memory.
struct Side {
    device: Device,
    record: SessionRecord,
}

impl Side {
    fn pair() -> (Self, Self) {
        let (alice, bob) = acquainted(1);
        let (to_bob, to_alice) = (alice.record(&bob.address), bob.record(&alice.address));
        (Self { device: alice, record: to_bob }, Self { device: bob, record: to_alice })
    }

    fn send(&mut self, peer: &tacite_signal::Address) -> CiphertextMessage {
        let Device { address, identity, registration_id, rng, .. } = &mut self.device;
        let local = LocalParty { address, identity, registration_id: *registration_id };
        self.record.encrypt(&local, peer, &PLAINTEXT, NOW_MS, rng).unwrap()
    }

    fn receive(&mut self, peer: &tacite_signal::Address, message: &CiphertextMessage) {
        let Device { address, identity, registration_id, rng, .. } = &mut self.device;
        let local = LocalParty { address, identity, registration_id: *registration_id };
        let trust = |_: &PublicKey| true;
        black_box(self.record.decrypt_whisper(&local, peer, &message.bytes, rng, &trust).unwrap());
    }
}

fn handshake() {
    let (mut alice, bob) = (alice(2), bob(2));
    let bundle = bob.bundle();
    let local = LocalParty {
        address: &alice.address,
        identity: &alice.identity,
        registration_id: alice.registration_id,
    };
    let process = sample(400, || {
        let mut record = SessionRecord::empty();
        record.process_bundle(&local, &bob.address, &bundle, NOW_MS, &mut alice.rng).unwrap();
    });
    report("process a bundle", median(process), Some(450.0));

    let (mut alice, mut bob) = (device::alice(3), device::bob(3));
    alice.begin(&bob.address, &bob.bundle());
    let first = alice.encrypt(&bob.address, &PLAINTEXT);
    let local =
        LocalParty { address: &bob.address, identity: &bob.identity, registration_id: bob.registration_id };
    let trust = |_: &PublicKey| true;
    let decrypt = sample(400, || {
        let mut record = SessionRecord::empty();
        let prekeys = &mut bob.prekeys;
        record.decrypt_prekey(&local, &alice.address, &first.bytes, prekeys, &mut bob.rng, &trust).unwrap();
    });
    report("decrypt a first message", median(decrypt), Some(430.0));
}

/// Messages of one chain; the post-quantum part is a parity chunk, the dearer kind.
fn one_chain() -> (f64, f64) {
    let (mut alice, mut bob) = Side::pair();
    let (to_bob, to_alice) = (bob.device.address.clone(), alice.device.address.clone());
    let mut messages = Vec::new();
    let encrypt = median(sample(5_000, || messages.push(alice.send(&to_bob))));
    report("encrypt 100 bytes", encrypt, Some(13.0));
    bob.receive(&to_alice, &messages[0]);
    let mut arrived = messages[1..].iter();
    let decrypt = median(sample(4_900, || bob.receive(&to_alice, arrived.next().unwrap())));
    report("decrypt 100 bytes, on a chain", decrypt, Some(11.0));
    (encrypt, decrypt)
}

/// One message each way, each with a step of the Double Ratchet; the KEM works in some rounds only.
///
/// Two labels take 174 messages, so the costs repeat every 87 rounds: the median is taken of each round in the cycle.
fn ping_pong() {
    const CYCLE: usize = 87;
    let (mut alice, mut bob) = Side::pair();
    let (to_bob, to_alice) = (bob.device.address.clone(), alice.device.address.clone());
    let rounds = sample(20 * CYCLE, || {
        let message = alice.send(&to_bob);
        bob.receive(&to_alice, &message);
        let message = bob.send(&to_alice);
        alice.receive(&to_bob, &message);
    });
    let cycle: Vec<f64> =
        (0..CYCLE).map(|first| median(rounds.iter().skip(first).step_by(CYCLE).copied().collect())).collect();
    report("ping-pong of two messages, without a KEM step", median(cycle.clone()), Some(330.0));
    report("ping-pong of two messages, mean with KEM steps", cycle.iter().sum::<f64>() / 87.0, Some(330.0));
    report("ping-pong of two messages, dearest round", cycle.into_iter().fold(0.0, f64::max), None);
}

fn storage() {
    let (mut alice, mut bob) = Side::pair();
    let (to_bob, to_alice) = (bob.device.address.clone(), alice.device.address.clone());
    let name = |what: &str, record: &SessionRecord| format!("{what} ({} bytes)", record.to_bytes().len());
    for (what, skipped) in [("fresh session", 0), ("2,000 skipped keys", 2_000)] {
        (0..skipped).for_each(|_| drop(alice.send(&to_bob)));
        let message = alice.send(&to_bob);
        bob.receive(&to_alice, &message);
        let bytes = bob.record.to_bytes();
        report(
            &name(&format!("serialise, {what}"), &bob.record),
            median(sample(2_000, || drop(bob.record.to_bytes()))),
            None,
        );
        let restore = sample(2_000, || drop(SessionRecord::from_bytes(&bytes).unwrap()));
        report(&format!("restore, {what}"), median(restore), None);
    }
}

/// Signal's library does the same on one chain, called from Node, restoring and storing its session each time as its interface demands.
fn against_official(encrypt: f64, decrypt: f64) {
    let names = ["796abedb-ca4e-4f18-8803-1fde5b921f9f", "9d0652a3-dcc3-4d11-975f-74d61598733f"];
    let [sender, receiver] = names.map(|name| library::Official::new("bench", name, 1));
    sender.process(&receiver.address, &receiver.publish(true));
    let first = sender.encrypt(&receiver.address, &PLAINTEXT);
    receiver.decrypt(&sender.address, &first).unwrap();
    let answer = receiver.encrypt(&sender.address, &PLAINTEXT);
    sender.decrypt(&receiver.address, &answer).unwrap();
    let request =
        json!({ "command": "measure", "from": sender.user(), "to": receiver.user(), "count": 2_000 });
    let measured = library::ask(request).unwrap();
    let (stored_encrypt, stored_decrypt) = stored();
    for (what, theirs, ours, ours_stored) in [
        ("encrypt", &measured["encryptMicros"], encrypt, stored_encrypt),
        ("decrypt", &measured["decryptMicros"], decrypt, stored_decrypt),
    ] {
        let theirs = theirs.as_f64().unwrap();
        report(&format!("Signal's library from Node: {what}"), theirs, None);
        report(&format!("we, restoring and storing each time: {what}"), ours_stored, None);
        println!(
            "{what}: {:.1} times as fast; {:.1} times with storing",
            theirs / ours,
            theirs / ours_stored
        );
    }
}

/// Our figures with the session restored before and serialised after every message.
fn stored() -> (f64, f64) {
    let (mut alice, mut bob) = Side::pair();
    let (to_bob, to_alice) = (bob.device.address.clone(), alice.device.address.clone());
    let mut bytes = alice.record.to_bytes();
    let mut messages = Vec::new();
    let encrypt = sample(2_000, || {
        alice.record = SessionRecord::from_bytes(&bytes).unwrap();
        messages.push(alice.send(&to_bob));
        bytes = alice.record.to_bytes();
    });
    let mut bytes = bob.record.to_bytes();
    let mut arrived = messages.iter();
    let decrypt = sample(2_000, || {
        bob.record = SessionRecord::from_bytes(&bytes).unwrap();
        bob.receive(&to_alice, arrived.next().unwrap());
        bytes = bob.record.to_bytes();
    });
    (median(encrypt), median(decrypt))
}

/// How long each of `count` runs takes, in microseconds.
fn sample(count: usize, mut run: impl FnMut()) -> Vec<f64> {
    (0..count)
        .map(|_| {
            let started = Instant::now();
            run();
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn report(what: &str, micros: f64, goal: Option<f64>) {
    let goal = goal.map(|goal| format!("{goal:.0}")).unwrap_or_default();
    println!("{what:<52} {micros:>9.2} {goal:>7}");
}
