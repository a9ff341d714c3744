//! Why the vault could not do what it was asked.
//!
//! Invariant: no variant carries content, keys or ids; texts of SQLite name tables and columns at most.

use rusqlite::ErrorCode;
use thiserror::Error;

/// Why a vault could not be opened, read or written. All of it is local: no peer can cause any of these.
#[derive(Debug, Error)]
pub enum VaultError {
    /// The key does not open this file, or the file is not a vault.
    #[error("the key does not open this vault")]
    WrongKey,
    /// Another process holds the file.
    #[error("another process uses this vault")]
    InUse,
    /// The file was written by a newer release.
    #[error("this vault was written by a newer release")]
    Newer,
    /// The device has no room left.
    #[error("there is no room left on the device")]
    Full,
    /// A stored value is not what this crate writes there; names table and column.
    #[error("the vault is damaged: {0}")]
    Damaged(&'static str),
    /// The file could not be read or written.
    #[error("the vault could not be read or written: {0}")]
    Unavailable(#[source] rusqlite::Error),
    /// A migration failed; nothing was changed.
    #[error("the vault could not be brought up to date: {0}")]
    Migration(#[source] Box<refinery::Error>),
}

impl From<rusqlite::Error> for VaultError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::WrongKey,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::InUse,
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged("file"),
            _ => Self::Unavailable(error),
        }
    }
}

impl From<refinery::Error> for VaultError {
    fn from(error: refinery::Error) -> Self {
        match error.kind() {
            refinery::error::Kind::MissingVersion(_) | refinery::error::Kind::DivergentVersion(..) => {
                Self::Newer
            }
            _ => Self::Migration(Box::new(error)),
        }
    }
}
