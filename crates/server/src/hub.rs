//! The middle of the server: the three parts, the open links, and the carrying out of what the router decides.
//!
//! Invariants: effects of the delivery machine are performed under its lock, so their order is the machine's; nothing in
//! here waits while the lock is held (writes are queued at once and awaited by a task of their own).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tacite_accounts::Accounts;
use tacite_depot::{BodyName, Holding, PermitKey};
use tacite_model::{AccountId, ConversationId, Timestamp};
use tacite_router::delivery::{Effect, Input, Mode, Outcome, Reply};
use tacite_router::{Conversation, Delivery, DeviceKey, MessageKey, NamingKey, Presence, Store as _};
use tacite_wire::{Code, Frame, Opcode, Status, proto};
use tokio_util::task::TaskTracker;

use crate::allowed::{Allowed, Pair};
use crate::bodies::Uploads;
use crate::clock::{Chance, Clock};
use crate::company::haste;
use crate::generations::Generations;
use crate::links::Links;
use crate::meters::Meters;
use crate::refusal::Refusal;
use crate::settings::Policy;
use crate::shedding::Shedding;

/// Room for so many decisions of the delivery machine is kept.
const EFFECTS_KEPT: usize = 16;

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
    pub(crate) depot: Holding<P::Depot>,
    pub(crate) policy: Policy,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) links: Links,
    pub(crate) meters: Meters,
    pub(crate) tasks: TaskTracker,
    /// For upload permits.
    pub(crate) permits: PermitKey,
    pub(crate) uploads: Uploads,
    pub(crate) shedding: Shedding,
    pub(crate) presence: Mutex<Presence>,
    pub(crate) allowed: Allowed,
    pub(crate) generations: Generations,
    naming: NamingKey,
    delivery: Mutex<Deciding>,
}

/// The delivery machine, and room for what it decides: kept, because it is needed for each message.
#[derive(Debug)]
struct Deciding {
    delivery: Delivery,
    effects: Vec<Effect>,
}

impl<P: Parts> Hub<P> {
    pub(crate) fn new(
        accounts: Accounts<P::Accounts>,
        router: P::Router,
        depot: P::Depot,
        (naming, permits): (NamingKey, PermitKey),
        policy: Policy,
        (clock, chance): (Clock, Chance),
    ) -> Arc<Self> {
        let mode = match policy.delivery.mode {
            proto::DeliveryMode::Split => Mode::Split,
            proto::DeliveryMode::Direct => Mode::Direct,
            proto::DeliveryMode::Inline | proto::DeliveryMode::Unspecified => Mode::Inline,
        };
        Arc::new(Self {
            accounts,
            router,
            depot: Holding::new(depot),
            meters: Meters::new(&policy),
            policy,
            clock,
            chance,
            links: Links::default(),
            tasks: TaskTracker::new(),
            permits,
            uploads: Uploads::default(),
            shedding: Shedding::default(),
            presence: Mutex::default(),
            allowed: Allowed::default(),
            generations: Generations::default(),
            naming,
            delivery: Mutex::new(Deciding { delivery: Delivery::new(mode), effects: Vec::new() }),
        })
    }

    /// Hands an input to the delivery machine and performs what it decides.
    pub(crate) fn deliver(self: &Arc<Self>, input: Input) {
        let now = self.clock.now();
        let mut deciding = lock(&self.delivery);
        let Deciding { delivery, effects } = &mut *deciding;
        delivery.handle(input, now, effects);
        for effect in effects.drain(..) {
            self.perform(effect, now);
        }
        // After a device has come or gone there may have been many.
        effects.shrink_to(EFFECTS_KEPT);
    }

    /// The conversation in which `sender` may write to `recipient`; refused if they are no contacts, one has blocked the other,
    /// or the device is unknown.
    pub(crate) async fn permit(
        &self,
        sender: AccountId,
        recipient: DeviceKey,
    ) -> Result<ConversationId, Refusal> {
        let has_device = |pair: &Pair| pair.devices.contains(&recipient.device_id);
        if let Some(pair) = self.allowed.pair(sender, recipient.account_id).filter(has_device) {
            return Ok(pair.conversation_id);
        }
        let pair = self.look_up(sender, recipient.account_id).await?;
        has_device(&pair).then_some(pair.conversation_id).ok_or(Code::DEVICE_UNKNOWN.into())
    }

    /// Refuses unless the two accounts have accepted each other and neither has blocked the other.
    pub(crate) async fn accepted(&self, one: AccountId, other: AccountId) -> Result<(), Refusal> {
        if self.allowed.pair(one, other).is_none() {
            self.look_up(one, other).await?;
        }
        Ok(())
    }

    async fn look_up(&self, sender: AccountId, recipient: AccountId) -> Result<Pair, Refusal> {
        let asked = self.allowed.ask();
        let conversation = self.router.between(sender, recipient).await?;
        let conversation = conversation.filter(Conversation::is_open).ok_or(Code::NOT_A_CONTACT)?;
        let devices = self.accounts.devices_of(recipient).await?;
        let pair = Pair {
            conversation_id: conversation.id,
            devices: devices.into_iter().map(|device| device.device_id).collect(),
        };
        self.allowed.remember(asked, sender, recipient, pair.clone());
        Ok(pair)
    }

    /// Whether bodies are put apart from their messages.
    pub(crate) fn is_split(&self) -> bool {
        self.policy.delivery.mode == proto::DeliveryMode::Split
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
            Effect::Park(parcels) => self.park(&parcels, now),
            Effect::Fetch { device, link, after } => self.fetch(device, link, after),
            Effect::Receive { device, receipts } => self.receive(device, receipts, now),
            Effect::Discard { device, messages } => self.discard(device, &messages),
            Effect::Here { link, device } => {
                let body = proto::PeerHere {
                    account_id: device.account_id.as_bytes().to_vec().into(),
                    device_id: device.device_id.into(),
                };
                self.links.push(link, self.push_frame(Opcode::PEER_HERE, &body));
            }
        }
    }

    fn answer(&self, reply: &Reply, recipient: DeviceKey, outcome: Outcome, now: Timestamp) {
        let frame = match outcome {
            Outcome::Taken => {
                Frame::answer(&reply.header, Status::IN_PROGRESS, Code::TAKEN, now, &proto::Empty {})
                    .expect("fits the smallest frame")
            }
            Outcome::Reached(state, proof) => {
                let body = proto::MessageState {
                    message_id: reply.header.message_id.as_bytes().to_vec().into(),
                    recipient_id: recipient.account_id.as_bytes().to_vec().into(),
                    recipient_device: recipient.device_id.into(),
                    state: proto::DeliveryState::from(state).into(),
                    at_ms: now.as_ms(),
                    proof: proof.map(|proof| proof.to_vec()).unwrap_or_default().into(),
                };
                Frame::answer(&reply.header, Status::FINISHED, Code::DONE, now, &body)
                    .expect("fits the smallest frame")
            }
            Outcome::Refused(code) => Refusal::new(code).answer(&reply.header, now),
        };
        let haste = haste(&frame.header, self.is_split());
        self.links.push_with(reply.link, frame, haste);
    }

    pub(crate) fn name(&self, message: &MessageKey, recipient: &DeviceKey) -> BodyName {
        BodyName(self.naming.name(message, recipient))
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
