//! Conversations through the public interface: first contact, loss and reordering, crossing first messages, archives, ageing.

use crate::device::{Device, LAST_RESORT_ID, NOW_MS, acquainted, alice, bob, carol, deliver};
use rand_core::Rng;
use tacite_signal::{
    Address, BundleError, CiphertextMessage, DecryptError, EncryptError, LocalParty, MessageKind,
    PreKeyBundle, SessionRecord,
};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

#[test]
fn a_first_message_uses_up_one_time_keys_and_later_ones_do_not() {
    let (mut alice, mut bob) = (alice(1), bob(1));
    alice.begin(&bob.address, &bob.bundle());
    let messages: Vec<_> = (0..3_u8).map(|number| alice.encrypt(&bob.address, &[number])).collect();
    assert!(messages.iter().all(|message| message.kind == MessageKind::PreKey));
    for (number, delivered) in [2, 0, 1].into_iter().enumerate() {
        let decrypted = bob.decrypt_fully(&alice.address, &messages[delivered]).unwrap();
        assert_eq!(decrypted.identity, *alice.identity.public());
        assert_eq!(decrypted.used.is_some(), number == 0);
    }
    assert!(!bob.prekeys.one_time.contains_key(&1));
    assert!(!bob.prekeys.kyber.contains_key(&1));
    assert_eq!(deliver(&mut bob, &mut alice, b"hello"), MessageKind::Whisper);
    assert_eq!(deliver(&mut alice, &mut bob, b""), MessageKind::Whisper);
}

#[test]
fn t05_without_one_time_keys_the_last_resort_serves_and_a_repetition_is_refused() {
    let (mut alice, mut bob, mut carol) = (alice(2), bob(2), carol(2));
    let bundle = bob.last_resort_bundle();
    alice.begin(&bob.address, &bundle);
    carol.begin(&bob.address, &bundle);
    let first = alice.encrypt(&bob.address, b"hello");
    assert_eq!(bob.decrypt(&alice.address, &first).as_deref(), Ok(b"hello".as_slice()));
    deliver(&mut carol, &mut bob, b"hello too");
    assert!(bob.prekeys.kyber.contains_key(&LAST_RESORT_ID));
    // Bob loses the session; the replayed first message must not make a new one.
    bob.sessions.clear();
    assert_eq!(bob.decrypt(&alice.address, &first), Err(DecryptError::KyberUseRefused));
    assert!(bob.sessions.is_empty());
}

#[test]
fn t14_replays_are_refused_before_and_after_the_answer() {
    let (mut alice, mut bob) = (alice(3), bob(3));
    alice.begin(&bob.address, &bob.bundle());
    let first = alice.encrypt(&bob.address, b"hello");
    bob.decrypt(&alice.address, &first).unwrap();
    assert_eq!(bob.decrypt(&alice.address, &first), Err(DecryptError::Duplicate));
    deliver(&mut bob, &mut alice, b"hello yourself");
    let second = alice.encrypt(&bob.address, b"how are you");
    bob.decrypt(&alice.address, &second).unwrap();
    assert_eq!(bob.decrypt(&alice.address, &second), Err(DecryptError::Duplicate));
    assert_eq!(bob.decrypt(&alice.address, &first), Err(DecryptError::Duplicate));
}

#[test]
fn t16_a_reflected_message_is_refused() {
    let (mut alice, bob) = acquainted(4);
    let message = alice.encrypt(&bob.address, b"hello");
    assert!(alice.decrypt(&bob.address, &message).is_err());
}

#[test]
fn a_long_conversation_with_loss_and_reordering() {
    for seed in 0..3 {
        let (mut alice, mut bob) = acquainted(10 + seed);
        for _ in 0..200 {
            burst(&mut alice, &mut bob);
            std::mem::swap(&mut alice, &mut bob);
        }
    }
}

/// Up to three messages, a fifth lost, in random order.
fn burst(sender: &mut Device, receiver: &mut Device) {
    let count = sender.rng.next_u32() % 3;
    let mut messages: Vec<_> = (0..=count)
        .map(|number| (number, sender.encrypt(&receiver.address, &number.to_be_bytes())))
        .collect();
    while !messages.is_empty() {
        let (number, message) = messages.swap_remove(sender.rng.next_u32() as usize % messages.len());
        if !sender.rng.next_u32().is_multiple_of(5) {
            assert_eq!(receiver.decrypt(&sender.address, &message), Ok(number.to_be_bytes().to_vec()));
        }
    }
}

#[test]
fn crossing_first_messages_converge() {
    for seed in 0..20 {
        let (mut alice, mut bob) = (alice(20 + seed), bob(20 + seed));
        alice.begin(&bob.address, &bob.bundle());
        bob.begin(&alice.address, &alice.bundle());
        let (to_bob, to_alice) = (alice.encrypt(&bob.address, b"a"), bob.encrypt(&alice.address, b"b"));
        assert_eq!(bob.decrypt(&alice.address, &to_bob).as_deref(), Ok(b"a".as_slice()));
        assert_eq!(alice.decrypt(&bob.address, &to_alice).as_deref(), Ok(b"b".as_slice()));
        for _ in 0..5 {
            deliver(&mut alice, &mut bob, b"left");
            deliver(&mut bob, &mut alice, b"right");
        }
        let messages = [alice.encrypt(&bob.address, b"a"), bob.encrypt(&alice.address, b"b")];
        bob.decrypt(&alice.address, &messages[0]).unwrap();
        alice.decrypt(&bob.address, &messages[1]).unwrap();
        assert_eq!(deliver(&mut alice, &mut bob, b"met"), MessageKind::Whisper);
    }
}

