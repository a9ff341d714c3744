//! ML-KEM-768 (FIPS 203) with the encapsulation split in two (section 6.5).
//!
//! Invariant: only seeds and coins are kept between steps. The library's own intermediate states differ between processor back ends, so
//! they are computed again where they are needed, and never stored.

use libcrux_ml_kem::mlkem768::incremental::{
    COMPRESSED_KEYPAIR_LEN, Ciphertext1, Ciphertext2, decapsulate_compressed_key, encaps_state_len,
    encapsulate1, encapsulate2, generate_key_pair_compressed, validate_pk_bytes,
};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// Bytes of ρ ‖ SHA3-256(ek).
pub(super) const HEADER_LENGTH: usize = 64;
/// Bytes of the encapsulation key's vector.
pub(super) const VECTOR_LENGTH: usize = 1152;
/// Bytes of the ciphertext's first part.
pub(super) const CIPHERTEXT1_LENGTH: usize = 960;
/// Bytes of the ciphertext's second part.
pub(super) const CIPHERTEXT2_LENGTH: usize = 128;

/// The public parts of the key pair that grows from a seed.
pub(super) struct SplitKey {
    pub(super) header: [u8; HEADER_LENGTH],
    pub(super) vector: Box<[u8; VECTOR_LENGTH]>,
}

/// The public parts of the key pair of `d ‖ z`.
pub(super) fn split_key(seed: &Secret<64>) -> SplitKey {
    let pair = key_pair(seed);
    let vector = pair[VECTOR_LENGTH..].first_chunk().expect("the key pair contains the public key");
    let header = pair[2 * VECTOR_LENGTH..].first_chunk().expect("the key pair contains ρ and the hash");
    SplitKey { header: *header, vector: Box::new(*vector) }
}

/// The ciphertext's first part and the shared secret; needs only the header.
pub(super) fn encapsulate_first(
    header: &[u8; HEADER_LENGTH],
    coins: &Secret<32>,
) -> (Box<[u8; CIPHERTEXT1_LENGTH]>, Secret<32>) {
    let (first, shared, _) = first_half(header, coins);
    (Box::new(first.value), shared)
}

/// Whether the vector is the one that the header announced, and reduced.
pub(super) fn vector_belongs(header: &[u8; HEADER_LENGTH], vector: &[u8; VECTOR_LENGTH]) -> bool {
    validate_pk_bytes(header, vector).is_ok()
}

/// The ciphertext's second part; the caller has asked [`vector_belongs`].
pub(super) fn encapsulate_second(
    header: &[u8; HEADER_LENGTH],
    coins: &Secret<32>,
    vector: &[u8; VECTOR_LENGTH],
) -> [u8; CIPHERTEXT2_LENGTH] {
    let (_, _, state) = first_half(header, coins);
    encapsulate2(&state, vector).value
}

/// The shared secret in a ciphertext; a bad one gives an unrelated secret (implicit rejection).
pub(super) fn decapsulate(
    seed: &Secret<64>,
    first: &[u8; CIPHERTEXT1_LENGTH],
    second: &[u8; CIPHERTEXT2_LENGTH],
) -> Secret<32> {
    let pair = key_pair(seed);
    let (first, second) = (Ciphertext1 { value: *first }, Ciphertext2 { value: *second });
    Secret::new(decapsulate_compressed_key(&pair, &first, &second))
}

type EncapsulationState = Zeroizing<[u8; encaps_state_len()]>;

fn first_half(
    header: &[u8; HEADER_LENGTH],
    coins: &Secret<32>,
) -> (Ciphertext1, Secret<32>, EncapsulationState) {
    let mut state = Zeroizing::new([0; encaps_state_len()]);
    let mut shared = Zeroizing::new([0; 32]);
    let first = encapsulate1(header, *coins.expose(), state.as_mut_slice(), shared.as_mut_slice())
        .expect("all lengths are the library's own");
    (first, Secret::new(*shared), state)
}

/// The FIPS 203 decapsulation key: its vector, the public vector, ρ, the hash of the public key, z.
fn key_pair(seed: &Secret<64>) -> Zeroizing<[u8; COMPRESSED_KEYPAIR_LEN]> {
    let mut pair = Zeroizing::new([0; COMPRESSED_KEYPAIR_LEN]);
    generate_key_pair_compressed(*seed.expose(), &mut pair);
    pair
}

#[cfg(test)]
mod tests;
