//! What people say about messages: which one they mean, and how it disappears.
//!
//! Invariant: an [`Expiry`] made by [`Expiry::new`] is within its bounds.

use crate::limits::DISAPPEAR_MS_MAX;
use crate::{AccountId, MessageId};

/// Names a message for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageName {
    /// Who wrote it.
    pub author_id: AccountId,
    /// Chosen by the author's device.
    pub message_id: MessageId,
}

/// How a message disappears by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expiry {
    /// Milliseconds after `start`: 1 to `DISAPPEAR_MS_MAX`.
    pub after_ms: u64,
    /// From when on they are counted.
    pub start: ExpiryStart,
}

/// From when on the time of a message is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryStart {
    /// It is shown to its recipient.
    Read,
    /// It comes to its recipient.
    Receipt,
}

impl Expiry {
    /// What is so if nobody has said otherwise: one hour after it was read.
    pub const DEFAULT: Self = Self { after_ms: 60 * 60 * 1000, start: ExpiryStart::Read };

    /// `None` if the time is not within its bounds.
    #[must_use]
    pub const fn new(after_ms: u64, start: ExpiryStart) -> Option<Self> {
        if after_ms == 0 || after_ms > DISAPPEAR_MS_MAX {
            return None;
        }
        Some(Self { after_ms, start })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_to_disappear_are_bounded_on_both_sides() {
        let is_good = |after_ms| Expiry::new(after_ms, ExpiryStart::Read).is_some();
        assert!(!is_good(0) && is_good(1));
        assert!(is_good(DISAPPEAR_MS_MAX) && !is_good(DISAPPEAR_MS_MAX + 1));
    }
}
