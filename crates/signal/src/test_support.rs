//! For the unit tests: seeded randomness and the known answers of `tests/vectors.json`.

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::Value;

use crate::secret::Secret;

pub(crate) fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

pub(crate) fn vectors(section: &str) -> Value {
    let all: Value = serde_json::from_str(include_str!("../tests/vectors.json")).unwrap();
    all[section].clone()
}

pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

pub(crate) fn secret<const N: usize>(value: &Value) -> Secret<N> {
    Secret::new(array(value))
}

/// `length` bytes of the pattern (start + 7 i) mod 256.
pub(crate) fn pattern(start: u8, length: usize) -> Vec<u8> {
    (0..length).map(|index| start.wrapping_add(u8::try_from(index % 256).unwrap().wrapping_mul(7))).collect()
}
