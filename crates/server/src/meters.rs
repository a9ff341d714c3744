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
    /// Publishing of prekeys.
    pub(crate) key_uploads: AccountMeter,
    /// Permits to put bodies; as often as messages.
    pub(crate) uploads: AccountMeter,
    /// Pages of synchronisations.
    pub(crate) syncs: AccountMeter,
    /// Reports of what was shown; each is pushed to others and may be stored.
    pub(crate) reads: AccountMeter,
    /// Blocks, and their ends.
    pub(crate) blocks: AccountMeter,
    /// Moods; each is pushed to all contacts.
    pub(crate) moods: AccountMeter,
    /// Notices of typing.
    pub(crate) typing: AccountMeter,
}

/// Meters of one kind before idle ones are looked for.
const METERS_BEFORE_SWEEP: usize = 10_000;

impl Meters {
    pub(crate) fn new(policy: &Policy) -> Self {
        let per_second = policy.max_messages_per_sec;
        let messages = Quota::new(per_second, 1000, per_second.saturating_mul(4));
        Self {
            messages: AccountMeter::new(messages),
            contacts: AccountMeter::new(Quota::new(20, 60_000, 20)),
            contact_answers: AccountMeter::new(Quota::new(60, 60_000, 60)),
            key_fetches: AccountMeter::new(Quota::new(30, 60_000, 30)),
            key_uploads: AccountMeter::new(Quota::new(60, 60_000, 60)),
            uploads: AccountMeter::new(messages),
            syncs: AccountMeter::new(Quota::new(2, 1000, 300)),
            reads: AccountMeter::new(Quota::new(1, 1000, 60)),
            blocks: AccountMeter::new(Quota::new(30, 60_000, 30)),
            moods: AccountMeter::new(Quota::new(30, 60_000, 30)),
            typing: AccountMeter::new(Quota::new(2, 1000, 10)),
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
