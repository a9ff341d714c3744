//! What the hub does with messages that wait: makes them durable, reads them, settles them.
//!
//! Invariants: writes are queued before a function returns, so that their order is that of the calls; a body is deleted only
//! after what makes it needless is recorded. In split mode the body was put before the message came: it goes to the disk
//! when that must wait, and first.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use futures_util::future::{Either, try_join_all};
use tacite_depot::{BodyName, Store as _};
use tacite_model::Timestamp;
use tacite_model::limits::{SYNC_PAGE_ROWS_MAX, UNACKNOWLEDGED_MAX, UPLOAD_PERMIT_MS};
use tacite_router::delivery::{Fetched, Input, LinkId, Parcel};
use tacite_router::{DeviceKey, Enqueued, Entry, MessageKey, Receipt, Store as _, StoreError, Waiting};
use tacite_wire::{Code, Frame, Opcode, proto};

use crate::hub::{Hub, Parts};
use crate::refusal::store_code;

impl<P: Parts> Hub<P> {
    /// Until when a body is kept whose message was taken at this time.
    pub(crate) fn kept_until(&self, taken_at: Timestamp) -> Timestamp {
        taken_at.plus_ms(self.policy.delivery.wait_ms())
    }

    /// Whether the body is there of a message that has come without it (split mode).
    pub(crate) fn announce(
        &self,
        key: &MessageKey,
        recipient: &DeviceKey,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        let held_until = now.plus_ms(UPLOAD_PERMIT_MS);
        self.depot.announce(self.name(key, recipient), held_until, self.kept_until(now))
    }

