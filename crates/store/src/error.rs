//! What can go wrong in a store, sorted by who must act.
//!
//! Invariants: no variant holds content of rows; [`StoreError`] can be cloned, because a failed commit is told to every job
//! of its group.

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a store could not do what it was asked. In every case nothing of the job was kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// The disk, or the size that the database may have, is full. The operator must make room.
    #[error("the disk is full")]
    Full,
    /// The file cannot be reached now: input or output failed, it is locked, or too many jobs wait. May pass by itself.
    #[error("the database cannot be reached: {0}")]
    Unavailable(String),
    /// The file is not a database, is damaged, or holds a value of the wrong type. The operator must restore a backup.
    #[error("the database is damaged: {0}")]
    Corrupt(String),
    /// A stored value breaks a rule of the store that reads it.
    #[error("the database is inconsistent: {table}.{column}")]
    Inconsistent {
        /// The table.
        table: &'static str,
        /// The column.
        column: &'static str,
    },
    /// The tables could not be brought to the version of this program, or are of a newer program.
    #[error("the tables could not be migrated: {0}")]
    Migration(String),
    /// Our own mistake: SQL that does not fit the tables, or a job that panicked.
    #[error("the store was used wrongly: {0}")]
    Misuse(String),
    /// The database has been closed.
    #[error("the database is closed")]
    Closed,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::Error as Sql;
        match &error {
            Sql::SqliteFailure(cause, _) => from_code(cause.code, &error),
            Sql::FromSqlConversionFailure(..)
            | Sql::IntegralValueOutOfRange(..)
            | Sql::InvalidColumnType(..)
            | Sql::Utf8Error(..) => Self::Corrupt(error.to_string()),
            _ => Self::Misuse(error.to_string()),
        }
    }
}

fn from_code(code: ErrorCode, error: &rusqlite::Error) -> StoreError {
    match code {
        ErrorCode::DiskFull => StoreError::Full,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::Corrupt(error.to_string()),
        ErrorCode::SystemIoFailure
        | ErrorCode::DatabaseBusy
        | ErrorCode::DatabaseLocked
        | ErrorCode::CannotOpen
        | ErrorCode::PermissionDenied
        | ErrorCode::ReadOnly
        | ErrorCode::OutOfMemory
        | ErrorCode::OperationInterrupted
        | ErrorCode::OperationAborted
        | ErrorCode::FileLockingProtocolFailed => StoreError::Unavailable(error.to_string()),
        _ => StoreError::Misuse(error.to_string()),
    }
}

impl From<refinery::Error> for StoreError {
    fn from(error: refinery::Error) -> Self {
        Self::Migration(error.to_string())
    }
}

/// Errors of opening a file. SQLite itself reports a full disk as [`ErrorCode::DiskFull`].
impl From<std::io::Error> for StoreError {
    fn from(error: std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Unavailable(error.to_string()),
        }
    }
}
