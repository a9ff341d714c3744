//! Section 9, messages of kind 3, bundles, keys and signatures.

use curve25519_dalek::{edwards::CompressedEdwardsY, scalar::Scalar};
use serde_json::{Value as Json, json};
use tacite_signal::{
    CiphertextMessage, DecryptError, KyberPublicKey, LocalParty, PreKeyBundle, PublicKey, SessionRecord,
};

use crate::{
    arena::{Accepts, Arena, BOTH, Rejects, Verdict, Who, first_row},
    device::{Device, NOW_MS, alice, carol},
    fields::{Value, alter, append, edit, remove, set},
    library::{Official, ask, bundle_to},
    negative_whisper::with_torsion,
};

const ONE_TIME_ID: u64 = 1;
const BASE_KEY: u64 = 2;
const IDENTITY_KEY: u64 = 3;
const MESSAGE: u64 = 4;
const REGISTRATION_ID: u64 = 5;
const SIGNED_ID: u64 = 6;
const KYBER_ID: u64 = 7;
const KYBER_CIPHERTEXT: u64 = 8;

#[test]
fn t01_base_and_identity_keys() {
    let base = |change: &dyn Fn(&mut Vec<u8>)| {
        first_row("base key", Rejects, Rejects, &|bytes| alter(&bytes, BASE_KEY, change));
    };
    base(&|key| key[1..].fill(0));
    base(&|key| {
        key[1..].fill(0);
        key[1] = 2;
    });
    base(&|key| {
        key[1..].fill(0xFF);
        key[32] = 0x7F;
    });
    base(&|key| key[32] |= 0x80);
    base(&|key| *key = with_torsion(key));
    first_row("identity with bit 255", Rejects, Rejects, &|bytes| {
        alter(&bytes, IDENTITY_KEY, |key| key[32] |= 0x80)
    });
    first_row("identity with torsion", Rejects, Rejects, &|bytes| {
        alter(&bytes, IDENTITY_KEY, |key| *key = with_torsion(key))
    });
    first_row("base key with a trailing byte", Accepts, Rejects, &|bytes| {
        alter(&bytes, BASE_KEY, |key| key.push(0))
    });
}

#[test]
fn t07_outer_versions_and_fields() {
    for high in [2, 3, 5] {
        first_row("high half of the version", Rejects, Rejects, &|mut bytes| {
            bytes[0] = high << 4 | 4;
            bytes
        });
    }
    for low in [0, 3, 0xF] {
        first_row("low half of the version", Accepts, Accepts, &|mut bytes| {
            bytes[0] = 0x40 | low;
            bytes
        });
    }
    first_row("registration id absent", Accepts, Accepts, &|bytes| remove(&bytes, REGISTRATION_ID));
    first_row("registration id altered", Accepts, Accepts, &|bytes| {
        set(&bytes, REGISTRATION_ID, Value::Number(1))
    });
    first_row("unknown field", Accepts, Accepts, &|bytes| append(&bytes, &[0x78, 5]));
    first_row("the last of two counts", Accepts, Accepts, &|bytes| {
        edit(&bytes, |fields| fields.insert(0, (SIGNED_ID, Value::Number(77))))
    });
    for field in [BASE_KEY, IDENTITY_KEY, MESSAGE, SIGNED_ID, KYBER_ID, KYBER_CIPHERTEXT, ONE_TIME_ID] {
        first_row("field absent", Rejects, Rejects, &|bytes| remove(&bytes, field));
    }
    first_row("both Kyber fields absent", Rejects, Rejects, &|bytes| {
        remove(&remove(&bytes, KYBER_ID), KYBER_CIPHERTEXT)
    });
    for field in [SIGNED_ID, KYBER_ID, ONE_TIME_ID] {
        first_row("unknown id", Rejects, Rejects, &|bytes| set(&bytes, field, Value::Number(9_999)));
    }
    first_row("wrong wire type", Rejects, Rejects, &|bytes| append(&bytes, &[0x32, 1, 0]));
}

