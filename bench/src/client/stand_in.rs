//! What a client needs of a server, in memory: log-in, keys, and messages that wait, without any rule.
//!
//! It keeps to what a device may rely on: a message is pushed again until it is acknowledged, in order, and at most
//! [`UNACKNOWLEDGED_MAX`] at a time; `levl` is told once nothing waits any more. The bench measures clients with it, so it is to
//! cost as little as possible.

use std::collections::{BTreeMap, VecDeque};

use anyhow::{Context as _, Result, bail};
use prost::Message;
use tacite_model::limits::{
    KYBER_PREKEYS_PER_UPLOAD_MAX, ONE_TIME_PREKEYS_PER_UPLOAD_MAX, UNACKNOWLEDGED_MAX,
};
use tacite_model::{AccountId, MessageId, Timestamp};
use tacite_wire::proto::{
    Acknowledge, Connected, Cursor, DeliveryMode, DeliveryState, DeviceBundle, Empty, Envelope, FetchKeys,
    KeyBundles, KeyCount, MessageState, PublishKeys, SessionGranted, SyncPage,
};
use tacite_wire::{Code, Frame, Opcode, Status};

/// What the server calls itself.
pub(super) const SERVER_NAME: &str = "bench.example";
const TOKEN_MS: u64 = 15 * 60_000;

/// A server with one device for each account.
#[derive(Debug, Default)]
pub(super) struct StandIn {
    accounts: BTreeMap<AccountId, Account>,
    out: VecDeque<(AccountId, Frame)>,
}

/// An account.
#[derive(Debug, Default)]
struct Account {
    registration_id: u32,
    /// 33 bytes in Signal's encoding.
    identity_key: Vec<u8>,
    keys: PublishKeys,
    waiting: VecDeque<Frame>,
    /// How many messages are pushed and not acknowledged; `None`: its device has not caught up on a link.
    pushed: Option<usize>,
    level_told: bool,
}

impl StandIn {
    /// Adds an account, whose key is in Signal's encoding. What waits for it already goes on waiting.
    pub(super) fn add(&mut self, account_id: AccountId, registration_id: u32, identity_key: [u8; 33]) {
        let account = self.accounts.entry(account_id).or_default();
        (account.registration_id, account.identity_key) = (registration_id, identity_key.to_vec());
    }

    /// Lets messages wait for an account, behind those that wait already.
    pub(super) fn let_wait(&mut self, account_id: AccountId, messages: impl Iterator<Item = Frame>) {
        self.accounts.entry(account_id).or_default().waiting.extend(messages);
    }

    /// Takes all messages that wait for an account.
    pub(super) fn take_waiting(&mut self, account_id: AccountId) -> VecDeque<Frame> {
        std::mem::take(&mut self.accounts.entry(account_id).or_default().waiting)
    }

    /// A device has opened a link.
    pub(super) fn connect(&mut self, account_id: AccountId, now: Timestamp) -> Result<()> {
        let account = self.accounts.get_mut(&account_id).context("no such account")?;
        (account.pushed, account.level_told) = (None, false);
        let connected = Connected {
            version_min: 1,
            version_max: 1,
            software: "bench".to_owned(),
            server_name: SERVER_NAME.to_owned(),
            challenge: vec![7; 32].into(),
            delivery_mode: DeliveryMode::Inline.into(),
            messages_per_second_max: 1000,
            ..Connected::default()
        };
        self.push(account_id, Opcode::CONNECTED, now, &connected)
    }

    /// The link of a device has ended.
    pub(super) fn disconnect(&mut self, account_id: AccountId) {
        self.out.retain(|(to, _)| *to != account_id);
        if let Some(account) = self.accounts.get_mut(&account_id) {
            account.pushed = None;
        }
    }

    /// What goes to a device next.
    pub(super) fn next(&mut self) -> Option<(AccountId, Frame)> {
        self.out.pop_front()
    }

