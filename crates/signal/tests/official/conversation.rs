//! Whole conversations in both roles.

use rand_core::Rng;
use serde_json::{Value, json};
use tacite_signal::{CiphertextMessage, EncryptError, MessageKind};

use crate::{
    device::{Device, NOW_MS, alice},
    library::Official,
    wire::pq_head,
};

const BOB: &str = "796abedb-ca4e-4f18-8803-1fde5b921f9f";
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Who begins the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Initiator {
    We,
    They,
}

/// Alice is ours, Bob is theirs; one of them has the other's bundle.
fn introduced(test: &str, seed: u64, initiator: Initiator, one_time: bool) -> (Device, Official) {
    let (mut alice, bob) =
        (alice(seed), Official::new(&format!("{test} {seed} {initiator:?} {one_time}"), BOB, 2));
    match initiator {
        Initiator::We => alice.begin(&bob.address, &bob.publish(one_time)),
        Initiator::They if one_time => bob.process(&alice.address, &alice.bundle()),
        Initiator::They => bob.process(&alice.address, &alice.last_resort_bundle()),
    }
    (alice, bob)
}

/// One message from Alice, which must arrive.
fn to_bob(alice: &mut Device, bob: &Official) -> CiphertextMessage {
    let message = alice.encrypt(&bob.address, b"from Alice");
    assert_eq!(bob.decrypt(&alice.address, &message).unwrap(), b"from Alice");
    message
}

/// One message from Bob, which must arrive.
fn to_alice(alice: &mut Device, bob: &Official) -> CiphertextMessage {
    let message = bob.encrypt(&alice.address, b"from Bob");
    assert_eq!(alice.decrypt(&bob.address, &message).unwrap(), b"from Bob");
    message
}

#[test]
fn c1_j1_first_contact_in_both_roles_with_and_without_one_time_prekey() {
    for one_time in [true, false] {
        let (mut alice, bob) = introduced("first", 1, Initiator::We, one_time);
        let first = to_bob(&mut alice, &bob);
        assert_eq!(first.kind, MessageKind::PreKey);
        assert_eq!((pq_head(&first).label, pq_head(&first).index, pq_head(&first).kind), (1, 1, 1));
        assert_eq!(to_alice(&mut alice, &bob).kind, MessageKind::Whisper);
        assert_eq!(to_bob(&mut alice, &bob).kind, MessageKind::Whisper);

        let (mut alice, bob) = introduced("first", 2, Initiator::They, one_time);
        assert_eq!(to_alice(&mut alice, &bob).kind, MessageKind::PreKey);
        let answer = to_bob(&mut alice, &bob);
        assert_eq!(answer.kind, MessageKind::Whisper);
        assert_eq!((pq_head(&answer).label, pq_head(&answer).index, pq_head(&answer).kind), (1, 1, 0));
        assert_eq!(to_alice(&mut alice, &bob).kind, MessageKind::Whisper);
    }
}

#[test]
fn j1_in_strict_alternation_the_label_rises_exactly_when_the_specification_says() {
    for initiator in [Initiator::We, Initiator::They] {
        let (mut alice, bob) = introduced("ping-pong", 3, initiator, true);
        let mut risen = Vec::new();
        let mut label = 1;
        for number in 1..=450 {
            let we_send = (number % 2 == 1) == (initiator == Initiator::We);
            let message = if we_send { to_bob(&mut alice, &bob) } else { to_alice(&mut alice, &bob) };
            let head = pq_head(&message);
            if head.label > label {
                assert_eq!((head.label, head.index, head.kind), (label + 1, 1, 0));
                label = head.label;
                risen.push(number);
            }
        }
        assert_eq!(risen, [87, 174, 261, 348, 435], "{initiator:?}");
    }
}

#[test]
fn j1_the_types_of_label_1_come_in_the_documented_numbers() {
    let (mut alice, bob) = introduced("types", 4, Initiator::We, true);
    let (mut ours, mut theirs) = ([0; 7], [0; 7]);
    for _ in 0..43 {
        ours[usize::from(pq_head(&to_bob(&mut alice, &bob)).kind)] += 1;
        theirs[usize::from(pq_head(&to_alice(&mut alice, &bob)).kind)] += 1;
    }
    assert_eq!(ours, [0, 3, 29, 7, 4, 0, 0]);
    assert_eq!(theirs, [8, 0, 0, 0, 0, 30, 5]);
}

