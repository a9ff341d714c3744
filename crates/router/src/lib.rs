//! The router decides who gets what: contacts, the way of each message, its states. It knows metadata only.
//!
//! Three parts: [`Delivery`], a pure machine that knows which devices are linked and what is on its way to them,
//! [`Presence`], another that knows who is to be seen, and [`Store`], the metadata that must outlive the process. The
//! server drives them: it hands inputs to the machines and carries out what they decide.
//!
//! Invariants: nothing here holds, sees or names content or keys; a sender is told `sent` only after what it sent is
//! durable, `received` only after the recipient's device has acknowledged it; messages of one sender to one device keep
//! their order; states never step back.

#[cfg(test)]
mod conformance;
pub mod delivery;
mod naming;
pub mod presence;
mod records;
pub mod store;

use std::future::Future;

pub use delivery::Delivery;
pub use naming::NamingKey;
pub use presence::Presence;
pub use records::{
    Block, Blocked, Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry, MessageKey,
    MessageStatus, MessageStatusState, Proof, Receipt, Requested, Waiting,
};
use tacite_model::{AccountId, ConversationId, Timestamp};
pub use tacite_store::StoreError;

/// Where the router keeps metadata. One method is one intention and one transaction.
///
/// To add a store: implement this in a module of `store/` and run the suite of `conformance.rs` on it. Every change of a
/// row gets an `updated_at` later than all before it, so that a cursor misses nothing; the newest row of all is never
/// forgotten, so that this holds over a restart with a clock that was put back (T70).
pub trait Store: Send + Sync + 'static {
    /// `from` asks to become a contact of `to`. If `to` had asked `from` before, they are contacts now.
    fn request(
        &self,
        from: AccountId,
        to: AccountId,
        new_id: ConversationId,
        now: Timestamp,
    ) -> impl Future<Output = Result<Requested, StoreError>> + Send;

    /// `answerer` accepts or refuses the request of `asker`; `None` if there is no request to answer.
    fn answer(
        &self,
        answerer: AccountId,
        asker: AccountId,
        accept: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send;

    /// The conversation of two accounts, whoever asked.
    fn between(
        &self,
        one: AccountId,
        other: AccountId,
    ) -> impl Future<Output = Result<Option<Conversation>, StoreError>> + Send;

    /// `blocker` blocks `other`, or takes it back; `None` if they have no conversation. What waits of one who is blocked now
    /// waits no more; its sender is not told.
    fn block(
        &self,
        blocker: AccountId,
        other: AccountId,
        is_set: bool,
        now: Timestamp,
    ) -> impl Future<Output = Result<Option<Blocked>, StoreError>> + Send;

    /// With whom `account` may write: accepted, and blocked by neither side.
    fn contacts(&self, account: AccountId)
    -> impl Future<Output = Result<Vec<AccountId>, StoreError>> + Send;

    /// At most `limit` changes that concern `account` after `since`, in order: its conversations, and the states of the
    /// messages that it sent, that wait no more and were not received silently. A message that waits is not among them:
    /// whether its body is durable too, only the answer to its sending tells.
    fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send;

    /// Puts messages at the end of their devices' queues, in one transaction, and says for each what became of it: of those of
    /// one sender for one device, none is put in behind one that finds the queue full. Repeating it changes nothing.
    ///
    /// The order of calls is the order of the queue, even before the futures are polled.
    fn enqueue_all(
        &self,
        entries: Vec<Entry>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Enqueued>, StoreError>> + Send + 'static;

    /// The same with a single one.
    fn enqueue(
        &self,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Enqueued, StoreError>> + Send + 'static {
        let queued = self.enqueue_all(vec![entry], now);
        async move { Ok(queued.await?.pop().unwrap_or(Enqueued::Full)) }
    }

    /// At most `limit` messages that wait for `device` behind `after`, in the order of the queue.
    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send;

    /// `device` has stored these messages; returns the states that this advanced and of which the senders are to be told.
    fn received(
        &self,
        device: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static;

    /// These messages were shown to the person of `reader`; returns the states that this advanced. One that never waited
    /// gets its row here. Whether reader and senders are contacts, the caller has checked.
    fn read(
        &self,
        reader: DeviceKey,
        receipts: Vec<Receipt>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send;

    /// Messages enqueued before `before` no longer wait; returns the states that this advanced.
    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send;

    /// Forgets of the messages of `sender` those of which no more can be told, whose state last changed at or before `synced`:
    /// received silently, read, expired. Returns how many.
    fn forget_synced(
        &self,
        sender: AccountId,
        synced: Cursor,
    ) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// Forgets messages that do not wait any more and whose state last changed before `before`; returns how many.
    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send;

    /// `account` was seen online now. To be called only where the operator wants that to be known.
    fn saw(&self, account: AccountId, now: Timestamp) -> impl Future<Output = Result<(), StoreError>> + Send;
}
