//! Devices, a server, a network between them, and a clock.
//!
//! Invariants: nothing happens but what the test asks for; the same calls give the same world. A device is driven as the
//! contract demands: transaction, handle, commit, effects in order.

mod company;
mod device;

use std::collections::{BTreeMap, VecDeque};

use prost::Message;
use rand_chacha::ChaCha20Rng;
use tacite_core::{BodyName, Core, Effect, Event, Input, Intent, Problem, RequestId, Standing, Vault};
use tacite_model::{AccountId, DeviceId, Handle, MessageId, Secret, Timestamp};
use tacite_seal::{Body, Content, ReceiptKey};
use tacite_signal::IdentityKeyPair;
use tacite_vault::{AccountStanding, Contact, SentContent};
use tacite_wire::proto::{ContactState, DeliveryMode};
use tacite_wire::{Code, Frame, Opcode, Status};

use crate::server::{Account, LinkId, Server};

pub(crate) const ADDRESS: &str = "127.0.0.1:7878";

/// Where a device dies while handling an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Crash {
    /// `handle` has returned, nothing is committed.
    BeforeCommit,
    /// Committed, no effect performed.
    BeforeEffects,
    /// Committed, the first effects performed.
    AfterEffects(usize),
}

/// One installation.
pub(crate) struct Device {
    pub(crate) handle: Handle,
    pub(crate) vault: Vault,
    pub(crate) core: Core,
    pub(crate) events: Vec<Event>,
    pub(crate) link: Option<LinkId>,
    /// What the engine asked for and the driver has not done.
    opening: Option<Opening>,
    wake_at: Option<Timestamp>,
    rng: ChaCha20Rng,
    requests: u64,
    /// Inputs handled so far, and at which of them to die how.
    pub(crate) inputs: usize,
    pub(crate) crash: Option<(usize, Crash)>,
}

/// A link asked for.
struct Opening {
    bearer: Option<Secret<String>>,
}

/// What a driver does beside its link.
#[derive(Debug)]
pub(crate) enum BodyTrip {
    Put(BodyName, Vec<u8>),
    Fetch(BodyName),
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) server: Server,
    pub(crate) devices: BTreeMap<&'static str, Device>,
    /// Frames on their way to the server, and to devices.
    pub(crate) up: VecDeque<(LinkId, Frame)>,
    pub(crate) down: VecDeque<(LinkId, Frame)>,
    /// Bodies on their way between devices and depot.
    pub(crate) bodies: VecDeque<(&'static str, BodyTrip)>,
    /// Every frame that any device ever sent, whether or not it arrived.
    pub(crate) sent: Vec<Frame>,
    /// Whether the network lets new links through.
    pub(crate) network_up: bool,
    links_made: u64,
}

impl World {
    /// A server and nobody.
    pub(crate) fn empty() -> Self {
        Self {
            now: Timestamp::from_ms(1_800_000_000_000),
            server: Server::new(),
            devices: BTreeMap::new(),
            up: VecDeque::new(),
            down: VecDeque::new(),
            bodies: VecDeque::new(),
            sent: Vec::new(),
            network_up: true,
            links_made: 0,
        }
    }

    /// Alice and bob, registered, contacts, online, caught up, with keys published.
    pub(crate) fn of_contacts() -> Self {
        Self::of_contacts_by(DeliveryMode::Inline)
    }

    /// The same with another way of delivery.
    pub(crate) fn of_contacts_by(mode: DeliveryMode) -> Self {
        let mut world = Self::of_strangers();
        world.server.mode = mode;
        world.befriend("alice", "bob");
        world.start("alice");
        world.start("bob");
        world.settle();
        world
    }

    /// Alice and bob, registered, not started.
    pub(crate) fn of_strangers() -> Self {
        let mut world = Self::empty();
        world.add_registered("alice", 1);
        world.add_registered("bob", 2);
        world
    }

    /// Somebody with an empty vault.
    pub(crate) fn add_newcomer(&mut self, name: &'static str, seed: u64) {
        self.devices.insert(name, Device::new(name, seed));
    }

    /// Somebody who registered earlier, without password records (which cost time).
    pub(crate) fn add_registered(&mut self, name: &'static str, seed: u64) {
        self.add_registered_with(Vault::open_in_memory().unwrap(), name, seed);
    }

