//! The device's database: one file per profile, encrypted by SQLCipher, the same code native and in the browser.
//!
//! Invariants:
//! - Nothing outside this crate knows SQL; every read and write is a typed method of [`Transaction`].
//! - What is not committed did not happen: a [`Transaction`] that is dropped is rolled back.
//! - A commit that has returned survives loss of power (WAL with `synchronous=FULL`; a rollback journal in the browser).
//! - Deleted rows are overwritten (`secure_delete`), temporary tables stay in memory, SQLCipher writes no log; after a commit
//!   that erased a message, its text stands neither in the database nor in the write-ahead log.
//! - Migrations are append-only; a vault written by a newer release is refused, not changed.

mod account;
mod column;
mod contacts;
mod early;
mod erasing;
mod error;
mod identities;
mod messages;
mod order;
mod outbox;
mod own_time;
mod prekeys;
mod reactions;
mod reads;
mod sent;
mod server;
mod sessions;
mod settings;
mod sync;
mod timers;
mod transaction;
mod unreadable;
mod vault;

pub use account::{Account, AccountStanding, Tokens};
pub use contacts::{Contact, Standing};
pub use early::Early;
pub use error::VaultError;
pub use messages::{Message, MessageKind, MessageState};
pub use order::{Gap, Held, Marks};
pub use outbox::OutboxEntry;
pub use prekeys::{Prekey, PrekeyKind};
pub use reactions::Reaction;
pub use reads::Read;
pub use sent::SentContent;
pub use server::Server;
pub use settings::Settings;
pub use sync::Cursor;
pub use timers::TimerSetting;
pub use transaction::Transaction;
pub use unreadable::Unreadable;
pub use vault::Vault;

#[cfg(test)]
mod tests;
