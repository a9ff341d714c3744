//! Metadata that is forgotten when the process ends: for tests and simulations.

use std::collections::BTreeMap;
use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use tacite_model::limits::{
    CONTACT_REQUESTS_OPEN_MAX, CONVERSATIONS_PER_ACCOUNT_MAX, QUEUE_MESSAGES_MAX,
    QUEUE_MESSAGES_PER_SENDER_MAX,
};
use tacite_model::{AccountId, ConversationId, DeviceId, MessageId, Timestamp};

use crate::{
    Block, Blocked, Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry,
    MessageStatus, MessageStatusState, Receipt, Requested, Store, StoreError, Waiting,
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
    last_seen: BTreeMap<AccountId, Timestamp>,
    updated_at: Timestamp,
    position: u64,
}

#[derive(Debug)]
struct Message {
    status: MessageStatus,
    silent: bool,
    /// `None` if it never waited.
    queued: Option<Queued>,
}

#[derive(Debug)]
struct Queued {
    position: u64,
    sender_device: DeviceId,
    taken_at: Timestamp,
}

impl Message {
    fn waits_for(&self, device: DeviceKey) -> bool {
        self.status.recipient == device && self.status.state == MessageStatusState::Sent
    }

    /// Whether more of it can be told to its sender.
    fn is_over(&self) -> bool {
        match self.status.state {
            MessageStatusState::Sent => false,
            MessageStatusState::Received => self.silent,
            MessageStatusState::Read | MessageStatusState::Expired => true,
        }
    }