#[test]
fn t02_kem_ciphertexts() {
    let row = |change: &dyn Fn(&mut Vec<u8>)| {
        first_row("KEM ciphertext", Rejects, Rejects, &|bytes| alter(&bytes, KYBER_CIPHERTEXT, change));
    };
    row(&|ciphertext| ciphertext[0] = 7);
    row(&|ciphertext| ciphertext.push(0));
    row(&|ciphertext| ciphertext.truncate(1568));
    row(&|ciphertext| ciphertext[800] ^= 1);
}

#[test]
fn t06_a_first_message_with_a_bad_mac_burns_no_prekey() {
    first_row("MAC of the inner message", Rejects, Rejects, &|bytes| {
        alter(&bytes, MESSAGE, |inner| *inner.last_mut().unwrap() ^= 1)
    });
}

#[test]
fn t06_one_time_keys_serve_once_and_the_others_several_initiators() {
    let mallory = |seed| Device::new("5b1d2b5c-6a2f-4c59-9d1e-0a3a2f6a5b11", 9, seed);
    for (one_time, expected) in [(true, Rejects), (false, Accepts)] {
        let bob = Official::new(&format!("one-time {one_time}"), "796abedb-ca4e-4f18-8803-1fde5b921f9f", 2);
        let mut carol = carol(900);
        let theirs = bob.publish(one_time);
        let ours = if one_time { carol.bundle() } else { carol.last_resort_bundle() };
        for (number, mut sender) in [alice(900), mallory(901)].into_iter().enumerate() {
            let expected = if number == 0 { Accepts } else { expected };
            sender.begin(&bob.address, &theirs);
            sender.begin(&carol.address, &ours);
            let message = sender.encrypt(&bob.address, b"hello");
            assert_eq!(verdict(bob.decrypt(&sender.address, &message).is_ok()), expected);
            let message = sender.encrypt(&carol.address, b"hello");
            assert_eq!(verdict(carol.decrypt(&sender.address, &message).is_ok()), expected);
        }
    }
}

#[test]
fn first_messages_out_of_order_replayed_and_of_archived_sessions() {
    let mut arena = Arena::introduced();
    for who in BOTH {
        let messages: Vec<_> = (0..3).map(|_| arena.send(who)).collect();
        let later = arena.send(who);
        for index in [2, 0, 1] {
            assert_eq!(arena.deliver(who, &messages[index]), Accepts);
        }
        assert_eq!(arena.deliver(who, &messages[2]), Rejects, "replay");
        // Alice begins anew; what was under way in the former session still arrives.
        match who {
            Who::Theirs => arena.alice.begin(&arena.bob.address, &arena.bob.publish(true)),
            Who::Ours => arena.alice.begin(&arena.carol.address, &arena.carol.bundle()),
        }
        assert_eq!(arena.honest(who), Accepts);
        assert_eq!(arena.deliver(who, &later), Accepts);
    }
}

#[test]
fn untrusted_identities_and_refused_kyber_uses_leave_no_session() {
    let mut arena = Arena::introduced();
    let (to_bob, to_carol) = (arena.send(Who::Theirs), arena.send(Who::Ours));
    let from = arena.alice.address.clone();
    for (trusting, permitting, error) in
        [(false, true, DecryptError::UntrustedIdentity), (true, false, DecryptError::KyberUseRefused)]
    {
        arena.bob.policy(trusting, permitting);
        arena.carol.trusted = trusting;
        arena.carol.prekeys.refuse_kyber_use = !permitting;
        assert_eq!(arena.deliver(Who::Theirs, &to_bob), Rejects);
        assert_eq!(arena.carol.decrypt(&from, &to_carol), Err(error));
        assert!(arena.carol.sessions.is_empty());
    }
    arena.bob.policy(true, true);
    arena.carol.prekeys.refuse_kyber_use = false;
    assert_eq!(arena.deliver(Who::Theirs, &to_bob), Accepts);
    assert_eq!(arena.deliver(Who::Ours, &to_carol), Accepts);
    // A later message of kind 2 is asked about as well, and can be tried again.
    let messages = BOTH.map(|who| {
        arena.answer(who);
        arena.send(who)
    });
    arena.bob.policy(false, true);
    arena.carol.trusted = false;
    assert_eq!(BOTH.map(|who| arena.deliver(who, &messages[who as usize])), [Rejects; 2]);
    arena.bob.policy(true, true);
    arena.carol.trusted = true;
    assert_eq!(BOTH.map(|who| arena.deliver(who, &messages[who as usize])), [Accepts; 2]);
}

