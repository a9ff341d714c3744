//! Chance: everything that a world draws comes from here, and with it from the world's seed.
//!
//! Invariant: the same seed and purpose give the same draws; purposes do not disturb each other.

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A source of draws for one purpose.
#[derive(Debug, Clone)]
pub(crate) struct Dice(ChaCha20Rng);

impl Dice {
    /// For a purpose (at most 24 bytes count) of the world with this seed.
    pub(crate) fn new(seed: u64, purpose: &str) -> Self {
        Self(generator(seed, purpose))
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// A number between the two, both included.
    pub(crate) fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.below(most - least + 1)
    }

    /// True so many times in a thousand.
    pub(crate) fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let count = u64::try_from(among.len()).expect("a slice that fits in memory");
        &among[usize::try_from(self.below(count)).expect("below a length")]
    }

    /// An index below `count`.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.below(u64::try_from(count).expect("a small count"))).expect("below a length")
    }

    /// Random bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill_bytes(&mut bytes);
        bytes
    }
}

/// The generator itself, for cores.
pub(crate) fn generator(seed: u64, purpose: &str) -> ChaCha20Rng {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    for (to, from) in bytes[8..].iter_mut().zip(purpose.bytes()) {
        *to = from;
    }
    ChaCha20Rng::from_seed(bytes)
}
