//! A server that speaks the flows and keeps everything in memory.
//!
//! Invariants: it survives the end of every link, as a real one does; a message is pushed again until it is acknowledged;
//! the same message sent again is answered with the state of the first.

mod accounts;
mod contacts;
mod messages;
mod modes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use hmac::{Hmac, KeyInit, Mac};
use opaque_ke::ServerSetup;
use prost::Message;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use sha2::Sha256;
use tacite_model::{AccountId, MessageId, Timestamp};
use tacite_wire::password::Suite;
use tacite_wire::proto::{Acknowledge, Connected, DeliveryMode, Empty, Failure, Hello, RequestUploads};
use tacite_wire::{Code, Frame, Opcode, Status, signing};

pub(crate) use accounts::Account;
use accounts::Step;
use contacts::ContactRow;
use messages::{Place, StateRow};

/// Names a link of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

/// One link.
#[derive(Debug, Clone, Default)]
pub(crate) struct Link {
    pub(crate) challenge: [u8; 32],
    pub(crate) greeted: bool,
    pub(crate) account_id: Option<AccountId>,
    step: Step,
    /// Whether the last page of a synchronisation was sent: pushes may come.
    caught_up: bool,
    level_told: bool,
    /// What its device told, and what it has offered and acknowledged since.
    generation: u64,
    pushed: BTreeSet<(AccountId, MessageId)>,
    /// Commands that nobody answers here.
    ignored: BTreeSet<Opcode>,
}

/// What the server does once in answer to a command instead of obeying.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mischief {
    /// Refuses with a code and milliseconds to wait. With a message, all that follow it to the same person are refused until it comes
    /// again.
    Refuse(Code, u64),
    /// Says nothing, nor to any further such command on the link.
    Ignore,
}

/// The server.
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) versions: (u32, u32),
    pub(crate) deployment_key: Option<Vec<u8>>,
    pub(crate) setup: ServerSetup<Suite>,
    pub(crate) accounts: BTreeMap<AccountId, Account>,
    pub(crate) links: BTreeMap<LinkId, Link>,
    pub(crate) contacts: BTreeMap<(AccountId, AccountId), ContactRow>,
    /// What waits for an account, in order.
    pub(crate) queues: BTreeMap<AccountId, Vec<(MessageId, Frame)>>,
    /// What became of every message ever taken.
    pub(crate) places: BTreeMap<(AccountId, MessageId), Place>,
    pub(crate) states: BTreeMap<(AccountId, MessageId), StateRow>,
    /// What accounts have said of their presence.
    pub(crate) presences: BTreeMap<AccountId, i32>,
    /// Frames to links, in order.
    pub(crate) out: VecDeque<(LinkId, Frame)>,
    /// Every command that came, for tests to look at.
    pub(crate) commands: Vec<Frame>,
    pub(crate) mischief: BTreeMap<Opcode, VecDeque<Mischief>>,
    pub(crate) mode: DeliveryMode,
    pub(crate) modes: modes::Modes,
    /// Rows of one page of a synchronisation.
    pub(crate) page_rows: usize,
    /// Whether pushes overtake the last page of a synchronisation.
    pub(crate) hurries: bool,
    /// Whether every message is pushed twice.
    pub(crate) pushes_twice: bool,
    clock: u64,
    rng: ChaCha20Rng,
}

impl Server {
    pub(crate) fn new() -> Self {
        let mut rng = ChaCha20Rng::seed_from_u64(99);
        Self {
            name: "club.example".to_owned(),
            versions: (1, 1),
            deployment_key: None,
            setup: ServerSetup::new(&mut accounts::Rng08(&mut rng)),
            accounts: BTreeMap::new(),
            links: BTreeMap::new(),
            contacts: BTreeMap::new(),
            queues: BTreeMap::new(),
            places: BTreeMap::new(),
            states: BTreeMap::new(),
            presences: BTreeMap::new(),
            out: VecDeque::new(),
            commands: Vec::new(),
            mischief: BTreeMap::new(),
            mode: DeliveryMode::Inline,
            modes: modes::Modes::default(),
            page_rows: 100,
            hurries: false,
            pushes_twice: false,
            clock: 1_000_000,
            rng,
        }
    }

