//! Metadata that is forgotten when the process ends: for tests and simulations.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use tacite_model::limits::{CONTACT_REQUESTS_OPEN_MAX, CONVERSATIONS_PER_ACCOUNT_MAX, QUEUE_MESSAGES_MAX};
use tacite_model::{AccountId, ConversationId, MessageId, Timestamp};

use crate::{
    Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry, MessageKey, MessageStatus,
    MessageStatusState, Requested, Store, StoreError, Waiting,
};

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    conversations: Vec<Conversation>,
    messages: BTreeMap<(MessageId, DeviceKey), Message>,
    updated_at: Timestamp,
    position: u64,
}

#[derive(Debug)]
struct Message {
    entry: Entry,
    position: u64,
    state: MessageStatusState,
    updated_at: Timestamp,
}

impl Message {
    const fn status(&self) -> MessageStatus {
        MessageStatus {
            key: self.entry.key,
            recipient: self.entry.recipient,
            state: self.state,
            updated_at: self.updated_at,
        }
    }
}

impl MemoryStore {
    fn with<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> T {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tables {
    fn tick(&mut self, now: Timestamp) -> Timestamp {
        self.updated_at = now.max(self.updated_at.plus_ms(1));
        self.updated_at
    }

    fn find(&mut self, one: AccountId, other: AccountId) -> Option<&mut Conversation> {
        self.conversations.iter_mut().find(|row| {
            (row.initiator_id, row.peer_id) == (one, other) || (row.initiator_id, row.peer_id) == (other, one)
        })
    }

    fn has_too_many(&self, account: AccountId) -> bool {
        let all =
            self.conversations.iter().filter(|row| row.initiator_id == account || row.peer_id == account);
        let open = self
            .conversations
            .iter()
            .filter(|row| row.initiator_id == account && row.state != ConversationState::Accepted);
        open.count() >= CONTACT_REQUESTS_OPEN_MAX || all.count() >= CONVERSATIONS_PER_ACCOUNT_MAX
    }

    fn waiting(&self, device: DeviceKey) -> impl Iterator<Item = &Message> {
        self.messages
            .values()
            .filter(move |row| row.entry.recipient == device && row.state == MessageStatusState::Sent)
    }

    fn enqueue(&mut self, entry: Entry, now: Timestamp) -> Enqueued {
        let id = entry.key.message_id;
        let owner = |entry: &Entry| (entry.key.sender_id, entry.recipient.account_id);
        let mut same_id = self.messages.iter().filter(|((message_id, _), _)| *message_id == id);
        if same_id.any(|(_, row)| owner(&row.entry) != owner(&entry)) {
            return Enqueued::IdInUse;
        }
        if let Some(row) = self.messages.get(&(id, entry.recipient)) {
            return match row.state {
                MessageStatusState::Sent => Enqueued::Waiting,
                MessageStatusState::Expired => Enqueued::Expired,
                MessageStatusState::Received | MessageStatusState::Read => Enqueued::Received,
            };
        }
        if self.waiting(entry.recipient).count() >= QUEUE_MESSAGES_MAX {
            return Enqueued::Full;
        }
        self.position += 1;
        let (position, updated_at) = (self.position, self.tick(now));
        let row = Message { position, state: MessageStatusState::Sent, updated_at, entry };
        self.messages.insert((id, row.entry.recipient), row);
        Enqueued::Waiting
    }
}

impl Store for MemoryStore {
    fn request(
        &self,
        from: AccountId,
        to: AccountId,
        new_id: ConversationId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Requested, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let updated_at = tables.tick(now);
            if let Some(found) = tables.find(from, to) {
                if found.state == ConversationState::Accepted || found.initiator_id == from {
                    return Requested::Unchanged(*found);
                }
                *found = Conversation { state: ConversationState::Accepted, updated_at, ..*found };
                return Requested::Changed(*found);
            }
            if tables.has_too_many(from) {
                return Requested::TooMany;
            }
            let state = ConversationState::Requested;
            let row = Conversation {
                id: new_id,
                initiator_id: from,
                peer_id: to,
                state,
                requested_at: updated_at,
                updated_at,
            };
            tables.conversations.push(row);
            Requested::Changed(row)
        })))
    }

    fn answer(
        &self,
        answerer: AccountId,
        asker: AccountId,
        accept: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let updated_at = tables.tick(now);
            let found = tables.find(answerer, asker)?;
            if found.state == ConversationState::Accepted {
                return accept.then_some(*found);
            }
            if found.peer_id != answerer {
                return None;
            }
            let wanted = if accept { ConversationState::Accepted } else { ConversationState::Refused };
            if found.state == wanted {
                return Some(*found);
            }
            *found = Conversation { state: wanted, updated_at, ..*found };
            Some(*found)
        })))
    }

    fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        ready(Ok(self.with(|tables| tables.find(one, other).copied())))
    }

    fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let concerns = |row: &&Conversation| row.initiator_id == account || row.peer_id == account;
            let conversations =
                tables.conversations.iter().filter(concerns).copied().map(Change::Conversation);
            let has_advanced =
                |row: &&Message| row.entry.key.sender_id == account && row.state != MessageStatusState::Sent;
            let sent = tables.messages.values().filter(has_advanced);
            let statuses = sent.map(|row| Change::Status(row.status()));
            let mut changes: Vec<Change> =
                conversations.chain(statuses).filter(|change| change.cursor(account) > since).collect();
            changes.sort_unstable_by_key(|change| change.cursor(account));
            changes.truncate(limit);
            changes
        })))
    }

    fn enqueue(
        &self,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Enqueued, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| tables.enqueue(entry, now))))
    }

    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let mut waiting: Vec<Waiting> = tables
                .waiting(device)
                .filter(|row| row.position > after)
                .map(|row| Waiting {
                    position: row.position,
                    key: row.entry.key,
                    sender_device: row.entry.sender_device,
                    taken_at: row.entry.taken_at,
                })
                .collect();
            waiting.sort_unstable_by_key(|row| row.position);
            waiting.truncate(limit);
            waiting
        })))
    }

    fn received(
        &self,
        device: DeviceKey,
        messages: Vec<MessageKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| {
            let mut changed = Vec::new();
            for key in messages {
                let updated_at = tables.tick(now);
                let Some(row) = tables.messages.get_mut(&(key.message_id, device)) else { continue };
                if row.entry.key == key && row.state == MessageStatusState::Sent {
                    (row.state, row.updated_at) = (MessageStatusState::Received, updated_at);
                    changed.push(row.status());
                }
            }
            changed
        })))
    }

    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let mut updated_at = tables.updated_at.max(now);
            let mut changed = Vec::new();
            for row in tables.messages.values_mut() {
                if row.state == MessageStatusState::Sent && row.entry.taken_at < before {
                    updated_at = updated_at.plus_ms(1);
                    (row.state, row.updated_at) = (MessageStatusState::Expired, updated_at);
                    changed.push(row.status());
                }
            }
            tables.updated_at = updated_at;
            changed
        })))
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let count = tables.messages.len();
            tables
                .messages
                .retain(|_, row| row.state == MessageStatusState::Sent || row.updated_at >= before);
            count - tables.messages.len()
        })))
    }
}
