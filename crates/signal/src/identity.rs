//! The long-term identity of an account.
//!
//! Invariant: the private half leaves only by [`IdentityKeyPair::to_bytes`], for the device's own sealed storage.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    codec::{Reader, StoredError, Writer},
    curve::{KeyPair, PrivateKey, PublicKey},
};

const VERSION: u8 = 1;

/// The key pair that names an account: it signs prekeys and takes part in every handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityKeyPair(KeyPair);

impl IdentityKeyPair {
    /// A new identity.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self(KeyPair::generate(rng))
    }

    /// The identity of a private key.
    #[must_use]
    pub fn from_private(private: PrivateKey) -> Self {
        Self(KeyPair::from_private(private))
    }

    /// The public half, which peers compare by safety number.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        self.0.public()
    }

    /// The private half.
    #[must_use]
    pub fn private(&self) -> &PrivateKey {
        self.0.private()
    }

    /// A 64-byte XEdDSA signature. Callers separate domains themselves: a prekey is signed as the bare 33 or 1,569 bytes of its encoding,
    /// so no other signed message of the application may have one of these lengths and begin with 5 or 8.
    pub fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> [u8; 64] {
        self.private().sign(message, rng)
    }

    /// Version byte and private key, 33 bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut writer = Writer::with_capacity(33);
        writer.u8(VERSION);
        writer.bytes(self.private().expose());
        writer.finish()
    }

    /// Reads what [`Self::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoredError> {
        let mut reader = Reader::new(bytes);
        reader.version(VERSION)?;
        let private = PrivateKey::read(&mut reader)?;
        reader.end()?;
        Ok(Self::from_private(private))
    }
}