    /// Plans a mischief for the next command of this opcode.
    pub(crate) fn plan(&mut self, opcode: Opcode, mischief: Mischief) {
        self.mischief.entry(opcode).or_default().push_back(mischief);
    }

    /// A link is opened, with the token of the upgrade.
    pub(crate) fn connect(&mut self, link_id: LinkId, bearer: Option<&str>) {
        let mut link = Link::default();
        self.rng.fill_bytes(&mut link.challenge);
        link.account_id = bearer.and_then(|token| self.account_of_token(token));
        let connected = Connected {
            version_min: self.versions.0,
            version_max: self.versions.1,
            software: "server of the tests".to_owned(),
            server_name: self.name.clone(),
            challenge: link.challenge.to_vec().into(),
            deployment_key_required: self.deployment_key.is_some(),
            delivery_mode: self.mode.into(),
            messages_per_second_max: 5,
            signed_in: link.account_id.is_some(),
            depot_url: String::new(),
        };
        self.links.insert(link_id, link);
        self.push(link_id, Opcode::CONNECTED, MessageId::from_bytes([0; 16]), &connected);
    }

    /// A link has ended, for whatever reason.
    pub(crate) fn disconnect(&mut self, link_id: LinkId) {
        self.out.retain(|(to, _)| *to != link_id);
        if let Some(link) = self.links.remove(&link_id) {
            self.relayed_in_vain(link.account_id, &link.pushed);
        }
    }

    /// A frame has come.
    pub(crate) fn receive(&mut self, link_id: LinkId, frame: &Frame) {
        self.commands.push(frame.clone());
        let Some(link) = self.links.get(&link_id) else { return };
        let opcode = frame.header.opcode;
        if link.ignored.contains(&opcode) {
            return;
        }
        match self.mischief.get_mut(&opcode).and_then(VecDeque::pop_front) {
            Some(Mischief::Ignore) => {
                if let Some(link) = self.links.get_mut(&link_id) {
                    link.ignored.insert(opcode);
                }
                return;
            }
            Some(Mischief::Refuse(code, retry_after_ms)) => {
                if opcode == Opcode::SEND_DIRECT && code.is_retryable() {
                    self.refuse_lane(frame, code);
                }
                return self.refuse_until(link_id, frame, code, retry_after_ms);
            }
            None => {}
        }
        if opcode == Opcode::HELLO {
            self.hello(link_id, frame);
        } else if !link.greeted {
            self.refuse(link_id, frame, Code::STEP_OUT_OF_ORDER);
        } else if let Some(account_id) = link.account_id {
            self.receive_from(link_id, account_id, frame);
        } else {
            self.receive_from_stranger(link_id, frame);
        }
    }

    fn hello(&mut self, link_id: LinkId, frame: &Frame) {
        let hello: Hello = frame.read().unwrap();
        let link = self.links.get_mut(&link_id).unwrap();
        if let Some(key) = &self.deployment_key {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
            mac.update(&signing::deployment_text(&link.challenge));
            if mac.verify_slice(&hello.deployment_proof).is_err() {
                return self.refuse(link_id, frame, Code::DEPLOYMENT_KEY_WRONG);
            }
        }
        link.greeted = true;
        self.answer(link_id, frame, Status::FINISHED, Code::DONE, &Empty {});
    }

    fn receive_from_stranger(&mut self, link_id: LinkId, frame: &Frame) {
        match frame.header.opcode {
            Opcode::REGISTER => self.register(link_id, frame),
            Opcode::LOG_IN => self.log_in(link_id, frame),
            Opcode::WORDS => self.words(link_id, frame),
            Opcode::SIGN_IN => self.sign_in(link_id, frame),
            _ => self.refuse(link_id, frame, Code::LOG_IN_FIRST),
        }
    }

