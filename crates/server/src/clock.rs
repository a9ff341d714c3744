//! The server's clock and its source of chance: the only places of this crate that ask for either.
//!
//! Invariant: time follows tokio's clock, so a simulation that pauses it is in command; between two calls it never steps
//! back, whatever the system's clock does.

use std::sync::{Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, SeedableRng as _};
use tacite_model::Timestamp;
use tokio::time::Instant;

/// Tells the time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    /// A clock that shows the system's time now and goes on with tokio's.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is where the server's time comes from")]
        let since_epoch =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let ms = u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX);
        Self::start_at(Timestamp::from_ms(ms))
    }

    /// A clock that shows `at` now.
    #[must_use]
    pub fn start_at(at: Timestamp) -> Self {
        Self { started: Instant::now(), started_at: at }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_at.plus_ms(passed)
    }
}

/// Draws random values.
#[derive(Debug)]
pub struct Chance {
    generator: Mutex<ChaCha20Rng>,
}

impl Chance {
    /// Seeded by the operating system.
    ///
    /// # Panics
    /// If the operating system has no randomness: nothing can be kept safe then.
    #[must_use]
    pub fn from_system() -> Self {
        let mut seed = [0; 32];
        #[expect(clippy::disallowed_methods, reason = "this is where the server's randomness comes from")]
        getrandom::fill(&mut seed).expect("the operating system gives random bytes");
        Self::from_seed(seed)
    }

    /// With a given seed: for simulations.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { generator: Mutex::new(ChaCha20Rng::from_seed(seed)) }
    }

    /// Lends the generator for one draw.
    pub fn with<T>(&self, draw: impl FnOnce(&mut dyn CryptoRng) -> T) -> T {
        draw(&mut *self.generator.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// A generator of its own, for draws that cross an `await`.
    pub fn fork(&self) -> ChaCha20Rng {
        ChaCha20Rng::from_seed(self.bytes())
    }

    /// `N` random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        bytes
    }
}