    /// Makes messages of one sender for one device durable. The first writes are queued before this returns, so queue order is
    /// call order.
    pub(crate) fn park(self: &Arc<Self>, parcels: &[Parcel], now: Timestamp) {
        let Some(first) = parcels.first() else { return };
        let (recipient, sender) = (first.recipient, first.sender());
        let keys: Vec<MessageKey> = parcels.iter().map(|parcel| parcel.key).collect();
        let (bodies, entries): (Vec<_>, Vec<Entry>) =
            parcels.iter().map(|parcel| self.body_and_entry(parcel)).unzip();
        let bodies = if self.is_split() {
            let settle = |(name, _, kept_until)| self.depot.settle(name, kept_until);
            Either::Left(try_join_all(bodies.into_iter().map(settle)).map_ok(drop))
        } else {
            Either::Right(self.depot.put_bodies(bodies))
        };
        let hub = Arc::clone(self);
        let written = if self.is_split() || keys.len() > 1 {
            // One after the other: of several, one without its body would be overtaken by those behind it that have theirs. In
            // split mode a body may be lost for good, so the same goes for one alone.
            Either::Left(async move {
                bodies.await?;
                hub.router.enqueue_all(entries, now).await
            })
        } else {
            let queued = self.router.enqueue_all(entries, now);
            Either::Right(async move {
                let (bodies, queued) = tokio::join!(bodies, queued);
                bodies.and(queued)
            })
        };
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let written = written.await.map_err(|error| store_code(&error));
            let outcomes: Vec<_> = match written {
                Ok(queued) => keys.into_iter().zip(queued.into_iter().map(Ok)).collect(),
                Err(code) => keys.into_iter().map(|key| (key, Err(code))).collect(),
            };
            hub.delete_needless(recipient, &outcomes).await;
            hub.deliver(Input::Parked { recipient, sender, outcomes });
        });
    }

    /// What is kept of a message that must wait: its body (in split mode it has come before), how it is called and for how long
    /// it is kept, and its place in the queue.
    fn body_and_entry(&self, parcel: &Parcel) -> ((BodyName, Bytes, Timestamp), Entry) {
        let Parcel { key, recipient, .. } = *parcel;
        let envelope: proto::Envelope =
            parcel.frame.read().expect("the handler has read it before, and a frame does not change");
        let (name, kept_until) = (self.name(&key, &recipient), self.kept_until(parcel.taken_at));
        let entry = Entry {
            key,
            sender_device: parcel.sender_device,
            recipient,
            conversation_id: parcel.conversation_id,
            message_type: envelope.message_type,
            session_id: parcel.session_id,
            taken_at: parcel.taken_at,
        };
        ((name, envelope.sealed, kept_until), entry)
    }

    /// What does not wait needs no body. (If queueing failed, the sender tries again and the body serves then; so it does in
    /// split mode if the queue is full.)
    async fn delete_needless(&self, recipient: DeviceKey, outcomes: &[(MessageKey, Result<Enqueued, Code>)]) {
        let is_needless = |outcome: &Result<Enqueued, Code>| match outcome {
            Ok(Enqueued::Waiting) | Err(_) => false,
            Ok(Enqueued::Full) => !self.is_split(),
            Ok(Enqueued::Settled(..) | Enqueued::IdInUse) => true,
        };
        let needless = outcomes.iter().filter(|(_, outcome)| is_needless(outcome));
        let names: Vec<BodyName> = needless.map(|(key, _)| self.name(key, &recipient)).collect();
        if !names.is_empty() {
            let _ = self.depot.delete_bodies(names).await;
        }
    }

    pub(crate) fn fetch(self: &Arc<Self>, device: DeviceKey, link: LinkId, after: u64) {
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            match hub.read_queue(device, after).await {
                Ok(messages) => hub.deliver(Input::Fetched { device, link, messages }),
                // The device connects again and the queue is read then.
                Err(error) => {
                    store_code(&error);
                    hub.links.close(link);
                }
            }
        });
    }

    async fn read_queue(&self, device: DeviceKey, after: u64) -> Result<Vec<Fetched>, StoreError> {
        let limit = UNACKNOWLEDGED_MAX.min(SYNC_PAGE_ROWS_MAX);
        let waiting = self.router.waiting(device, after, limit).await?;
        let bodies = if self.is_split() {
            vec![Some(Bytes::new()); waiting.len()]
        } else {
            let names = waiting.iter().map(|row| self.name(&row.key, &device)).collect();
            self.depot.bodies(names).await?
        };
        let fetched = |(row, sealed): (Waiting, Option<Bytes>)| Fetched {
            position: row.position,
            key: row.key,
            frame: sealed.and_then(|sealed| self.restore(device, &row, sealed)),
        };
        Ok(waiting.into_iter().zip(bodies).map(fetched).collect())
    }

    /// The frame of a message that waited. In split mode it names the body instead of holding it.
    fn restore(&self, device: DeviceKey, row: &Waiting, sealed: Bytes) -> Option<Frame> {
        let mut envelope = proto::Envelope {
            sender_id: row.key.sender_id.as_bytes().to_vec().into(),
            sender_device: row.sender_device.into(),
            recipient_id: device.account_id.as_bytes().to_vec().into(),
            recipient_device: device.device_id.into(),
            message_type: crate::handlers::DIRECT_MESSAGE,
            sealed,
            ..proto::Envelope::default()
        };
        if self.is_split() {
            envelope.body_name = self.name(&row.key, &device).0.to_vec().into();
        }
        Frame::command(Opcode::DIRECT_RECEIVED, row.key.message_id, self.clock.now(), &envelope).ok()
    }

    pub(crate) fn receive(self: &Arc<Self>, device: DeviceKey, receipts: Vec<Receipt>, now: Timestamp) {
        let names = receipts.iter().map(|receipt| self.name(&receipt.key, &device)).collect();
        let recorded = self.router.received(device, receipts.clone(), now);
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let failed = match hub.settle(recorded, names).await {
                Ok(()) => Vec::new(),
                Err(error) => {
                    store_code(&error);
                    receipts
                }
            };
            hub.deliver(Input::Settled { device, failed });
        });
    }

    async fn settle(
        &self,
        recorded: impl Future<Output = Result<Vec<tacite_router::MessageStatus>, StoreError>>,
        names: Vec<BodyName>,
    ) -> Result<(), StoreError> {
        self.tell_senders(recorded.await?);
        // Only now: a body that is deleted before its receipt is recorded would be lost with the process.
        self.depot.delete_bodies(names).await
    }

    /// Deletes the bodies of messages that were put before they were sent and have arrived.
    pub(crate) fn discard(self: &Arc<Self>, device: DeviceKey, messages: &[MessageKey]) {
        let names = messages.iter().map(|key| self.name(key, &device)).collect();
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            if let Err(error) = hub.depot.discard(names).await {
                // They expire by themselves.
                store_code(&error);
            }
        });
    }

    /// Pushes states to the senders that have a link; the others learn them by synchronising.
    pub(crate) fn tell_senders(&self, statuses: Vec<tacite_router::MessageStatus>) {
        for status in statuses {
            let sender_id = status.key.sender_id;
            self.push_to_account(sender_id, Opcode::STATE_CHANGED, &proto::MessageState::from(status));
        }
    }
}
