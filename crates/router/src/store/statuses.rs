//! Statements about the states of messages, within a job of the writer.
//!
//! Invariants: a state only advances; whoever changes a row gives it a new time of change; the newest row stays.

use rusqlite::{Connection, OptionalExtension as _, params};
use tacite_model::{AccountId, Timestamp};

use super::counts;
use super::rows::{self, EXPIRED, SENT, STATUS};
use crate::{Cursor, DeviceKey, MessageKey, MessageStatus, MessageStatusState, Receipt, StoreError};

/// A device has stored a message that waited for it; `None` if none did.
pub(super) fn receive(
    connection: &Connection,
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
    Ok(statement.query_row(arguments, rows::status).optional()?)
}

/// A message was shown; `None` if that is known, or is not to be told.
pub(super) fn read(
    connection: &Connection,
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
    Ok(statement.query_row(arguments, rows::status).optional()?)
}

/// A message has waited too long.
pub(super) fn expire(
    connection: &Connection,
    row: MessageStatus,
    updated_at: Timestamp,
) -> Result<MessageStatus, StoreError> {
    connection
        .prepare_cached(
            "UPDATE message_statuses SET state = ?4, updated_at = ?5 \
             WHERE message_id = ?1 AND recipient_id = ?2 AND recipient_device = ?3",
        )?
        .execute(params![
            row.key.message_id.as_bytes(),
            row.recipient.account_id.as_bytes(),
            row.recipient.device_id.value(),
            EXPIRED,
            rows::ms(updated_at),
        ])?;
    Ok(MessageStatus { state: MessageStatusState::Expired, updated_at, ..row })
}

/// What waits of `sender` for devices of `recipient` waits no more, and the sender is not told.
pub(super) fn settle_silently(
    connection: &Connection,
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
        receive(connection, row.recipient, &silently, updated_at())?;
    }
    Ok(waiting.into_iter().map(|row| (row.key, row.recipient)).collect())
}

/// Forgets what the sender has heard the last of, except the newest row of all.
pub(super) fn forget_synced(
    connection: &Connection,
    sender: AccountId,
    synced: Cursor,
) -> Result<usize, StoreError> {
    counts::prepare(connection)?;
    let newest = counts::newest(connection)?;
    let mut statement = connection.prepare_cached(
        "DELETE FROM message_statuses WHERE sender_id = ?1 AND (updated_at, message_id) <= (?2, ?3) \
         AND updated_at < ?4 AND (state > 2 OR (state = 2 AND silent = 1)) RETURNING message_id",
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
pub(super) fn forget_settled(connection: &Connection, before: Timestamp) -> Result<usize, StoreError> {
    counts::prepare(connection)?;
    let forgotten = connection.execute(
        "DELETE FROM message_statuses WHERE state <> 1 AND updated_at < ?1 AND updated_at < ?2",
        params![rows::ms(before), counts::newest(connection)?],
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
