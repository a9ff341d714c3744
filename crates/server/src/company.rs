//! The clock of frames that wait for company ([`crate::link`]): one for all links. Each link's own timer would have to be earlier
//! than the one before, and each of those wakes the thread that sleeps for timers.
//!
//! Invariant: who waits is woken by the tick that it waits for, as long as [`Company::run`] runs; each comes at most [`TICK`]
//! after the one before.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Short, so that few links have their frames written at the same tick: what is pushed just then waits for them.
const TICK: Duration = Duration::from_millis(5);
/// A frame that waits for company leaves after so many ticks, 40 to 45 ms: writing is the dearest part of a frame's way. Nobody
/// sees so little of what only tells how far a message is, and a sender has others to send meanwhile.
pub(crate) const COMPANY_TICKS: u64 = 9;
/// Ticks that anybody can wait for at a time.
const TICKS: usize = 10;
const _: () = assert!(COMPANY_TICKS < TICKS as u64);
/// So many frames are company enough: who sends many at once waits for answers.
pub(crate) const COMPANY_FRAMES: u32 = 8;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Company {
    count: AtomicU64,
    /// The last tick that somebody waits for.
    wanted: AtomicU64,
    /// Somebody waits who did not before.
    began: Notify,
    /// Those who wait for a tick: it wakes nobody else.
    ticks: [Notify; TICKS],
}

impl Company {
    /// How often it has ticked.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Comes once it has ticked so often: at most [`COMPANY_TICKS`] more than until now.
    pub(crate) async fn at(&self, count: u64) {
        loop {
            let tick = self.of(count).notified();
            if self.count() >= count {
                return;
            }
            if self.wanted.fetch_max(count, Ordering::AcqRel) < count {
                self.began.notify_one();
            }
            tick.await;
        }
    }

    /// Ticks while somebody waits, until told to stop.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let ticking = async {
            loop {
                while self.count() < self.wanted.load(Ordering::Acquire) {
                    sleep(TICK).await;
                    let count = self.count.fetch_add(1, Ordering::AcqRel) + 1;
                    self.of(count).notify_waiters();
                }
                self.began.notified().await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(ticking).await;
    }

    fn of(&self, count: u64) -> &Notify {
        &self.ticks[usize::try_from(count % TICKS as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_woken_at_its_tick_and_for_nobody_it_ticks() {
        let company = Arc::new(Company::default());
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (company, stop) = (Arc::clone(&company), stop.clone());
            async move { company.run(&stop).await }
        });
        let started = Instant::now();
        for begun in [0, COMPANY_TICKS, 2 * COMPANY_TICKS] {
            assert_eq!(company.count(), begun);
            tokio::join!(company.at(begun + 1), company.at(begun + 2), company.at(begun + COMPANY_TICKS));
            company.at(begun).await;
        }
        assert_eq!(started.elapsed(), TICK * 3 * u32::try_from(COMPANY_TICKS).unwrap());
        // Nobody waits any more.
        sleep(10 * TICK).await;
        assert_eq!(company.count(), 3 * COMPANY_TICKS);
        stop.cancel();
        running.await.unwrap();
    }
}
