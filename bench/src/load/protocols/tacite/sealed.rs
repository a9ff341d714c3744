//! What a sealed text looks like to a server: random bytes of the true size.
//!
//! Invariant: [`SEALED_BYTES`] is what a client makes of a text of [`PAYLOAD_BYTES`] in an ongoing conversation; a test seals
//! one and compares.

use rand_core::CryptoRng;

use crate::load::payload::PAYLOAD_BYTES;

/// Bytes of a sealed text of [`PAYLOAD_BYTES`].
pub(super) const SEALED_BYTES: usize = 972;
const _: () = assert!(SEALED_BYTES >= PAYLOAD_BYTES);

/// A sealed text, as far as anybody can tell who has no key.
pub(super) fn random(rng: &mut dyn CryptoRng) -> Vec<u8> {
    let mut sealed = vec![0; SEALED_BYTES];
    rng.fill_bytes(&mut sealed);
    sealed
}

#[cfg(test)]
mod tests;
