//! A device for the tests: identity, prekeys, sessions, all in memory.
//!
//! Invariant: the session record is stored and read again around every operation, and a failed operation must leave its bytes alone.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tacite_signal::{
    Address, CiphertextMessage, DecryptError, Decrypted, EncryptError, IdentityKeyPair, KyberPreKeyRecord,
    LocalParty, MessageKind, OneTimePreKeyRecord, PreKeyBundle, PrekeySource, PublicKey, SessionRecord,
    SignedPreKeyRecord, UsedPrekeys,
};

/// A moment in 2026, in milliseconds.
pub(crate) const NOW_MS: u64 = 1_780_000_000_000;

pub(crate) const LAST_RESORT_ID: u32 = 1_000;

pub(crate) struct Device {
    pub(crate) address: Address,
    pub(crate) identity: IdentityKeyPair,
    pub(crate) registration_id: u32,
    pub(crate) prekeys: Prekeys,
    pub(crate) sessions: BTreeMap<String, Vec<u8>>,
    pub(crate) trusted: bool,
    pub(crate) rng: ChaCha20Rng,
}

#[derive(Clone, Default)]
pub(crate) struct Prekeys {
    pub(crate) signed: BTreeMap<u32, SignedPreKeyRecord>,
    pub(crate) kyber: BTreeMap<u32, KyberPreKeyRecord>,
    pub(crate) one_time: BTreeMap<u32, OneTimePreKeyRecord>,
    /// Uses of last-resort keys: Kyber id, signed id, base key.
    pub(crate) last_resort_uses: BTreeSet<(u32, u32, PublicKey)>,
    pub(crate) refuse_kyber_use: bool,
}

impl PrekeySource for Prekeys {
    fn signed(&mut self, id: u32) -> Option<SignedPreKeyRecord> {
        self.signed.get(&id).cloned()
    }

    fn kyber(&mut self, id: u32) -> Option<KyberPreKeyRecord> {
        self.kyber.get(&id).cloned()
    }

    fn one_time(&mut self, id: u32) -> Option<OneTimePreKeyRecord> {
        self.one_time.get(&id).cloned()
    }

    fn permit_kyber_use(&mut self, used: &UsedPrekeys) -> bool {
        !self.refuse_kyber_use && !self.last_resort_uses.contains(&(used.kyber, used.signed, used.base_key))
    }
}

impl Prekeys {
    /// What a caller does after success.
    pub(crate) fn strike_out(&mut self, used: &UsedPrekeys) {
        if let Some(id) = used.one_time {
            self.one_time.remove(&id);
        }
        if used.kyber >= LAST_RESORT_ID {
            self.last_resort_uses.insert((used.kyber, used.signed, used.base_key));
        } else {
            self.kyber.remove(&used.kyber);
        }
    }
}

/// Alice, Bob and Carol have UUIDs as names, so that addresses are authenticated.
pub(crate) fn alice(seed: u64) -> Device {
    Device::new("9d0652a3-dcc3-4d11-975f-74d61598733f", 1, seed * 3)
}

pub(crate) fn bob(seed: u64) -> Device {
    Device::new("796abedb-ca4e-4f18-8803-1fde5b921f9f", 2, seed * 3 + 1)
}

pub(crate) fn carol(seed: u64) -> Device {
    Device::new("0f8fad5b-d9cb-469f-a165-70867728950e", 3, seed * 3 + 2)
}

impl Device {
    pub(crate) fn new(name: &str, device: u8, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = IdentityKeyPair::generate(&mut rng);
        let mut prekeys = Prekeys::default();
        prekeys.signed.insert(1, SignedPreKeyRecord::generate(1, &identity, &mut rng));
        for id in [1, 2, LAST_RESORT_ID] {
            prekeys.kyber.insert(id, KyberPreKeyRecord::generate(id, &identity, &mut rng));
        }
        for id in 1..=3 {
            prekeys.one_time.insert(id, OneTimePreKeyRecord::generate(id, &mut rng));
        }
        let address = Address::new(name, device).unwrap();
        Self {
            address,
            identity,
            registration_id: 4711,
            prekeys,
            sessions: BTreeMap::new(),
            trusted: true,
            rng,
        }
    }

    /// A bundle with the first one-time keys that are left, else the last resort.
    pub(crate) fn bundle(&self) -> PreKeyBundle {
        let signed = &self.prekeys.signed[&1];
        let kyber = self.prekeys.kyber.values().next().unwrap();
        PreKeyBundle {
            registration_id: self.registration_id,
            device_id: self.address.device(),
            identity_key: *self.identity.public(),
            signed_prekey_id: signed.id(),
            signed_prekey: *signed.public(),
            signed_prekey_signature: *signed.signature(),
            kyber_prekey_id: kyber.id(),
            kyber_prekey: kyber.public(),
            kyber_prekey_signature: *kyber.signature(),
            one_time_prekey: self.prekeys.one_time.values().next().map(|key| (key.id(), *key.public())),
        }
    }

