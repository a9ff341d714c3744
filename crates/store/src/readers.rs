//! The readers: a few read-only connections, used on the runtime's blocking threads.
//!
//! Invariants: at most [`READERS_MAX`] connections are open; a connection is used by one job at a time and is thrown
//! away if its job panics.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::StoreError;
use crate::database::{limit_cache, prepare};

/// Connections, and so jobs that read at the same time.
const READERS_MAX: usize = 4;
/// Memory in which each may keep pages. The operating system has them too, once for all.
pub(crate) const READER_CACHE_KIB: u32 = 256;

/// The reading half of a database.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    places: Arc<Semaphore>,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, places: Arc::new(Semaphore::new(READERS_MAX)), idle: Mutex::default() }
    }

    pub(crate) async fn read<T, F>(self: Arc<Self>, job: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let task = tokio::task::spawn_blocking(move || {
            let connection = self.take()?;
            let outcome = read_consistently(&connection, job);
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(place);
            outcome
        });
        task.await.unwrap_or_else(|error| {
            let closed = error.is_cancelled();
            Err(if closed {
                StoreError::Closed
            } else {
                StoreError::Misuse(String::from("the job panicked"))
            })
        })
    }

    fn take(&self) -> Result<Connection, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if let Some(connection) = idle {
            return Ok(connection);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        prepare(&connection)?;
        limit_cache(&connection, READER_CACHE_KIB)?;
        Ok(connection)
    }
}

fn read_consistently<T>(
    connection: &Connection,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let transaction = connection.unchecked_transaction()?;
    let outcome = job(&transaction)?;
    transaction.commit()?;
    Ok(outcome)
}
