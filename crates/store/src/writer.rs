//! The writer thread: takes what has queued up, runs it in one transaction, commits, answers.
//!
//! Invariants: an answer "done" is sent only after the commit; the thread outlives panics of jobs and ends only when the
//! last handle is dropped, after the queue is empty; at most [`QUEUE_JOBS_MAX`] jobs wait; every job that has run is
//! answered, also when the runtime in which the database was opened has ended.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;
use tokio::sync::oneshot;

use crate::StoreError;
use crate::answers::Answers;

/// Jobs that may wait; one more is refused as overload.
pub(crate) const QUEUE_JOBS_MAX: usize = 16_384;
/// Jobs that share one commit, so that the first of a long queue does not wait for the last.
const GROUP_JOBS_MAX: usize = 512;

/// The writing half of a database. Dropping it waits until the queue has been committed.
#[derive(Debug)]
pub(crate) struct Writer {
    queue: Option<SyncSender<Order>>,
    thread: Option<JoinHandle<()>>,
    tallies: Arc<Tallies>,
}

/// What the thread has done since it began.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    /// Transactions committed.
    commits: AtomicU64,
    /// How often something was undone, or may have been: jobs that failed, groups that were not committed.
    undone: AtomicU64,
}

impl Tallies {
    /// Goes up whenever changes of a job were undone, before the next job runs.
    pub(crate) fn undone(&self) -> u64 {
        self.undone.load(Ordering::Relaxed)
    }
}

impl Writer {
    pub(crate) fn spawn(connection: Connection) -> Result<Self, StoreError> {
        let (queue, orders) = sync_channel(QUEUE_JOBS_MAX);
        let tallies = Arc::new(Tallies::default());
        let count = Arc::clone(&tallies);
        let answers = Answers::of_this_runtime();
        let thread = thread::Builder::new()
            .name(String::from("store-writer"))
            .spawn(move || write_until_closed(&connection, &orders, &answers, &count))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), tallies })
    }

    pub(crate) fn enqueue<T, F>(
        &self,
        work: F,
        guard: Guard,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        self.send(Order::Write(Box::new(Task { work: Some(work), outcome: None, answer }), guard), answered)
    }

    /// See [`crate::Database::truncate_log`].
    pub(crate) fn truncate_log(&self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        self.send(Order::TruncateLog(answer), answered)
    }

    fn send<T: Send + 'static>(
        &self,
        order: Order,
        answered: oneshot::Receiver<Result<T, StoreError>>,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T> {
        let refused = match self.queue.as_ref().map(|queue| queue.try_send(order)) {
            Some(Ok(())) => None,
            Some(Err(TrySendError::Full(_))) => {
                Some(StoreError::Unavailable(String::from("too many jobs wait")))
            }
            Some(Err(TrySendError::Disconnected(_))) | None => Some(StoreError::Closed),
        };
        async move {
            match refused {
                Some(error) => Err(error),
                None => answered.await.unwrap_or(Err(StoreError::Closed)),
            }
        }
    }

    pub(crate) fn commits(&self) -> u64 {
        self.tallies.commits.load(Ordering::Relaxed)
    }

    pub(crate) fn tallies(&self) -> Arc<Tallies> {
        Arc::clone(&self.tallies)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let Some(writer) = self.thread.take() else { return };
        // A job may own the last handle; the writer cannot wait for itself.
        if writer.thread().id() != thread::current().id() && writer.join().is_err() {
            tracing::error!("the writer of a store ended by a panic");
        }
    }
}

/// What the thread is asked to do.
enum Order {
    Write(Box<dyn Job>, Guard),
    TruncateLog(oneshot::Sender<Result<(), StoreError>>),
}

/// What protects the rest of a group from a job that fails after its first change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Guard {
    /// A savepoint: the job's changes alone are undone. SQLite copies every page that the job is the first to touch.
    Savepoint,
    /// Nothing: the group is undone.
    Nothing,
}

/// One queued job, whatever it returns.
trait Job: Send {
    /// Runs the work and keeps what it returns. Called once.
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError>;
    /// Tells the caller: what the work returned, or why the transaction around it failed.
    fn answer(self: Box<Self>, group: Result<(), StoreError>);
}

struct Task<F, T> {
    work: Option<F>,
    outcome: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Job for Task<F, T>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, StoreError> + Send,
{
    fn run(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let work = self.work.take().ok_or(StoreError::Closed)?;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(connection))).unwrap_or_else(|_| {
            tracing::error!("a job of a store panicked");
            Err(StoreError::Misuse(String::from("the job panicked")))
        });
        let failed = outcome.as_ref().err().cloned();
        self.outcome = Some(outcome);
        failed.map_or(Ok(()), Err)
    }

    fn answer(self: Box<Self>, group: Result<(), StoreError>) {
        let outcome = match (self.outcome, group) {
            // The job's own error says more than the group's.
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(error)) => Err(error),
            (None, Ok(())) => Err(StoreError::Closed),
        };
        // A caller that no longer waits is no error.
        let _ = self.answer.send(outcome);
    }
}

