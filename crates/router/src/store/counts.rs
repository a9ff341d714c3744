//! What is asked of all rows of `message_statuses` at once: how many wait for a device, and of whom, and which change is the
//! newest. Kept in the writer's memory as rows come and go, not counted anew each time.
//!
//! Invariants: who adds a row that waits, settles one or gives one a new time of change says so here in the same job; if the
//! job is undone, all of this is counted anew ([`Summary`]). A row that waits is never deleted, only settled.

use std::collections::HashMap;

use rusqlite::Connection;
use tacite_model::limits::{QUEUE_MESSAGES_MAX, QUEUE_MESSAGES_PER_SENDER_MAX};
use tacite_model::{AccountId, Timestamp};
use tacite_store::Summary;

use super::rows;
use crate::{DeviceKey, MessageStatus, StoreError};

/// The tally as jobs reach it: read by [`see`], updated right after each change of a row.
pub(super) type Counts = Summary<Tally>;

/// Reads the tally, which is counted first if it must be.
pub(super) fn see<R>(
    counts: &Counts,
    connection: &Connection,
    see: impl FnOnce(&Tally) -> R,
) -> Result<R, StoreError> {
    counts.read(connection, Tally::count, see)
}

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// By device and sender; without a sender: of all. No entry: none.
    waiting: HashMap<(DeviceKey, Option<AccountId>), usize>,
    newest: Timestamp,
}

impl Tally {
    /// Counts the rows.
    pub(super) fn count(connection: &Connection) -> Result<Self, StoreError> {
        let newest: u64 =
            connection.query_row("SELECT coalesce(max(updated_at), 0) FROM message_statuses", [], |row| {
                row.get(0)
            })?;
        let mut counts = Self { waiting: HashMap::new(), newest: Timestamp::from_ms(newest) };
        let mut statement = connection.prepare(
            "SELECT recipient_id, recipient_device, sender_id, count(*) FROM message_statuses WHERE state = 1 \
             GROUP BY recipient_id, recipient_device, sender_id",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let (device, sender) = (rows::device_key(row, 0)?, rows::account(row, 2)?);
            let count: usize = row.get(3)?;
            for sender in [None, Some(sender)] {
                *counts.waiting.entry((device, sender)).or_default() += count;
            }
        }
        Ok(counts)
    }

    /// Whether no message of `sender` may be put into the queue of `device` now.
    pub(super) fn is_full(&self, device: DeviceKey, sender: AccountId) -> bool {
        let count = |sender| self.waiting.get(&(device, sender)).copied().unwrap_or(0);
        count(None) >= QUEUE_MESSAGES_MAX || count(Some(sender)) >= QUEUE_MESSAGES_PER_SENDER_MAX
    }

    /// How many messages wait for a device.
    #[cfg(test)]
    pub(super) fn waiting_for(&self, device: DeviceKey) -> usize {
        self.waiting.get(&(device, None)).copied().unwrap_or(0)
    }

    /// When a row last changed.
    pub(super) fn newest(&self) -> Timestamp {
        self.newest
    }

    /// A row was added that waits.
    pub(super) fn added(&mut self, device: DeviceKey, sender: AccountId, updated_at: Timestamp) {
        for sender in [None, Some(sender)] {
            *self.waiting.entry((device, sender)).or_default() += 1;
        }
        self.changed(updated_at);
    }

    /// A row that waited does so no more.
    pub(super) fn settled(&mut self, row: &MessageStatus) {
        for sender in [None, Some(row.key.sender_id)] {
            let key = (row.recipient, sender);
            match self.waiting.get_mut(&key) {
                Some(count) if *count > 1 => *count -= 1,
                _ => drop(self.waiting.remove(&key)),
            }
        }
        self.changed(row.updated_at);
    }

    /// A row got a new time of change.
    pub(super) fn changed(&mut self, updated_at: Timestamp) {
        self.newest = self.newest.max(updated_at);
    }
}
