//! Counts events and lets a task wait for their number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// A count that many connections add to and one task waits for.
#[derive(Debug, Clone, Default)]
pub struct Counter(Arc<(AtomicU64, Notify)>);

impl Counter {
    /// Counts `count` more.
    pub fn add(&self, count: u64) {
        self.0.0.fetch_add(count, Ordering::Relaxed);
        self.0.1.notify_one();
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.0.load(Ordering::Relaxed)
    }

    /// Waits until there are `goal`, or until none came for as long as `patience`; tells whether the goal was reached.
    pub async fn reach(&self, goal: u64, patience: Duration) -> bool {
        loop {
            let before = self.count();
            if before >= goal {
                return true;
            }
            if timeout(patience, self.0.1.notified()).await.is_err() && self.count() == before {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_told_when_the_goal_is_reached() {
        let counter = Counter::default();
        let adding = counter.clone();
        tokio::spawn(async move {
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                adding.add(2);
            }
        });
        assert!(counter.reach(10, Duration::from_secs(10)).await);
        assert!(!counter.reach(11, Duration::from_secs(10)).await, "nothing more comes");
        assert_eq!(counter.count(), 10);
    }
}