    /// Counts with the device what it offers and acknowledges.
    fn count(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        let by = match frame.header.opcode {
            Opcode::SEND_DIRECT => 1,
            Opcode::ACKNOWLEDGE => frame.read::<Acknowledge>().unwrap().messages.len(),
            Opcode::REQUEST_UPLOADS => frame.read::<RequestUploads>().unwrap().uploads.len(),
            _ => return,
        };
        let link = self.links.get_mut(&link_id).unwrap();
        link.generation += by as u64;
        let account = self.accounts.get_mut(&account_id).unwrap();
        account.generation = account.generation.max(link.generation);
    }

    fn receive_from(&mut self, link_id: LinkId, account_id: AccountId, frame: &Frame) {
        self.count(link_id, account_id, frame);
        match frame.header.opcode {
            Opcode::REFRESH => self.refresh(link_id, account_id, frame),
            Opcode::LOG_OUT => self.log_out(link_id, account_id, frame),
            Opcode::PUBLISH_KEYS => self.publish_keys(link_id, account_id, frame),
            Opcode::FETCH_KEYS => self.fetch_keys(link_id, account_id, frame),
            Opcode::REQUEST_CONTACT => self.request_contact(link_id, account_id, frame),
            Opcode::ACCEPT_CONTACT => self.answer_contact(link_id, account_id, frame, true),
            Opcode::REFUSE_CONTACT => self.answer_contact(link_id, account_id, frame, false),
            Opcode::SYNC => self.sync(link_id, account_id, frame),
            Opcode::SEND_DIRECT => self.send_direct(link_id, account_id, frame),
            Opcode::ACKNOWLEDGE => self.acknowledge(link_id, account_id, frame),
            Opcode::MARK_READ => self.mark_read(link_id, account_id, frame),
            Opcode::BLOCK_CONTACT => self.block_contact(link_id, account_id, frame, true),
            Opcode::UNBLOCK_CONTACT => self.block_contact(link_id, account_id, frame, false),
            Opcode::SET_PRESENCE => self.set_presence(link_id, account_id, frame),
            Opcode::SET_TYPING => self.set_typing(link_id, account_id, frame),
            Opcode::REQUEST_UPLOADS => self.request_uploads(link_id, account_id, frame),
            _ => self.refuse(link_id, frame, Code::NOT_OFFERED),
        }
    }

    pub(crate) fn answer(
        &mut self,
        link_id: LinkId,
        to: &Frame,
        status: Status,
        code: Code,
        body: &impl Message,
    ) {
        // Its clock agrees with everybody's.
        let frame = Frame::answer(&to.header, status, code, to.header.timestamp, body).unwrap();
        self.out.push_back((link_id, frame));
    }

    pub(crate) fn refuse(&mut self, link_id: LinkId, to: &Frame, code: Code) {
        self.refuse_until(link_id, to, code, 0);
    }

    fn refuse_until(&mut self, link_id: LinkId, to: &Frame, code: Code, retry_after_ms: u64) {
        let failure = Failure { retry_after_ms, ..Failure::default() };
        self.answer(link_id, to, Status::ERROR, code, &failure);
    }

    pub(crate) fn push(
        &mut self,
        link_id: LinkId,
        opcode: Opcode,
        message_id: MessageId,
        body: &impl Message,
    ) {
        let frame = Frame::command(opcode, message_id, Timestamp::from_ms(self.clock), body).unwrap();
        self.out.push_back((link_id, frame));
    }

    /// The links of an account to which things may be pushed.
    pub(crate) fn links_of(&self, account_id: AccountId) -> Vec<LinkId> {
        let online =
            self.links.iter().filter(|(_, link)| link.account_id == Some(account_id) && link.caught_up);
        online.map(|(link_id, _)| *link_id).collect()
    }

    /// A new instant in the record of changes.
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
}
