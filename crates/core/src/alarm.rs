//! The timer that the contract asks of a driver, by a clock that may be set at any time.
//!
//! Invariants: it rings when the earliest planned time has come; it rings too when the clock was set back since it was last
//! looked at, because everything planned by the old clock is void then; it never lets a driver sleep longer than a minute, so
//! that a clock which was set meanwhile is noticed.

use tacite_model::Timestamp;

/// Longest sleep, milliseconds.
const SLEEP_MS_MAX: u64 = 60_000;

/// When a driver hands in [`Input::Timer`](crate::Input::Timer).
#[derive(Debug, Clone, Copy)]
pub struct Alarm {
    rings_at: Option<Timestamp>,
    /// What the clock showed last.
    looked_at: Timestamp,
}

impl Alarm {
    /// Nothing is planned; the clock shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self { rings_at: None, looked_at: now }
    }

    /// Plans a ring, for [`Effect::WakeAt`](crate::Effect::WakeAt). What is planned for earlier stays.
    pub fn set(&mut self, at: Timestamp) {
        self.rings_at = Some(self.rings_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// The clock shows `now`. To be told before each input, because what comes of the input is planned by the clock as it is then.
    pub fn look(&mut self, now: Timestamp) {
        if now < self.looked_at {
            self.rings_at = Some(now);
        }
        self.looked_at = now;
    }

    /// Whether the timer is to be handed in at `now`; it rings once.
    pub fn rings(&mut self, now: Timestamp) -> bool {
        self.look(now);
        self.rings_at.take_if(|at| *at <= now).is_some()
    }

    /// How long to sleep at `now` before asking again, milliseconds.
    #[must_use]
    pub fn sleep_ms(&self, now: Timestamp) -> u64 {
        self.rings_at.map_or(SLEEP_MS_MAX, |at| at.ms_since(now).min(SLEEP_MS_MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: u64 = 24 * 3_600_000;

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(10 * DAY_MS + ms)
    }

    #[test]
    fn it_rings_once_when_the_earliest_time_has_come() {
        let mut alarm = Alarm::new(at(0));
        assert!(!alarm.rings(at(5000)));
        alarm.set(at(7000));
        alarm.set(at(6000));
        alarm.set(at(8000));
        assert_eq!(alarm.sleep_ms(at(5000)), 1000);
        assert!(!alarm.rings(at(5999)));
        assert!(alarm.rings(at(6000)));
        assert!(!alarm.rings(at(9000)), "the others were said to the engine's earlier self");
    }

    #[test]
    fn nobody_sleeps_longer_than_a_minute() {
        let mut alarm = Alarm::new(at(0));
        assert_eq!(alarm.sleep_ms(at(0)), 60_000);
        alarm.set(at(DAY_MS));
        assert_eq!(alarm.sleep_ms(at(0)), 60_000);
        assert_eq!(alarm.sleep_ms(at(2 * DAY_MS)), 0);
    }

    // T70
    #[test]
    fn t70_a_clock_set_back_rings_at_once() {
        let mut alarm = Alarm::new(at(DAY_MS));
        alarm.set(at(DAY_MS + 500));
        assert!(alarm.rings(at(10)));
        assert!(!alarm.rings(at(10)));
    }

    // T70: it was ahead only while something was planned, and nobody looked at it when it rang.
    #[test]
    fn t70_a_clock_set_forward_and_back_again_rings_at_once() {
        let mut alarm = Alarm::new(at(0));
        alarm.look(at(DAY_MS));
        alarm.set(at(DAY_MS + 500));
        assert!(alarm.rings(at(1000)));
    }

    // T70: an input that comes after the clock was set back does not hide that.
    #[test]
    fn t70_a_look_at_a_clock_set_back_rings_at_once() {
        let mut alarm = Alarm::new(at(DAY_MS));
        alarm.set(at(DAY_MS + 500));
        alarm.look(at(1000));
        assert_eq!(alarm.sleep_ms(at(1000)), 0);
        assert!(alarm.rings(at(1000)));
    }
}