/// The jobs of a group that was committed, or not. They are answered when it is dropped, wherever that is.
struct Group {
    jobs: Vec<Box<dyn Job>>,
    outcome: Result<(), StoreError>,
}

impl Drop for Group {
    fn drop(&mut self) {
        for job in self.jobs.drain(..) {
            job.answer(self.outcome.clone());
        }
    }
}

fn write_until_closed(
    connection: &Connection,
    orders: &Receiver<Order>,
    answers: &Answers<Group>,
    tallies: &Tallies,
) {
    while let Ok(first) = orders.recv() {
        let (mut waiting, mut truncations) = (VecDeque::new(), Vec::new());
        for order in std::iter::once(first).chain(orders.try_iter().take(GROUP_JOBS_MAX - 1)) {
            match order {
                Order::Write(job, guard) => waiting.push_back((job, guard)),
                Order::TruncateLog(answer) => truncations.push(answer),
            }
        }
        while !waiting.is_empty() {
            let mut done = Vec::with_capacity(waiting.len());
            let outcome = commit_group(connection, &mut waiting, &mut done, tallies);
            if let Err(error) = &outcome {
                tallies.undone.fetch_add(1, Ordering::Relaxed);
                // The operator's disk, not our bug: whoever asked for the writes is answered and decides.
                tracing::warn!(%error, jobs = done.len(), "a group of writes was not committed");
            } else {
                tallies.commits.fetch_add(1, Ordering::Relaxed);
            }
            answers.give(Group { jobs: done, outcome });
        }
        if !truncations.is_empty() {
            let outcome = truncate_log(connection);
            for answer in truncations {
                let _ = answer.send(outcome.clone());
            }
        }
    }
}

/// Copies the log into the database and cuts it to nothing.
fn truncate_log(connection: &Connection) -> Result<(), StoreError> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Err(StoreError::Unavailable(String::from("readers keep the log in use")));
    }
    Ok(())
}

/// Runs jobs from `waiting` in one transaction and moves them to `done`.
///
/// A full disk can make SQLite undo the whole transaction in the middle, and so does a job without a savepoint that fails
/// after a change: then those that ran have failed and the others still wait, to be tried in a transaction of their own.
fn commit_group(
    connection: &Connection,
    waiting: &mut VecDeque<(Box<dyn Job>, Guard)>,
    done: &mut Vec<Box<dyn Job>>,
    tallies: &Tallies,
) -> Result<(), StoreError> {
    if let Err(error) = execute(connection, "BEGIN IMMEDIATE") {
        done.extend(waiting.drain(..).map(|(job, _)| job));
        return Err(error);
    }
    while let Some((mut job, guard)) = waiting.pop_front() {
        let outcome = match guard {
            Guard::Savepoint => run_in_savepoint(connection, job.as_mut(), tallies),
            Guard::Nothing => run_bare(connection, job.as_mut(), tallies),
        };
        done.push(job);
        if let Err(error) = outcome {
            roll_back(connection);
            return Err(error);
        }
        if connection.is_autocommit() {
            return Err(StoreError::Unavailable(String::from("the transaction was undone")));
        }
    }
    execute(connection, "COMMIT").inspect_err(|_| roll_back(connection))
}

/// Runs one job; if it fails, only its own changes are undone. An error is one of the transaction, not of the job.
fn run_in_savepoint(connection: &Connection, job: &mut dyn Job, tallies: &Tallies) -> Result<(), StoreError> {
    execute(connection, "SAVEPOINT job")?;
    if let Err(error) = job.run(connection) {
        tallies.undone.fetch_add(1, Ordering::Relaxed);
        if connection.is_autocommit() {
            return Err(error);
        }
        execute(connection, "ROLLBACK TO job")?;
    }
    execute(connection, "RELEASE job")
}

/// Runs one job; if it fails after it has changed something, the transaction has failed.
fn run_bare(connection: &Connection, job: &mut dyn Job, tallies: &Tallies) -> Result<(), StoreError> {
    let changes = connection.total_changes();
    let Err(error) = job.run(connection) else { return Ok(()) };
    tallies.undone.fetch_add(1, Ordering::Relaxed);
    if connection.is_autocommit() || connection.total_changes() != changes { Err(error) } else { Ok(()) }
}

fn roll_back(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = execute(connection, "ROLLBACK")
    {
        tracing::error!(%error, "a group of writes could not be rolled back");
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), StoreError> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}
