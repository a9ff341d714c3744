//! The handshake (signal.org/docs/specifications/pqxdh, section 3 of our specification): the keys of a new session.
//!
//! Invariant: every agreement counts in, in fixed order; both sides get the same keys only if all of them agree.

use zeroize::Zeroizing;

use crate::{
    kdf::{ZERO_SALT, hkdf, split3},
    secret::Secret,
};

/// The keys of a new session.
pub(crate) struct SessionKeys {
    pub(crate) root: Secret<32>,
    pub(crate) chain: Secret<32>,
    /// For the post-quantum ratchet.
    pub(crate) authentication: Secret<32>,
}

/// The agreements DH1, DH2, DH3 and, with a one-time prekey, DH4; then the KEM's secret.
pub(crate) struct Agreements<'a> {
    pub(crate) classical: [&'a Secret<32>; 3],
    pub(crate) one_time: Option<&'a Secret<32>>,
    pub(crate) post_quantum: &'a Secret<32>,
}

impl Agreements<'_> {
    pub(crate) fn keys(&self) -> SessionKeys {
        let mut material = Zeroizing::new(Vec::with_capacity(6 * 32));
        material.extend_from_slice(&[0xFF; 32]);
        for secret in self.classical.into_iter().chain(self.one_time).chain([self.post_quantum]) {
            material.extend_from_slice(secret.expose());
        }
        let label: &[u8] = b"WhisperText_X25519_SHA-256_CRYSTALS-KYBER-1024";
        let (root, chain, authentication) = split3(&hkdf(&ZERO_SALT, &material, &[label]));
        SessionKeys { root, chain, authentication }
    }
}

#[cfg(test)]
mod tests;
