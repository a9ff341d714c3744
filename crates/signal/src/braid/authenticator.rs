//! The keys that bind the braid's objects to the session (section 6.6).
//!
//! Invariant: the root only moves forward; a MAC key belongs to one epoch secret.

use subtle::ConstantTimeEq;

use super::kem::{CIPHERTEXT1_LENGTH, CIPHERTEXT2_LENGTH, HEADER_LENGTH};
use crate::{
    codec::{Reader, StoredError, Writer},
    kdf::{ZERO_SALT, hkdf, hmac, split2},
    secret::Secret,
};

/// Name and parameters of the protocol, the beginning of every label.
const PROTOCOL: &[u8] = b"Signal_PQCKA_V1_MLKEM768";

/// Bytes of a MAC over a header or a ciphertext.
pub(super) const BRAID_MAC_LENGTH: usize = 32;

pub(super) type BraidMac = [u8; BRAID_MAC_LENGTH];

/// Root and MAC key.
#[derive(Clone, Debug)]
pub(super) struct Authenticator {
    root: Secret<32>,
    mac_key: Secret<32>,
}

impl Authenticator {
    /// From the handshake's authentication key.
    pub(super) fn new(authentication_key: &Secret<32>) -> Self {
        let zero = Self { root: Secret::new(ZERO_SALT), mac_key: Secret::new(ZERO_SALT) };
        zero.updated(1, authentication_key)
    }

    /// After mixing in `key` at `epoch`.
    pub(super) fn updated(&self, epoch: u64, key: &Secret<32>) -> Self {
        let material = Secret::<64>::from_fn(|out| {
            out[..32].copy_from_slice(self.root.expose());
            out[32..].copy_from_slice(key.expose());
        });
        let info: [&[u8]; 3] = [PROTOCOL, b":Authenticator Update", &epoch.to_be_bytes()];
        let (root, mac_key) = split2(&hkdf(&ZERO_SALT, material.expose(), &info));
        Self { root, mac_key }
    }

    pub(super) fn header_mac(&self, epoch: u64, header: &[u8; HEADER_LENGTH]) -> BraidMac {
        *hmac(self.mac_key.expose(), &[PROTOCOL, b":ekheader", &epoch.to_be_bytes(), header]).expose()
    }

    pub(super) fn ciphertext_mac(
        &self,
        epoch: u64,
        first: &[u8; CIPHERTEXT1_LENGTH],
        second: &[u8; CIPHERTEXT2_LENGTH],
    ) -> BraidMac {
        *hmac(self.mac_key.expose(), &[PROTOCOL, b":ciphertext", &epoch.to_be_bytes(), first, second])
            .expose()
    }

    /// A secret of the present state, to mix with randomness.
    pub(super) fn root(&self) -> &Secret<32> {
        &self.root
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.root.expose());
        writer.bytes(self.mac_key.expose());
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(Self { root: reader.secret()?, mac_key: reader.secret()? })
    }
}

/// The secret of an epoch, from the KEM's shared secret.
pub(super) fn epoch_secret(epoch: u64, shared: &Secret<32>) -> Secret<32> {
    hkdf(&ZERO_SALT, shared.expose(), &[PROTOCOL, b":SCKA Key", &epoch.to_be_bytes()])
}

/// Whether two MACs are equal, in constant time.
pub(super) fn macs_equal(expected: &BraidMac, received: &[u8]) -> bool {
    expected.as_slice().ct_eq(received).into()
}

#[cfg(test)]
mod tests;
