//! Hedging: a generator that repeats itself does not repeat keys.

use rand_core::{SeedableRng, TryCryptoRng, TryRng};

use super::hedged;
use crate::secret::Secret;

/// A source stuck at one value, as after the cloning of a virtual machine.
struct Stuck;

impl TryRng for Stuck {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        Ok(7)
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        Ok(7)
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill(7);
        Ok(())
    }
}

impl TryCryptoRng for Stuck {}

#[test]
fn t12_repeated_randomness_gives_other_keys_in_another_state_or_for_another_purpose() {
    let (before, after) = (Secret::new([1; 32]), Secret::new([2; 32]));
    let key = hedged::<32>(&mut Stuck, &before, b"ratchet key");
    assert_eq!(key, hedged::<32>(&mut Stuck, &before, b"ratchet key"));
    assert_ne!(key, hedged::<32>(&mut Stuck, &after, b"ratchet key"));
    assert_ne!(key, hedged::<32>(&mut Stuck, &before, b"encapsulation coins"));
}

#[test]
fn t12_randomness_counts_although_the_state_is_the_same() {
    let state = Secret::new([1; 32]);
    let mut rng = rand_chacha::ChaCha20Rng::seed_from_u64(1);
    assert_ne!(hedged::<32>(&mut rng, &state, b""), hedged::<32>(&mut rng, &state, b""));
}
