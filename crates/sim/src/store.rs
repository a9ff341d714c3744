//! The server's stores in a world: the real memory stores, which survive a crash of the server, behind a disk that is slow
//! and fails.
//!
//! Invariants: writes of one store take effect one after the other, in the order in which they were asked for; a write is
//! answered after it took effect, or did not; what a crashed server asked for and was not written yet is never written, and
//! a crashed server hears nothing any more.

mod accounts;
mod depot;
mod router;
mod written;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tacite_depot::StoreError;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use crate::dice::Dice;
use crate::plant::Plant;
pub(crate) use written::Written;

/// A store behind a disk, for one life of the server.
pub(crate) struct Slow<S> {
    store: Arc<S>,
    disk: Arc<Disk>,
    alive: Arc<AtomicBool>,
    jobs: mpsc::UnboundedSender<Job>,
}

/// Which stores a simulated server uses.
pub(crate) struct SimParts;

impl tacite_server::Parts for SimParts {
    type Accounts = Slow<tacite_accounts::store::MemoryStore>;
    type Router = Slow<tacite_router::store::MemoryStore>;
    type Depot = Slow<tacite_depot::store::MemoryStore>;
}

/// How the disks of a server are.
pub(crate) struct Disk {
    state: Mutex<State>,
    plant: Option<Plant>,
    marker: Vec<u8>,
}

struct State {
    dice: Dice,
    delay_ms_max: u64,
    full_per_mille: u64,
    unavailable_per_mille: u64,
    failures: u64,
    leaked: bool,
    /// What was written, if somebody wants to know.
    written: Option<Vec<Written>>,
}

/// A write: told how it fails, or to take effect; gives back what answers it.
type Job = Box<dyn FnOnce(Option<StoreError>) -> Pin<Box<dyn Future<Output = Answer> + Send>> + Send>;
type Answer = Box<dyn FnOnce() + Send>;

impl Disk {
    /// A good disk. `marker`: bytes that must never be written to it.
    pub(crate) fn new(dice: Dice, plant: Option<Plant>, marker: Vec<u8>) -> Arc<Self> {
        let state = State {
            dice,
            delay_ms_max: 0,
            full_per_mille: 0,
            unavailable_per_mille: 0,
            failures: 0,
            leaked: false,
            written: None,
        };
        Arc::new(Self { state: Mutex::new(state), plant, marker })
    }

    /// From now on every step takes up to this long, and writes or anything at all fail so many times in a thousand.
    pub(crate) fn set(&self, delay_ms_max: u64, full_per_mille: u64, unavailable_per_mille: u64) {
        let mut state = self.state();
        state.delay_ms_max = delay_ms_max;
        state.full_per_mille = full_per_mille;
        state.unavailable_per_mille = unavailable_per_mille;
    }

    /// How often something failed.
    pub(crate) fn failures(&self) -> u64 {
        self.state().failures
    }

    /// Whether the marker was to be written.
    pub(crate) fn has_leaked(&self) -> bool {
        self.state().leaked
    }

    /// From now on it is noted what is written.
    pub(crate) fn record(&self) {
        self.state().written = Some(Vec::new());
    }

    /// What was written since.
    pub(crate) fn take_written(&self) -> Vec<Written> {
        self.state().written.take().unwrap_or_default()
    }

    fn note(&self, make: impl FnOnce() -> Written) {
        if let Some(written) = &mut self.state().written {
            written.push(make());
        }
    }

    fn look_at(&self, bytes: &[u8]) {
        if crate::wiretap::holds(bytes, &self.marker) {
            self.state().leaked = true;
        }
    }

    async fn pause(&self) {
        let delay_ms = {
            let mut state = self.state();
            let most = state.delay_ms_max;
            if most == 0 { 0 } else { state.dice.between(0, most) }
        };
        if delay_ms > 0 {
            sleep(Duration::from_millis(delay_ms)).await;
        }
    }

    fn failure(&self, is_write: bool) -> Option<StoreError> {
        let mut state = self.state();
        let (full, unavailable) = (state.full_per_mille, state.unavailable_per_mille);
        let error = if is_write && full > 0 && state.dice.per_mille(full) {
            StoreError::Full
        } else if unavailable > 0 && state.dice.per_mille(unavailable) {
            StoreError::Unavailable(String::from("simulated"))
        } else {
            return None;
        };
        state.failures += 1;
        Some(error)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Send + Sync + 'static> Slow<S> {
    /// Puts a store behind a disk for one life of a server. Must be called within a runtime.
    pub(crate) fn new(store: &Arc<S>, disk: &Arc<Disk>, alive: &Arc<AtomicBool>) -> Self {
        let (jobs, queue) = mpsc::unbounded_channel();
        tokio::spawn(write(queue, Arc::clone(disk), Arc::clone(alive)));
        Self { store: Arc::clone(store), disk: Arc::clone(disk), alive: Arc::clone(alive), jobs }
    }

    fn is_planted(&self, plant: Plant) -> bool {
        self.disk.plant == Some(plant)
    }

    /// Queues a write at once; the future waits for its answer.
    fn write<T, F>(
        &self,
        act: impl FnOnce(Arc<S>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + 'static
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let store = Arc::clone(&self.store);
        let job: Job = Box::new(move |failure| {
            Box::pin(async move {
                let outcome = match failure {
                    Some(error) => Err(error),
                    None => act(store).await,
                };
                let tell: Answer = Box::new(move || drop(answer.send(outcome)));
                tell
            })
        });
        // The writer ends with the server only, and then nobody waits.
        let _ = self.jobs.send(job);
        async move {
            match answered.await {
                Ok(outcome) => outcome,
                Err(_) => std::future::pending().await,
            }
        }
    }

    /// A read: sees what has taken effect.
    async fn read<T, F>(&self, read: impl FnOnce(Arc<S>) -> F) -> Result<T, StoreError>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        self.disk.pause().await;
        self.while_alive().await;
        if let Some(error) = self.disk.failure(false) {
            return Err(error);
        }
        let outcome = read(Arc::clone(&self.store)).await;
        self.disk.pause().await;
        self.while_alive().await;
        outcome
    }

    /// Never ends once the server has crashed.
    async fn while_alive(&self) {
        if !self.alive.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    }
}

/// The one writer of a store.
async fn write(mut queue: mpsc::UnboundedReceiver<Job>, disk: Arc<Disk>, alive: Arc<AtomicBool>) {
    let is_alive = || alive.load(Ordering::Relaxed);
    while let Some(job) = queue.recv().await {
        if disk.plant == Some(Plant::AcknowledgeBeforeDurable) {
            sleep(Duration::from_millis(1500)).await;
        }
        disk.pause().await;
        if !is_alive() {
            return;
        }
        let answer = job(disk.failure(true)).await;
        disk.pause().await;
        if !is_alive() {
            return;
        }
        answer();
    }
}
