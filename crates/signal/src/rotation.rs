//! When a device makes new prekeys and drops old ones.
//!
//! A pure rule: the caller says what it has, and gets what to do. Invariants: no key is dropped that a bundle fetched within the last
//! [`GRACE_MS`] may name; the newest signed and last-resort keys are never dropped; the answer depends on numbers and ages alone, so that
//! refilling tells a server nothing about who used a key.

/// One-time keys (Curve25519 and Kyber alike) are refilled up to this number.
pub const ONE_TIME_FULL: u32 = 100;

/// Refilling begins when fewer than this number are left, in batches so that the moment says little.
pub const ONE_TIME_LOW: u32 = 20;

/// Age at which a signed or last-resort prekey is replaced, in milliseconds (2 days).
pub const ROTATION_MS: u64 = 2 * DAY_MS;

/// How long a replaced key is kept for messages under way, in milliseconds: the 30 days that a first message may wait on a server and the
/// 30 that an initiator may go on using its session unanswered.
pub const GRACE_MS: u64 = 60 * DAY_MS;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A signed or last-resort prekey that the device holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldKey {
    /// Its id.
    pub id: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_ms: u64,
}

/// What the device and its directory hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock<'a> {
    /// Signed prekeys, in any order.
    pub signed: &'a [HeldKey],
    /// Last-resort Kyber prekeys, in any order.
    pub last_resort: &'a [HeldKey],
    /// One-time Curve25519 prekeys that the directory still has.
    pub one_time: u32,
    /// One-time Kyber prekeys that the directory still has.
    pub kyber: u32,
}

/// What to do now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Make and publish a signed prekey.
    pub new_signed: bool,
    /// Make and publish a last-resort Kyber prekey.
    pub new_last_resort: bool,
    /// Make and publish so many one-time Curve25519 prekeys.
    pub new_one_time: u32,
    /// Make and publish so many one-time Kyber prekeys.
    pub new_kyber: u32,
    /// Drop these signed prekeys.
    pub drop_signed: Vec<u32>,
    /// Drop these last-resort prekeys, and what is remembered of their uses.
    pub drop_last_resort: Vec<u32>,
}

/// The plan for a stock at `now_ms` (milliseconds since 1970). A clock that was set back delays rotation and drops nothing.
#[must_use]
pub fn plan(stock: &Stock<'_>, now_ms: u64) -> Plan {
    Plan {
        new_signed: is_due(stock.signed, now_ms),
        new_last_resort: is_due(stock.last_resort, now_ms),
        new_one_time: missing(stock.one_time),
        new_kyber: missing(stock.kyber),
        drop_signed: expired(stock.signed, now_ms),
        drop_last_resort: expired(stock.last_resort, now_ms),
    }
}

fn is_due(keys: &[HeldKey], now_ms: u64) -> bool {
    keys.iter().all(|key| now_ms.saturating_sub(key.created_ms) >= ROTATION_MS)
}

fn missing(left: u32) -> u32 {
    if left < ONE_TIME_LOW { ONE_TIME_FULL - left } else { 0 }
}

/// A key is no longer handed out once a newer one exists; its grace begins then.
fn expired(keys: &[HeldKey], now_ms: u64) -> Vec<u32> {
    let replaced_ms = |key: &HeldKey| {
        keys.iter().map(|other| other.created_ms).filter(|other| *other > key.created_ms).min()
    };
    let is_expired =
        |key: &&HeldKey| replaced_ms(key).is_some_and(|replaced| now_ms.saturating_sub(replaced) >= GRACE_MS);
    keys.iter().filter(is_expired).map(|key| key.id).collect()
}

#[cfg(test)]
mod tests {
    use super::{DAY_MS, GRACE_MS, HeldKey, ONE_TIME_FULL, ONE_TIME_LOW, Plan, ROTATION_MS, Stock, plan};

    const NOW_MS: u64 = 1_780_000_000_000;

    fn key(id: u32, age_ms: u64) -> HeldKey {
        HeldKey { id, created_ms: NOW_MS - age_ms }
    }

    fn with<'a>(signed: &'a [HeldKey], last_resort: &'a [HeldKey]) -> Plan {
        plan(&Stock { signed, last_resort, one_time: ONE_TIME_FULL, kyber: ONE_TIME_FULL }, NOW_MS)
    }

    #[test]
    fn a_new_device_makes_everything() {
        let made = plan(&Stock { signed: &[], last_resort: &[], one_time: 0, kyber: 0 }, NOW_MS);
        assert!(made.new_signed && made.new_last_resort);
        assert_eq!((made.new_one_time, made.new_kyber), (ONE_TIME_FULL, ONE_TIME_FULL));
    }

    #[test]
    fn keys_are_replaced_at_two_days() {
        let young = [key(1, ROTATION_MS - 1)];
        let due = [key(1, ROTATION_MS)];
        assert_eq!(with(&young, &young), Plan::default());
        assert!(with(&due, &young).new_signed);
        assert!(with(&young, &due).new_last_resort);
    }

    #[test]
    fn replaced_keys_are_dropped_after_their_grace_and_the_newest_never() {
        let kept = [key(1, GRACE_MS + 2 * DAY_MS), key(2, GRACE_MS - 1)];
        assert_eq!(with(&kept, &kept).drop_signed, Vec::<u32>::new());
        let dropped = [key(1, GRACE_MS + 2 * DAY_MS), key(2, GRACE_MS), key(3, 0)];
        assert_eq!(with(&dropped, &dropped).drop_last_resort, [1]);
        assert_eq!(with(&[key(7, 10 * GRACE_MS)], &[]).drop_signed, Vec::<u32>::new());
    }

    #[test]
    fn t05_one_time_keys_are_refilled_in_batches() {
        let stock = |one_time, kyber| plan(&Stock { signed: &[], last_resort: &[], one_time, kyber }, NOW_MS);
        assert_eq!(stock(ONE_TIME_LOW, ONE_TIME_LOW - 1).new_one_time, 0);
        assert_eq!(stock(ONE_TIME_LOW, ONE_TIME_LOW - 1).new_kyber, ONE_TIME_FULL - ONE_TIME_LOW + 1);
    }

    #[test]
    fn a_clock_set_back_drops_nothing() {
        let future = [
            HeldKey { id: 1, created_ms: NOW_MS + GRACE_MS },
            HeldKey { id: 2, created_ms: NOW_MS + 2 * GRACE_MS },
        ];
        assert_eq!(with(&future, &future), Plan::default());
    }
}
