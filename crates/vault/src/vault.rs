//! Opening a vault, and beginning transactions.
//!
//! Invariants: the key is raw (256 bits, no derivation here) and is wiped from our own memory after use; one process at a
//! time (`locking_mode=EXCLUSIVE`).

use std::path::Path;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tacite_model::Secret;
use zeroize::Zeroizing;

use crate::transaction::empty_log;
use crate::{Transaction, VaultError};

#[cfg(feature = "snapshot")]
mod snapshot;

/// Prepared statements that are kept: as many as there are in this crate, or each input prepares them anew.
const STATEMENTS_KEPT: usize = 256;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// An open vault.
#[derive(Debug)]
pub struct Vault {
    connection: Connection,
    /// Number of the transaction begun last; 0: none yet.
    begun: u64,
    /// Number of the engine's transaction committed last; 0: none yet.
    last_claimed: u64,
}

impl Vault {
    /// Opens the vault in the file at `path`, or makes it. `key` is used as it is: it must be uniformly random or come
    /// from a password hash.
    pub fn open(path: &Path, key: &Secret<[u8; 32]>) -> Result<Self, VaultError> {
        create_private(path);
        let connection = Connection::open(path)?;
        unlock(&connection, key)?;
        Self::prepare(connection)
    }

    /// A vault that lives in memory and ends with the value: for tests, and for a look around without a disk.
    pub fn open_in_memory() -> Result<Self, VaultError> {
        Self::prepare(Connection::open_in_memory()?)
    }

    /// Begins a transaction. Its effects on the outside must wait for [`Transaction::commit`].
    pub fn transaction(&mut self) -> Result<Transaction<'_>, VaultError> {
        self.begun += 1;
        Transaction::begin(&self.connection, self.begun, &mut self.last_claimed)
    }

    fn prepare(mut connection: Connection) -> Result<Self, VaultError> {
        configure(&connection)?;
        embedded::migrations::runner().run(&mut connection)?;
        // A process that died after it had erased something may have left it in the log.
        empty_log(&connection)?;
        Ok(Self { connection, begun: 0, last_claimed: 0 })
    }
}

/// Makes the file for its owner only, before anything is written to it; the write-ahead log gets the same permissions.
/// Where that fails, SQLite fails too and says why.
fn create_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    drop(options.open(path));
}

/// Gives SQLCipher the key and checks that it fits.
fn unlock(connection: &Connection, key: &Secret<[u8; 32]>) -> Result<(), VaultError> {
    // SQLCipher reports a wrong key on standard error, which a terminal interface owns.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;")?;
    connection.execute_batch(&key_pragma(key))?;
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(())
}

/// `PRAGMA key = "x'…'"`, built in one allocation of known size, so that no copy of the key stays behind.
fn key_pragma(key: &Secret<[u8; 32]>) -> Zeroizing<String> {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut pragma = Zeroizing::new(String::with_capacity(128));
    pragma.push_str("PRAGMA key = \"x'");
    for byte in key.expose() {
        pragma.push(char::from(HEX[usize::from(byte >> 4)]));
        pragma.push(char::from(HEX[usize::from(byte & 15)]));
    }
    pragma.push_str("'\";");
    pragma
}

fn configure(connection: &Connection) -> Result<(), VaultError> {
    // The browser's file system has no shared memory, hence no WAL there.
    let journal = if cfg!(all(target_family = "wasm", target_os = "unknown")) { "TRUNCATE" } else { "WAL" };
    connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    connection.pragma_update(None, "journal_mode", journal)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "secure_delete", "ON")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    // Otherwise a statement that compares with a value is prepared anew for each value.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    Ok(())
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;
    use tacite_model::{AccountId, MessageId, MessageName, Timestamp};

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_values_it_gets() {
        let vault = Vault::open_in_memory().unwrap();
        let sql =
            "SELECT message_id FROM unreadable WHERE ask_at_ms <= ?1 ORDER BY sender_id, ask_at_ms LIMIT ?2";
        let mut statement = vault.connection.prepare(sql).unwrap();
        for value in 1..=3 {
            assert!(!statement.exists([value, value]).unwrap());
        }
        assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
    }

    #[test]
    fn what_was_edited_and_reacted_to_before_times_were_kept_gives_way_to_anything_newer() {
        let mut connection = Connection::open_in_memory().unwrap();
        embedded::migrations::runner()
            .set_target(refinery::Target::Version(10))
            .run(&mut connection)
            .unwrap();
        connection
            .execute_batch(
                "INSERT INTO messages (sender_id, message_id, peer_id, outgoing, text, sent_at_ms, stored_at_ms, state, edits) \
                 VALUES (zeroblob(16), zeroblob(16), zeroblob(16), 0, 'edited', 1, 1, 'received', 1); \
                 INSERT INTO reactions VALUES (zeroblob(16), zeroblob(16), zeroblob(16), '👍');",
            )
            .unwrap();
        let mut vault = Vault::prepare(connection).unwrap();
        let tx = vault.transaction().unwrap();
        let (id, now) = (AccountId::from_bytes([0; 16]), Timestamp::from_ms(5));
        let name = MessageName { author_id: id, message_id: MessageId::from_bytes([0; 16]) };
        assert_eq!(tx.reactions(name).unwrap()[0].emoji, "👍");
        assert_eq!(tx.next_reaction_at(name, id, now).unwrap(), now);
        assert!(tx.set_reaction(name, id, "🎉", now).unwrap());
        assert_eq!(tx.next_edit_at(name, now).unwrap(), now);
        tx.edit_message(name, "newer", now).unwrap();
        let message = tx.message(id, name.message_id).unwrap().unwrap();
        assert_eq!((message.text.as_str(), message.edits), ("newer", 2));
        assert_eq!(tx.reactions(name).unwrap()[0].emoji, "🎉");
    }
}