    /// A bundle as an exhausted directory gives it.
    pub(crate) fn last_resort_bundle(&self) -> PreKeyBundle {
        let kyber = &self.prekeys.kyber[&LAST_RESORT_ID];
        PreKeyBundle {
            kyber_prekey_id: kyber.id(),
            kyber_prekey: kyber.public(),
            kyber_prekey_signature: *kyber.signature(),
            one_time_prekey: None,
            ..self.bundle()
        }
    }

    pub(crate) fn record(&self, peer: &Address) -> SessionRecord {
        self.sessions
            .get(&key(peer))
            .map_or_else(SessionRecord::empty, |bytes| SessionRecord::from_bytes(bytes).unwrap())
    }

    pub(crate) fn store(&mut self, peer: &Address, record: &SessionRecord) {
        self.sessions.insert(key(peer), record.to_bytes().to_vec());
    }

    pub(crate) fn begin(&mut self, peer: &Address, bundle: &PreKeyBundle) {
        self.begin_at(peer, bundle, NOW_MS);
    }

    pub(crate) fn begin_at(&mut self, peer: &Address, bundle: &PreKeyBundle, now_ms: u64) {
        let mut record = self.record(peer);
        let local = LocalParty {
            address: &self.address,
            identity: &self.identity,
            registration_id: self.registration_id,
        };
        record.process_bundle(&local, peer, bundle, now_ms, &mut self.rng).unwrap();
        self.store(peer, &record);
    }

    pub(crate) fn encrypt(&mut self, peer: &Address, plaintext: &[u8]) -> CiphertextMessage {
        self.try_encrypt(peer, plaintext, NOW_MS).unwrap()
    }

    pub(crate) fn try_encrypt(
        &mut self,
        peer: &Address,
        plaintext: &[u8],
        now_ms: u64,
    ) -> Result<CiphertextMessage, EncryptError> {
        let mut record = self.record(peer);
        let before = record.to_bytes();
        let local = LocalParty {
            address: &self.address,
            identity: &self.identity,
            registration_id: self.registration_id,
        };
        let result = record.encrypt(&local, peer, plaintext, now_ms, &mut self.rng);
        if result.is_err() {
            assert_eq!(record.to_bytes(), before, "a failed encryption changed the record");
        }
        self.store(peer, &record);
        result
    }

    pub(crate) fn decrypt(
        &mut self,
        peer: &Address,
        message: &CiphertextMessage,
    ) -> Result<Vec<u8>, DecryptError> {
        self.decrypt_fully(peer, message).map(|decrypted| decrypted.plaintext)
    }

    /// Decrypts, strikes out used prekeys, and checks that a failure changes nothing.
    pub(crate) fn decrypt_fully(
        &mut self,
        peer: &Address,
        message: &CiphertextMessage,
    ) -> Result<Decrypted, DecryptError> {
        let mut record = self.record(peer);
        let before = record.to_bytes();
        let local = LocalParty {
            address: &self.address,
            identity: &self.identity,
            registration_id: self.registration_id,
        };
        let trusted = self.trusted;
        let trust = |_: &PublicKey| trusted;
        let result = match message.kind {
            MessageKind::PreKey => {
                record.decrypt_prekey(&local, peer, &message.bytes, &mut self.prekeys, &mut self.rng, &trust)
            }
            MessageKind::Whisper => {
                record.decrypt_whisper(&local, peer, &message.bytes, &mut self.rng, &trust).map(|plaintext| {
                    Decrypted { plaintext, identity: *record.remote_identity().unwrap(), used: None }
                })
            }
        };
        match &result {
            Ok(decrypted) => {
                if let Some(used) = &decrypted.used {
                    self.prekeys.strike_out(used);
                }
                self.store(peer, &record);
            }
            Err(_) => assert_eq!(record.to_bytes(), before, "a failed decryption changed the record"),
        }
        result
    }
}

fn key(peer: &Address) -> String {
    format!("{}.{}", peer.name(), peer.device())
}

/// One message from `sender` to `receiver`, which must arrive.
pub(crate) fn deliver(sender: &mut Device, receiver: &mut Device, plaintext: &[u8]) -> MessageKind {
    let message = sender.encrypt(&receiver.address.clone(), plaintext);
    assert_eq!(receiver.decrypt(&sender.address, &message).as_deref(), Ok(plaintext));
    message.kind
}

/// Alice and Bob after a first message and its answer.
pub(crate) fn acquainted(seed: u64) -> (Device, Device) {
    let (mut alice, mut bob) = (alice(seed), bob(seed));
    alice.begin(&bob.address, &bob.bundle());
    assert_eq!(deliver(&mut alice, &mut bob, b"hello"), MessageKind::PreKey);
    assert_eq!(deliver(&mut bob, &mut alice, b"hello yourself"), MessageKind::Whisper);
    (alice, bob)
}
