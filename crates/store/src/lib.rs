//! What the server's SQLite stores share: one database file, one writer thread, a few readers.
//!
//! The writer commits together whatever has queued up (group commit), so that one `fsync` serves many jobs; readers work
//! beside it on their own connections (write-ahead log). A store passes its migrations to [`Database::open`] and runs its
//! SQL inside [`Database::write`] and [`Database::read`].
//!
//! Invariants: a write is answered only after its commit is durable (`synchronous=FULL`); jobs run in the order in which
//! `write` was called; a job that fails or panics is rolled back alone (one of [`Database::write_checked`]: with its group) and
//! is answered with its own error; when a commit fails, every job of the group is answered with an error. Deleted rows are overwritten (`secure_delete`).

mod answers;
mod database;
mod error;
pub mod inspect;
mod readers;
mod summary;
mod writer;

pub use database::Database;
pub use error::StoreError;
pub use summary::Summary;

#[cfg(test)]
mod tests;