/// Messages of kind 2, each of a session of its own, oldest first; Alice begins anew after each.
fn late_messages(alice: &mut Device, bob: &mut Device, count: usize) -> Vec<CiphertextMessage> {
    let bundle = bob.last_resort_bundle();
    (0..count)
        .map(|_| {
            alice.begin(&bob.address, &bundle);
            deliver(alice, bob, b"first");
            deliver(bob, alice, b"answer");
            alice.encrypt(&bob.address, b"late")
        })
        .collect()
}

#[test]
fn a_late_message_of_the_40th_archived_session_is_read_and_an_older_one_is_not() {
    let (mut alice, mut bob) = (alice(50), bob(50));
    let late = late_messages(&mut alice, &mut bob, 42);
    let size = bob.sessions.values().map(Vec::len).sum::<usize>();
    assert!(size < 200_000, "41 fresh sessions take {size} bytes");
    assert!(bob.decrypt(&alice.address, &late[0]).is_err());
    assert_eq!(bob.decrypt(&alice.address, &late[1]).as_deref(), Ok(b"late".as_slice()));
    // That session is the current one now, so Alice hears Bob in it.
    deliver(&mut bob, &mut alice, b"in the old session");
}

#[test]
fn a_repeated_first_message_of_an_archived_session_makes_it_current_and_uses_no_prekey() {
    let (mut alice, mut bob) = (alice(60), bob(60));
    alice.begin(&bob.address, &bob.bundle());
    let (first, second) = (alice.encrypt(&bob.address, b"1"), alice.encrypt(&bob.address, b"2"));
    bob.decrypt(&alice.address, &first).unwrap();
    alice.begin(&bob.address, &bob.bundle());
    deliver(&mut alice, &mut bob, b"3");
    let left = bob.prekeys.one_time.len();
    assert_eq!(bob.decrypt_fully(&alice.address, &second).unwrap().used, None);
    assert_eq!(bob.prekeys.one_time.len(), left);
}

#[test]
fn an_unacknowledged_session_is_used_for_30_days() {
    let (mut alice, mut bob) = (alice(70), bob(70));
    alice.begin(&bob.address, &bob.bundle());
    let (last, past) = (NOW_MS + 30 * DAY_MS, NOW_MS + 30 * DAY_MS + 1);
    assert_eq!(alice.try_encrypt(&bob.address, b"still", last).unwrap().kind, MessageKind::PreKey);
    assert!(alice.record(&bob.address).is_usable(last));
    assert_eq!(alice.try_encrypt(&bob.address, b"too old", past), Err(EncryptError::Unacknowledged));
    assert!(!alice.record(&bob.address).is_usable(past));
    deliver(&mut alice, &mut bob, b"hello");
    deliver(&mut bob, &mut alice, b"hello");
    assert!(alice.try_encrypt(&bob.address, b"answered", NOW_MS + 1_000 * DAY_MS).is_ok());
}

#[test]
fn archiving_forgets_what_was_pending_and_nothing_can_be_sent() {
    let (mut alice, bob) = (alice(80), bob(80));
    alice.begin(&bob.address, &bob.bundle());
    let mut record = alice.record(&bob.address);
    record.archive_current();
    assert!(!record.has_session());
    alice.store(&bob.address, &record);
    assert_eq!(alice.try_encrypt(&bob.address, b"?", NOW_MS), Err(EncryptError::NoSession));
    assert_eq!(SessionRecord::empty().to_bytes().as_slice(), [1, 0, 0]);
}

#[test]
fn a_session_with_another_device_of_our_own_jumps_further() {
    let (mut phone, mut laptop) = (alice(90), alice(90));
    laptop.address = Address::new(phone.address.name(), 2).unwrap();
    phone.begin(&laptop.address, &laptop.bundle());
    deliver(&mut phone, &mut laptop, b"hello");
    deliver(&mut laptop, &mut phone, b"hello");
    let mut record = phone.record(&laptop.address);
    let local = LocalParty {
        address: &phone.address,
        identity: &phone.identity,
        registration_id: phone.registration_id,
    };
    let mut send = || record.encrypt(&local, &laptop.address, b"far", NOW_MS, &mut phone.rng).unwrap();
    let far = (0..30_001).map(|_| send()).last().unwrap();
    assert_eq!(laptop.decrypt(&phone.address, &far).as_deref(), Ok(b"far".as_slice()));
}

#[test]
fn t04_a_bundle_of_another_device_or_signed_by_another_identity_is_refused() {
    let (mut alice, bob, carol) = (alice(100), bob(100), carol(100));
    let begin = |alice: &mut Device, peer: &Address, bundle| {
        let local = LocalParty {
            address: &alice.address,
            identity: &alice.identity,
            registration_id: alice.registration_id,
        };
        SessionRecord::empty().process_bundle(&local, peer, &bundle, NOW_MS, &mut alice.rng)
    };
    assert_eq!(begin(&mut alice, &carol.address, bob.bundle()), Err(BundleError::Device));
    let stolen = PreKeyBundle { identity_key: *carol.identity.public(), ..bob.bundle() };
    assert!(matches!(begin(&mut alice, &bob.address, stolen), Err(BundleError::Signature(_))));
    assert_eq!(begin(&mut alice, &bob.address, bob.bundle()), Ok(()));
}