    /// The same with a vault of the test's own.
    pub(crate) fn add_registered_with(&mut self, vault: Vault, name: &'static str, seed: u64) {
        let mut device = Device { vault, ..Device::new(name, seed) };
        let identity = IdentityKeyPair::generate(&mut device.rng);
        let account = tacite_vault::Account {
            account_id: AccountId::random(&mut device.rng),
            handle: device.handle.clone(),
            device_id: DeviceId::FIRST,
            registration_id: 7,
            identity_key_pair: Secret::new(identity.to_bytes().to_vec()),
            login_key: Secret::new([u8::try_from(seed).unwrap(); 32]),
            administrator: false,
            standing: AccountStanding::SignedIn,
        };
        let login_key = ed25519_dalek::SigningKey::from_bytes(account.login_key.expose()).verifying_key();
        self.server.accounts.insert(
            account.account_id,
            Account {
                login_key: login_key.to_bytes(),
                registration_id: account.registration_id,
                identity_key: identity.public().encode().to_vec(),
                ..Account::new(device.handle.clone())
            },
        );
        let tx = device.vault.transaction().unwrap();
        tx.save_account(&account).unwrap();
        tx.save_server(&tacite_vault::Server {
            address: ADDRESS.to_owned(),
            name: Some(self.server.name.clone()),
            pin: None,
            tls_disabled: true,
            certificate_unchecked: false,
            delivery_mode: 1,
        })
        .unwrap();
        tx.commit().unwrap();
        self.devices.insert(name, device);
    }

    /// Makes two people contacts, for themselves and the server.
    pub(crate) fn befriend(&mut self, one: &'static str, other: &'static str) {
        let (one_id, other_id) = (self.account_id(one), self.account_id(other));
        self.server.set_contact(one_id, other_id, (ContactState::Accepted, ContactState::Accepted));
        for (name, peer, peer_id) in [(one, other, other_id), (other, one, one_id)] {
            let contact = Contact {
                account_id: peer_id,
                handle: peer.parse().unwrap(),
                standing: Standing::Accepted,
                consented: true,
                conversation_id: None,
                identity_key: None,
                own_name: String::new(),
                verified: false,
                notes: String::new(),
                blocked: false,
                updated_at: Timestamp::from_ms(0),
            };
            let tx = self.device(name).vault.transaction().unwrap();
            tx.save_contact(&contact).unwrap();
            tx.commit().unwrap();
        }
    }

    pub(crate) fn device(&mut self, name: &str) -> &mut Device {
        self.devices.get_mut(name).unwrap()
    }

    pub(crate) fn account_id(&self, name: &str) -> AccountId {
        self.server.account_named(name).unwrap()
    }

    /// The process of a device begins.
    pub(crate) fn start(&mut self, name: &'static str) {
        self.input(name, Input::Start);
    }

    /// Hands an intent in; its request id.
    pub(crate) fn intend(&mut self, name: &'static str, intent: Intent) -> RequestId {
        let device = self.device(name);
        device.requests += 1;
        let request = RequestId(device.requests);
        self.input(name, Input::Intent(request, intent));
        request
    }

    /// Queues a text from one to another.
    pub(crate) fn send(&mut self, from: &'static str, to: &str, text: &str) -> RequestId {
        self.intend(from, Intent::SendText { to: to.parse().unwrap(), text: text.to_owned(), reply_to: None })
    }

    /// Lets a device tell something that its own engine would not.
    pub(crate) fn tell(&mut self, name: &'static str, to: &str, body: Body) {
        self.tell_with(name, to, body, |_| {});
    }

    /// The same with other fields than usual.
    pub(crate) fn tell_with(
        &mut self,
        name: &'static str,
        to: &str,
        body: Body,
        change: impl FnOnce(&mut Content),
    ) {
        let (now, recipient_id) = (self.now, self.account_id(to));
        let device = self.device(name);
        let message_id = MessageId::random(&mut device.rng);
        let tx = device.vault.transaction().unwrap();
        let mut content = Content {
            message_id,
            sent_at: now,
            previous_id: tx.last_sent_id(recipient_id).unwrap(),
            body,
            receipt_key: ReceiptKey::from_bytes([9; 32]),
            expiry: None,
            original_id: None,
        };
        change(&mut content);
        let sent = SentContent {
            position: 0,
            message_id,
            recipient_id,
            previous_id: content.previous_id,
            subject: None,
            content: Some(Secret::new(content.encode().unwrap().to_vec())),
            sent_at: now,
        };
        tx.add_sent_content(&sent).unwrap();
        tx.set_last_sent_id(recipient_id, message_id).unwrap();
        tx.enqueue(message_id, recipient_id).unwrap();
        tx.commit().unwrap();
        self.input(name, Input::Timer);
        self.settle();
    }

