//! Keeping the server supplied with this device's public prekeys.
//!
//! Invariants: signed and last-resort keys are replaced weekly and kept another thirty days for messages under way; after
//! each sign-in the server is asked how many one-time keys it has left; however often a server says that few are left,
//! new ones are made at most once a minute, and only so many are kept. Keys of a restored vault are replaced soon.

use tacite_model::Timestamp;
use tacite_model::limits::{DAY_MS, KYBER_PREKEYS_PER_UPLOAD_MAX, ONE_TIME_PREKEYS_PER_UPLOAD_MAX};
use tacite_vault::{Account, PrekeyKind};
use tacite_wire::Frame;
use tacite_wire::proto::{KeyCount, PublishKeys};

use super::commands::{Answer, Reply, Waiting};
use super::{Engine, Turn, healing};
use crate::CoreError;
use crate::session::prekeys::{PrekeyMaker, public_half};

/// Age at which a signed or last-resort key is replaced.
const ROTATION_MS: u64 = 7 * DAY_MS;
/// How long a replaced one is kept.
const REPLACED_KEPT_MS: u64 = 30 * DAY_MS;
/// Below so many left on the server, new one-time keys are made.
const ONE_TIME_LOW: usize = ONE_TIME_PREKEYS_PER_UPLOAD_MAX / 2;
/// The same for Kyber keys.
const KYBER_LOW: usize = KYBER_PREKEYS_PER_UPLOAD_MAX / 2;
/// One-time keys of a kind that are kept here: more than a server may keep, because some are on their way.
const ONE_TIME_KEPT_MAX: u32 = 1000;
/// New one-time keys are made at most that often, milliseconds.
const REFILL_PAUSE_MS: u64 = 60_000;
/// Keys that are to replace those of a restored vault are offered again after that long, milliseconds: until then nobody
/// is asked for what the vault missed, and who fetches keys gets such that are gone.
const REPLACE_PAUSE_MS: u64 = 10_000;

/// How publishing stands.
#[derive(Debug, Clone, Default)]
pub(crate) struct Keys {
    /// Whether the server is to be asked.
    due: bool,
    /// Not before.
    retry_at: Option<Timestamp>,
    refilled_at: Option<Timestamp>,
    /// When the newest signed key gets old.
    rotate_at: Option<Timestamp>,
}

impl Keys {
    /// The server is to be asked how many are left.
    pub(super) const fn check(&mut self) {
        self.due = true;
        self.retry_at = None;
    }

    pub(super) const fn forget_link(&mut self) {
        self.retry_at = None;
    }

    /// When there is something to do.
    pub(super) const fn next_at(&self) -> Option<Timestamp> {
        match self.retry_at {
            Some(retry_at) => Some(retry_at),
            None => self.rotate_at,
        }
    }

    fn is_due(&self, now: Timestamp) -> bool {
        let is_old = self.rotate_at.is_some_and(|at| at <= now);
        (self.due || is_old) && self.retry_at.is_none_or(|at| at <= now)
    }

    fn may_refill(&self, now: Timestamp) -> bool {
        self.refilled_at.is_none_or(|at| now.ms_since(at) >= REFILL_PAUSE_MS || at > now)
    }
}

impl Engine {
    pub(super) fn drive_keys(&mut self, turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
        let is_publishing = self.is_waiting(|it| matches!(it, Waiting::PublishKeys { .. }));
        if is_publishing || !self.keys.is_due(turn.now) {
            return Ok(());
        }
        // A new account has none there: no need to ask.
        let is_new = turn.tx.newest_prekey(PrekeyKind::OneTime)?.is_none();
        let knows_count = is_new || turn.tx.are_keys_stale()?;
        self.publish_keys(turn, knows_count.then(KeyCount::default))
    }

    /// `fewk`.
    pub(super) fn keys_low(&mut self, turn: &mut Turn<'_, '_>, frame: &Frame) -> Result<(), CoreError> {
        match self.read::<KeyCount>(turn, frame) {
            Some(count) => self.refill_keys(turn, count),
            None => Ok(()),
        }
    }

    /// Answers to `pubk`.
    pub(super) fn publish_keys_answered(
        &mut self,
        turn: &mut Turn<'_, '_>,
        answer: Answer<'_>,
    ) -> Result<(), CoreError> {
        let Waiting::PublishKeys { signed, replaces } = answer.waiting else { return Ok(()) };
        match answer.reply {
            Reply::Finished => {
                let Some(count) = self.read::<KeyCount>(turn, answer.frame) else { return Ok(()) };
                for id in signed {
                    turn.tx.set_prekey_published(id)?;
                }
                if replaces {
                    turn.tx.set_keys_stale(false)?;
                    // By now the vault has caught up and knows whom to ask.
                    healing::ask_everybody(turn)?;
                }
                self.keys.due = false;
                if is_low(count) { self.refill_keys(turn, count) } else { Ok(()) }
            }
            Reply::Refused(problem) => {
                let least_ms = if replaces { REPLACE_PAUSE_MS } else { REFILL_PAUSE_MS };
                let pause_ms = problem.retry_after_ms.unwrap_or(0).max(least_ms);
                self.keys.retry_at = Some(turn.now.plus_ms(pause_ms));
                self.keys.due = true;
                if !problem.retryable {
                    turn.notice(problem);
                }
                Ok(())
            }
            Reply::InProgress => {
                self.distrust_link(turn);
                Ok(())
            }
        }
    }

