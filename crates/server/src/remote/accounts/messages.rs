//! What calls to the accounts and their answers look like on the wire, and how they become what the store takes and gives.
//!
//! Invariants: fields are only added, under new tags; a message that cannot be what it says is an error; messages that hold
//! OPAQUE records are not printed.

use std::fmt;

use bytes::Bytes;
use prost::Message;
use tacite_accounts::store::{self, InvitationHash, Proof, StoreError, TokenHash};
use tacite_accounts::{AccountRef, DeviceRef, SessionId};
use tacite_model::{AccountId, DeviceId, Handle, Secret, Timestamp};

use crate::remote::calls::{account_id, array, bytes, device_id, of_account, unreadable};

/// Whose, and with some calls on which device and which generation.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Whose {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) account_id: Bytes,
    #[prost(uint32, tag = "2")]
    pub(super) device_id: u32,
    #[prost(uint64, tag = "3")]
    pub(super) generation: u64,
}

/// Several of [`Whose`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Generations {
    #[prost(message, repeated, tag = "1")]
    pub(super) noted: Vec<Whose>,
}

/// Numbers, in the order in which they were asked for.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Numbers {
    #[prost(uint64, repeated, tag = "1")]
    pub(super) numbers: Vec<u64>,
}

/// A handle.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Name {
    #[prost(string, tag = "1")]
    pub(super) handle: String,
}

/// A session or an invitation, and the time.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct At {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) what: Bytes,
    #[prost(uint64, tag = "2")]
    pub(super) now_ms: u64,
}

/// One value, or none.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Value {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(super) value: Option<Bytes>,
}

/// See [`store::NewAccount`].
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct NewAccount {
    #[prost(bytes = "bytes", tag = "1")]
    account_id: Bytes,
    #[prost(string, tag = "2")]
    handle: String,
    #[prost(bytes = "bytes", tag = "3")]
    identity_key: Bytes,
    #[prost(bytes = "vec", tag = "4")]
    password_record: Vec<u8>,
    #[prost(bytes = "vec", tag = "5")]
    words_record: Vec<u8>,
    #[prost(uint32, tag = "6")]
    device_id: u32,
    #[prost(bytes = "bytes", tag = "7")]
    login_key: Bytes,
    #[prost(uint32, tag = "8")]
    registration_id: u32,
    #[prost(message, required, tag = "9")]
    session: NewSession,
    #[prost(bytes = "bytes", optional, tag = "10")]
    invitation: Option<Bytes>,
}

/// See [`store::NewSession`]; `by_words`: see [`Proof`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NewSession {
    #[prost(bytes = "bytes", tag = "1")]
    session_id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    account_id: Bytes,
    #[prost(uint32, tag = "3")]
    device_id: u32,
    #[prost(bytes = "bytes", tag = "4")]
    refresh: Bytes,
    #[prost(uint64, tag = "5")]
    now_ms: u64,
    #[prost(uint64, tag = "6")]
    expires_at_ms: u64,
    #[prost(bool, tag = "7")]
    by_words: bool,
}

/// See [`store::Session`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Session {
    #[prost(bytes = "bytes", tag = "1")]
    id: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    account_id: Bytes,
    #[prost(uint32, tag = "3")]
    device_id: u32,
    #[prost(bool, tag = "4")]
    administrator: bool,
}

/// A session that was begun, or none.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Begun {
    #[prost(message, optional, tag = "1")]
    session: Option<Session>,
}

/// See [`store::Rotation`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Rotation {
    #[prost(bytes = "bytes", tag = "1")]
    shown: Bytes,
    #[prost(bytes = "bytes", optional, tag = "2")]
    expected: Option<Bytes>,
    #[prost(bytes = "bytes", tag = "3")]
    next: Bytes,
    #[prost(uint64, tag = "4")]
    now_ms: u64,
    #[prost(uint64, tag = "5")]
    expires_at_ms: u64,
}

/// See [`store::Rotated`]: 0 done, with the session; 1 unknown; 2 expired; 3 reused, with the session's id.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Rotated {
    #[prost(uint32, tag = "1")]
    outcome: u32,
    #[prost(message, optional, tag = "2")]
    session: Option<Session>,
    #[prost(bytes = "bytes", tag = "3")]
    reused: Bytes,
}

/// What a log-in needs, or nothing. See [`store::Credentials`].
#[derive(Clone, PartialEq, Message)]
#[prost(skip_debug)]
pub(super) struct Credentials {
    #[prost(bytes = "bytes", optional, tag = "1")]
    account_id: Option<Bytes>,
    #[prost(bytes = "vec", tag = "2")]
    password_record: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    words_record: Vec<u8>,
}

/// The devices of an account.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Devices {
    #[prost(message, repeated, tag = "1")]
    devices: Vec<Device>,
}

