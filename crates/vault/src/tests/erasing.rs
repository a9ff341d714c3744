//! What is erased stands in no page of any file (C4): the pages are decrypted with the vault's own key and searched.
//!
//! Pages as SQLCipher 4 writes them: 4,096 bytes, of which the last 80 are an initialisation vector and an HMAC, the rest
//! AES-256-CBC; the first page begins with 16 bytes of salt in the clear. The write-ahead log is a header of 32 bytes, then frames:
//! a header of 24 bytes and a page.

use std::fs;
use std::path::{Path, PathBuf};

use aes::Aes256;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit, block_padding::NoPadding};
use tacite_model::{AccountId, MessageId, MessageName, Secret, Timestamp};
use tempfile::TempDir;

use super::rows::{ALICE, BOB, message};
use crate::{Message, MessageState, SentContent, Transaction, Vault};

const PAGE: usize = 4096;
const RESERVE: usize = 80;
const SALT: usize = 16;
const KEY: [u8; 32] = [7; 32];

/// A vault in files, and where they are.
struct Files {
    directory: TempDir,
    vault: Vault,
}

impl Files {
    fn new() -> Self {
        let directory = TempDir::new().unwrap();
        let vault = Vault::open(&directory.path().join("vault.db"), &Secret::new(KEY)).unwrap();
        Self { directory, vault }
    }

    fn commit(&mut self, write: impl FnOnce(&Transaction<'_>)) {
        let tx = self.vault.transaction().unwrap();
        write(&tx);
        tx.commit().unwrap();
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("vault.db")
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("vault.db-wal")
    }

    /// Whether a text stands in any page of the database or the log.
    fn hold(&self, text: &str) -> bool {
        let pages = [plain_database(&self.database()), plain_log(&self.log())].concat();
        pages.windows(text.len()).any(|window| window == text.as_bytes())
    }
}

fn plain_database(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len() % PAGE, 0);
    bytes.chunks(PAGE).enumerate().flat_map(|(index, page)| plain(page, index == 0)).collect()
}

fn plain_log(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_default();
    let frames = bytes.get(32..).unwrap_or_default().chunks_exact(24 + PAGE);
    frames.flat_map(|frame| plain(&frame[24..], frame[..4] == 1_u32.to_be_bytes())).collect()
}

fn plain(page: &[u8], is_first: bool) -> Vec<u8> {
    let (body, reserve) = page.split_at(PAGE - RESERVE);
    let mut body = body[if is_first { SALT } else { 0 }..].to_vec();
    cbc::Decryptor::<Aes256>::new_from_slices(&KEY, &reserve[..16])
        .unwrap()
        .decrypt_padded::<NoPadding>(&mut body)
        .unwrap();
    body
}

fn name(id: u8) -> MessageName {
    MessageName { author_id: ALICE, message_id: MessageId::from_bytes([id; 16]) }
}

fn text(id: u8, text: &str) -> Message {
    Message { text: text.to_owned(), ..message(id, MessageState::Sent) }
}

fn told(id: u8, subject: Option<MessageName>, content: &str) -> SentContent {
    SentContent {
        position: 0,
        message_id: MessageId::from_bytes([id; 16]),
        recipient_id: BOB,
        previous_id: None,
        subject,
        content: Some(Secret::new(content.as_bytes().to_vec())),
        sent_at: Timestamp::from_ms(10),
    }
}

