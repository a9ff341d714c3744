//! What is asked of all rows at once: how many messages wait for a device, and of whom, and which change is the newest.
//! Kept up as rows come and go, not counted anew each time.
//!
//! It stands in temporary tables of the writer's connection, which triggers keep: so it is rolled back with the rows that it
//! sums up, and nothing of it is in a file.
//!
//! Invariants: `newest_change` has one row; `waiting_counts` has a row for each device and sender of whom something waits, and one with an empty sender
//! for the device as a whole; a row that waits is never deleted, only settled.

use rusqlite::{Connection, params};
use tacite_model::AccountId;
use tacite_model::limits::{QUEUE_MESSAGES_MAX, QUEUE_MESSAGES_PER_SENDER_MAX};

use crate::{DeviceKey, StoreError};

const COUNTS: &str = "
    CREATE TEMP TABLE waiting_counts (
        recipient_id     BLOB    NOT NULL,
        recipient_device INTEGER NOT NULL,
        sender_id        BLOB    NOT NULL,
        waiting          INTEGER NOT NULL,
        PRIMARY KEY (recipient_id, recipient_device, sender_id)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO waiting_counts
        SELECT recipient_id, recipient_device, sender_id, count(*) FROM message_statuses WHERE state = 1
        GROUP BY recipient_id, recipient_device, sender_id;
    INSERT INTO waiting_counts
        SELECT recipient_id, recipient_device, x'', count(*) FROM message_statuses WHERE state = 1
        GROUP BY recipient_id, recipient_device;
    CREATE TEMP TABLE newest_change (updated_at INTEGER NOT NULL) STRICT;
    INSERT INTO newest_change SELECT coalesce(max(updated_at), 0) FROM message_statuses;
    CREATE TEMP TRIGGER newest_added AFTER INSERT ON main.message_statuses BEGIN
        UPDATE newest_change SET updated_at = max(updated_at, new.updated_at);
    END;
    CREATE TEMP TRIGGER newest_changed AFTER UPDATE OF updated_at ON main.message_statuses BEGIN
        UPDATE newest_change SET updated_at = max(updated_at, new.updated_at);
    END;
    CREATE TEMP TRIGGER one_more_waits AFTER INSERT ON main.message_statuses WHEN new.state = 1 BEGIN
        INSERT INTO waiting_counts VALUES (new.recipient_id, new.recipient_device, new.sender_id, 1)
            ON CONFLICT DO UPDATE SET waiting = waiting + 1;
        INSERT INTO waiting_counts VALUES (new.recipient_id, new.recipient_device, x'', 1)
            ON CONFLICT DO UPDATE SET waiting = waiting + 1;
    END;
    CREATE TEMP TRIGGER one_less_waits AFTER UPDATE OF state ON main.message_statuses
    WHEN old.state = 1 AND new.state <> 1 BEGIN
        UPDATE waiting_counts SET waiting = waiting - 1 WHERE recipient_id = old.recipient_id
            AND recipient_device = old.recipient_device AND sender_id IN (old.sender_id, x'');
        DELETE FROM waiting_counts WHERE recipient_id = old.recipient_id
            AND recipient_device = old.recipient_device AND sender_id IN (old.sender_id, x'') AND waiting = 0;
    END;";

/// Makes the tables, if they are not there. To be called before the others.
pub(super) fn prepare(connection: &Connection) -> Result<(), StoreError> {
    let is_there = connection
        .prepare_cached("SELECT 1 FROM sqlite_temp_schema WHERE name = 'waiting_counts'")?
        .exists([])?;
    if !is_there {
        connection.execute_batch(COUNTS)?;
    }
    Ok(())
}

/// When a row last changed.
pub(super) fn newest(connection: &Connection) -> Result<u64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT updated_at FROM newest_change")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Whether no message of `sender` may be put into the queue of `device` now.
pub(super) fn is_full(
    connection: &Connection,
    device: DeviceKey,
    sender: AccountId,
) -> Result<bool, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT coalesce(sum(waiting), 0) FROM waiting_counts \
         WHERE recipient_id = ?1 AND recipient_device = ?2 AND sender_id = ?3",
    )?;
    let mut count = |sender: &[u8]| -> Result<usize, StoreError> {
        let arguments = params![device.account_id.as_bytes(), device.device_id.value(), sender];
        Ok(statement.query_row(arguments, |row| row.get(0))?)
    };
    Ok(count(&[])? >= QUEUE_MESSAGES_MAX || count(sender.as_bytes())? >= QUEUE_MESSAGES_PER_SENDER_MAX)
}
