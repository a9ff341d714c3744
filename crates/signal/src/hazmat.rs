//! For tests only: messages that no honest peer makes, with MACs that hold.
//!
//! Behind the feature `hazmat`, which no program may switch on. What comes out is meant to be refused by a receiver; using it in a real
//! session ruins the session.

use rand_core::CryptoRng;

use crate::{
    address::Address,
    error::EncryptError,
    record::SessionRecord,
    session::{CiphertextMessage, LocalParty},
};

/// How a message is to be wrong.
#[derive(Clone, Copy)]
pub struct Forgery<'a> {
    /// Leave the post-quantum key out of the message's keys.
    pub without_pq_key: bool,
    /// Gets version byte and fields of the inner message, returns others. The MAC is computed afterwards.
    pub edit: &'a dyn Fn(Vec<u8>) -> Vec<u8>,
}

/// Like [`SessionRecord::encrypt`], but wrong.
pub fn encrypt_forged(
    record: &mut SessionRecord,
    local: &LocalParty<'_>,
    remote: &Address,
    plaintext: &[u8],
    forgery: Forgery<'_>,
    rng: &mut dyn CryptoRng,
) -> Result<CiphertextMessage, EncryptError> {
    let session = record.current_mut().ok_or(EncryptError::NoSession)?;
    Ok(session.forge(local.address, remote, plaintext, forgery, rng))
}

/// Takes `seeds` keys of the Double Ratchet's sending chain and `pq_keys` of the post-quantum one, as if so many messages had been lost.
pub fn skip_keys(record: &mut SessionRecord, seeds: u32, pq_keys: u32, rng: &mut dyn CryptoRng) {
    if let Some(session) = record.current_mut() {
        session.skip_keys(seeds, pq_keys, rng);
    }
}

/// The decoders, each with what must hold of whatever it accepts. For fuzzing; a panic is a finding. Each says whether it accepted.
pub mod decoders {
    use std::convert::Infallible;

    use rand_core::{TryCryptoRng, TryRng};

    use crate::{
        address::Address,
        braid::round_trip_message,
        bundle::PreKeyBundle,
        curve::{PrivateKey, PublicKey},
        identity::IdentityKeyPair,
        kyber::KyberPublicKey,
        message::{PreKeyMessage, WhisperMessage},
        record::SessionRecord,
        session::LocalParty,
    };

    /// A decoder under test.
    pub type Decoder = fn(&[u8]) -> bool;

    /// All decoders with the names of their fuzz targets.
    pub const ALL: [(&str, Decoder); 5] = [
        ("signal_message", message),
        ("signal_prekey_message", prekey_message),
        ("signal_ratchet_message", ratchet_message),
        ("signal_stored_session", stored_session),
        ("signal_bundle", bundle),
    ];

    /// The inner message: what it authenticates and its MAC are the whole.
    #[must_use]
    pub fn message(bytes: &[u8]) -> bool {
        let decoded = WhisperMessage::decode(bytes);
        decoded.inspect(|message| assert_eq!([message.authenticated, &message.mac].concat(), bytes)).is_ok()
    }

    /// The prekey message: encoding it again and decoding that changes nothing.
    #[must_use]
    pub fn prekey_message(bytes: &[u8]) -> bool {
        let Ok(message) = PreKeyMessage::decode(bytes) else { return false };
        assert_eq!(PreKeyMessage::decode(&message.clone().encode()).as_ref(), Ok(&message));
        true
    }

    /// The post-quantum part of a message: encoding it again and decoding that changes nothing.
    #[must_use]
    pub fn ratchet_message(bytes: &[u8]) -> bool {
        round_trip_message(bytes)
    }

    /// A stored record: it is stored again as it was, and can be used.
    #[must_use]
    pub fn stored_session(bytes: &[u8]) -> bool {
        let Ok(mut record) = SessionRecord::from_bytes(bytes) else { return false };
        assert_eq!(record.to_bytes().as_slice(), bytes);
        let identity = IdentityKeyPair::from_private(PrivateKey::from_bytes(&[1; 32]));
        let address = Address::new("alice", 1).expect("a name and a device");
        let local = LocalParty { address: &address, identity: &identity, registration_id: 1 };
        if let Ok(message) = record.encrypt(&local, &address, bytes, 0, &mut Zeros) {
            // Whether a reflected message opens is not the question.
            let _ = record.decrypt_whisper(&local, &address, &message.bytes, &mut Zeros, &|_| true);
        }
        true
    }

    /// The keys and signatures of a bundle, one behind the other; all checks are made.
    #[must_use]
    pub fn bundle(bytes: &[u8]) -> bool {
        parse_bundle(bytes).is_some_and(|bundle| bundle.verify().is_ok())
    }

    fn parse_bundle(bytes: &[u8]) -> Option<PreKeyBundle> {
        let (identity_key, rest) = bytes.split_at_checked(PublicKey::LENGTH)?;
        let (signed_prekey, rest) = rest.split_at_checked(PublicKey::LENGTH)?;
        let (signed_prekey_signature, rest) = rest.split_first_chunk()?;
        let (kyber_prekey, rest) = rest.split_at_checked(KyberPublicKey::LENGTH)?;
        let (kyber_prekey_signature, one_time_prekey) = rest.split_first_chunk()?;
        let one_time_prekey = match one_time_prekey {
            [] => None,
            bytes => Some((1, PublicKey::decode(bytes).ok()?)),
        };
        Some(PreKeyBundle {
            registration_id: 1,
            device_id: 1,
            identity_key: PublicKey::decode(identity_key).ok()?,
            signed_prekey_id: 1,
            signed_prekey: PublicKey::decode(signed_prekey).ok()?,
            signed_prekey_signature: *signed_prekey_signature,
            kyber_prekey_id: 1,
            kyber_prekey: KyberPublicKey::decode(kyber_prekey).ok()?,
            kyber_prekey_signature: *kyber_prekey_signature,
            one_time_prekey,
        })
    }

    /// No randomness at all, which hedging must survive.
    struct Zeros;

    impl TryRng for Zeros {
        type Error = Infallible;

        fn try_next_u32(&mut self) -> Result<u32, Infallible> {
            Ok(0)
        }

        fn try_next_u64(&mut self) -> Result<u64, Infallible> {
            Ok(0)
        }

        fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
            out.fill(0);
            Ok(())
        }
    }

    impl TryCryptoRng for Zeros {}
}
