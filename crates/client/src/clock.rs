//! The two things that the engine is given from outside: the time and a random source.
//!
//! Invariant: nothing else in this crate reads the wall clock or the operating system's randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use getrandom::SysRng;
use rand_core::UnwrapErr;
use tacite_model::Timestamp;

/// The time by this machine's clock.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is where the driver takes the time from")]
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_ms(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// The operating system's random source. Panics if the system has none: nothing safe can be done then.
#[must_use]
pub const fn random_source() -> UnwrapErr<SysRng> {
    UnwrapErr(SysRng)
}
