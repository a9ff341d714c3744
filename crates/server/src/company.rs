//! The clock of frames that wait for company ([`crate::link`]): one for all links. Each link's own timer would have to be earlier
//! than the one before, and each of those wakes the thread that sleeps for timers.
//!
//! Invariant: who waits is woken by the first tick after the time has come, as long as [`Company::run`] runs; a tick comes a millisecond
//! or two after somebody began to wait.

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// How long a frame waits for company: writing is the dearest part of a frame's way, and of a message that is acknowledged at
/// once both answers leave in one write.
pub(crate) const COMPANY: Duration = Duration::from_millis(1);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Company {
    ticks: Notify,
    wanted: Notify,
}

impl Company {
    /// Comes once this time has come.
    pub(crate) async fn until(&self, at: Instant) {
        while Instant::now() < at {
            let tick = self.ticks.notified();
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
                self.ticks.notify_waiters();
            }
        };
        let _: Option<()> = stop.run_until_cancelled(ticking).await;
    }
}
