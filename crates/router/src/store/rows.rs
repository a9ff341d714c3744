//! Rows of the router's SQLite tables: reading them into values, and the statements that several intentions share.
//!
//! Invariant: a value that contradicts the model is an error that names its table and column, never a panic.

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use tacite_model::limits::{CONTACT_REQUESTS_OPEN_MAX, CONVERSATIONS_PER_ACCOUNT_MAX};
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};

use crate::{
    Block, Conversation, ConversationState, DeviceKey, Enqueued, Entry, MessageKey, MessageStatus,
    MessageStatusState, Proof, StoreError, Waiting,
};

/// `message_statuses.state` of a message that waits.
pub(super) const SENT: u8 = 1;
/// Of one that waited too long.
pub(super) const EXPIRED: u8 = 4;
/// Columns that [`conversation`] reads.
pub(super) const CONVERSATION: &str = "id, initiator_id, peer_id, state, requested_at, updated_at, \
     initiator_blocks, initiator_blocks_at, peer_blocks, peer_blocks_at";
/// Columns that [`status`] reads.
pub(super) const STATUS: &str =
    "message_id, sender_id, recipient_id, recipient_device, state, updated_at, proof";

type SqlResult<T> = Result<T, rusqlite::Error>;

pub(super) fn ms(time: Timestamp) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}

pub(super) fn conversation(row: &Row<'_>) -> SqlResult<Conversation> {
    let state = match row.get::<_, u8>(3)? {
        0 => ConversationState::Requested,
        1 => ConversationState::Accepted,
        2 => ConversationState::Refused,
        _ => return Err(wrong(3)),
    };
    Ok(Conversation {
        id: ConversationId::from_bytes(row.get(0)?),
        initiator_id: AccountId::from_bytes(row.get(1)?),
        peer_id: AccountId::from_bytes(row.get(2)?),
        state,
        requested_at: Timestamp::from_ms(row.get(4)?),
        updated_at: Timestamp::from_ms(row.get(5)?),
        initiator_block: Block { is_set: row.get(6)?, changed_at: Timestamp::from_ms(row.get(7)?) },
        peer_block: Block { is_set: row.get(8)?, changed_at: Timestamp::from_ms(row.get(9)?) },
    })
}

pub(super) fn status(row: &Row<'_>) -> SqlResult<MessageStatus> {
    Ok(MessageStatus {
        key: MessageKey { sender_id: account(row, 1)?, message_id: MessageId::from_bytes(row.get(0)?) },
        recipient: device_key(row, 2)?,
        state: status_state(row, 4)?,
        updated_at: Timestamp::from_ms(row.get(5)?),
        proof: proof(row, 6)?,
    })
}

pub(super) fn waiting(row: &Row<'_>) -> SqlResult<Waiting> {
    Ok(Waiting {
        position: row.get(0)?,
        key: MessageKey { sender_id: account(row, 1)?, message_id: MessageId::from_bytes(row.get(2)?) },
        sender_device: device(row, 3)?,
        taken_at: Timestamp::from_ms(row.get(4)?),
    })
}

pub(super) fn between(
    connection: &Connection,
    one: AccountId,
    other: AccountId,
) -> Result<Option<Conversation>, StoreError> {
    let sql = format!(
        "SELECT {CONVERSATION} FROM conversations \
         WHERE (initiator_id = ?1 AND peer_id = ?2) OR (initiator_id = ?2 AND peer_id = ?1)"
    );
    let arguments = [one.as_bytes(), other.as_bytes()];
    Ok(connection.prepare_cached(&sql)?.query_row(arguments, conversation).optional()?)
}

/// Whether an account may not ask anybody else just now.
pub(super) fn has_too_many(connection: &Connection, account: AccountId) -> Result<bool, StoreError> {
    let count = |sql: &str| -> SqlResult<usize> {
        connection.prepare_cached(sql)?.query_row([account.as_bytes()], |row| row.get(0))
    };
    let open = count("SELECT count(*) FROM conversations WHERE initiator_id = ?1 AND state <> 1")?;
    let all = count("SELECT count(*) FROM conversations WHERE initiator_id = ?1 OR peer_id = ?1")?;
    Ok(open >= CONTACT_REQUESTS_OPEN_MAX || all >= CONVERSATIONS_PER_ACCOUNT_MAX)
}

/// Whether too many have asked an account that has not answered yet.
pub(super) fn is_asked_by_too_many(connection: &Connection, account: AccountId) -> Result<bool, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM conversations WHERE peer_id = ?1 AND state = 0")?;
    let asking: usize = statement.query_row([account.as_bytes()], |row| row.get(0))?;
    Ok(asking >= CONTACT_REQUESTS_OPEN_MAX)
}

pub(super) fn insert(connection: &Connection, row: &Conversation) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "INSERT INTO conversations (id, initiator_id, peer_id, state, requested_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            row.id.as_bytes(),
            row.initiator_id.as_bytes(),
            row.peer_id.as_bytes(),
            number(row.state),
            ms(row.requested_at),
            ms(row.updated_at)
        ])?;
    Ok(())
}

