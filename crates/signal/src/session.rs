//! One session: two identities, a Double Ratchet and a post-quantum ratchet (section 7).
//!
//! Invariants: [`Session::open`] changes nothing; what it plans is applied in one piece by [`Session::apply`], which cannot fail.
//! [`Session::seal`] checks everything that can fail before it changes anything.

use rand_core::CryptoRng;
use subtle::ConstantTimeEq;

use crate::{
    address::{Address, addresses},
    braid::{NoPqKey, PqChange, PqRatchet},
    bundle::{BundleError, PreKeyBundle},
    chain::NoKey,
    cipher::MessageKeys,
    curve::{KeyPair, Point, PublicKey},
    error::{DecryptError, EncryptError},
    identity::IdentityKeyPair,
    kdf::hedged,
    kyber::KyberCiphertext,
    limits::{MESSAGE_LENGTH_MAX, UNACKNOWLEDGED_AGE_MAX_MS},
    message::{PreKeyMessage, WhisperContent, WhisperMessage},
    pqxdh::Agreements,
    prekeys::{PrekeySource, UsedPrekeys},
    ratchet::{DoubleRatchet, NoSeed, RatchetChange},
    secret::Secret,
};

#[cfg(feature = "hazmat")]
mod forged;
mod stored;

/// The side of a session that is this device.
#[derive(Clone, Copy, Debug)]
pub struct LocalParty<'a> {
    /// Our address.
    pub address: &'a Address,
    /// Our account's identity.
    pub identity: &'a IdentityKeyPair,
    /// Our device's registration id.
    pub registration_id: u32,
}

/// Which of the two messages of section 4 the bytes are; the number is Signal's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum MessageKind {
    /// A message of an established session.
    Whisper = 2,
    /// A message that can begin a session.
    PreKey = 3,
}

/// An encrypted message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CiphertextMessage {
    /// How the receiver has to read it.
    pub kind: MessageKind,
    /// The message itself.
    pub bytes: Vec<u8>,
}

/// What every message carries until the peer has answered.
#[derive(Debug)]
struct Pending {
    one_time_prekey_id: Option<u32>,
    signed_prekey_id: u32,
    kyber_prekey_id: u32,
    kyber_ciphertext: KyberCiphertext,
    created_ms: u64,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    local_identity: PublicKey,
    remote_identity: PublicKey,
    local_registration_id: u32,
    remote_registration_id: u32,
    /// Fresh in every session; tells a repeated first message from a new session.
    base_key: PublicKey,
    pending: Option<Pending>,
    ratchet: DoubleRatchet,
    pq: PqRatchet,
}

/// What remains to be done once a message has opened.
#[derive(Debug)]
pub(crate) struct SessionChange {
    ratchet: RatchetChange,
    pq: PqChange,
}