    /// A device has said something on its link.
    pub(super) fn receive(&mut self, from: AccountId, frame: &Frame, now: Timestamp) -> Result<()> {
        match frame.header.opcode {
            Opcode::HELLO | Opcode::MARK_READ | Opcode::SET_PRESENCE | Opcode::SET_TYPING => {
                self.finish(from, frame, now, &Empty {})
            }
            Opcode::SIGN_IN => {
                let granted = SessionGranted {
                    account_id: from.as_bytes().to_vec().into(),
                    access_token: "access".to_owned(),
                    access_expires_at_ms: now.plus_ms(TOKEN_MS).as_ms(),
                    refresh_token: "refresh".to_owned(),
                    refresh_expires_at_ms: now.plus_ms(2 * TOKEN_MS).as_ms(),
                    administrator: false,
                };
                self.finish(from, frame, now, &granted)
            }
            Opcode::SYNC => {
                let next = Some(Cursor { updated_at_ms: now.as_ms(), id: vec![1; 16].into() });
                self.finish(from, frame, now, &SyncPage { next, ..SyncPage::default() })?;
                self.account(from)?.pushed.get_or_insert(0);
                self.push_waiting(from, now)
            }
            Opcode::PUBLISH_KEYS => self.publish(from, frame, now),
            Opcode::FETCH_KEYS => self.fetch_keys(from, frame, now),
            Opcode::SEND_DIRECT => self.send_direct(from, frame, now),
            Opcode::ACKNOWLEDGE => {
                let acknowledge: Acknowledge = frame.read()?;
                let account = self.account(from)?;
                let pushed = account.pushed.context("an acknowledgement before a message")?;
                account.pushed =
                    Some(pushed.checked_sub(acknowledge.messages.len()).context("acknowledged twice")?);
                self.finish(from, frame, now, &Empty {})?;
                self.push_waiting(from, now)
            }
            opcode => bail!("the stand-in for a server does not know {opcode:?}"),
        }
    }

    /// Only the first upload counts: nobody here uses up a device's keys.
    fn publish(&mut self, from: AccountId, frame: &Frame, now: Timestamp) -> Result<()> {
        let keys: PublishKeys = frame.read()?;
        let account = self.account(from)?;
        if account.keys.signed_prekey.is_none() {
            account.keys = keys;
        }
        let count = KeyCount {
            one_time_prekeys: u32::try_from(ONE_TIME_PREKEYS_PER_UPLOAD_MAX)?,
            kyber_prekeys: u32::try_from(KYBER_PREKEYS_PER_UPLOAD_MAX)?,
        };
        self.finish(from, frame, now, &count)
    }

    fn fetch_keys(&mut self, from: AccountId, frame: &Frame, now: Timestamp) -> Result<()> {
        let fetch: FetchKeys = frame.read()?;
        let of = self.account(AccountId::try_from(fetch.account_id.as_ref())?)?;
        let bundle = DeviceBundle {
            device_id: 1,
            registration_id: of.registration_id,
            signed_prekey: of.keys.signed_prekey.clone(),
            kyber_prekey: of.keys.kyber_prekeys.pop().or_else(|| of.keys.last_resort_kyber_prekey.clone()),
            one_time_prekey: of.keys.one_time_prekeys.pop(),
        };
        let bundles = KeyBundles {
            account_id: fetch.account_id,
            identity_key: of.identity_key.clone().into(),
            devices: vec![bundle],
        };
        self.finish(from, frame, now, &bundles)
    }

    /// Whoever is not there gets it later; the sender hears at once that it waits.
    fn send_direct(&mut self, from: AccountId, frame: &Frame, now: Timestamp) -> Result<()> {
        let envelope: Envelope = frame.read()?;
        let to = AccountId::try_from(envelope.recipient_id.as_ref())?;
        self.account(to)?.waiting.push_back(frame.clone());
        let taken = Frame::answer(&frame.header, Status::IN_PROGRESS, Code::TAKEN, now, &Empty {})?;
        self.out.push_back((from, taken));
        let state = MessageState {
            message_id: frame.header.message_id.as_bytes().to_vec().into(),
            recipient_id: envelope.recipient_id,
            recipient_device: envelope.recipient_device,
            state: DeliveryState::Sent.into(),
            at_ms: now.as_ms(),
            ..MessageState::default()
        };
        self.finish(from, frame, now, &state)?;
        self.push_waiting(to, now)
    }

    fn push_waiting(&mut self, to: AccountId, now: Timestamp) -> Result<()> {
        let account = self.accounts.get_mut(&to).context("no such account")?;
        let Some(pushed) = &mut account.pushed else { return Ok(()) };
        while *pushed < UNACKNOWLEDGED_MAX
            && let Some(message) = account.waiting.pop_front()
        {
            *pushed += 1;
            self.out.push_back((to, message.forward(Opcode::DIRECT_RECEIVED, now)));
        }
        if *pushed == 0 && !std::mem::replace(&mut account.level_told, true) {
            self.push(to, Opcode::LEVEL, now, &Empty {})?;
        }
        Ok(())
    }

    fn finish(&mut self, to: AccountId, command: &Frame, now: Timestamp, body: &impl Message) -> Result<()> {
        let answer = Frame::answer(&command.header, Status::FINISHED, Code::DONE, now, body)?;
        self.out.push_back((to, answer));
        Ok(())
    }

    fn push(&mut self, to: AccountId, opcode: Opcode, now: Timestamp, body: &impl Message) -> Result<()> {
        let push = Frame::command(opcode, MessageId::from_bytes([0; 16]), now, body)?;
        self.out.push_back((to, push));
        Ok(())
    }

    fn account(&mut self, account_id: AccountId) -> Result<&mut Account> {
        self.accounts.get_mut(&account_id).context("no such account")
    }
}