/// A bundle of Carol, altered as JSON, as each initiator judges it.
fn bundle_row(name: &str, theirs: Verdict, ours: Verdict, change: &dyn Fn(&mut Json, &mut Device)) {
    let mut carol = carol(950);
    let mut bundle = bundle_to(&carol.bundle());
    change(&mut bundle, &mut carol);
    let bob = Official::new(&format!("bundle {name}"), "796abedb-ca4e-4f18-8803-1fde5b921f9f", 2);
    assert_eq!(verdict(bob.try_process(&carol.address, &bundle).is_ok()), theirs, "theirs: {name}");
    let mut alice = alice(950);
    let local = LocalParty { address: &alice.address, identity: &alice.identity, registration_id: 1 };
    let accepted = parse_bundle(&bundle).is_some_and(|bundle| {
        SessionRecord::empty().process_bundle(&local, &carol.address, &bundle, NOW_MS, &mut alice.rng).is_ok()
    });
    assert_eq!(verdict(accepted), ours, "ours: {name}");
}

/// As an application would: what does not decode is no bundle.
fn parse_bundle(value: &Json) -> Option<PreKeyBundle> {
    let bytes = |field: &str| hex::decode(value[field].as_str()?).ok();
    let key = |field: &str| PublicKey::decode(&bytes(field)?).ok();
    let id = |field: &str| u32::try_from(value[field].as_u64()?).ok();
    Some(PreKeyBundle {
        registration_id: id("registrationId")?,
        device_id: u8::try_from(id("deviceId")?).ok()?,
        identity_key: key("identityKey")?,
        signed_prekey_id: id("signedPreKeyId")?,
        signed_prekey: key("signedPreKey")?,
        signed_prekey_signature: bytes("signedPreKeySig")?.try_into().ok()?,
        kyber_prekey_id: id("kyberPreKeyId")?,
        kyber_prekey: KyberPublicKey::decode(&bytes("kyberPreKey")?).ok()?,
        kyber_prekey_signature: bytes("kyberPreKeySig")?.try_into().ok()?,
        one_time_prekey: match value.get("preKey") {
            Some(_) => Some((id("preKeyId")?, key("preKey")?)),
            None => None,
        },
    })
}

/// Changes the bytes of a field and signs them again, if there is a field for the signature.
fn rewrite(
    bundle: &mut Json,
    carol: &mut Device,
    field: &str,
    signature: Option<&str>,
    change: &dyn Fn(&mut Vec<u8>),
) {
    let mut bytes = hex::decode(bundle[field].as_str().unwrap()).unwrap();
    change(&mut bytes);
    bundle[field] = json!(hex::encode(&bytes));
    if let Some(signature) = signature {
        bundle[signature] = json!(hex::encode(carol.identity.sign(&bytes, &mut carol.rng)));
    }
}

