//! Statements about the states of messages, within a job of the writer.
//!
//! Invariants: a state only advances; whoever changes a row gives it a new time of change and tells the counts; the newest row
//! stays.

use rusqlite::{Connection, OptionalExtension as _, params};
use tacite_model::{AccountId, Timestamp};

use super::counts::{self, Counts};
use super::rows::{self, EXPIRED, SENT, STATUS};
use crate::{Cursor, DeviceKey, MessageKey, MessageStatus, Receipt, StoreError};

/// A row that waits and is to wait no more.
#[derive(Debug)]
pub(super) struct Due {
    message_id: [u8; 16],
    recipient_id: [u8; 16],
    recipient_device: u8,
    position: u64,
}

/// A device has stored a message that waited for it; `None` if none did.
pub(super) fn receive(
    connection: &Connection,
    counts: &Counts,
    device: DeviceKey,
    receipt: &Receipt,
    updated_at: Timestamp,
) -> Result<Option<MessageStatus>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "UPDATE message_statuses SET state = 2, updated_at = ?5, proof = ?6, silent = ?7 WHERE message_id = ?1 \
         AND recipient_id = ?2 AND recipient_device = ?3 AND sender_id = ?4 AND state = {SENT} \
         RETURNING {STATUS}"
    ))?;
    let arguments = params![
        receipt.key.message_id.as_bytes(),
        device.account_id.as_bytes(),
        device.device_id.value(),
        receipt.key.sender_id.as_bytes(),
        rows::ms(updated_at),
        proof(receipt),
        receipt.silent,
    ];
    let received = statement.query_row(arguments, rows::status).optional()?;
    if let Some(row) = &received {
        counts.update(|tally| tally.settled(row));
    }
    Ok(received)
}

/// A message was shown; `None` if that is known, or is not to be told.
pub(super) fn read(
    connection: &Connection,
    counts: &Counts,
    reader: DeviceKey,
    receipt: &Receipt,
    updated_at: Timestamp,
) -> Result<Option<MessageStatus>, StoreError> {
    let message_id = receipt.key.message_id.as_bytes();
    let sender_id = receipt.key.sender_id.as_bytes();
    connection
        .prepare_cached(
            "UPDATE messages SET is_read = 1, read_at = ?4 \
             WHERE id = ?1 AND sender_id = ?2 AND recipient_id = ?3 AND is_read = 0",
        )?
        .execute(params![message_id, sender_id, reader.account_id.as_bytes(), rows::ms(updated_at)])?;
    // A device reads only what it has: one that waits by the book has been stored, its receipt got lost.
    let waited = waits(connection, reader, receipt.key)?;
    let mut statement = connection.prepare_cached(&format!(
        "INSERT INTO message_statuses (message_id, recipient_id, recipient_device, sender_id, sender_device, \
         position, state, updated_at, proof, silent) VALUES (?1, ?2, ?3, ?4, 0, 0, 3, ?5, ?6, 0) \
         ON CONFLICT DO UPDATE SET state = 3, updated_at = excluded.updated_at, proof = excluded.proof \
         WHERE sender_id = excluded.sender_id AND state < 3 AND silent = 0 RETURNING {STATUS}"
    ))?;
    let arguments = params![
        message_id,
        reader.account_id.as_bytes(),
        reader.device_id.value(),
        sender_id,
        rows::ms(updated_at),
        proof(receipt),
    ];
    let read = statement.query_row(arguments, rows::status).optional()?;
    if let Some(row) = &read {
        counts.update(|tally| if waited { tally.settled(row) } else { tally.changed(updated_at) });
    }
    Ok(read)
}

fn waits(connection: &Connection, device: DeviceKey, key: MessageKey) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT 1 FROM message_statuses WHERE message_id = ?1 AND recipient_id = ?2 AND recipient_device = ?3 \
         AND sender_id = ?4 AND state = {SENT}"
    ))?;
    let arguments = params![
        key.message_id.as_bytes(),
        device.account_id.as_bytes(),
        device.device_id.value(),
        key.sender_id.as_bytes(),
    ];
    Ok(statement.exists(arguments)?)
}