#[test]
fn t15_j1_lossy_and_reordered_conversations_over_ten_labels_lose_nothing_that_arrives() {
    let runs = [
        (10, Initiator::We, 20, 1),
        (11, Initiator::They, 20, 1),
        (12, Initiator::We, 50, 3),
        (13, Initiator::They, 50, 3),
    ];
    for (seed, initiator, loss_percent, delay_bursts_max) in runs {
        let (mut alice, bob) = introduced("lossy", seed, initiator, true);
        // The first exchange arrives, so that both can speak.
        if initiator == Initiator::They {
            to_alice(&mut alice, &bob);
        }
        to_bob(&mut alice, &bob);
        to_alice(&mut alice, &bob);
        let mut network = Network { loss_percent, delay_bursts_max, label: 1, ..Network::default() };
        while network.label <= 10 {
            network.burst(&mut alice, &bob);
            assert!(network.bursts < 3_000, "label {} after {} bursts", network.label, network.bursts);
        }
    }
}

/// Messages under way to Bob and to Alice. A delay of up to three bursts keeps within the five chains that a receiver remembers.
#[derive(Default)]
struct Network {
    loss_percent: u32,
    delay_bursts_max: u32,
    bursts: u32,
    label: u64,
    under_way: [Vec<UnderWay>; 2],
}

struct UnderWay {
    burst: u32,
    content: Vec<u8>,
    message: CiphertextMessage,
}

impl Network {
    /// One side sends one to three messages; some are lost, the others arrive in any order, now or some bursts later.
    fn burst(&mut self, alice: &mut Device, bob: &Official) {
        let ours = self.bursts.is_multiple_of(2);
        self.bursts += 1;
        let side = usize::from(ours);
        for _ in 0..=alice.rng.next_u32() % 3 {
            let content = alice.rng.next_u64().to_be_bytes().to_vec();
            let message = if ours {
                alice.encrypt(&bob.address, &content)
            } else {
                bob.encrypt(&alice.address, &content)
            };
            self.label = self.label.max(pq_head(&message).label);
            if alice.rng.next_u32() % 100 >= self.loss_percent {
                self.under_way[side].push(UnderWay { burst: self.bursts, content, message });
            }
        }
        let waiting = std::mem::take(&mut self.under_way[side]);
        for sent in shuffled(waiting, &mut alice.rng) {
            // Each side bursts every second time.
            let late = self.bursts - sent.burst >= 2 * self.delay_bursts_max;
            if !late && alice.rng.next_u32().is_multiple_of(3) {
                self.under_way[side].push(sent);
                continue;
            }
            let arrived = if ours {
                bob.decrypt(&alice.address, &sent.message)
            } else {
                alice.decrypt(&bob.address, &sent.message).map_err(|error| error.to_string())
            };
            assert_eq!(arrived, Ok(sent.content), "label {}", self.label);
        }
    }
}

fn shuffled<T>(mut items: Vec<T>, rng: &mut impl Rng) -> Vec<T> {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.next_u32() as usize % (last + 1));
    }
    items
}

#[test]
fn alternating_bursts_of_40_raise_the_label_every_five_bursts() {
    let (mut alice, bob) = introduced("bursts", 20, Initiator::We, true);
    for _ in 0..8 {
        (0..40).for_each(|_| drop(to_bob(&mut alice, &bob)));
        (0..40).for_each(|_| drop(to_alice(&mut alice, &bob)));
    }
    assert_eq!(pq_head(&to_bob(&mut alice, &bob)).label, 4);
}

