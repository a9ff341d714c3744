//! The middle of the server: the three parts, the open links, and the carrying out of what the router decides.
//!
//! Invariants: effects of the delivery machine are performed under its lock, so their order is the machine's; nothing in
//! here waits while the lock is held (writes are queued at once and awaited by a task of their own).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacite_accounts::Accounts;
use tacite_depot::{BodyName, PermitKey, Store as _};
use tacite_model::limits::{MESSAGE_WAIT_MS_MAX, SYNC_PAGE_ROWS_MAX, UNACKNOWLEDGED_MAX};
use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::delivery::{Effect, Fetched, Input, LinkId, Outcome, Parcel, Reply};
use tacite_router::{Delivery, DeviceKey, Enqueued, Entry, MessageKey, NamingKey, Store as _, Waiting};
use tacite_wire::{Code, Frame, Opcode, Status, proto};
use tokio_util::task::TaskTracker;

use crate::clock::{Chance, Clock};
use crate::links::Links;
use crate::meters::Meters;
use crate::refusal::{Refusal, store_code};
use crate::settings::Policy;

/// Which stores a server uses; decided once, at start.
pub trait Parts: Send + Sync + 'static {
    /// Log-in records.
    type Accounts: tacite_accounts::Store;
    /// Metadata.
    type Router: tacite_router::Store;
    /// Sealed bodies and prekeys.
    type Depot: tacite_depot::Store;
}

/// See the module.
pub(crate) struct Hub<P: Parts> {
    pub(crate) accounts: Accounts<P::Accounts>,
    pub(crate) router: P::Router,
    pub(crate) depot: P::Depot,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) links: Links,
    pub(crate) meters: Meters,
    pub(crate) tasks: TaskTracker,
    /// For upload permits.
    pub(crate) permits: PermitKey,
    naming: NamingKey,
    delivery: Mutex<Delivery>,
    /// Who may write to which device, as far as asked before. Contacts are never taken back, devices never removed.
    permitted: Mutex<HashMap<(AccountId, DeviceKey), ConversationId>>,
}

/// Entries of `permitted` before it is emptied.
const PERMITTED_MAX: usize = 100_000;

impl<P: Parts> Hub<P> {
    pub(crate) fn new(
        accounts: Accounts<P::Accounts>,
        router: P::Router,
        depot: P::Depot,
        (naming, permits): (NamingKey, PermitKey),
        policy: Policy,
        (clock, chance): (Clock, Chance),
    ) -> Arc<Self> {
        Arc::new(Self {
            accounts,
            router,
            depot,
            meters: Meters::new(&policy),
            policy,
            clock,
            chance,
            links: Links::default(),
            tasks: TaskTracker::new(),
            permits,
            naming,
            delivery: Mutex::default(),
            permitted: Mutex::default(),
        })
    }

    /// Hands an input to the delivery machine and performs what it decides.
    pub(crate) fn deliver(self: &Arc<Self>, input: Input) {
        let now = self.clock.now();
        let mut effects = Vec::new();
        let mut delivery = lock(&self.delivery);
        delivery.handle(input, now, &mut effects);
        for effect in effects {
            self.perform(effect, now);
        }
    }

    /// The conversation in which `sender` may write to `recipient`; refused if they are no contacts or the device is unknown.
    pub(crate) async fn permit(
        &self,
        sender: AccountId,
        recipient: DeviceKey,
    ) -> Result<ConversationId, Refusal> {
        if let Some(id) = lock(&self.permitted).get(&(sender, recipient)) {
            return Ok(*id);
        }
        let id = self.accepted(sender, recipient.account_id).await?;
        let devices = self.accounts.devices_of(recipient.account_id).await?;
        if !devices.iter().any(|device| device.device_id == recipient.device_id) {
            return Err(Code::DEVICE_UNKNOWN.into());
        }
        let mut permitted = lock(&self.permitted);
        if permitted.len() >= PERMITTED_MAX {
            permitted.clear();
        }
        permitted.insert((sender, recipient), id);
        Ok(id)
    }

    /// The conversation of two accounts that have accepted each other.
    pub(crate) async fn accepted(&self, one: AccountId, other: AccountId) -> Result<ConversationId, Refusal> {
        match self.router.between(one, other).await? {
            Some(found) if found.state == tacite_router::ConversationState::Accepted => Ok(found.id),
            _ => Err(Code::NOT_A_CONTACT.into()),
        }
    }

    /// Pushes a message to every open link of an account.
    pub(crate) fn push_to_account(&self, account: AccountId, opcode: Opcode, body: &impl prost::Message) {
        for (_, link) in self.links.of_account(account) {
            self.links.push(link, self.push_frame(opcode, body));
        }
    }

    /// A push with an id of its own. `body` must be one of ours that is known to fit.
    pub(crate) fn push_frame(&self, opcode: Opcode, body: &impl prost::Message) -> Frame {
        let id = self.chance.with(|rng| tacite_model::MessageId::random(rng));
        Frame::command(opcode, id, self.clock.now(), body).expect("pushes made here are small")
    }

    fn perform(self: &Arc<Self>, effect: Effect, now: Timestamp) {
        match effect {
            Effect::Push { link, frame } => self.links.push(link, frame),
            Effect::Close { link } => self.links.close(link),
            Effect::Level { link } => self.links.push(link, self.push_frame(Opcode::LEVEL, &proto::Empty {})),
            Effect::Answer { reply, recipient, outcome } => self.answer(&reply, recipient, outcome, now),
            Effect::Park(parcel) => self.park(&parcel, now),
            Effect::Fetch { device, link, after } => self.fetch(device, link, after),
            Effect::Receive { device, messages } => self.receive(device, messages, now),
        }
    }

