//! The router decides who gets what: contacts, the way of each message, its states. It knows metadata only.
//!
//! Two parts: [`Delivery`], a pure machine that knows which devices are linked and what is on its way to them, and
//! [`Store`], the metadata that must outlive the process. The server drives both: it hands inputs to the machine and
//! carries out its effects.
//!
//! Invariants: nothing here holds, sees or names content or keys; a sender is told `sent` only after what it sent is
//! durable, `received` only after the recipient's device has acknowledged it; messages of one sender to one device keep
//! their order; states never step back.

#[cfg(test)]
mod conformance;
pub mod delivery;
mod naming;
mod records;
pub mod store;

use std::future::Future;

pub use delivery::Delivery;
pub use naming::NamingKey;
pub use records::{
    Change, Conversation, ConversationState, Cursor, DeviceKey, Enqueued, Entry, MessageKey, MessageStatus,
    MessageStatusState, Requested, Waiting,
};
use tacite_model::{AccountId, ConversationId, Timestamp};
pub use tacite_store::StoreError;

/// Where the router keeps metadata. One method is one intention and one transaction.
///
/// To add a store: implement this in a module of `store/` and run the suite of `conformance.rs` on it. Every change of a
/// row gets an `updated_at` later than all before it, so that a cursor misses nothing.
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

    /// At most `limit` changes that concern `account` after `since`, in order: its conversations, and the states of the
    /// messages that it sent and that wait no more. A message that waits is not among them: whether its body is durable
    /// too, only the answer to its sending tells.
    fn changes_since(
        &self,
        account: AccountId,
        since: Cursor,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Change>, StoreError>> + Send;

    /// Puts a message at the end of a device's queue. Repeating it changes nothing.
    ///
    /// The order of calls is the order of the queue, even before the futures are polled.
    fn enqueue(
        &self,
        entry: Entry,
        now: Timestamp,
    ) -> impl Future<Output = Result<Enqueued, StoreError>> + Send + 'static;

    /// At most `limit` messages that wait for `device` behind `after`, in the order of the queue.
    fn waiting(
        &self,
        device: DeviceKey,
        after: u64,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Waiting>, StoreError>> + Send;

    /// `device` has stored these messages; returns the states that this advanced.
    fn received(
        &self,
        device: DeviceKey,
        messages: Vec<MessageKey>,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send + 'static;

    /// Messages enqueued before `before` no longer wait; returns the states that this advanced.
    fn expire_waiting(
        &self,
        before: Timestamp,
        now: Timestamp,
    ) -> impl Future<Output = Result<Vec<MessageStatus>, StoreError>> + Send;

    /// Forgets messages that do not wait any more and whose state last changed before `before`; returns how many.
    fn forget_settled(&self, before: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send;
}