#[test]
fn both_sides_begin_at_once_and_meet() {
    for seed in 30..40 {
        let (mut alice, bob) = introduced("crossing", seed, Initiator::We, true);
        bob.process(&alice.address, &alice.bundle());
        let (ours, theirs) = (alice.encrypt(&bob.address, b"a"), bob.encrypt(&alice.address, b"b"));
        assert_eq!(bob.decrypt(&alice.address, &ours).unwrap(), b"a");
        assert_eq!(alice.decrypt(&bob.address, &theirs).unwrap(), b"b");
        for _ in 0..3 {
            to_bob(&mut alice, &bob);
            to_alice(&mut alice, &bob);
        }
        assert_eq!(to_bob(&mut alice, &bob).kind, MessageKind::Whisper);
    }
}

#[test]
fn late_messages_of_archived_sessions_are_read_on_both_sides() {
    let (mut alice, bob) = introduced("archive", 50, Initiator::We, true);
    let mut late = Vec::new();
    for _ in 0..42 {
        alice.begin(&bob.address, &bob.publish(false));
        to_bob(&mut alice, &bob);
        to_alice(&mut alice, &bob);
        late.push((alice.encrypt(&bob.address, b"late"), bob.encrypt(&alice.address, b"late too")));
    }
    // 42 sessions: the newest is current, 40 are archived, the first is gone.
    assert!(bob.decrypt(&alice.address, &late[0].0).is_err());
    assert!(alice.decrypt(&bob.address, &late[0].1).is_err());
    assert_eq!(bob.decrypt(&alice.address, &late[1].0).unwrap(), b"late");
    assert_eq!(alice.decrypt(&bob.address, &late[1].1).unwrap(), b"late too");
    to_bob(&mut alice, &bob);
    to_alice(&mut alice, &bob);
}

#[test]
fn they_archive_and_we_go_on() {
    let (mut alice, bob) = introduced("archived", 55, Initiator::We, true);
    to_bob(&mut alice, &bob);
    to_alice(&mut alice, &bob);
    bob.ask("archive", &alice.address, json!({})).unwrap();
    assert!(bob.try_encrypt(&alice.address, b"?", &Value::Null).is_err());
    to_bob(&mut alice, &bob);
    to_alice(&mut alice, &bob);
}

#[test]
fn unacknowledged_sessions_age_alike() {
    let (mut alice, bob) = introduced("ageing", 60, Initiator::We, true);
    let request = json!({ "bundle": crate::library::bundle_to(&alice.bundle()), "now": NOW_MS });
    bob.ask("process", &alice.address, request).unwrap();
    for (age_ms, usable) in [(30 * DAY_MS - DAY_MS / 10, true), (30 * DAY_MS + DAY_MS / 10, false)] {
        let now_ms = NOW_MS + age_ms;
        let ours = alice.try_encrypt(&bob.address, b"?", now_ms);
        let theirs = bob.try_encrypt(&alice.address, b"?", &json!(now_ms));
        assert_eq!(ours.as_ref().map(|message| message.kind).ok(), usable.then_some(MessageKind::PreKey));
        assert_eq!(theirs.map(|message| message.kind).ok(), usable.then_some(MessageKind::PreKey));
        if !usable {
            assert_eq!(ours, Err(EncryptError::Unacknowledged));
        }
    }
}

#[test]
fn the_first_good_message_after_a_bad_one_works() {
    for initiator in [Initiator::We, Initiator::They] {
        let (mut alice, bob) = introduced("bad first", 70, initiator, true);
        let spoil = |mut message: CiphertextMessage| {
            // Within the inner message, which is the field before the KEM ciphertext.
            let place = message.bytes.len() - 1_700;
            message.bytes[place] ^= 1;
            message
        };
        if initiator == Initiator::We {
            let bad = spoil(alice.encrypt(&bob.address, b"bad"));
            assert!(bob.decrypt(&alice.address, &bad).is_err());
            assert_eq!(bob.record(&alice.address), Value::Null);
            to_bob(&mut alice, &bob);
        } else {
            let bad = spoil(bob.encrypt(&alice.address, b"bad"));
            assert!(alice.decrypt(&bob.address, &bad).is_err());
            assert!(alice.sessions.is_empty());
            assert!(alice.prekeys.one_time.contains_key(&1));
            to_alice(&mut alice, &bob);
        }
    }
}
