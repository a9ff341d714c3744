//! The server's own secrets: the OPAQUE setup and the key that signs access tokens.
//!
//! Invariants: they are kept in a file of their own, never in the store; the bytes begin with a version; they are wiped from
//! memory when dropped.

use core::fmt;

use opaque_ke::ServerSetup;
use rand_core::CryptoRng;
use tacite_model::Secret;
use tacite_wire::password::Suite;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::opaque::OpaqueRng;

const VERSION: u8 = 1;
/// OPRF seed, private key and the public key shown for unknown names.
const SETUP_BYTES: usize = 64 + 32 + 32;
const SEED_BYTES: usize = 32;

/// What a server must keep secret and must not lose: without it no password of this server is right any more.
pub struct Keys {
    pub(crate) setup: ServerSetup<Suite>,
    pub(crate) token_seed: Secret<[u8; SEED_BYTES]>,
}

/// Why bytes are not a server's keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeysError {
    /// Written by a newer program.
    #[error("the server's keys have the unknown version {0}")]
    Version(u8),
    /// Cut off or changed.
    #[error("the server's keys are damaged")]
    Damaged,
}

impl Keys {
    /// Makes the keys of a new server.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        let mut token_seed = Zeroizing::new([0; SEED_BYTES]);
        rng.fill_bytes(token_seed.as_mut());
        Self { setup: ServerSetup::new(&mut OpaqueRng(rng)), token_seed: Secret::new(*token_seed) }
    }

    /// The bytes for the file: version, OPAQUE setup, seed of the Ed25519 key.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(1 + SETUP_BYTES + SEED_BYTES));
        let setup = Zeroizing::new(<[u8; SETUP_BYTES]>::from(self.setup.serialize()));
        bytes.push(VERSION);
        bytes.extend_from_slice(setup.as_ref());
        bytes.extend_from_slice(self.token_seed.expose());
        bytes
    }

    /// Reads what [`Keys::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeysError> {
        let (version, rest) = bytes.split_first().ok_or(KeysError::Damaged)?;
        if *version != VERSION {
            return Err(KeysError::Version(*version));
        }
        let (setup, seed) = rest.split_at_checked(SETUP_BYTES).ok_or(KeysError::Damaged)?;
        let setup = ServerSetup::deserialize(setup).map_err(|_| KeysError::Damaged)?;
        let token_seed = Secret::new(seed.try_into().map_err(|_| KeysError::Damaged)?);
        Ok(Self { setup, token_seed })
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(…)")
    }
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng as _;

    use super::*;

    fn keys() -> Keys {
        Keys::generate(&mut ChaCha20Rng::seed_from_u64(1))
    }

    #[test]
    fn keys_survive_bytes() {
        let bytes = keys().to_bytes();
        assert_eq!(bytes.len(), 161);
        assert_eq!(Keys::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    }

    #[test]
    fn damaged_keys_and_newer_ones_are_refused() {
        let bytes = keys().to_bytes();
        assert_eq!(Keys::from_bytes(&[]).unwrap_err(), KeysError::Damaged);
        assert_eq!(Keys::from_bytes(&bytes[..160]).unwrap_err(), KeysError::Damaged);
        assert_eq!(Keys::from_bytes(&[&bytes[..], &[0]].concat()).unwrap_err(), KeysError::Damaged);
        assert_eq!(Keys::from_bytes(&[&[2], &bytes[1..]].concat()).unwrap_err(), KeysError::Version(2));
    }

    #[test]
    fn keys_cannot_be_printed() {
        assert_eq!(format!("{:?}", keys()), "Keys(…)");
    }
}
