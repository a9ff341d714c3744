//! Kyber1024 (round 3) made from ML-KEM-1024 (FIPS 203).
//!
//! Round 3 hashes the coins before and the secret after; FIPS 203 dropped both, so they are put around a FIPS implementation.
//!
//! Invariants: a [`KyberPublicKey`] is reduced (FIPS 203 section 7.2); decapsulation never tells a bad ciphertext from a good one
//! (implicit rejection), only the message's MAC does.

use std::fmt;

use libcrux_ml_kem::mlkem1024::{self, MlKem1024Ciphertext, MlKem1024PrivateKey, MlKem1024PublicKey};
use libcrux_sha3::{sha256, shake256};
use rand_core::CryptoRng;

use crate::secret::Secret;

/// First byte of an encoded Kyber1024 public key or ciphertext.
const KEY_TYPE: u8 = 0x08;

const PUBLIC_KEY_LENGTH: usize = 1568;
const CIPHERTEXT_LENGTH: usize = 1568;

/// Bytes of a FIPS 203 decapsulation key of ML-KEM-1024, which contains the public key at this place.
pub(crate) const PRIVATE_KEY_LENGTH: usize = 3168;
const PUBLIC_WITHIN_PRIVATE: usize = 1536;

/// A Kyber public key or ciphertext of wrong type, length or range. Blames whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Kyber1024 public key or ciphertext")]
pub struct KyberError;

/// A Kyber1024 public key, encoded as 1,569 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct KyberPublicKey(Box<[u8; PUBLIC_KEY_LENGTH]>);

impl KyberPublicKey {
    /// Bytes of the encoded form.
    pub const LENGTH: usize = PUBLIC_KEY_LENGTH + 1;

    /// Decodes `0x08 ‖ key` of exactly 1,569 bytes and checks that every coefficient is reduced.
    pub fn decode(bytes: &[u8]) -> Result<Self, KyberError> {
        let key = Box::new(typed::<PUBLIC_KEY_LENGTH>(bytes)?);
        if mlkem1024::validate_public_key(&MlKem1024PublicKey::from(&*key)) {
            Ok(Self(key))
        } else {
            Err(KyberError)
        }
    }

    /// The 1,569-byte encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&[KEY_TYPE], self.0.as_slice()].concat()
    }

    /// A ciphertext and the 32-byte secret in it, from 32 random coins.
    pub(crate) fn encapsulate(&self, coins: &Secret<32>) -> (KyberCiphertext, Secret<32>) {
        let message = Secret::new(sha256(coins.expose()));
        let (ciphertext, shared) =
            mlkem1024::encapsulate(&MlKem1024PublicKey::from(&*self.0), *message.expose());
        let secret = outer_hash(&Secret::new(shared), ciphertext.as_ref());
        (KyberCiphertext(Box::new(*ciphertext.as_slice())), secret)
    }
}

impl fmt::Debug for KyberPublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "KyberPublicKey({:02x}{:02x}{:02x}{:02x}..)",
            self.0[0], self.0[1], self.0[2], self.0[3]
        )
    }
}

/// A Kyber1024 key pair; the private half is wiped on drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KyberKeyPair {
    private: Box<Secret<PRIVATE_KEY_LENGTH>>,
}

impl KyberKeyPair {
    /// A new pair.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_seed(&Secret::from_fn(|out| rng.fill_bytes(out)))
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> KyberPublicKey {
        let private = self.private.expose();
        let mut public = Box::new([0; PUBLIC_KEY_LENGTH]);
        public.copy_from_slice(&private[PUBLIC_WITHIN_PRIVATE..PUBLIC_WITHIN_PRIVATE + PUBLIC_KEY_LENGTH]);
        KyberPublicKey(public)
    }

    /// FIPS 203 key generation from `d ‖ z`.
    pub(crate) fn from_seed(seed: &Secret<64>) -> Self {
        let pair = mlkem1024::generate_key_pair(*seed.expose());
        Self { private: Box::new(Secret::copy_of(pair.sk())) }
    }

    /// The secret in a ciphertext.
    pub(crate) fn decapsulate(&self, ciphertext: &KyberCiphertext) -> Secret<32> {
        let private = MlKem1024PrivateKey::from(self.private.expose());
        let shared = mlkem1024::decapsulate(&private, &MlKem1024Ciphertext::from(&*ciphertext.0));
        outer_hash(&Secret::new(shared), ciphertext.0.as_slice())
    }

    pub(crate) fn expose(&self) -> &[u8; PRIVATE_KEY_LENGTH] {
        self.private.expose()
    }

    /// A pair from our own storage.
    pub(crate) fn restore(private: Secret<PRIVATE_KEY_LENGTH>) -> Self {
        Self { private: Box::new(private) }
    }
}

/// A Kyber1024 ciphertext, encoded as 1,569 bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KyberCiphertext(Box<[u8; CIPHERTEXT_LENGTH]>);

impl KyberCiphertext {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, KyberError> {
        typed(bytes).map(|ciphertext| Self(Box::new(ciphertext)))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        [&[KEY_TYPE], self.0.as_slice()].concat()
    }
}

fn typed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], KyberError> {
    match bytes.split_first() {
        Some((&KEY_TYPE, object)) => object.try_into().map_err(|_| KyberError),
        _ => Err(KyberError),
    }
}

/// `SHAKE256(K ‖ SHA3-256(ct), 32)`.
fn outer_hash(shared: &Secret<32>, ciphertext: &[u8]) -> Secret<32> {
    let input = Secret::<64>::from_fn(|out| {
        out[..32].copy_from_slice(shared.expose());
        out[32..].copy_from_slice(&sha256(ciphertext));
    });
    Secret::new(shake256(input.expose()))
}

#[cfg(test)]
mod tests;