    /// Makes and publishes one-time keys, or plans that if it was done just now.
    fn refill_keys(&mut self, turn: &mut Turn<'_, '_>, count: KeyCount) -> Result<(), CoreError> {
        if self.is_waiting(|it| matches!(it, Waiting::PublishKeys { .. })) {
            return Ok(());
        }
        if self.keys.may_refill(turn.now) {
            return self.publish_keys(turn, Some(count));
        }
        self.keys.due = true;
        self.keys.retry_at = self.keys.refilled_at.map(|at| at.plus_ms(REFILL_PAUSE_MS));
        Ok(())
    }

    /// `pubk`: signed keys that the server may not have; one-time keys if it is known how many it has.
    fn publish_keys(&mut self, turn: &mut Turn<'_, '_>, count: Option<KeyCount>) -> Result<(), CoreError> {
        let account = turn.account()?;
        let maker = PrekeyMaker::new(turn.tx, &account, turn.now)?;
        rotate(turn, &account)?;
        let replaces = turn.tx.are_keys_stale()?;
        // As if the server had none: it forgets those that it has.
        let count = if replaces { Some(KeyCount::default()) } else { count };
        let mut body = PublishKeys { replace: replaces, ..PublishKeys::default() };
        let mut signed = Vec::new();
        for (kind, field) in [
            (PrekeyKind::Signed, &mut body.signed_prekey),
            (PrekeyKind::LastResort, &mut body.last_resort_kyber_prekey),
        ] {
            if let Some(prekey) = turn.tx.newest_prekey(kind)?.filter(|prekey| !prekey.published) {
                *field = Some(public_half(&prekey)?);
                signed.push(prekey.id);
            }
        }
        if let Some(count) = count {
            let missing = |target: usize, left: u32| target.saturating_sub(left as usize);
            for _ in 0..missing(ONE_TIME_PREKEYS_PER_UPLOAD_MAX, count.one_time_prekeys) {
                body.one_time_prekeys.push(maker.one_time(turn.rng)?);
            }
            for _ in 0..missing(KYBER_PREKEYS_PER_UPLOAD_MAX, count.kyber_prekeys) {
                body.kyber_prekeys.push(maker.kyber(PrekeyKind::Kyber, turn.rng)?);
            }
            turn.tx.trim_prekeys(PrekeyKind::OneTime, ONE_TIME_KEPT_MAX)?;
            turn.tx.trim_prekeys(PrekeyKind::Kyber, ONE_TIME_KEPT_MAX)?;
            self.keys.refilled_at = Some(turn.now);
        }
        self.keys.retry_at = None;
        let newest = turn.tx.newest_prekey(PrekeyKind::Signed)?;
        self.keys.rotate_at = newest.map(|prekey| prekey.created_at.plus_ms(ROTATION_MS));
        self.command(turn, Waiting::PublishKeys { signed, replaces }, &body)
    }
}

/// Retires all keys that are here, makes new signed and last-resort ones, under ids that no other key ever had, and has all
/// published keys replaced.
pub(super) fn renew_all(turn: &mut Turn<'_, '_>) -> Result<(), CoreError> {
    let account = turn.account()?;
    turn.tx.retire_prekeys()?;
    turn.tx.restart_prekey_ids(turn.rng.next_u32())?;
    let maker = PrekeyMaker::new(turn.tx, &account, turn.now)?;
    maker.signed(turn.rng)?;
    maker.kyber(PrekeyKind::LastResort, turn.rng)?;
    turn.tx.set_keys_stale(true)?;
    Ok(())
}

fn is_low(count: KeyCount) -> bool {
    (count.one_time_prekeys as usize) < ONE_TIME_LOW || (count.kyber_prekeys as usize) < KYBER_LOW
}

/// Replaces signed and last-resort keys that are old, and deletes those replaced long ago.
fn rotate(turn: &mut Turn<'_, '_>, account: &Account) -> Result<(), CoreError> {
    let maker = PrekeyMaker::new(turn.tx, account, turn.now)?;
    for kind in [PrekeyKind::Signed, PrekeyKind::LastResort] {
        let newest = turn.tx.newest_prekey(kind)?;
        if newest.is_some_and(|prekey| turn.now.ms_since(prekey.created_at) < ROTATION_MS) {
            continue;
        }
        if kind == PrekeyKind::Signed {
            maker.signed(turn.rng)?;
        } else {
            maker.kyber(kind, turn.rng)?;
        }
        turn.tx.remove_prekeys_before(kind, turn.now.minus_ms(ROTATION_MS + REPLACED_KEPT_MS))?;
    }
    Ok(())
}
