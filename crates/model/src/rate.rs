//! A limit on how often something may happen: the generic cell rate algorithm (ITU-T I.371, "virtual scheduling").
//!
//! Invariants: pure, the time is given; one `Timestamp` of state per limited thing; a clock that steps back never
//! locks anybody out for longer than the burst takes.

use crate::Timestamp;

/// How often, and how many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Milliseconds that each event costs.
    pub interval_ms: u64,
    /// Events that may come at once after a pause; at least 1.
    pub burst: u32,
}

impl Quota {
    /// `count` events in each `period_ms` on average, at most `burst` at once.
    ///
    /// `count` and `burst` of 0 count as 1.
    #[must_use]
    pub const fn new(count: u32, period_ms: u64, burst: u32) -> Self {
        let count = if count == 0 { 1 } else { count };
        let burst = if burst == 0 { 1 } else { burst };
        let interval_ms = period_ms / count as u64;
        Self { interval_ms: if interval_ms == 0 { 1 } else { interval_ms }, burst }
    }
}

/// The state of one limited thing. `Default` is "nothing happened yet".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meter {
    /// When the next event would be exactly on time.
    next: Timestamp,
}

impl Meter {
    /// Counts one event at `now`, or says how many milliseconds to wait; a refused event is not counted.
    pub const fn admit(&mut self, quota: Quota, now: Timestamp) -> Result<(), u64> {
        let tolerance_ms = quota.interval_ms.saturating_mul(quota.burst as u64 - 1);
        // After a step back of the clock the debt may not exceed a full burst.
        let latest = now.plus_ms(tolerance_ms.saturating_add(quota.interval_ms));
        let next = if self.next.as_ms() > latest.as_ms() { latest } else { self.next };
        let ahead_ms = next.ms_since(now);
        if ahead_ms > tolerance_ms {
            return Err(ahead_ms - tolerance_ms);
        }
        let base = if next.as_ms() > now.as_ms() { next } else { now };
        self.next = base.plus_ms(quota.interval_ms);
        Ok(())
    }

    /// True when forgetting this meter changes nothing.
    #[must_use]
    pub const fn is_idle(&self, now: Timestamp) -> bool {
        self.next.as_ms() <= now.as_ms()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE_A_SECOND: Quota = Quota::new(5, 1000, 10);

    // T71: the limit is exact, with bursts.
    #[test]
    fn a_burst_passes_then_one_every_interval() {
        let mut meter = Meter::default();
        let start = Timestamp::from_ms(1_000_000);
        let passed = (0..100).filter(|_| meter.admit(FIVE_A_SECOND, start).is_ok()).count();
        assert_eq!(passed, 10);
        assert_eq!(meter.admit(FIVE_A_SECOND, start), Err(200));
        assert_eq!(meter.admit(FIVE_A_SECOND, start.plus_ms(199)), Err(1));
        assert_eq!(meter.admit(FIVE_A_SECOND, start.plus_ms(200)), Ok(()));
    }

    #[test]
    fn a_clock_that_steps_back_does_not_lock_out() {
        let mut meter = Meter::default();
        for _ in 0..10 {
            meter.admit(FIVE_A_SECOND, Timestamp::from_ms(9_000_000)).unwrap();
        }
        let wait_ms = meter.admit(FIVE_A_SECOND, Timestamp::from_ms(1000)).unwrap_err();
        assert!(wait_ms <= 2000, "{wait_ms}");
    }

    #[test]
    fn idle_meters_can_be_forgotten() {
        let mut meter = Meter::default();
        let now = Timestamp::from_ms(5000);
        meter.admit(FIVE_A_SECOND, now).unwrap();
        assert!(!meter.is_idle(now));
        assert!(meter.is_idle(now.plus_ms(200)));
    }
}