    fn answer(&self, reply: &Reply, recipient: DeviceKey, outcome: Outcome, now: Timestamp) {
        let finished = |state: proto::DeliveryState| {
            let body = proto::MessageState {
                message_id: reply.header.message_id.as_bytes().to_vec().into(),
                recipient_id: recipient.account_id.as_bytes().to_vec().into(),
                recipient_device: recipient.device_id.into(),
                state: state.into(),
                at_ms: now.as_ms(),
                proof: bytes::Bytes::new(),
            };
            Frame::answer(&reply.header, Status::FINISHED, Code::DONE, now, &body)
                .expect("fits the smallest frame")
        };
        let frame = match outcome {
            Outcome::Taken => {
                Frame::answer(&reply.header, Status::IN_PROGRESS, Code::TAKEN, now, &proto::Empty {})
                    .expect("fits the smallest frame")
            }
            Outcome::Sent => finished(proto::DeliveryState::Sent),
            Outcome::Received => finished(proto::DeliveryState::Received),
            Outcome::Expired => finished(proto::DeliveryState::Expired),
            Outcome::Refused(code) => Refusal::new(code).answer(&reply.header, now),
        };
        self.links.push(reply.link, frame);
    }

    /// Makes a message durable. Both writes are queued before this returns, so queue order is call order.
    fn park(self: &Arc<Self>, parcel: &Parcel, now: Timestamp) {
        let Parcel { key, recipient, .. } = *parcel;
        let envelope: proto::Envelope =
            parcel.frame.read().expect("the handler has read it before, and a frame does not change");
        let expires_at = parcel.taken_at.plus_ms(MESSAGE_WAIT_MS_MAX);
        let body = self.depot.put_body(self.name(&key, &recipient), envelope.sealed, expires_at);
        let entry = Entry {
            key,
            sender_device: parcel.sender_device,
            recipient,
            conversation_id: parcel.conversation_id,
            message_type: envelope.message_type,
            session_id: parcel.session_id,
            taken_at: parcel.taken_at,
        };
        let queued = self.router.enqueue(entry, now);
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            let (body, queued) = tokio::join!(body, queued);
            // What does not wait needs no body. (If queueing failed, the sender tries again and the body serves then.)
            if queued.as_ref().is_ok_and(|queued| *queued != Enqueued::Waiting) {
                let _ = hub.depot.delete_bodies(vec![hub.name(&key, &recipient)]).await;
            }
            // Other bytes under this name are an earlier sealing of the same message, and serve as well.
            let outcome = body.map(drop).and(queued).map_err(|error| store_code(&error));
            hub.deliver(Input::Parked { recipient, key, outcome });
        });
    }

    fn fetch(self: &Arc<Self>, device: DeviceKey, link: LinkId, after: u64) {
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

    async fn read_queue(
        &self,
        device: DeviceKey,
        after: u64,
    ) -> Result<Vec<Fetched>, tacite_depot::StoreError> {
        let limit = UNACKNOWLEDGED_MAX.min(SYNC_PAGE_ROWS_MAX);
        let waiting = self.router.waiting(device, after, limit).await?;
        let names = waiting.iter().map(|row| self.name(&row.key, &device)).collect();
        let bodies = self.depot.bodies(names).await?;
        let fetched = |(row, sealed): (Waiting, Option<bytes::Bytes>)| Fetched {
            position: row.position,
            key: row.key,
            frame: sealed.and_then(|sealed| self.restore(device, &row, sealed)),
        };
        Ok(waiting.into_iter().zip(bodies).map(fetched).collect())
    }

    /// The frame of a message that waited.
    fn restore(&self, device: DeviceKey, row: &Waiting, sealed: bytes::Bytes) -> Option<Frame> {
        let envelope = proto::Envelope {
            sender_id: row.key.sender_id.as_bytes().to_vec().into(),
            sender_device: row.sender_device.into(),
            recipient_id: device.account_id.as_bytes().to_vec().into(),
            recipient_device: device.device_id.into(),
            message_type: crate::handlers::DIRECT_MESSAGE,
            sealed,
            ..proto::Envelope::default()
        };
        Frame::command(Opcode::DIRECT_RECEIVED, row.key.message_id, self.clock.now(), &envelope).ok()
    }

    fn receive(self: &Arc<Self>, device: DeviceKey, messages: Vec<MessageKey>, now: Timestamp) {
        let names = messages.iter().map(|key| self.name(key, &device)).collect();
        let recorded = self.router.received(device, messages, now);
        let hub = Arc::clone(self);
        let record = async move |hub: Arc<Self>| -> Result<(), tacite_depot::StoreError> {
            for status in recorded.await? {
                let sender_id = status.key.sender_id;
                hub.push_to_account(sender_id, Opcode::STATE_CHANGED, &proto::MessageState::from(status));
            }
            // Only now: a body that is deleted before its receipt is recorded would be lost with the process.
            hub.depot.delete_bodies(names).await
        };
        self.tasks.spawn(async move {
            if let Err(error) = record(Arc::clone(&hub)).await {
                // It waits on; the device gets it again, recognises it and acknowledges again.
                store_code(&error);
            }
            hub.deliver(Input::Settled { device });
        });
    }

    pub(crate) fn name(&self, message: &MessageKey, recipient: &DeviceKey) -> BodyName {
        BodyName(self.naming.name(message, recipient))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
