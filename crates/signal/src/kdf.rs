//! HMAC-SHA-256 and HKDF-SHA-256 (RFC 2104, RFC 5869) in the shapes that the protocol uses.
//!
//! Invariant: outputs are [`Secret`]s; intermediate hash states are wiped by their own crates.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;

use crate::secret::Secret;

/// "No salt" and the key Z of the specification.
pub(crate) const ZERO_SALT: [u8; 32] = [0; 32];

/// `HMAC(key, parts[0] ‖ parts[1] ‖ …)`.
pub(crate) fn hmac(key: &[u8; 32], parts: &[&[u8]]) -> Secret<32> {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    for part in parts {
        mac.update(part);
    }
    Secret::from_fn(|out| out.copy_from_slice(&mac.finalize().into_bytes()))
}

/// `HKDF(salt, ikm, info[0] ‖ info[1] ‖ …, N)`; `N` is far below the limit of 255 blocks.
pub(crate) fn hkdf<const N: usize>(salt: &[u8; 32], ikm: &[u8], info: &[&[u8]]) -> Secret<N> {
    let extracted = Hkdf::<Sha256>::new(Some(salt), ikm);
    Secret::from_fn(|out| extracted.expand_multi_info(info, out).expect("the length is a small constant"))
}

/// Cuts 96 bytes of key material into three keys.
pub(crate) fn split3(material: &Secret<96>) -> (Secret<32>, Secret<32>, Secret<32>) {
    let bytes = material.expose();
    (Secret::copy_of(&bytes[..32]), Secret::copy_of(&bytes[32..64]), Secret::copy_of(&bytes[64..]))
}

/// Cuts 64 bytes of key material into two keys.
pub(crate) fn split2(material: &Secret<64>) -> (Secret<32>, Secret<32>) {
    let bytes = material.expose();
    (Secret::copy_of(&bytes[..32]), Secret::copy_of(&bytes[32..]))
}

/// `N` bytes for a new key: fresh randomness mixed with a secret of the session's present state. A generator that repeats its output
/// (a cloned virtual machine, a broken source) then still gives different keys in different states.
pub(crate) fn hedged<const N: usize>(
    rng: &mut dyn CryptoRng,
    state: &Secret<32>,
    purpose: &[u8],
) -> Secret<N> {
    let fresh = Secret::<32>::from_fn(|out| rng.fill_bytes(out));
    hkdf(fresh.expose(), state.expose(), &[b"Tacite hedged randomness ", purpose])
}

#[cfg(test)]
mod tests;