#[test]
fn t04_t07_bundles_with_bad_signatures() {
    for field in ["signedPreKeySig", "kyberPreKeySig"] {
        bundle_row(field, Rejects, Rejects, &|bundle, carol| {
            rewrite(bundle, carol, field, None, &|bytes| bytes[3] ^= 1);
        });
    }
    for (field, signature) in [("signedPreKey", "signedPreKeySig"), ("kyberPreKey", "kyberPreKeySig")] {
        bundle_row(&format!("{field} signed without its type"), Rejects, Rejects, &|bundle, carol| {
            let bytes = hex::decode(bundle[field].as_str().unwrap()).unwrap();
            bundle[signature] = json!(hex::encode(carol.identity.sign(&bytes[1..], &mut carol.rng)));
        });
    }
}

#[test]
fn t01_t02_bundles_with_bad_keys() {
    let kyber = |name: &str, theirs, change: &dyn Fn(&mut Vec<u8>)| {
        bundle_row(name, theirs, Rejects, &|bundle, carol| {
            rewrite(bundle, carol, "kyberPreKey", Some("kyberPreKeySig"), change);
        });
    };
    kyber("KEM type 7", Rejects, &|key| key[0] = 7);
    kyber("KEM type 10", Rejects, &|key| key[0] = 10);
    kyber("KEM key longer", Rejects, &|key| key.push(0));
    kyber("KEM key shorter", Rejects, &|key| key.truncate(1568));
    kyber("KEM coefficient not reduced", Accepts, &|key| (key[1], key[2]) = (1, key[2] & 0xF0 | 0x0D));
    let signed = |name: &str, theirs, change: &dyn Fn(&mut Vec<u8>)| {
        bundle_row(name, theirs, Rejects, &|bundle, carol| {
            rewrite(bundle, carol, "signedPreKey", Some("signedPreKeySig"), change);
        });
    };
    signed("signed prekey zero", Rejects, &|key| key[1..].fill(0));
    signed("signed prekey with bit 255", Accepts, &|key| key[32] |= 0x80);
    bundle_row("one-time prekey zero", Rejects, Rejects, &|bundle, carol| {
        rewrite(bundle, carol, "preKey", None, &|key| key[1..].fill(0));
    });
    bundle_row("one-time prekey random", Accepts, Accepts, &|bundle, _| {
        bundle["preKey"] = json!(hex::encode(alice(951).identity.public().encode()));
    });
    bundle_row("no one-time prekey", Accepts, Accepts, &|bundle, _| {
        let fields = bundle.as_object_mut().unwrap();
        fields.remove("preKey");
        fields.remove("preKeyId");
    });
}

#[test]
fn t03_signatures() {
    let mut alice = alice(960);
    let public = alice.identity.public().encode();
    let signature = alice.identity.sign(b"hello", &mut alice.rng).to_vec();
    let flip = |place: usize, bit: u8| {
        let mut altered = signature.clone();
        altered[place] ^= bit;
        altered
    };
    let mut above_order = signature.clone();
    let sum = add(&signature[32..], &{
        let mut order = (-Scalar::ONE).to_bytes();
        order[0] += 1;
        order
    });
    above_order[32..].copy_from_slice(&sum);
    let with = |change: &dyn Fn(&mut [u8; 33])| {
        let mut key = public;
        change(&mut key);
        key
    };
    let high_bit = with(&|key| key[32] |= 0x80);
    let minus_one = with(&|key| {
        key[1..].fill(0xFF);
        (key[1], key[32]) = (0xEC, 0x7F);
    });
    let zero = with(&|key| key[1..].fill(0));
    let rows = [
        ("honest", public, signature.clone(), Accepts, Accepts),
        ("sign bit", public, flip(63, 0x80), Rejects, Rejects),
        ("63 bytes", public, signature[..63].to_vec(), Rejects, Rejects),
        ("65 bytes", public, [signature.as_slice(), &[0]].concat(), Rejects, Rejects),
        ("bit 253 of s", public, flip(63, 0x20), Rejects, Rejects),
        ("bit 254 of s", public, flip(63, 0x40), Rejects, Rejects),
        ("s + L", public, above_order, Accepts, Rejects),
        ("key with bit 255", high_bit, signature.clone(), Accepts, Rejects),
        ("key p - 1", minus_one, signature.clone(), Rejects, Rejects),
        ("forged for key 0", zero, forged_for_zero(b"hello"), Accepts, Rejects),
    ];
    for (name, key, signature, theirs, ours) in rows {
        let verdict_of_theirs = ask(json!({
            "command": "verify",
            "publicKey": hex::encode(key),
            "message": hex::encode("hello"),
            "signature": hex::encode(&signature),
        }));
        let valid = verdict_of_theirs.is_ok_and(|answer| answer["valid"] == json!(true));
        assert_eq!(verdict(valid), theirs, "theirs: {name}");
        let valid = PublicKey::decode(&key).is_ok_and(|key| key.verify(b"hello", &signature).is_ok());
        assert_eq!(verdict(valid), ours, "ours: {name}");
    }
}

