//! How often accounts may do things.
//!
//! Invariant: one meter an account and kind, over all its links; idle meters are forgotten, so memory follows activity.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use tacite_model::rate::{Meter, Quota};
use tacite_model::{AccountId, Timestamp};

use crate::refusal::Refusal;
use crate::settings::Policy;

/// Meters of one kind.
#[derive(Debug)]
pub(crate) struct AccountMeter {
    quota: Quota,
    meters: Mutex<HashMap<AccountId, Meter>>,
}

/// Meters of all kinds.
#[derive(Debug)]
pub(crate) struct Meters {
    /// Messages sent.
    pub(crate) messages: AccountMeter,
    /// Contact requests.
    pub(crate) contacts: AccountMeter,
    /// Answers to contact requests: each is pushed to the other side.
    pub(crate) contact_answers: AccountMeter,
    /// Fetching of prekeys, which uses them up (T5).
    pub(crate) key_fetches: AccountMeter,
}

/// Meters of one kind before idle ones are looked for.
const METERS_BEFORE_SWEEP: usize = 10_000;

impl Meters {
    pub(crate) fn new(policy: &Policy) -> Self {
        let per_second = policy.max_messages_per_sec;
        Self {
            messages: AccountMeter::new(Quota::new(per_second, 1000, per_second.saturating_mul(4))),
            contacts: AccountMeter::new(Quota::new(20, 60_000, 20)),
            contact_answers: AccountMeter::new(Quota::new(60, 60_000, 60)),
            key_fetches: AccountMeter::new(Quota::new(30, 60_000, 30)),
        }
    }
}

impl AccountMeter {
    fn new(quota: Quota) -> Self {
        Self { quota, meters: Mutex::default() }
    }

    /// Counts one event, or refuses and says when to try again.
    pub(crate) fn admit(&self, account: AccountId, now: Timestamp) -> Result<(), Refusal> {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        if meters.len() >= METERS_BEFORE_SWEEP {
            meters.retain(|_, meter| !meter.is_idle(now));
        }
        meters.entry(account).or_default().admit(self.quota, now).map_err(Refusal::too_fast)
    }
}
