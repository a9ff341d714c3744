//! How often somebody may try.
//!
//! Invariants: at most [`METERS_MAX`] meters of one kind; a meter in use is never forgotten to make room, so flooding with
//! names cannot buy more tries for one of them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tacite_model::Timestamp;
use tacite_model::limits::METERS_MAX;
use tacite_model::rate::{Meter, Quota};

use crate::AccountsError;

/// One meter for each key, all with the same quota.
pub(crate) struct Meters<K> {
    quota: Quota,
    meters: Mutex<BTreeMap<K, Meter>>,
}

impl<K: Ord> Meters<K> {
    pub(crate) const fn new(quota: Quota) -> Self {
        Self { quota, meters: Mutex::new(BTreeMap::new()) }
    }

    /// Counts one try, or fails with [`AccountsError::TooFast`].
    pub(crate) fn admit(&self, key: K, now: Timestamp) -> Result<(), AccountsError> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= METERS_MAX && !meters.contains_key(&key) {
            meters.retain(|_, meter| !meter.is_idle(now));
            if meters.len() >= METERS_MAX {
                return Err(AccountsError::TooFast { retry_after_ms: self.quota.interval_ms });
            }
        }
        let meter = meters.entry(key).or_default();
        meter.admit(self.quota, now).map_err(|retry_after_ms| AccountsError::TooFast { retry_after_ms })
    }

    /// Forgets the tries of `key`, because one of them was right.
    pub(crate) fn forget(&self, key: &K) {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_000_000);

    #[test]
    fn meters_are_bounded_and_none_in_use_is_forgotten() {
        let meters = Meters::new(Quota::new(1, 60_000, 1));
        for key in 0..METERS_MAX {
            meters.admit(key, NOW).unwrap();
        }
        let refused = AccountsError::TooFast { retry_after_ms: 60_000 };
        assert_eq!(meters.admit(METERS_MAX, NOW), Err(refused.clone()), "no room for one more");
        assert_eq!(meters.admit(0, NOW), Err(refused), "the first is still counted");
        assert_eq!(meters.admit(METERS_MAX, NOW.plus_ms(60_000)), Ok(()), "idle ones make room");
    }

    #[test]
    fn keys_do_not_share_a_quota() {
        let meters = Meters::new(Quota::new(1, 60_000, 1));
        meters.admit("alice", NOW).unwrap();
        meters.admit("bob", NOW).unwrap();
        assert!(meters.admit("alice", NOW).is_err());
        meters.forget(&"alice");
        assert_eq!(meters.admit("alice", NOW), Ok(()));
    }
}
