//! What the hub does with messages that wait: makes them durable, reads them, settles them.
//!
//! Invariants: writes are queued before a function returns, so that their order is that of the calls; a body is deleted only
//! after what makes it needless is recorded. In split mode the body was put before the message came: it goes to the disk
//! when that must wait, and first.

use std::sync::Arc;

use futures_util::future::Either;
use tacite_depot::{BodyName, Store as _};
use tacite_model::Timestamp;
use tacite_model::limits::{SYNC_PAGE_ROWS_MAX, UNACKNOWLEDGED_MAX, UPLOAD_PERMIT_MS};
use tacite_router::delivery::{Fetched, Input, LinkId, Parcel};
use tacite_router::{DeviceKey, Enqueued, Entry, MessageKey, Receipt, Store as _, StoreError, Waiting};
use tacite_wire::{Frame, Opcode, proto};

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

    /// Makes a message durable. The first write is queued before this returns, so queue order is call order.
    pub(crate) fn park(self: &Arc<Self>, parcel: &Parcel, now: Timestamp) {
        let Parcel { key, recipient, .. } = *parcel;
        let sender = parcel.sender();
        let envelope: proto::Envelope =
            parcel.frame.read().expect("the handler has read it before, and a frame does not change");
        let is_split = self.is_split();
        let name = self.name(&key, &recipient);
        let kept_until = self.kept_until(parcel.taken_at);
        let entry = Entry {
            key,
            sender_device: parcel.sender_device,
            recipient,
            conversation_id: parcel.conversation_id,
            message_type: envelope.message_type,
            session_id: parcel.session_id,
            taken_at: parcel.taken_at,
        };
        let hub = Arc::clone(self);
        let written = if is_split {
            let body = self.depot.settle(name, kept_until);
            let hub = Arc::clone(self);
            // One after the other: a message whose body is not there would come to its recipient without one.
            Either::Left(async move {
                body.await?;
                hub.router.enqueue(entry, now).await
            })
        } else {
            let body = self.depot.put_body(name, envelope.sealed, kept_until);
            let queued = self.router.enqueue(entry, now);
            Either::Right(async move {
                let (body, queued) = tokio::join!(body, queued);
                body.and(queued)
            })
        };
        self.tasks.spawn(async move {
            let written = written.await;
            // What does not wait needs no body. (If queueing failed, the sender tries again and the body serves then; so it
            // does in split mode if the queue is full.)
            let is_needless = match &written {
                Ok(Enqueued::Waiting) | Err(_) => false,
                Ok(Enqueued::Full) => !is_split,
                Ok(Enqueued::Settled(..) | Enqueued::IdInUse) => true,
            };
            if is_needless {
                let _ = hub.depot.delete_bodies(vec![name]).await;
            }
            let outcome = written.map_err(|error| store_code(&error));
            hub.deliver(Input::Parked { recipient, sender, key, outcome });
        });
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
            vec![Some(bytes::Bytes::new()); waiting.len()]
        } else {
            let names = waiting.iter().map(|row| self.name(&row.key, &device)).collect();
            self.depot.bodies(names).await?
        };
        let fetched = |(row, sealed): (Waiting, Option<bytes::Bytes>)| Fetched {
            position: row.position,
            key: row.key,
            frame: sealed.and_then(|sealed| self.restore(device, &row, sealed)),
        };
        Ok(waiting.into_iter().zip(bodies).map(fetched).collect())
    }

    /// The frame of a message that waited. In split mode it names the body instead of holding it.
    fn restore(&self, device: DeviceKey, row: &Waiting, sealed: bytes::Bytes) -> Option<Frame> {
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
