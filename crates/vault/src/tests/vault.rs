//! Opening, locking, committing; what stands in the file.

use std::fs;

use tacite_model::{AccountId, MessageId, Secret, Timestamp};
use tempfile::TempDir;

use crate::{Message, MessageKind, MessageState, Vault, VaultError};

fn key(byte: u8) -> Secret<[u8; 32]> {
    Secret::new([byte; 32])
}

fn message(text: &str) -> Message {
    Message {
        sender_id: AccountId::from_bytes([1; 16]),
        message_id: MessageId::from_bytes([2; 16]),
        peer_id: AccountId::from_bytes([3; 16]),
        outgoing: true,
        text: text.to_owned(),
        sent_at: Timestamp::from_ms(5),
        stored_at: Timestamp::from_ms(6),
        state: MessageState::Queued,
        kind: MessageKind::Text,
        reply_to: None,
        edits: 0,
        deleted: false,
        expiry: None,
        expires_at: None,
    }
}

#[test]
fn what_is_committed_is_there_after_opening_again() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.db");
    let mut vault = Vault::open(&path, &key(7)).unwrap();
    let tx = vault.transaction().unwrap();
    tx.add_message(&message("hello")).unwrap();
    tx.commit().unwrap();
    drop(vault);
    let mut vault = Vault::open(&path, &key(7)).unwrap();
    let tx = vault.transaction().unwrap();
    let stored = tx.message(message("").sender_id, message("").message_id).unwrap().unwrap();
    assert_eq!(stored.text, "hello");
}

#[test]
fn what_is_not_committed_never_happened() {
    let mut vault = Vault::open_in_memory().unwrap();
    vault.transaction().unwrap().add_message(&message("hello")).unwrap();
    let tx = vault.transaction().unwrap();
    assert!(tx.message(message("").sender_id, message("").message_id).unwrap().is_none());
}

#[test]
fn the_engine_can_tell_whether_its_last_transaction_was_committed() {
    let mut vault = Vault::open_in_memory().unwrap();
    let mut tx = vault.transaction().unwrap();
    assert!(tx.claim() && !tx.claim());
    assert_eq!((tx.number(), tx.last_claimed()), (1, 0));
    tx.commit().unwrap();
    // Others come between, committed or not.
    vault.transaction().unwrap().commit().unwrap();
    drop(vault.transaction().unwrap());
    let mut tx = vault.transaction().unwrap();
    assert_eq!((tx.number(), tx.last_claimed()), (4, 1));
    tx.claim();
    drop(tx);
    vault.transaction().unwrap().commit().unwrap();
    assert_eq!(vault.transaction().unwrap().last_claimed(), 1);
}

#[test]
fn a_wrong_key_is_told_apart() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.db");
    drop(Vault::open(&path, &key(7)).unwrap());
    assert!(matches!(Vault::open(&path, &key(8)), Err(VaultError::WrongKey)));
    fs::write(&path, b"this is no vault, but it is long enough to be looked at as one".repeat(100)).unwrap();
    assert!(matches!(Vault::open(&path, &key(7)), Err(VaultError::WrongKey)));
}

// T19: the driver's lock is the first defence, this the second.
#[test]
fn t19_a_vault_in_use_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.db");
    let _vault = Vault::open(&path, &key(7)).unwrap();
    assert!(matches!(Vault::open(&path, &key(7)), Err(VaultError::InUse)));
}

// T63: a stolen disk reveals nothing.
#[test]
fn t63_no_content_stands_in_the_files() {
    let directory = TempDir::new().unwrap();
    let canary = "the canary sings at dawn";
    let mut vault = Vault::open(&directory.path().join("vault.db"), &key(7)).unwrap();
    let tx = vault.transaction().unwrap();
    tx.add_message(&message(canary)).unwrap();
    tx.commit().unwrap();
    let mut bytes_read = 0;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        bytes_read += bytes.len();
        assert!(!bytes.windows(canary.len()).any(|window| window == canary.as_bytes()));
        assert!(!bytes.starts_with(b"SQLite format 3"));
    }
    assert!(bytes_read > 0);
}

// T63
#[cfg(unix)]
#[test]
fn t63_only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = TempDir::new().unwrap();
    let mut vault = Vault::open(&directory.path().join("vault.db"), &key(7)).unwrap();
    let tx = vault.transaction().unwrap();
    tx.add_message(&message("hello")).unwrap();
    tx.commit().unwrap();
    for entry in fs::read_dir(directory.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_apart() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("not there").join("vault.db");
    assert!(matches!(Vault::open(&path, &key(7)), Err(VaultError::Unavailable(_))));
}

// T73: a newer file is refused, not changed.
#[test]
fn t73_a_vault_of_a_newer_release_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.db");
    let mut vault = Vault::open(&path, &key(7)).unwrap();
    let tx = vault.transaction().unwrap();
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
        VALUES (1000, 'from_the_future', '2030-01-01T00:00:00Z', '1')";
    tx.execute(newer, &[]).unwrap();
    tx.commit().unwrap();
    drop(vault);
    assert!(matches!(Vault::open(&path, &key(7)), Err(VaultError::Newer)));
}

// T69: a full disk is told apart, and loses nothing that was there.
#[test]
fn t69_a_full_disk_is_told_apart() {
    let mut vault = Vault::open_in_memory().unwrap();
    let tx = vault.transaction().unwrap();
    tx.execute("PRAGMA max_page_count = 1", &[]).ok();
    let huge = message(&"x".repeat(10_000_000));
    assert!(matches!(tx.add_message(&huge), Err(VaultError::Full)));
    drop(tx);
    let tx = vault.transaction().unwrap();
    assert!(tx.message(huge.sender_id, huge.message_id).unwrap().is_none());
}