impl Session {
    /// Begins a session with the owner of `bundle`.
    pub(crate) fn initiate(
        local: &LocalParty<'_>,
        bundle: &PreKeyBundle,
        now_ms: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, BundleError> {
        let keys = bundle.verified_keys()?;
        let state = Secret::new(*local.identity.private().expose());
        let context =
            [bundle.identity_key.encode().as_slice(), &bundle.signed_prekey.encode(), &now_ms.to_be_bytes()]
                .concat();
        let base = KeyPair::generate_hedged(rng, &state, &[b"base key", context.as_slice()].concat());
        let coins = hedged(rng, &state, &[b"KEM coins", context.as_slice()].concat());
        let dh1 = local.identity.private().agree_with(&keys.signed_prekey)?;
        let dh2 = base.private().agree_with(&keys.identity)?;
        let dh3 = base.private().agree_with(&keys.signed_prekey)?;
        let dh4 = keys.one_time_prekey.as_ref().map(|key| base.private().agree_with(key)).transpose()?;
        let (kyber_ciphertext, post_quantum) = bundle.kyber_prekey.encapsulate(&coins);
        let agreements =
            Agreements { classical: [&dh1, &dh2, &dh3], one_time: dh4.as_ref(), post_quantum: &post_quantum };
        let session = agreements.keys();
        Ok(Self {
            local_identity: *local.identity.public(),
            remote_identity: bundle.identity_key,
            local_registration_id: local.registration_id,
            remote_registration_id: bundle.registration_id,
            base_key: *base.public(),
            pending: Some(Pending {
                one_time_prekey_id: bundle.one_time_prekey.map(|(id, _)| id),
                signed_prekey_id: bundle.signed_prekey_id,
                kyber_prekey_id: bundle.kyber_prekey_id,
                kyber_ciphertext,
                created_ms: now_ms,
            }),
            ratchet: DoubleRatchet::initiate(
                &session.root,
                session.chain,
                (&bundle.signed_prekey, &keys.signed_prekey),
                rng,
            )?,
            pq: PqRatchet::initiate(&session.authentication),
        })
    }

    /// Answers a session that a peer began.
    pub(crate) fn respond(
        local: &LocalParty<'_>,
        message: &PreKeyMessage,
        prekeys: &mut dyn PrekeySource,
    ) -> Result<(Self, UsedPrekeys), DecryptError> {
        let base_key = Point::checked(&message.base_key)?;
        let identity_key = Point::checked(&message.identity_key)?;
        let signed = prekeys.signed(message.signed_prekey_id).ok_or(DecryptError::UnknownPrekey)?;
        let kyber = prekeys.kyber(message.kyber_prekey_id).ok_or(DecryptError::UnknownPrekey)?;
        let one_time = match message.one_time_prekey_id {
            Some(id) => Some(prekeys.one_time(id).ok_or(DecryptError::UnknownPrekey)?),
            None => None,
        };
        let dh1 = signed.pair().private().agree_with(&identity_key)?;
        let dh2 = local.identity.private().agree_with(&base_key)?;
        let dh3 = signed.pair().private().agree_with(&base_key)?;
        let dh4 = one_time.as_ref().map(|key| key.pair().private().agree_with(&base_key)).transpose()?;
        let post_quantum = kyber.pair().decapsulate(&message.kyber_ciphertext);
        let agreements =
            Agreements { classical: [&dh1, &dh2, &dh3], one_time: dh4.as_ref(), post_quantum: &post_quantum };
        let keys = agreements.keys();
        let session = Self {
            local_identity: *local.identity.public(),
            remote_identity: message.identity_key,
            local_registration_id: local.registration_id,
            remote_registration_id: message.registration_id,
            base_key: message.base_key,
            pending: None,
            ratchet: DoubleRatchet::respond(keys.root, keys.chain, signed.pair().clone()),
            pq: PqRatchet::respond(&keys.authentication),
        };
        let used = UsedPrekeys {
            one_time: message.one_time_prekey_id,
            signed: message.signed_prekey_id,
            kyber: message.kyber_prekey_id,
            base_key: message.base_key,
        };
        Ok((session, used))
    }

    pub(crate) fn remote_identity(&self) -> &PublicKey {
        &self.remote_identity
    }

    pub(crate) fn remote_registration_id(&self) -> u32 {
        self.remote_registration_id
    }

    pub(crate) fn base_key(&self) -> &PublicKey {
        &self.base_key
    }

    pub(crate) fn forget_pending(&mut self) {
        self.pending = None;
    }

    /// Whether the session may still be used for sending at `now_ms`.
    pub(crate) fn is_usable(&self, now_ms: u64) -> bool {
        let age_ms = self.pending.as_ref().map_or(0, |pending| now_ms.saturating_sub(pending.created_ms));
        age_ms <= UNACKNOWLEDGED_AGE_MAX_MS
    }

    /// Encrypts the next message.
    pub(crate) fn seal(
        &mut self,
        local: &Address,
        remote: &Address,
        plaintext: &[u8],
        now_ms: u64,
        rng: &mut dyn CryptoRng,
    ) -> Result<CiphertextMessage, EncryptError> {
        if !self.is_usable(now_ms) {
            return Err(EncryptError::Unacknowledged);
        }
        if self.ratchet.is_exhausted() || self.pq.is_exhausted() {
            return Err(EncryptError::Exhausted);
        }
        // Everything else in a message is far below 8 KiB.
        if plaintext.len() > MESSAGE_LENGTH_MAX - 8 * 1024 {
            return Err(EncryptError::TooLong);
        }
        let (counter, seed) = self.ratchet.send();
        let (pq_ratchet, pq_key) = self.pq.send(rng);
        let keys = MessageKeys::derive(&seed, &pq_key);
        let content = WhisperContent {
            ratchet_key: self.ratchet.ratchet_key(),
            counter,
            previous_counter: self.ratchet.previous_counter(),
            ciphertext: keys.encrypt(plaintext),
            pq_ratchet,
            addresses: self.pending.as_ref().and_then(|_| addresses(local, remote)),
        };
        let mut bytes = content.encode();
        let mac = keys.mac(&[&self.local_identity.encode(), &self.remote_identity.encode(), &bytes]);
        bytes.extend_from_slice(&mac);
        Ok(self.wrap(bytes))
    }

    /// The plaintext of a message, and the change that uses up its keys.
    pub(crate) fn open(
        &self,
        local: &Address,
        remote: &Address,
        message: &WhisperMessage<'_>,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Vec<u8>, SessionChange), DecryptError> {
        let to_self = self.local_identity == self.remote_identity && local.same_account(remote);
        let (seed, ratchet) = self.ratchet.plan(&message.ratchet_key, message.counter, to_self, rng)?;
        let (pq_key, pq) = self.pq.plan(&message.pq_ratchet, to_self)?;
        let keys = MessageKeys::derive(&seed, &pq_key);
        let authenticated: [&[u8]; 3] =
            [&self.remote_identity.encode(), &self.local_identity.encode(), message.authenticated];
        if !keys.verify(&authenticated, message.mac) || !addresses_fit(message, local, remote) {
            return Err(DecryptError::Forged);
        }
        let plaintext = keys.decrypt(&message.ciphertext).ok_or(DecryptError::Forged)?;
        Ok((plaintext, SessionChange { ratchet, pq }))
    }

    /// Uses up the keys of an opened message; the peer has answered, or spoken first.
    pub(crate) fn apply(&mut self, change: SessionChange) {
        self.ratchet.apply(change.ratchet);
        self.pq.apply(change.pq);
        self.pending = None;
    }

    fn wrap(&self, message: Vec<u8>) -> CiphertextMessage {
        let Some(pending) = &self.pending else {
            return CiphertextMessage { kind: MessageKind::Whisper, bytes: message };
        };
        let wrapped = PreKeyMessage {
            one_time_prekey_id: pending.one_time_prekey_id,
            base_key: self.base_key,
            identity_key: self.local_identity,
            message,
            registration_id: self.local_registration_id,
            signed_prekey_id: pending.signed_prekey_id,
            kyber_prekey_id: pending.kyber_prekey_id,
            kyber_ciphertext: pending.kyber_ciphertext.clone(),
        };
        CiphertextMessage { kind: MessageKind::PreKey, bytes: wrapped.encode() }
    }
}

/// An absent field fits; a present one must name both of us as we know us.
fn addresses_fit(message: &WhisperMessage<'_>, local: &Address, remote: &Address) -> bool {
    match (&message.addresses, addresses(remote, local)) {
        (None, _) => true,
        (Some(received), Some(expected)) => received.as_slice().ct_eq(&expected).into(),
        (Some(_), None) => false,
    }
}

impl From<NoSeed> for DecryptError {
    fn from(reason: NoSeed) -> Self {
        match reason {
            NoSeed::Key(NoKey::Past) => Self::Duplicate,
            NoSeed::Key(NoKey::TooFarAhead) => Self::TooFarAhead,
            NoSeed::RatchetKey(error) => Self::Key(error),
        }
    }
}

impl From<NoPqKey> for DecryptError {
    fn from(reason: NoPqKey) -> Self {
        match reason {
            NoPqKey::Key(NoKey::TooFarAhead) => Self::TooFarAhead,
            NoPqKey::Malformed | NoPqKey::Key(NoKey::Past) | NoPqKey::LabelAhead | NoPqKey::ForgedObject => {
                Self::PostQuantum
            }
        }
    }
}