pub(super) fn update(connection: &Connection, row: &Conversation) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "UPDATE conversations SET state = ?2, updated_at = ?3, initiator_blocks = ?4, initiator_blocks_at = ?5, \
             peer_blocks = ?6, peer_blocks_at = ?7 WHERE id = ?1",
        )?
        .execute(params![
            row.id.as_bytes(),
            number(row.state),
            ms(row.updated_at),
            row.initiator_block.is_set,
            ms(row.initiator_block.changed_at),
            row.peer_block.is_set,
            ms(row.peer_block.changed_at),
        ])?;
    Ok(())
}

/// What an entry comes to whose id is known for this device; `None` if it is not.
pub(super) fn already(connection: &Connection, entry: &Entry) -> Result<Option<Enqueued>, StoreError> {
    let arguments = params![
        entry.key.message_id.as_bytes(),
        entry.recipient.account_id.as_bytes(),
        entry.recipient.device_id.value()
    ];
    let known = connection
        .prepare_cached(
            "SELECT sender_id, silent, state, proof FROM message_statuses \
             WHERE message_id = ?1 AND recipient_id = ?2 AND recipient_device = ?3",
        )?
        .query_row(arguments, |row| {
            Ok((account(row, 0)?, row.get(1)?, status_state(row, 2)?, proof(row, 3)?))
        })
        .optional()?;
    Ok(known.map(|(owner, is_silent, state, proof)| match state {
        _ if owner != entry.key.sender_id => Enqueued::IdInUse,
        MessageStatusState::Sent => Enqueued::Waiting,
        _ if is_silent => Enqueued::Settled(MessageStatusState::Sent, None),
        state => Enqueued::Settled(state, proof),
    }))
}

/// Adds what an entry adds: false, and nothing is added, if its id is known for this device or of another message.
pub(super) fn insert_message(
    connection: &Connection,
    entry: &Entry,
    position: u64,
    updated_at: Timestamp,
) -> Result<bool, StoreError> {
    let is_new_here = connection
        .prepare_cached(
            "INSERT INTO message_statuses (message_id, recipient_id, recipient_device, sender_id, sender_device, \
             position, state, updated_at, proof, silent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7, x'', 0) \
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            entry.key.message_id.as_bytes(),
            entry.recipient.account_id.as_bytes(),
            entry.recipient.device_id.value(),
            entry.key.sender_id.as_bytes(),
            entry.sender_device.value(),
            position,
            ms(updated_at),
        ])?;
    if is_new_here == 0 {
        return Ok(false);
    }
    let is_new = connection
        .prepare_cached(
            "INSERT INTO messages (id, conversation_id, sender_id, recipient_id, message_type, timestamp, session_id, \
             is_read, read_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            entry.key.message_id.as_bytes(),
            entry.conversation_id.as_bytes(),
            entry.key.sender_id.as_bytes(),
            entry.recipient.account_id.as_bytes(),
            entry.message_type,
            ms(entry.taken_at),
            entry.session_id,
        ])?;
    if is_new == 1 || is_same_message(connection, entry)? {
        return Ok(true);
    }
    connection
        .prepare_cached(
            "DELETE FROM message_statuses WHERE message_id = ?1 AND recipient_id = ?2 AND recipient_device = ?3",
        )?
        .execute(params![
            entry.key.message_id.as_bytes(),
            entry.recipient.account_id.as_bytes(),
            entry.recipient.device_id.value()
        ])?;
    Ok(false)
}

/// Whether the message of this id is the entry's: it goes to another device of the same account.
fn is_same_message(connection: &Connection, entry: &Entry) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("SELECT 1 FROM messages WHERE id = ?1 AND sender_id = ?2 AND recipient_id = ?3")?
        .exists([
            entry.key.message_id.as_bytes(),
            entry.key.sender_id.as_bytes(),
            entry.recipient.account_id.as_bytes(),
        ])?)
}

const fn number(state: ConversationState) -> u8 {
    match state {
        ConversationState::Requested => 0,
        ConversationState::Accepted => 1,
        ConversationState::Refused => 2,
    }
}

fn status_state(row: &Row<'_>, column: usize) -> SqlResult<MessageStatusState> {
    match row.get::<_, u8>(column)? {
        SENT => Ok(MessageStatusState::Sent),
        2 => Ok(MessageStatusState::Received),
        3 => Ok(MessageStatusState::Read),
        EXPIRED => Ok(MessageStatusState::Expired),
        _ => Err(wrong(column)),
    }
}

fn proof(row: &Row<'_>, column: usize) -> SqlResult<Proof> {
    match row.get_ref(column)?.as_blob()? {
        [] => Ok(None),
        bytes => bytes.try_into().map(Some).map_err(|_| wrong(column)),
    }
}

pub(super) fn account(row: &Row<'_>, column: usize) -> SqlResult<AccountId> {
    Ok(AccountId::from_bytes(row.get(column)?))
}

/// Of two columns: account, device.
pub(super) fn device_key(row: &Row<'_>, column: usize) -> SqlResult<DeviceKey> {
    Ok(DeviceKey { account_id: account(row, column)?, device_id: device(row, column + 1)? })
}

fn device(row: &Row<'_>, column: usize) -> SqlResult<DeviceId> {
    DeviceId::try_from(row.get::<_, u32>(column)?).map_err(|_| wrong(column))
}

/// The tables' CHECK constraints keep such values out; a damaged file may still hold one.
fn wrong(column: usize) -> rusqlite::Error {
    rusqlite::Error::InvalidColumnType(column, String::from("out of range"), Type::Integer)
}