    /// One input, as the contract demands; a planned crash happens here.
    pub(crate) fn input(&mut self, name: &'static str, input: Input) {
        self.inputs(name, vec![input]);
    }

    /// The same for inputs that are there together.
    pub(crate) fn inputs(&mut self, name: &'static str, inputs: Vec<Input>) {
        let now = self.now;
        let device = self.device(name);
        device.inputs += 1;
        let crash = device.crash.filter(|(at, _)| *at == device.inputs).map(|(_, crash)| crash);
        let mut tx = device.vault.transaction().unwrap();
        let effects = device.core.handle_all(&mut tx, inputs, now, &mut device.rng).unwrap();
        if crash == Some(Crash::BeforeCommit) {
            drop(tx);
            return self.crash(name);
        }
        tx.commit().unwrap();
        // The driver writes and reads on its own account too.
        device.vault.transaction().unwrap().commit().unwrap();
        let count = match crash {
            Some(Crash::AfterEffects(count)) => count,
            Some(Crash::BeforeEffects) => 0,
            _ => usize::MAX,
        };
        for effect in effects.into_iter().take(count) {
            self.perform(name, effect);
        }
        if crash.is_some() {
            self.crash(name);
        }
    }

    /// The process of a device dies and begins again: only the vault remains.
    pub(crate) fn crash(&mut self, name: &'static str) {
        self.end(name);
        self.start(name);
    }

    /// The process of a device ends.
    pub(crate) fn end(&mut self, name: &'static str) {
        self.cut_silently(name);
        self.bodies.retain(|(of, _)| *of != name);
        let device = self.device(name);
        device.crash = None;
        device.core = Core::new();
        device.opening = None;
        device.wake_at = None;
    }

    /// The network breaks a device's link; both ends notice.
    pub(crate) fn cut(&mut self, name: &'static str) {
        if self.cut_silently(name) {
            self.input(name, Input::LinkClosed { cause: None });
        }
    }

    /// One frame, or one opening of a link, goes through; false if there was nothing.
    pub(crate) fn step(&mut self) -> bool {
        self.collect();
        if let Some((link_id, frame)) = self.up.pop_front() {
            self.server.receive(link_id, &frame);
            return true;
        }
        if let Some((link_id, frame)) = self.down.pop_front() {
            if let Some(name) = self.name_of(link_id) {
                self.input(name, Input::Frame(frame));
            }
            return true;
        }
        if let Some((name, trip)) = self.bodies.pop_front() {
            self.end_trip(name, trip);
            return true;
        }
        self.open_a_link()
    }

    /// A body arrives, at the depot or from it.
    fn end_trip(&mut self, name: &'static str, trip: BodyTrip) {
        let failed = || Problem::of(Code::UNAVAILABLE);
        let network_up = self.network_up;
        let input = match trip {
            BodyTrip::Put(name, bytes) => {
                if network_up {
                    self.server.put_body(name, &bytes);
                }
                Input::BodyPut { name, result: if network_up { Ok(()) } else { Err(failed()) } }
            }
            BodyTrip::Fetch(name) => {
                let bytes = self.server.modes.bodies.get(&name).cloned();
                Input::BodyFetched { name, result: if network_up { Ok(bytes) } else { Err(failed()) } }
            }
        };
        self.input(name, input);
    }

    /// Lets everything happen that happens within a minute of quiet.
    pub(crate) fn settle(&mut self) {
        self.settle_within(61_000);
    }

    /// The same, with a longer patience for timers.
    pub(crate) fn settle_within(&mut self, patience_ms: u64) {
        for _ in 0..10_000 {
            if self.step() {
                continue;
            }
            let horizon = self.now.plus_ms(patience_ms);
            let due = self.devices.iter().filter_map(|(name, device)| Some((device.wake_at?, *name))).min();
            let Some((at, name)) = due.filter(|(at, _)| *at <= horizon) else { return };
            self.wake(at, name);
        }
        panic!("the world does not come to rest");
    }

