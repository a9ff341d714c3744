//! Alice and bob seal texts as clients do, and the sizes are compared.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng as _;
use tacite_model::{Expiry, MessageId, Timestamp};
use tacite_seal::{Body, Content, ReceiptKey, SealKind, Sealed, Text};
use tacite_signal::{
    Address, IdentityKeyPair, KyberPreKeyRecord, LocalParty, MessageKind, OneTimePreKeyRecord, PreKeyBundle,
    PrekeySource, SessionRecord, SignedPreKeyRecord, UsedPrekeys,
};
use tacite_wire::proto::Envelope;
use tacite_wire::{Frame, HEADER_BYTES, Opcode};

use super::*;

const NOW_MS: u64 = 1_800_000_000_000;

/// A device with one prekey of each kind and one session.
struct Device {
    address: Address,
    identity: IdentityKeyPair,
    signed: SignedPreKeyRecord,
    kyber: KyberPreKeyRecord,
    one_time: OneTimePreKeyRecord,
    session: SessionRecord,
    rng: ChaCha20Rng,
}

struct Prekeys<'a>(&'a Device);

impl PrekeySource for Prekeys<'_> {
    fn signed(&mut self, _: u32) -> Option<SignedPreKeyRecord> {
        Some(self.0.signed.clone())
    }

    fn kyber(&mut self, _: u32) -> Option<KyberPreKeyRecord> {
        Some(self.0.kyber.clone())
    }

    fn one_time(&mut self, _: u32) -> Option<OneTimePreKeyRecord> {
        Some(self.0.one_time.clone())
    }

    fn permit_kyber_use(&mut self, _: &UsedPrekeys) -> bool {
        true
    }
}

impl Device {
    fn new(account: &str, seed: u64) -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(seed);
        let identity = IdentityKeyPair::generate(&mut rng);
        Self {
            address: Address::new(account, 1).unwrap(),
            signed: SignedPreKeyRecord::generate(1, &identity, &mut rng),
            kyber: KyberPreKeyRecord::generate(2, &identity, &mut rng),
            one_time: OneTimePreKeyRecord::generate(3, &mut rng),
            session: SessionRecord::empty(),
            identity,
            rng,
        }
    }

    fn local<'a>(address: &'a Address, identity: &'a IdentityKeyPair) -> LocalParty<'a> {
        LocalParty { address, identity, registration_id: 4711 }
    }

    fn bundle(&self) -> PreKeyBundle {
        PreKeyBundle {
            registration_id: 4711,
            device_id: 1,
            identity_key: *self.identity.public(),
            signed_prekey_id: self.signed.id(),
            signed_prekey: *self.signed.public(),
            signed_prekey_signature: *self.signed.signature(),
            kyber_prekey_id: self.kyber.id(),
            kyber_prekey: self.kyber.public(),
            kyber_prekey_signature: *self.kyber.signature(),
            one_time_prekey: Some((self.one_time.id(), *self.one_time.public())),
        }
    }

    fn begin(&mut self, other: &Self) {
        let local = Self::local(&self.address, &self.identity);
        self.session.process_bundle(&local, &other.address, &other.bundle(), NOW_MS, &mut self.rng).unwrap();
    }

    /// Seals a text and has it opened; how many bytes an envelope has of it.
    fn write(&mut self, to: &mut Self) -> usize {
        let content = Content {
            message_id: MessageId::random(&mut self.rng),
            sent_at: Timestamp::from_ms(NOW_MS),
            previous_id: Some(MessageId::random(&mut self.rng)),
            body: Body::Text(Text { text: "x".repeat(PAYLOAD_BYTES), reply_to: None }),
            receipt_key: ReceiptKey::from_bytes([7; 32]),
            expiry: Some(Expiry::DEFAULT),
            original_id: None,
        };
        let plaintext = content.encode().unwrap();
        let local = Self::local(&self.address, &self.identity);
        let message = self.session.encrypt(&local, &to.address, &plaintext, NOW_MS, &mut self.rng).unwrap();
        let (mut session, mut rng) =
            (std::mem::replace(&mut to.session, SessionRecord::empty()), to.rng.clone());
        let local = Self::local(&to.address, &to.identity);
        let opened = match message.kind {
            MessageKind::PreKey => {
                session
                    .decrypt_prekey(
                        &local,
                        &self.address,
                        &message.bytes,
                        &mut Prekeys(to),
                        &mut rng,
                        &|_| true,
                    )
                    .unwrap()
                    .plaintext
            }
            MessageKind::Whisper => {
                session.decrypt_whisper(&local, &self.address, &message.bytes, &mut rng, &|_| true).unwrap()
            }
        };
        assert_eq!(opened, *plaintext);
        (to.session, to.rng) = (session, rng);
        let kind = if message.kind == MessageKind::PreKey { SealKind::Prekey } else { SealKind::Whisper };
        Sealed { kind, message: message.bytes }.encode().len()
    }
}

#[test]
fn a_sealed_text_has_the_size_that_the_bench_sends() {
    let mut alice = Device::new("9d0652a3-dcc3-4d11-975f-74d61598733f", 1);
    let mut bob = Device::new("796abedb-ca4e-4f18-8803-1fde5b921f9f", 2);
    alice.begin(&bob);
    alice.write(&mut bob);
    bob.write(&mut alice);
    // How often each size came: it varies with what the post-quantum ratchet has to say.
    let mut sizes = BTreeMap::<usize, u32>::new();
    for _ in 0..300 {
        *sizes.entry(alice.write(&mut bob)).or_default() += 1;
        *sizes.entry(bob.write(&mut alice)).or_default() += 1;
    }
    let commonest = sizes.iter().max_by_key(|(_, count)| **count).unwrap().0;
    assert_eq!(*commonest, SEALED_BYTES, "{sizes:?}");
    // They all fill the same frame.
    let frames: BTreeSet<_> = sizes.into_keys().map(frame_bytes).collect();
    assert_eq!(frames, BTreeSet::from([HEADER_BYTES + 1024]));
}

/// Bytes of the frame that carries a sealed body.
fn frame_bytes(sealed_bytes: usize) -> usize {
    let envelope = Envelope {
        sender_id: vec![1; 16].into(),
        sender_device: 1,
        recipient_id: vec![2; 16].into(),
        recipient_device: 1,
        message_type: 1,
        sealed: vec![3; sealed_bytes].into(),
        ..Envelope::default()
    };
    let id = MessageId::from_bytes([4; 16]);
    let frame = Frame::command(Opcode::SEND_DIRECT, id, Timestamp::from_ms(NOW_MS), &envelope);
    frame.unwrap().into_bytes().len()
}
