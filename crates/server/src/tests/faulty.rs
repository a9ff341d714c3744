//! Stores that fail on demand: the router's here.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::store::MemoryStore;
use tacite_router::{
    Blocked, Change, Conversation, Cursor, DeviceKey, Enqueued, Entry, MessageStatus, Receipt, Requested,
    Store, StoreError, Waiting,
};

use super::faulty_depot::FaultyDepot;
use crate::hub::Parts;

/// Memory, but what is sent may fail.
pub(crate) struct Faulty;

impl Parts for Faulty {
    type Accounts = tacite_accounts::store::MemoryStore;
    type Router = FaultyRouter;
    type Depot = FaultyDepot;
}

/// See the module.
#[derive(Default)]
pub(crate) struct FaultyRouter {
    store: MemoryStore,
    next_enqueue: Mutex<Option<Result<Enqueued, StoreError>>>,
    /// Whom the server had noted as seen.
    seen: Mutex<Vec<AccountId>>,
    expiry_hangs: AtomicBool,
}

impl FaultyRouter {
    /// From now on the sweep of what waits too long does not end.
    pub(crate) fn hang_expiry(&self) {
        self.expiry_hangs.store(true, Ordering::Relaxed);
    }

    /// Whom the server has noted as seen.
    pub(crate) fn seen(&self) -> Vec<AccountId> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

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

    fn enqueue_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Enqueued>, StoreError>> + Send + 'static {
        let spoilt = self.next_enqueue.lock().unwrap_or_else(PoisonError::into_inner).take();
        let count = entries.len();
        let queued = spoilt.is_none().then(|| self.store.enqueue_all(entries, now));
        async move {
            match (spoilt, queued) {
                (Some(outcome), _) => outcome.map(|outcome| vec![outcome; count]),
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
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        self.store.received(device, receipts, now)
    }

    fn read(
        &self,
        reader: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        self.store.read(reader, receipts, now)
    }

    fn block(
        &self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Blocked>, StoreError>> + Send {
        self.store.block(blocker, other, is_set, now)
    }

    fn contacts(
        &self,
        account: AccountId,
    ) -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send {
        self.store.contacts(account)
    }

    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send {
        let expired = self.store.expire_waiting(before, now);
        let hangs = self.expiry_hangs.load(Ordering::Relaxed);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            expired.await
        }
    }

    fn forget_synced(
        &self,
        sender: AccountId,
        synced: Cursor,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.store.forget_synced(sender, synced)
    }

    fn saw(&self, account: AccountId, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(account);
        self.store.saw(account, now)
    }

    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.store.forget_settled(before)
    }
}
