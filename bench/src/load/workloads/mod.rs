//! The workloads. Each logs its people in, runs, and gives the figures of the run.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod fan_out;
pub mod idle;
pub mod offline;
mod pace;
pub mod pairs;
pub mod storm;

/// A sink that panicked has left its own numbers; they are of use to nobody, but no reason to panic again.
fn locked<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
