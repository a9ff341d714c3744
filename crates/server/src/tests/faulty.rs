//! A router's store that fails on demand.

use std::future::Future;
use std::sync::{Mutex, PoisonError};

use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::store::MemoryStore;
use tacite_router::{
    Change, Conversation, Cursor, DeviceKey, Enqueued, Entry, MessageKey, MessageStatus, Requested, Store,
    StoreError, Waiting,
};

use crate::hub::Parts;

/// Memory, but for the router, which may fail.
pub(crate) struct Faulty;

impl Parts for Faulty {
    type Accounts = tacite_accounts::store::MemoryStore;
    type Router = FaultyRouter;
    type Depot = tacite_depot::store::MemoryStore;
}

/// See the module.
#[derive(Default)]
pub(crate) struct FaultyRouter {
    store: MemoryStore,
    next_enqueue: Mutex<Option<Result<Enqueued, StoreError>>>,
}

impl FaultyRouter {
    /// What the next enqueueing comes to, instead of being done.
    pub(crate) fn spoil_next_enqueue(&self, outcome: Result<Enqueued, StoreError>) {
        *self.next_enqueue.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
    }
}

impl Store for FaultyRouter {
    fn request(
        &self,
        from: AccountId,
        to: AccountId,
        new_id: ConversationId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Requested, StoreError>> + Send {
        self.store.request(from, to, new_id, now)
    }

    fn answer(
        &self,
        answerer: AccountId,
        asker: AccountId,
        accept: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        self.store.answer(answerer, asker, accept, now)
    }

    fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send {
        self.store.between(one, other)
    }

    fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send {
        self.store.changes_since(account, since, limit)
    }

    fn enqueue(
        &self,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Enqueued, StoreError>> + Send + 'static {
        let spoilt = self.next_enqueue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let queued = spoilt.is_none().then(|| self.store.enqueue(entry, now));
        async move {
            match (spoilt, queued) {
                (Some(outcome), _) => outcome,
                (None, Some(queued)) => queued.await,
                (None, None) => Err(StoreError::Closed),
            }
        }
    }

    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send {
        self.store.waiting(device, after, limit)
    }

    fn received(
        &self,
        device: DeviceKey,
        messages: Vec<MessageKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        self.store.received(device, messages, now)
    }

    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        self.store.expire_waiting(before, now)
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.store.forget_settled(before)
    }
}
