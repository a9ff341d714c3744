//! The door to one database file.
//!
//! Invariants: a clone is another handle to the same file; when the last handle is dropped, the jobs that wait are run and
//! committed, then the file is closed. A new file can be read by its owner only (0600).

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use refinery::Runner;
use rusqlite::{Connection, OpenFlags};

use crate::readers::Readers;
use crate::writer::{Guard, Writer};
use crate::{StoreError, Summary};

/// How long a statement waits for another process (the administration's commands) that is writing.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Pages in the write-ahead log from which on a commit copies them into the database. A page that changed often is copied once.
const LOG_PAGES: i32 = 4_000;
/// Compiled statements that a connection keeps.
const STATEMENTS_KEPT: usize = 128;

/// A handle to an open database.
#[derive(Debug, Clone)]
pub struct Database {
    // Dropped first: the last connection to close empties the log, and a reader may not.
    readers: Arc<Readers>,
    writer: Arc<Writer>,
}

impl Database {
    /// Opens the file at `path`, makes it if it is not there, and brings its tables to the last of `migrations`.
    ///
    /// `cache_kib`: memory in which the writer may keep pages. Rows that come at random places of a table find its pages there, and a
    /// group does not have to write some of them twice.
    ///
    /// Blocks; meant for the start of a program. Within a tokio runtime, writes are answered only while that runtime runs. Fails with
    /// [`StoreError::Migration`] if the tables are newer than `migrations`, with [`StoreError::Unavailable`] if the file cannot be opened.
    pub fn open(path: &Path, migrations: &Runner, cache_kib: u32) -> Result<Self, StoreError> {
        create_private(path)?;
        let mut connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )?;
        prepare_writer(&connection, cache_kib)?;
        migrations.run(&mut connection)?;
        let readers = Arc::new(Readers::new(path.to_owned()));
        let writer = Arc::new(Writer::spawn(connection)?);
        Ok(Self { readers, writer })
    }

    /// Queues a job for the writer, at once and not only when the future is polled: jobs run in the order of the calls.
    ///
    /// The job runs in a savepoint of the group's transaction and must not begin, commit or roll back by itself. The future
    /// is ready once the job's changes are durable, or nothing of them was kept. Dropping the future does not stop the job.
    pub fn write<T, F>(&self, job: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.enqueue(job, Guard::Savepoint)
    }

    /// Like [`Self::write`], for jobs that are done often: without a savepoint, which costs more than the few rows that such a
    /// job writes.
    ///
    /// The job finds out first whether it can be done. If it fails after its first change nevertheless, as when the disk is
    /// full, the jobs that ran before it in its group fail with it.
    pub fn write_checked<T, F>(
        &self,
        job: F,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        self.writer.enqueue(job, Guard::Nothing)
    }

    /// Room for what the jobs of the writer know of the rows without looking.
    #[must_use]
    pub fn summary<T>(&self) -> Summary<T> {
        Summary::new(self.writer.tallies())
    }

    /// Runs a job that only reads, on a consistent view that includes every write answered before the first poll.
    ///
    /// Must be polled within a tokio runtime, whose blocking threads do the work.
    pub fn read<T, F>(&self, job: F) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        Arc::clone(&self.readers).read(job)
    }

    /// Empties the write-ahead log: afterwards bytes that were overwritten or deleted by writes answered before the call
    /// stand in neither file. Runs on the writer, which waits for readers; [`StoreError::Unavailable`] if they do not end.
    pub fn truncate_log(&self) -> impl Future<Output = Result<(), StoreError>> + Send + use<> {
        self.writer.truncate_log()
    }

    /// Transactions committed by this handle's writer since it was opened.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.writer.commits()
    }
}

/// Settings that every connection needs.
pub(crate) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(())
}

fn prepare_writer(connection: &Connection, cache_kib: u32) -> Result<(), StoreError> {
    prepare(connection)?;
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StoreError::Unavailable(format!("no write-ahead log here, journal mode is {mode}")));
    }
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    limit_cache(connection, cache_kib)?;
    connection.pragma_update(None, "secure_delete", true)?;
    // Temporary tables say as much as lasting ones: they do not go into files elsewhere.
    connection.pragma_update(None, "temp_store", "memory")?;
    Ok(())
}

/// Memory in which a connection may keep pages.
pub(crate) fn limit_cache(connection: &Connection, cache_kib: u32) -> Result<(), StoreError> {
    // SQLite takes what is negative for KiB, what is positive for pages.
    Ok(connection.pragma_update(None, "cache_size", -i64::from(cache_kib))?)
}

/// Makes an empty file with mode 0600; SQLite gives its log and index the mode of the database.
fn create_private(path: &Path) -> Result<(), StoreError> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?;
    Ok(())
}
