//! A vault that somebody has used for a year: made once, and copied for each measurement.
//!
//! Invariants: it holds what the engine itself would have stored for these messages; the same day gives the same messages; what
//! is half made is never used.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tacite_client::clock::{now, random_source};
use tacite_core::{MessageKind, MessageState};
use tacite_model::limits::{DAY_MS, RESEND_MS_MAX};
use tacite_model::{AccountId, DeviceId, MessageId, MessageName, Secret, Timestamp};
use tacite_seal::{Body, Content, ReceiptKey, Text};
use tacite_vault::{Message, SentContent, Transaction, Vault};

use super::meter::Watch;
use super::person::{self, account_of, contact, sign_up};

/// Conversations in the vault.
pub(super) const CONVERSATIONS: u32 = 50;
/// The account of the vault; its contacts are those from 1 on.
pub(super) const OWNER: u32 = 0;
/// Messages in one transaction: large enough that the disk counts little.
const MESSAGES_PER_TRANSACTION: u32 = 5000;
const YEAR_MS: u64 = 365 * DAY_MS;
/// A short message, a long one.
const TEXT_BYTES: [usize; 4] = [12, 48, 110, 256];

/// The file of a vault with so many messages, made if it is not there; and how long making it took, seconds.
///
/// It is made anew each day: what was told is kept for some weeks, and forgetting it would be measured otherwise.
pub(super) fn vault(directory: &Path, messages: u32) -> Result<(PathBuf, f64)> {
    let today = now().as_ms() / DAY_MS;
    let path = directory.join(format!("used-{messages}-{today}.db"));
    if path.exists() && person::open(&path).is_ok() {
        return Ok((path, 0.0));
    }
    forget_others(directory)?;
    let watch = Watch::start()?;
    let unfinished = directory.join("used-unfinished.db");
    let mut vault = person::open(&unfinished)?;
    sign_up(&mut vault, OWNER)?;
    fill(&mut vault, messages)?;
    drop(vault);
    fs::rename(&unfinished, &path).context("the finished vault")?;
    Ok((path, watch.time().as_secs_f64()))
}

/// Copies a vault that is closed to another file, in place of what is there.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    for end in ["-wal", "-journal"] {
        let mut beside = to.as_os_str().to_owned();
        beside.push(end);
        // It is there only if a run was broken off.
        let _ = fs::remove_file(beside);
    }
    fs::copy(from, to).with_context(|| format!("a copy of {}", from.display()))?;
    Ok(())
}

fn forget_others(directory: &Path) -> Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("used-") {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn fill(vault: &mut Vault, messages: u32) -> Result<()> {
    let tx = vault.transaction()?;
    for number in 1..=CONVERSATIONS {
        tx.save_contact(&contact(number)?)?;
    }
    tx.commit()?;
    let end = now();
    let mut begin = 0;
    while begin < messages {
        let tx = vault.transaction()?;
        for number in begin..messages.min(begin + MESSAGES_PER_TRANSACTION) {
            let age_ms = YEAR_MS / u64::from(messages) * u64::from(messages - number);
            add_message(&tx, number, end.minus_ms(age_ms), end)?;
        }
        tx.commit()?;
        begin += MESSAGES_PER_TRANSACTION;
    }
    Ok(())
}

/// One message, as the engine would have stored it: every second one is our own.
fn add_message(tx: &Transaction<'_>, number: u32, at: Timestamp, now: Timestamp) -> Result<()> {
    let (owner_id, _) = account_of(OWNER)?;
    let (peer_id, _) = account_of(1 + number % CONVERSATIONS)?;
    let outgoing = number / CONVERSATIONS % 2 == 1;
    let message_id = MessageId::random(&mut random_source());
    let text = "message ".repeat(32)[..TEXT_BYTES[number as usize / 7 % TEXT_BYTES.len()]].to_owned();
    let name = MessageName { author_id: if outgoing { owner_id } else { peer_id }, message_id };
    tx.add_message(&Message {
        sender_id: name.author_id,
        message_id,
        peer_id,
        outgoing,
        text: text.clone(),
        sent_at: at,
        stored_at: at,
        state: MessageState::Read,
        kind: MessageKind::Text,
        reply_to: None,
        edits: 0,
        deleted: false,
        expiry: None,
        expires_at: None,
    })?;
    tx.set_receipt_key(name, &[9; 32])?;
    if outgoing {
        return if now.ms_since(at) < RESEND_MS_MAX { keep(tx, peer_id, name, text, at) } else { Ok(()) };
    }
    tx.mark_seen(name.author_id, message_id)?;
    tx.note_applied(name, tx.head(peer_id, DeviceId::FIRST)?)?;
    tx.set_head(peer_id, DeviceId::FIRST, message_id)?;
    Ok(())
}

/// What was told lately may be asked for again.
fn keep(
    tx: &Transaction<'_>,
    peer_id: AccountId,
    name: MessageName,
    text: String,
    at: Timestamp,
) -> Result<()> {
    let previous_id = tx.last_sent_id(peer_id)?;
    let content = Content {
        message_id: name.message_id,
        sent_at: at,
        previous_id,
        body: Body::Text(Text { text, reply_to: None }),
        receipt_key: ReceiptKey::from_bytes([9; 32]),
        expiry: None,
        original_id: None,
    };
    tx.add_sent_content(&SentContent {
        position: 0,
        message_id: name.message_id,
        recipient_id: peer_id,
        previous_id,
        subject: Some(name),
        content: Some(Secret::new(content.encode()?.to_vec())),
        sent_at: at,
    })?;
    tx.set_last_sent_id(peer_id, name.message_id)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use tacite_core::queries;

    use super::*;

    #[test]
    fn a_made_vault_shows_its_messages_and_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let (path, _) = vault(directory.path(), 200).unwrap();
        let modified = || fs::metadata(&path).unwrap().len();
        let size = modified();
        assert_eq!(vault(directory.path(), 200).unwrap(), (path.clone(), 0.0));
        assert_eq!(modified(), size);
        let mut vault = person::open(&path).unwrap();
        let tx = vault.transaction().unwrap();
        let contacts = queries::contacts(&tx).unwrap();
        assert_eq!(contacts.len(), CONVERSATIONS as usize);
        for contact in contacts {
            let history = queries::history(&tx, &contact.handle, 100).unwrap().unwrap();
            assert_eq!(history.len(), 4);
            assert!(history.windows(2).all(|pair| pair[0].sent_at <= pair[1].sent_at));
        }
    }
}
