//! The clock of frames that wait for company ([`crate::link`]): one for all links. Each link's own timer would have to be earlier
//! than the one before, and each of those wakes the thread that sleeps for timers.
//!
//! Invariant: who waits is woken by the next tick, as long as [`Company::run`] runs; it comes at most [`COMPANY`] after somebody
//! began to wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long a frame waits for company at most: writing is the dearest part of a frame's way. Nobody sees so little of what only tells
/// how far a message is, and a sender has others to send meanwhile.
pub(crate) const COMPANY: Duration = Duration::from_millis(5);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Company {
    count: AtomicU64,
    ticks: Notify,
    wanted: Notify,
}

impl Company {
    /// How often it has ticked.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Acquire)
    }

    /// Comes once it has ticked more often than this.
    pub(crate) async fn after(&self, count: u64) {
        loop {
            let tick = self.ticks.notified();
            if self.count() > count {
                return;
            }
            self.wanted.notify_one();
            tick.await;
        }
    }

    /// Ticks while somebody waits, until told to stop.
    pub(crate) async fn run(&self, stop: &CancellationToken) {
        let ticking = async {
            loop {
                self.wanted.notified().await;
                sleep(COMPANY).await;
                self.count.fetch_add(1, Ordering::Release);
                self.ticks.notify_waiters();
            }
        };
        let _: Option<()> = stop.run_until_cancelled(ticking).await;
    }
}