// C4: the row, what hangs on it, and the write-ahead log.
#[test]
fn what_was_erased_stands_in_no_page_of_the_files() {
    let mut files = Files::new();
    let canaries = ["the canary sings at dawn", "the canary is told", "the canary is edited", "canary 🐤"];
    files.commit(|tx| {
        tx.add_message(&text(1, canaries[0])).unwrap();
        tx.add_sent_content(&told(1, Some(name(1)), canaries[1])).unwrap();
        tx.add_sent_content(&told(2, Some(name(1)), canaries[2])).unwrap();
        tx.set_reaction(name(1), BOB, canaries[3], Timestamp::from_ms(5)).unwrap();
        tx.add_message(&text(2, "what stays")).unwrap();
    });
    assert!(canaries.iter().all(|canary| files.hold(canary)));
    files.commit(|tx| tx.erase_message(name(1)).unwrap());
    for canary in canaries {
        assert!(!files.hold(canary), "{canary}");
    }
    assert!(files.hold("what stays"));
    assert_eq!(fs::metadata(files.log()).unwrap().len(), 0);
}

#[test]
fn what_was_deleted_or_edited_stands_in_no_page_of_the_files() {
    let mut files = Files::new();
    let long = format!("the canary sings for long{}", " and longer".repeat(2000));
    files.commit(|tx| {
        tx.add_message(&text(1, "the canary is wiped")).unwrap();
        tx.add_message(&text(2, "the canary was first")).unwrap();
        tx.add_message(&text(3, &long)).unwrap();
        tx.add_sent_content(&told(4, None, "the canary was told long ago")).unwrap();
    });
    files.commit(|tx| {
        tx.wipe_message(name(1)).unwrap();
        tx.edit_message(name(2), "second", Timestamp::from_ms(5)).unwrap();
        tx.wipe_message(name(3)).unwrap();
        tx.remove_sent_contents_before(Timestamp::from_ms(11)).unwrap();
    });
    for canary in ["the canary", "and longer"] {
        assert!(!files.hold(canary), "{canary}");
    }
    assert!(files.hold("second"));
}

fn churned(number: u32) -> Message {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&number.to_be_bytes());
    let size = usize::try_from(number * 7919 % 3000).unwrap();
    Message {
        message_id: MessageId::from_bytes(id),
        text: format!("canary {number} {}", "x".repeat(size)),
        ..message(1, MessageState::Sent)
    }
}

// Pages are split, merged and rebuilt all the time: nothing may stay behind in their gaps.
#[test]
fn nothing_is_left_behind_in_pages_that_are_rebuilt() {
    let mut files = Files::new();
    for round in 0..4 {
        files.commit(|tx| {
            for number in round * 100..(round + 1) * 100 {
                tx.add_message(&churned(number)).unwrap();
            }
        });
        files.commit(|tx| {
            for number in (0..(round + 1) * 100).filter(|number| number % 4 != round) {
                tx.erase_message(churned(number).name()).unwrap();
            }
        });
    }
    let pages = [plain_database(&files.database()), plain_log(&files.log())].concat();
    let pages = String::from_utf8_lossy(&pages);
    let held = |number: u32| pages.contains(&format!("canary {number} "));
    let mut stored = 0;
    for number in 0..400 {
        let is_stored = {
            let tx = files.vault.transaction().unwrap();
            tx.message(ALICE, churned(number).message_id).unwrap().is_some()
        };
        stored += u32::from(is_stored);
        assert_eq!(held(number), is_stored, "{number}");
    }
    assert!(stored > 0);
}

// The process may have died between the commit and the emptying of the log.
#[test]
fn opening_a_vault_empties_its_log() {
    let mut files = Files::new();
    files.commit(|tx| {
        tx.add_message(&text(1, "hello")).unwrap();
    });
    assert!(fs::metadata(files.log()).unwrap().len() > 0);
    let copy = TempDir::new().unwrap();
    for name in ["vault.db", "vault.db-wal"] {
        fs::copy(files.directory.path().join(name), copy.path().join(name)).unwrap();
    }
    let mut vault = Vault::open(&copy.path().join("vault.db"), &Secret::new(KEY)).unwrap();
    assert_eq!(fs::metadata(copy.path().join("vault.db-wal")).unwrap().len(), 0);
    let author_id: AccountId = ALICE;
    assert!(vault.transaction().unwrap().message(author_id, name(1).message_id).unwrap().is_some());
}
