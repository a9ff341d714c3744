//! The private halves of what a bundle publishes, and how a session asks for them.
//!
//! Invariants: ids are the caller's; stored forms begin with a version byte; looking up never deletes: deletion is the caller's, after
//! success and in the same transaction as the session, from [`UsedPrekeys`].

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    codec::{Reader, StoredError, Writer},
    curve::{KeyPair, PublicKey},
    identity::IdentityKeyPair,
    kyber::{KyberKeyPair, KyberPublicKey, PRIVATE_KEY_LENGTH},
};

const VERSION: u8 = 1;

/// A signed prekey: used by every peer until it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedPreKeyRecord {
    id: u32,
    pair: KeyPair,
    signature: [u8; 64],
}

/// A Kyber prekey: one-time, or last-resort if the caller chooses not to delete it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KyberPreKeyRecord {
    id: u32,
    pair: KyberKeyPair,
    signature: [u8; 64],
}

/// A one-time prekey: used by one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneTimePreKeyRecord {
    id: u32,
    pair: KeyPair,
}

/// The prekeys that a peer's first message used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsedPrekeys {
    /// To be deleted.
    pub one_time: Option<u32>,
    /// To be kept until it is replaced.
    pub signed: u32,
    /// To be deleted if one-time; of a last-resort key, remember (`kyber`, `signed`, `base_key`) and refuse a repetition.
    pub kyber: u32,
    /// The peer's fresh key, different in every session.
    pub base_key: PublicKey,
}

/// Where a session finds the receiver's prekeys. Look-ups only.
pub trait PrekeySource {
    /// The signed prekey `id`.
    fn signed(&mut self, id: u32) -> Option<SignedPreKeyRecord>;
    /// The Kyber prekey `id`.
    fn kyber(&mut self, id: u32) -> Option<KyberPreKeyRecord>;
    /// The one-time prekey `id`.
    fn one_time(&mut self, id: u32) -> Option<OneTimePreKeyRecord>;
    /// Whether this use of the Kyber prekey is permitted: false for a last-resort key that was used with the same signed prekey and base key
    /// before. Asked after the message has opened, before anything is stored.
    fn permit_kyber_use(&mut self, used: &UsedPrekeys) -> bool;
}

impl SignedPreKeyRecord {
    /// A new key, signed by `identity`.
    pub fn generate(id: u32, identity: &IdentityKeyPair, rng: &mut dyn CryptoRng) -> Self {
        let pair = KeyPair::generate(rng);
        let signature = identity.sign(&pair.public().encode(), rng);
        Self { id, pair, signature }
    }

    /// The id that bundles and messages name.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.pair.public()
    }

    /// The identity's signature over the 33-byte encoding.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// The stored form, which holds the private half.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(133);
        writer.u8(VERSION);
        writer.u32(self.id);
        self.pair.write(&mut writer);
        writer.bytes(&self.signature);
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let record =
            Self { id: reader.u32()?, pair: KeyPair::read(&mut reader)?, signature: reader.array()? };
        reader.end()?;
        Ok(record)
    }
}

impl KyberPreKeyRecord {
    /// A new key, signed by `identity`.
    pub fn generate(id: u32, identity: &IdentityKeyPair, rng: &mut dyn CryptoRng) -> Self {
        let pair = KyberKeyPair::generate(rng);
        let signature = identity.sign(&pair.public().encode(), rng);
        Self { id, pair, signature }
    }

    /// The id that bundles and messages name.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> KyberPublicKey {
        self.pair.public()
    }

    /// The identity's signature over the 1,569-byte encoding.
    #[must_use]
    pub fn signature(&self) -> &[u8; 64] {
        &self.signature
    }

    pub(crate) fn pair(&self) -> &KyberKeyPair {
        &self.pair
    }

    /// The stored form, which holds the private half.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(69 + PRIVATE_KEY_LENGTH);
        writer.u8(VERSION);
        writer.u32(self.id);
        writer.bytes(self.pair.expose());
        writer.bytes(&self.signature);
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let id = reader.u32()?;
        let record = Self { id, pair: KyberKeyPair::restore(reader.secret()?), signature: reader.array()? };
        reader.end()?;
        Ok(record)
    }
}

impl OneTimePreKeyRecord {
    /// A new key. One-time prekeys are not signed.
    pub fn generate(id: u32, rng: &mut dyn CryptoRng) -> Self {
        Self { id, pair: KeyPair::generate(rng) }
    }

    /// The id that bundles and messages name.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.pair.public()
    }

    pub(crate) fn pair(&self) -> &KeyPair {
        &self.pair
    }

    /// The stored form, which holds the private half.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(69);
        writer.u8(VERSION);
        writer.u32(self.id);
        self.pair.write(&mut writer);
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let record = Self { id: reader.u32()?, pair: KeyPair::read(&mut reader)? };
        reader.end()?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