/// See [`DeviceRef`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Device {
    #[prost(uint32, tag = "1")]
    device_id: u32,
    #[prost(uint32, tag = "2")]
    registration_id: u32,
}

/// See [`store::NewInvitation`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NewInvitation {
    #[prost(bytes = "bytes", tag = "1")]
    hash: Bytes,
    #[prost(uint32, tag = "2")]
    uses: u32,
    #[prost(bytes = "bytes", optional, tag = "3")]
    created_by: Option<Bytes>,
    #[prost(uint64, tag = "4")]
    now_ms: u64,
    #[prost(uint64, tag = "5")]
    expires_at_ms: u64,
}

impl fmt::Debug for NewAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewAccount(…)")
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

impl Whose {
    pub(super) fn account(account_id: AccountId) -> Self {
        Self { account_id: of_account(account_id), ..Self::default() }
    }

    pub(super) fn device(account_id: AccountId, device_id: DeviceId) -> Self {
        Self { device_id: device_id.into(), ..Self::account(account_id) }
    }

    pub(super) fn to_account(&self) -> Result<AccountId, StoreError> {
        account_id(&self.account_id)
    }

    pub(super) fn to_device(&self) -> Result<(AccountId, DeviceId), StoreError> {
        Ok((self.to_account()?, device_id(self.device_id)?))
    }
}

impl Name {
    pub(super) fn new(handle: &Handle) -> Self {
        Self { handle: handle.as_str().to_owned() }
    }

    pub(super) fn to_handle(&self) -> Result<Handle, StoreError> {
        handle(&self.handle)
    }
}

impl At {
    pub(super) fn new(what: &[u8], now: Timestamp) -> Self {
        Self { what: bytes(what), now_ms: now.as_ms() }
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now_ms)
    }
}

impl Value {
    pub(super) fn new<T: AsRef<[u8]>>(value: Option<T>) -> Self {
        Self { value: value.map(|value| bytes(value.as_ref())) }
    }

    pub(super) fn to_array<const N: usize>(&self) -> Result<Option<[u8; N]>, StoreError> {
        self.value.as_deref().map(array).transpose()
    }

    pub(super) fn to_handle(&self) -> Result<Option<Handle>, StoreError> {
        let text = |value: &Bytes| handle(std::str::from_utf8(value).map_err(|_| unreadable())?);
        self.value.as_ref().map(text).transpose()
    }
}

impl NewAccount {
    pub(super) fn new(new: &store::NewAccount) -> Self {
        Self {
            account_id: of_account(new.account_id),
            handle: new.handle.as_str().to_owned(),
            identity_key: bytes(&new.identity_key),
            password_record: new.password_record.expose().clone(),
            words_record: new.words_record.expose().clone(),
            device_id: new.device.device_id.into(),
            login_key: bytes(&new.device.login_key),
            registration_id: new.device.registration_id,
            session: NewSession::new(new.session, Proof::Words),
            invitation: new.invitation.map(|hash| bytes(&hash.0)),
        }
    }

    pub(super) fn read(self) -> Result<store::NewAccount, StoreError> {
        Ok(store::NewAccount {
            account_id: account_id(&self.account_id)?,
            handle: handle(&self.handle)?,
            identity_key: array(&self.identity_key)?,
            password_record: Secret::new(self.password_record),
            words_record: Secret::new(self.words_record),
            device: store::NewDevice {
                device_id: device_id(self.device_id)?,
                login_key: array(&self.login_key)?,
                registration_id: self.registration_id,
            },
            session: self.session.read()?.0,
            invitation: self.invitation.map(|hash| array(&hash).map(InvitationHash)).transpose()?,
        })
    }
}

impl NewSession {
    pub(super) fn new(new: store::NewSession, proof: Proof) -> Self {
        Self {
            session_id: bytes(&new.session_id.0),
            account_id: of_account(new.account_id),
            device_id: new.device_id.into(),
            refresh: bytes(&new.refresh.0),
            now_ms: new.now.as_ms(),
            expires_at_ms: new.expires_at.as_ms(),
            by_words: proof == Proof::Words,
        }
    }

    pub(super) fn read(&self) -> Result<(store::NewSession, Proof), StoreError> {
        let new = store::NewSession {
            session_id: array(&self.session_id).map(SessionId)?,
            account_id: account_id(&self.account_id)?,
            device_id: device_id(self.device_id)?,
            refresh: array(&self.refresh).map(TokenHash)?,
            now: Timestamp::from_ms(self.now_ms),
            expires_at: Timestamp::from_ms(self.expires_at_ms),
        };
        Ok((new, if self.by_words { Proof::Words } else { Proof::Signature }))
    }
}

impl Session {
    fn new(session: store::Session) -> Self {
        Self {
            id: bytes(&session.session_id.0),
            account_id: of_account(session.account_id),
            device_id: session.device_id.into(),
            administrator: session.administrator,
        }
    }