    /// Lets time pass, with its timers.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now.plus_ms(ms);
        let mut wakes = 0;
        while let Some((at, name)) =
            self.devices.iter().filter_map(|(name, device)| Some((device.wake_at?, *name))).min()
            && at <= end
        {
            self.wake(at, name);
            wakes += 1;
            assert!(wakes < 10_000, "timers without end");
            while self.step() {}
        }
        self.now = end;
    }

    fn wake(&mut self, at: Timestamp, name: &'static str) {
        self.now = self.now.max(at);
        self.device(name).wake_at = None;
        self.input(name, Input::Timer);
    }

    fn perform(&mut self, name: &'static str, effect: Effect) {
        match effect {
            Effect::OpenLink { bearer, .. } => self.device(name).opening = Some(Opening { bearer }),
            Effect::Send(frame) => {
                self.sent.push(frame.clone());
                if let Some(link_id) = self.device(name).link {
                    self.up.push_back((link_id, frame));
                }
            }
            Effect::CloseLink => {
                // What was sent before goes through; the end is noticed by both.
                while let Some(at) = self.up.iter().position(|(id, _)| Some(*id) == self.devices[name].link) {
                    let (link_id, frame) = self.up.remove(at).unwrap();
                    self.server.receive(link_id, &frame);
                }
                self.device(name).opening = None;
                self.cut_silently(name);
                self.input(name, Input::LinkClosed { cause: None });
            }
            Effect::PutBody { name: body, bytes, .. } => {
                self.bodies.push_back((name, BodyTrip::Put(body, bytes)));
            }
            Effect::FetchBody { name: body, .. } => self.bodies.push_back((name, BodyTrip::Fetch(body))),
            Effect::Tell(event) => self.device(name).events.push(event),
            Effect::WakeAt(at) => {
                assert!(at > self.now, "{name} would be busy with nothing");
                let device = self.device(name);
                device.wake_at = Some(device.wake_at.map_or(at, |earlier| earlier.min(at)));
            }
        }
    }

    fn cut_silently(&mut self, name: &str) -> bool {
        let Some(link_id) = self.device(name).link.take() else { return false };
        self.up.retain(|(id, _)| *id != link_id);
        self.collect();
        self.down.retain(|(id, _)| *id != link_id);
        self.server.disconnect(link_id);
        self.collect();
        true
    }

    fn open_a_link(&mut self) -> bool {
        let Some((name, device)) = self.devices.iter_mut().find(|(_, device)| device.opening.is_some())
        else {
            return false;
        };
        let name = *name;
        let Opening { bearer } = device.opening.take().unwrap();
        if !self.network_up {
            self.input(name, Input::LinkClosed { cause: None });
            return true;
        }
        self.links_made += 1;
        let link_id = LinkId(self.links_made);
        device.link = Some(link_id);
        self.server.connect(link_id, bearer.as_ref().map(|token| token.expose().as_str()));
        self.input(name, Input::LinkOpened);
        true
    }

    /// Takes the next frame of this opcode to a device out of the network.
    pub(crate) fn intercept(&mut self, name: &str, opcode: Opcode) -> Frame {
        for _ in 0..1000 {
            self.collect();
            let link = self.devices[name].link;
            let wanted = |(link_id, frame): &(LinkId, Frame)| {
                Some(*link_id) == link
                    && frame.header.opcode == opcode
                    && frame.header.status != Status::IN_PROGRESS
            };
            if let Some(at) = self.down.iter().position(wanted) {
                return self.down.remove(at).unwrap().1;
            }
            assert!(self.step(), "no frame of this opcode comes");
        }
        panic!("no frame of this opcode comes");
    }

    /// Brings a frame to a device as if the server had sent it.
    pub(crate) fn forge(&mut self, name: &'static str, like: &Frame, body: &impl Message) {
        let frame = Frame::new(like.header, body).unwrap();
        self.input(name, Input::Frame(frame));
    }

    fn collect(&mut self) {
        self.down.extend(self.server.out.drain(..));
    }

    fn name_of(&self, link_id: LinkId) -> Option<&'static str> {
        self.devices.iter().find(|(_, device)| device.link == Some(link_id)).map(|(name, _)| *name)
    }
}