/// A signature that holds for the low-order key u = 0 if R' happens to fit: s = 0 and R the key or the neutral element.
fn forged_for_zero(message: &[u8]) -> Vec<u8> {
    let zero = PublicKey::from_u_coordinate([0; 32]);
    let mut minus_one = [0xFF; 32];
    (minus_one[0], minus_one[31]) = (0xEC, 0x7F);
    let mut one = [0; 32];
    one[0] = 1;
    let candidates = [CompressedEdwardsY(one), CompressedEdwardsY(minus_one)];
    let fits = |signature: &[u8]| {
        let answer = ask(json!({
            "command": "verify",
            "publicKey": hex::encode(zero.encode()),
            "message": hex::encode(message),
            "signature": hex::encode(signature),
        }));
        answer.is_ok_and(|answer| answer["valid"] == json!(true))
    };
    let signatures = candidates.map(|point| [point.as_bytes().as_slice(), &[0; 32]].concat());
    signatures.into_iter().find(|signature| fits(signature)).unwrap_or_else(|| vec![0; 64])
}

#[test]
fn key_encodings() {
    let public = alice(970).identity.public().encode();
    let mut type_6 = public;
    type_6[0] = 6;
    let trailing = [public.as_slice(), &[0]].concat();
    let rows: [(&str, &[u8], Verdict, Verdict); 4] = [
        ("trailing byte", &trailing, Accepts, Rejects),
        ("type 6", &type_6, Rejects, Rejects),
        ("no type", &public[1..], Rejects, Rejects),
        ("32 bytes", &public[..32], Rejects, Rejects),
    ];
    for (name, key, theirs, ours) in rows {
        let request = json!({ "command": "agree", "priv": hex::encode([7; 32]), "pub": hex::encode(key) });
        assert_eq!(verdict(ask(request).is_ok()), theirs, "theirs: {name}");
        assert_eq!(verdict(PublicKey::decode(key).is_ok()), ours, "ours: {name}");
    }
}

fn verdict(accepted: bool) -> Verdict {
    if accepted { Accepts } else { Rejects }
}

/// The sum of two little-endian numbers of 32 bytes that does not overflow.
fn add(a: &[u8], b: &[u8]) -> [u8; 32] {
    let mut carry = 0;
    std::array::from_fn(|place| {
        let sum = u16::from(a[place]) + u16::from(b[place]) + carry;
        carry = sum >> 8;
        u8::try_from(sum & 0xFF).unwrap()
    })
}

/// Kept apart from the rows above because the message itself is honest.
#[test]
fn a_first_message_to_the_wrong_device_is_refused() {
    let mut arena = Arena::introduced();
    let message = arena.send(Who::Ours);
    let stray = CiphertextMessage { ..message.clone() };
    let mut wrong = carol(980);
    assert!(wrong.decrypt(&arena.alice.address, &stray).is_err());
    assert_eq!(arena.deliver(Who::Ours, &message), Accepts);
}
