//! The router's metadata behind a disk.

use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::{
    Blocked, Change, Conversation, Cursor, DeviceKey, Enqueued, Entry, MessageStatus, Receipt, Requested,
    Store, StoreError, Waiting,
};

use super::{Slow, Written};
use crate::plant::Plant;

/// How coarse the times are that a planted record of changes keeps, milliseconds.
const COARSE_MS: u64 = 120_000;

impl<S: Store> Store for Slow<S> {
    async fn request(
        &self,
        from: AccountId,
        to: AccountId,
        new_id: ConversationId,
        now: Timestamp,
    ) -> Result<Requested, StoreError> {
        self.disk.note(|| Written::Request { from, to, id: new_id, now });
        self.write(async move |store| store.request(from, to, new_id, now).await).await
    }

    async fn answer(
        &self,
        answerer: AccountId,
        asker: AccountId,
        accept: bool,
        now: Timestamp,
    ) -> Result<Option<Conversation>, StoreError> {
        self.disk.note(|| Written::Answer { answerer, asker, accept, now });
        self.write(async move |store| store.answer(answerer, asker, accept, now).await).await
    }

    async fn between(&self, one: AccountId, other: AccountId) -> Result<Option<Conversation>, StoreError> {
        self.read(async |store| store.between(one, other).await).await
    }

    async fn block(
        &self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> Result<Option<Blocked>, StoreError> {
        self.write(async move |store| store.block(blocker, other, is_set, now).await).await
    }

    async fn contacts(&self, account: AccountId) -> Result<Vec<AccountId>, StoreError> {
        self.read(async |store| store.contacts(account).await).await
    }

    async fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> Result<Vec<Change>, StoreError> {
        if self.is_planted(Plant::CursorByTimeAlone) {
            let all = self.read(async |store| store.changes_since(account, Cursor::default(), 10_000).await);
            return Ok(by_time_alone(all.await?, account, since, limit));
        }
        self.read(async |store| store.changes_since(account, since, limit).await).await
    }

    fn enqueue_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Enqueued>, StoreError>> + Send + 'static {
        let planted =
            self.is_planted(Plant::AcknowledgeBeforeDurable).then(|| vec![Enqueued::Waiting; entries.len()]);
        let written = self.write(async move |store| store.enqueue_all(entries, now).await);
        async move {
            match planted {
                Some(planted) => Ok(planted),
                None => written.await,
            }
        }
    }

    async fn waiting(&self, device: DeviceKey, after: u64, limit: usize) -> Result<Vec<Waiting>, StoreError> {
        self.read(async |store| store.waiting(device, after, limit).await).await
    }

    fn received(
        &self,
        device: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static {
        self.write(async move |store| store.received(device, receipts, now).await)
    }

    async fn read(
        &self,
        reader: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> Result<Vec<MessageStatus>, StoreError> {
        self.write(async move |store| store.read(reader, receipts, now).await).await
    }

    async fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<MessageStatus>, StoreError> {
        self.write(async move |store| store.expire_waiting(before, now).await).await
    }

    async fn forget_synced(&self, sender: AccountId, synced: Cursor) -> Result<usize, StoreError> {
        self.write(async move |store| store.forget_synced(sender, synced).await).await
    }

    async fn saw(&self, account: AccountId, now: Timestamp) -> Result<(), StoreError> {
        self.write(async move |store| store.saw(account, now).await).await
    }

    async fn forget_settled(&self, before: Timestamp) -> Result<usize, StoreError> {
        self.write(async move |store| store.forget_settled(before).await).await
    }
}

/// What a store would give that stamps rows with coarse times and goes on behind a time.
fn by_time_alone(changes: Vec<Change>, account: AccountId, since: Cursor, limit: usize) -> Vec<Change> {
    let coarse = |time: Timestamp| Timestamp::from_ms(time.as_ms() / COARSE_MS * COARSE_MS);
    let mut stamped: Vec<Change> = changes
        .into_iter()
        .map(|change| match change {
            Change::Conversation(row) => Change::Conversation(Conversation {
                requested_at: coarse(row.requested_at),
                updated_at: coarse(row.updated_at),
                ..row
            }),
            Change::Status(row) => {
                Change::Status(MessageStatus { updated_at: coarse(row.updated_at), ..row })
            }
        })
        .filter(|change| change.cursor(account).updated_at > since.updated_at)
        .collect();
    stamped.sort_unstable_by_key(|change| change.cursor(account));
    stamped.truncate(limit);
    stamped
}