    fn row(&self) -> Option<Waiting> {
        let Queued { position, sender_device, taken_at } = *self.queued.as_ref()?;
        Some(Waiting { position, key: self.status.key, sender_device, taken_at })
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

    fn is_asked_by_too_many(&self, account: AccountId) -> bool {
        let asks = |row: &&Conversation| row.peer_id == account && row.state == ConversationState::Requested;
        self.conversations.iter().filter(asks).count() >= CONTACT_REQUESTS_OPEN_MAX
    }

    fn enqueue(&mut self, entry: &Entry, now: Timestamp) -> Enqueued {
        let id = entry.key.message_id;
        if let Some(row) = self.messages.get(&(id, entry.recipient)) {
            return match row.status.state {
                _ if row.status.key != entry.key => Enqueued::IdInUse,
                MessageStatusState::Sent => Enqueued::Waiting,
                _ if row.silent => Enqueued::Settled(MessageStatusState::Sent, None),
                state => Enqueued::Settled(state, row.status.proof),
            };
        }
        let owner = |status: &MessageStatus| (status.key.sender_id, status.recipient.account_id);
        let is_anothers = |row: &Message| {
            row.queued.is_some()
                && row.status.key.message_id == id
                && owner(&row.status) != (entry.key.sender_id, entry.recipient.account_id)
        };
        if self.messages.values().any(is_anothers) {
            return Enqueued::IdInUse;
        }
        let waiting = || self.messages.values().filter(|row| row.waits_for(entry.recipient));
        let of_sender = waiting().filter(|row| row.status.key.sender_id == entry.key.sender_id);
        if waiting().count() >= QUEUE_MESSAGES_MAX || of_sender.count() >= QUEUE_MESSAGES_PER_SENDER_MAX {
            return Enqueued::Full;
        }
        self.position += 1;
        let status = MessageStatus {
            key: entry.key,
            recipient: entry.recipient,
            state: MessageStatusState::Sent,
            updated_at: self.tick(now),
            proof: None,
        };
        let queued =
            Queued { position: self.position, sender_device: entry.sender_device, taken_at: entry.taken_at };
        self.messages.insert((id, entry.recipient), Message { status, silent: false, queued: Some(queued) });
        Enqueued::Waiting
    }

    fn receive(&mut self, device: DeviceKey, receipt: &Receipt, now: Timestamp) -> Option<MessageStatus> {
        let updated_at = self.tick(now);
        let row = self.messages.get_mut(&(receipt.key.message_id, device))?;
        if row.status.key != receipt.key || row.status.state != MessageStatusState::Sent {
            return None;
        }
        let (state, proof) = (MessageStatusState::Received, receipt.proof);
        row.status = MessageStatus { state, updated_at, proof, ..row.status };
        row.silent = receipt.silent;
        (!row.silent).then_some(row.status)
    }

    fn read(&mut self, reader: DeviceKey, receipt: &Receipt, now: Timestamp) -> Option<MessageStatus> {
        let status = MessageStatus {
            key: receipt.key,
            recipient: reader,
            state: MessageStatusState::Read,
            updated_at: self.tick(now),
            proof: receipt.proof,
        };
        let place = (receipt.key.message_id, reader);
        let Some(row) = self.messages.get_mut(&place) else {
            self.messages.insert(place, Message { status, silent: false, queued: None });
            return Some(status);
        };
        if row.status.key != receipt.key || row.status.state >= MessageStatusState::Read || row.silent {
            return None;
        }
        row.status = status;
        Some(status)
    }

    fn block(
        &mut self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> Option<Blocked> {
        let changed_at = self.tick(now);
        let row = self.find(blocker, other)?;
        let is_initiator = blocker == row.initiator_id;
        let block = if is_initiator { &mut row.initiator_block } else { &mut row.peer_block };
        if block.is_set != is_set {
            *block = Block { is_set, changed_at };
        }
        let conversation = *row;
        let waits = |row: &&Message| {
            row.waits_for(row.status.recipient)
                && (row.status.key.sender_id, row.status.recipient.account_id) == (other, blocker)
        };
        let waiting = self.messages.values().filter(waits);
        let dropped: Vec<_> = if is_set {
            waiting.map(|row| (row.status.key, row.status.recipient)).collect()
        } else {
            Vec::new()
        };
        for (key, device) in &dropped {
            self.receive(*device, &Receipt { key: *key, proof: None, silent: true }, now);
        }
        Some(Blocked { conversation, dropped })
    }

    /// Forgets rows, but never the newest of all.
    fn forget(&mut self, may_go: impl Fn(&Message) -> bool) -> usize {
        let before = self.messages.len();
        let newest = self.messages.values().map(|row| row.status.updated_at).max();
        self.messages.retain(|_, row| Some(row.status.updated_at) == newest || !may_go(row));
        before - self.messages.len()
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
            if tables.has_too_many(from) || tables.is_asked_by_too_many(to) {
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
                initiator_block: Block::default(),
                peer_block: Block::default(),
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

    fn block(
        &self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Blocked>, StoreError>> + Send {
        ready(Ok(self.with(|tables| tables.block(blocker, other, is_set, now))))
    }

    fn contacts(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let of_account = |row: &&Conversation| row.initiator_id == account || row.peer_id == account;
            let open = tables.conversations.iter().filter(of_account).filter(|row| row.is_open());
            open.map(|row| row.other(account)).collect()
        })))
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
            let has_advanced = |row: &&Message| {
                row.status.key.sender_id == account
                    && row.status.state != MessageStatusState::Sent
                    && !row.silent
            };
            let sent = tables.messages.values().filter(has_advanced);
            let statuses = sent.map(|row| Change::Status(row.status));
            let mut changes: Vec<Change> =
                conversations.chain(statuses).filter(|change| change.cursor(account) > since).collect();
            changes.sort_unstable_by_key(|change| change.cursor(account));
            changes.truncate(limit);
            changes
        })))
    }

    fn enqueue_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Enqueued>, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| entries.iter().map(|entry| tables.enqueue(entry, now)).collect())))
    }

    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let rows = tables.messages.values().filter(|row| row.waits_for(device));
            let mut waiting: Vec<Waiting> =
                rows.filter_map(Message::row).filter(|row| row.position > after).collect();
            waiting.sort_unstable_by_key(|row| row.position);
            waiting.truncate(limit);
            waiting
        })))
    }

    fn received(
        &self,
        device: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| {
            receipts.iter().filter_map(|receipt| tables.receive(device, receipt, now)).collect()
        })))
    }

    fn read(
        &self,
        reader: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            receipts.iter().filter_map(|receipt| tables.read(reader, receipt, now)).collect()
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
                let waits_since = row.queued.as_ref().map(|queued| queued.taken_at);
                if row.status.state == MessageStatusState::Sent && waits_since < Some(before) {
                    updated_at = updated_at.plus_ms(1);
                    row.status.state = MessageStatusState::Expired;
                    row.status.updated_at = updated_at;
                    changed.push(row.status);
                }
            }
            tables.updated_at = updated_at;
            changed
        })))
    }

    fn forget_synced(
        &self,
        sender: AccountId,
        synced: Cursor,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            tables.forget(|row| {
                let place = Change::Status(row.status).cursor(sender);
                row.status.key.sender_id == sender && row.is_over() && place <= synced
            })
        })))
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let is_settled = |row: &Message| row.status.state != MessageStatusState::Sent;
            tables.forget(|row| is_settled(row) && row.status.updated_at < before)
        })))
    }

    fn saw(&self, account: AccountId, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.with(|tables| tables.last_seen.insert(account, now));
        ready(Ok(()))
    }
}