    fn read(&self) -> Result<store::Session, StoreError> {
        Ok(store::Session {
            session_id: array(&self.id).map(SessionId)?,
            account_id: account_id(&self.account_id)?,
            device_id: device_id(self.device_id)?,
            administrator: self.administrator,
        })
    }
}

impl Begun {
    pub(super) fn new(begun: Option<store::Session>) -> Self {
        Self { session: begun.map(Session::new) }
    }

    pub(super) fn read(&self) -> Result<Option<store::Session>, StoreError> {
        self.session.as_ref().map(Session::read).transpose()
    }
}

impl Rotation {
    pub(super) fn new(rotation: store::Rotation) -> Self {
        Self {
            shown: bytes(&rotation.shown.0),
            expected: rotation.expected.map(|expected| bytes(&expected.0)),
            next: bytes(&rotation.next.0),
            now_ms: rotation.now.as_ms(),
            expires_at_ms: rotation.expires_at.as_ms(),
        }
    }

    pub(super) fn read(&self) -> Result<store::Rotation, StoreError> {
        Ok(store::Rotation {
            shown: array(&self.shown).map(TokenHash)?,
            expected: self.expected.as_deref().map(array).transpose()?.map(SessionId),
            next: array(&self.next).map(TokenHash)?,
            now: Timestamp::from_ms(self.now_ms),
            expires_at: Timestamp::from_ms(self.expires_at_ms),
        })
    }
}

impl Rotated {
    pub(super) fn new(rotated: store::Rotated) -> Self {
        let outcome = |outcome| Self { outcome, ..Self::default() };
        match rotated {
            store::Rotated::Done(session) => Self { session: Some(Session::new(session)), ..outcome(0) },
            store::Rotated::Unknown => outcome(1),
            store::Rotated::Expired => outcome(2),
            store::Rotated::Reused(session_id) => Self { reused: bytes(&session_id.0), ..outcome(3) },
        }
    }

    pub(super) fn read(&self) -> Result<store::Rotated, StoreError> {
        match (self.outcome, &self.session) {
            (0, Some(session)) => session.read().map(store::Rotated::Done),
            (1, _) => Ok(store::Rotated::Unknown),
            (2, _) => Ok(store::Rotated::Expired),
            (3, _) => array(&self.reused).map(SessionId).map(store::Rotated::Reused),
            _ => Err(unreadable()),
        }
    }
}

impl Credentials {
    pub(super) fn new(credentials: Option<store::Credentials>) -> Self {
        credentials.map_or_else(Self::default, |credentials| Self {
            account_id: Some(of_account(credentials.account_id)),
            password_record: credentials.password_record.expose().clone(),
            words_record: credentials.words_record.expose().clone(),
        })
    }

    pub(super) fn read(self) -> Result<Option<store::Credentials>, StoreError> {
        let Some(owner) = self.account_id else { return Ok(None) };
        Ok(Some(store::Credentials {
            account_id: account_id(&owner)?,
            password_record: Secret::new(self.password_record),
            words_record: Secret::new(self.words_record),
        }))
    }
}

impl Devices {
    pub(super) fn new(devices: Vec<DeviceRef>) -> Self {
        let device = |device: DeviceRef| Device {
            device_id: device.device_id.into(),
            registration_id: device.registration_id,
        };
        Self { devices: devices.into_iter().map(device).collect() }
    }

    pub(super) fn read(&self) -> Result<Vec<DeviceRef>, StoreError> {
        let device = |device: &Device| {
            let registration_id = device.registration_id;
            Ok(DeviceRef { device_id: device_id(device.device_id)?, registration_id })
        };
        self.devices.iter().map(device).collect()
    }
}

impl NewInvitation {
    pub(super) fn new(new: store::NewInvitation) -> Self {
        Self {
            hash: bytes(&new.hash.0),
            uses: new.uses,
            created_by: new.created_by.map(of_account),
            now_ms: new.now.as_ms(),
            expires_at_ms: new.expires_at.as_ms(),
        }
    }

    pub(super) fn read(&self) -> Result<store::NewInvitation, StoreError> {
        Ok(store::NewInvitation {
            hash: array(&self.hash).map(InvitationHash)?,
            uses: self.uses,
            created_by: self.created_by.as_deref().map(account_id).transpose()?,
            now: Timestamp::from_ms(self.now_ms),
            expires_at: Timestamp::from_ms(self.expires_at_ms),
        })
    }
}

/// The account that has the handle, if there is one.
pub(super) fn found(handle: Handle, value: &Value) -> Result<Option<AccountRef>, StoreError> {
    let account_id = value.value.as_deref().map(account_id).transpose()?;
    Ok(account_id.map(|account_id| AccountRef { account_id, handle }))
}

fn handle(text: &str) -> Result<Handle, StoreError> {
    text.parse().map_err(|_| unreadable())
}