/// What waits and was taken before `before`.
pub(super) fn due(connection: &Connection, before: Timestamp) -> Result<Vec<Due>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT s.message_id, s.recipient_id, s.recipient_device, s.position \
         FROM message_statuses s JOIN messages m ON m.id = s.message_id \
         WHERE s.state = {SENT} AND m.timestamp < ?1"
    ))?;
    let due = statement.query_map([rows::ms(before)], |row| {
        Ok(Due {
            message_id: row.get(0)?,
            recipient_id: row.get(1)?,
            recipient_device: row.get(2)?,
            position: row.get(3)?,
        })
    })?;
    Ok(due.collect::<Result<_, _>>()?)
}

/// A message has waited too long; `None` if it waits no more.
pub(super) fn expire(
    connection: &Connection,
    counts: &Counts,
    due: &Due,
    updated_at: Timestamp,
) -> Result<Option<MessageStatus>, StoreError> {
    let mut statement = connection.prepare_cached(&format!(
        "UPDATE message_statuses SET state = {EXPIRED}, updated_at = ?5 WHERE message_id = ?1 \
         AND recipient_id = ?2 AND recipient_device = ?3 AND position = ?4 AND state = {SENT} RETURNING {STATUS}"
    ))?;
    let arguments =
        params![due.message_id, due.recipient_id, due.recipient_device, due.position, rows::ms(updated_at)];
    let expired = statement.query_row(arguments, rows::status).optional()?;
    if let Some(row) = &expired {
        counts.update(|tally| tally.settled(row));
    }
    Ok(expired)
}

/// What waits of `sender` for devices of `recipient` waits no more, and the sender is not told.
pub(super) fn settle_silently(
    connection: &Connection,
    counts: &Counts,
    sender: AccountId,
    recipient: AccountId,
    mut updated_at: impl FnMut() -> Timestamp,
) -> Result<Vec<(MessageKey, DeviceKey)>, StoreError> {
    let mut waiting = connection.prepare_cached(&format!(
        "SELECT {STATUS} FROM message_statuses WHERE recipient_id = ?1 AND sender_id = ?2 AND state = {SENT}"
    ))?;
    let waiting: Vec<MessageStatus> = waiting
        .query_map([recipient.as_bytes(), sender.as_bytes()], rows::status)?
        .collect::<Result<_, _>>()?;
    for row in &waiting {
        let silently = Receipt { key: row.key, proof: None, silent: true };
        receive(connection, counts, row.recipient, &silently, updated_at())?;
    }
    Ok(waiting.into_iter().map(|row| (row.key, row.recipient)).collect())
}

/// Forgets what the sender has heard the last of, except the newest row of all.
pub(super) fn forget_synced(
    connection: &Connection,
    counts: &Counts,
    sender: AccountId,
    synced: Cursor,
) -> Result<usize, StoreError> {
    let newest = counts::see(counts, connection, |tally| rows::ms(tally.newest()))?;
    let mut statement = connection.prepare_cached(
        "DELETE FROM message_statuses WHERE sender_id = ?1 AND (updated_at, message_id) <= (?2, ?3) \
         AND updated_at < ?4 AND state <> 1 AND (state > 2 OR (state = 2 AND silent = 1)) RETURNING message_id",
    )?;
    let arguments = params![sender.as_bytes(), rows::ms(synced.updated_at), synced.id, newest];
    let forgotten: Vec<[u8; 16]> =
        statement.query_map(arguments, |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut statement = connection.prepare_cached(
        "DELETE FROM messages WHERE id = ?1 AND NOT EXISTS \
         (SELECT 1 FROM message_statuses s WHERE s.message_id = messages.id)",
    )?;
    for id in &forgotten {
        statement.execute([id])?;
    }
    Ok(forgotten.len())
}

/// Forgets what was settled before `before`, and messages of which nothing is known any more.
pub(super) fn forget_settled(
    connection: &Connection,
    counts: &Counts,
    before: Timestamp,
) -> Result<usize, StoreError> {
    let newest = counts::see(counts, connection, |tally| rows::ms(tally.newest()))?;
    let forgotten = connection.execute(
        "DELETE FROM message_statuses WHERE state <> 1 AND updated_at < ?1 AND updated_at < ?2",
        params![rows::ms(before), newest],
    )?;
    connection.execute(
        "DELETE FROM messages \
         WHERE NOT EXISTS (SELECT 1 FROM message_statuses s WHERE s.message_id = messages.id)",
        [],
    )?;
    Ok(forgotten)
}

fn proof(receipt: &Receipt) -> &[u8] {
    receipt.proof.as_ref().map_or(&[], |proof| proof)
}
