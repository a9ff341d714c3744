//! What the jobs of the writer know of the rows without looking: counts, the largest of something.
//!
//! Invariant: what a job sees here agrees with the rows that it sees, however the jobs before it ended. When anything was
//! undone the summary is thrown away, and the next job that needs it makes it anew of the rows. What other programs write to the
//! file is not in it.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

use crate::StoreError;
use crate::writer::Tallies;

/// See the module. A clone is another handle to the same summary.
#[derive(Debug)]
pub struct Summary<T> {
    kept: Arc<Mutex<Option<Kept<T>>>>,
    tallies: Arc<Tallies>,
}

#[derive(Debug)]
struct Kept<T> {
    /// How often something had been undone when the rows were looked at.
    undone: u64,
    value: T,
}

impl<T> Summary<T> {
    pub(crate) fn new(tallies: Arc<Tallies>) -> Self {
        Self { kept: Arc::default(), tallies }
    }

    /// Lets a job of the writer see the summary; `look` makes it of the rows if there is none.
    pub fn read<R>(
        &self,
        connection: &Connection,
        look: impl FnOnce(&Connection) -> Result<T, StoreError>,
        see: impl FnOnce(&T) -> R,
    ) -> Result<R, StoreError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let undone = self.tallies.undone();
        match &*kept {
            Some(kept) if kept.undone == undone => Ok(see(&kept.value)),
            _ => {
                // The old one goes first: both may be large.
                *kept = None;
                let value = look(connection)?;
                let seen = see(&value);
                *kept = Some(Kept { undone, value });
                Ok(seen)
            }
        }
    }

    /// A job of the writer has changed rows, right before: so does the summary. If there is none, nothing is done: it will be
    /// made of the changed rows.
    pub fn update(&self, change: impl FnOnce(&mut T)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let undone = self.tallies.undone();
        if let Some(kept) = kept.as_mut().filter(|kept| kept.undone == undone) {
            change(&mut kept.value);
        }
    }
}

impl<T> Clone for Summary<T> {
    fn clone(&self) -> Self {
        Self { kept: Arc::clone(&self.kept), tallies: Arc::clone(&self.tallies) }
    }
}
