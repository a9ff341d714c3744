//! The accounts' store over a connection: the calls and their two sides.

mod messages;

use messages::{
    At, Begun, Credentials, Devices, Generations, Name, NewAccount, NewInvitation, NewSession, Numbers,
    Rotated, Rotation, Value, Whose,
};
use prost::Message;
use tacite_accounts::store::{self, InvitationHash, Proof, Registered, StoreError};
use tacite_accounts::{AccountRef, DeviceRef, Generation, SessionId, Store};
use tacite_model::limits::PART_FRAME_BYTES_MAX;
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};

use super::PartAddress;
use super::caller::Caller;
use super::calls::{Answering, Number, Part, answer, array, read, unknown, unreadable};
use super::frames::Frame;

const REGISTER: u8 = 64;
const FIND: u8 = 65;
const CREDENTIALS: u8 = 66;
const HANDLE: u8 = 67;
const IDENTITY_KEY: u8 = 68;
const DEVICES: u8 = 69;
const LOGIN_KEY: u8 = 70;
const NOTE_GENERATIONS: u8 = 71;
const BEGIN_SESSION: u8 = 72;
const ROTATE: u8 = 73;
const LOG_OUT: u8 = 74;
const IS_SESSION_LIVE: u8 = 75;
const INVITE: u8 = 76;
const INVITE_FIRST: u8 = 77;
const IS_INVITATION_VALID: u8 = 78;
const ACCOUNT_COUNT: u8 = 79;
const SWEEP: u8 = 80;

/// Generations in one call. More are told in several: what was noted of them stays noted if a later call fails.
pub(super) const NOTED_MAX: usize = 65_536;
const _: () = assert!(NOTED_MAX * 48 < PART_FRAME_BYTES_MAX);

/// Accounts in another process.
#[derive(Debug, Clone)]
pub struct RemoteAccounts {
    caller: Caller,
}

/// Accounts in a process of their own: their store.
pub(crate) struct AccountsPart<S>(pub(crate) S);

impl RemoteAccounts {
    /// Must be called within a tokio runtime. Connects when it is first called.
    #[must_use]
    pub fn new(part: PartAddress) -> Self {
        Self { caller: Caller::new(part) }
    }

    async fn truth(&self, method: u8, arguments: &impl Message) -> Result<bool, StoreError> {
        self.caller.call::<Number, _>(method, arguments).await?.truth()
    }
}

impl Store for RemoteAccounts {
    async fn register(&self, new: store::NewAccount) -> Result<Registered, StoreError> {
        let registered: Number = self.caller.call(REGISTER, &NewAccount::new(&new)).await?;
        Ok(match registered.number {
            0 => Registered::Done { administrator: false },
            1 => Registered::Done { administrator: true },
            2 => Registered::IdInUse,
            3 => Registered::HandleTaken,
            4 => Registered::InvitationInvalid,
            _ => return Err(unreadable()),
        })
    }

    async fn find(&self, handle: Handle) -> Result<Option<AccountRef>, StoreError> {
        let value: Value = self.caller.call(FIND, &Name::new(&handle)).await?;
        messages::found(handle, &value)
    }

    async fn credentials(&self, handle: Handle) -> Result<Option<store::Credentials>, StoreError> {
        self.caller.call::<Credentials, _>(CREDENTIALS, &Name::new(&handle)).await?.read()
    }

    async fn handle(&self, account_id: AccountId) -> Result<Option<Handle>, StoreError> {
        self.caller.call::<Value, _>(HANDLE, &Whose::account(account_id)).await?.to_handle()
    }

    async fn identity_key(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, StoreError> {
        self.caller.call::<Value, _>(IDENTITY_KEY, &Whose::account(account_id)).await?.to_array()
    }

    async fn devices(&self, account_id: AccountId) -> Result<Vec<DeviceRef>, StoreError> {
        self.caller.call::<Devices, _>(DEVICES, &Whose::account(account_id)).await?.read()
    }

    async fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        self.caller.call::<Value, _>(LOGIN_KEY, &Whose::device(account_id, device_id)).await?.to_array()
    }

    async fn note_generations(&self, noted: Vec<Generation>) -> Result<Vec<u64>, StoreError> {
        let one = |noted: &Generation| Whose {
            generation: noted.generation,
            ..Whose::device(noted.account_id, noted.device_id)
        };
        let mut known = Vec::new();
        for noted in noted.chunks(NOTED_MAX) {
            let noted = Generations { noted: noted.iter().map(one).collect() };
            let numbers: Numbers = self.caller.call(NOTE_GENERATIONS, &noted).await?;
            if numbers.numbers.len() != noted.noted.len() {
                return Err(unreadable());
            }
            known.extend(numbers.numbers);
        }
        Ok(known)
    }

    async fn begin_session(
        &self,
        new: store::NewSession,
        proof: Proof,
    ) -> Result<Option<store::Session>, StoreError> {
        self.caller.call::<Begun, _>(BEGIN_SESSION, &NewSession::new(new, proof)).await?.read()
    }

    async fn rotate(&self, rotation: store::Rotation) -> Result<store::Rotated, StoreError> {
        self.caller.call::<Rotated, _>(ROTATE, &Rotation::new(rotation)).await?.read()
    }

    async fn log_out(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), StoreError> {
        self.caller.call::<Number, _>(LOG_OUT, &Whose::device(account_id, device_id)).await.map(drop)
    }

    async fn is_session_live(&self, session_id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.truth(IS_SESSION_LIVE, &At::new(&session_id.0, now)).await
    }

    async fn invite(&self, new: store::NewInvitation) -> Result<(), StoreError> {
        self.caller.call::<Number, _>(INVITE, &NewInvitation::new(new)).await.map(drop)
    }

    async fn invite_first(&self, new: store::NewInvitation) -> Result<bool, StoreError> {
        self.truth(INVITE_FIRST, &NewInvitation::new(new)).await
    }

    async fn is_invitation_valid(&self, hash: InvitationHash, now: Timestamp) -> Result<bool, StoreError> {
        self.truth(IS_INVITATION_VALID, &At::new(&hash.0, now)).await
    }

    async fn account_count(&self) -> Result<u64, StoreError> {
        Ok(self.caller.call::<Number, _>(ACCOUNT_COUNT, &Number::default()).await?.number)
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.caller.call::<Number, _>(SWEEP, &Number::from(now.as_ms())).await?.number)
    }
}

impl<S: Store> Part for AccountsPart<S> {
    fn begin(&self, call: Frame) -> Result<Answering<'_>, StoreError> {
        match call.kind {
            REGISTER..=NOTE_GENERATIONS => begin_about_accounts(&self.0, call),
            _ => begin_about_sessions(&self.0, call),
        }
    }
}

fn begin_about_accounts<S: Store>(
    store: &S,
    Frame { call, kind, body }: Frame,
) -> Result<Answering<'_>, StoreError> {
    Ok(match kind {
        REGISTER => {
            let number = |registered| match registered {
                Registered::Done { administrator } => u64::from(administrator),
                Registered::IdInUse => 2,
                Registered::HandleTaken => 3,
                Registered::InvitationInvalid => 4,
            };
            let registered = store.register(read::<NewAccount>(body)?.read()?);
            answer(call, registered, move |registered| Number::from(number(registered)))
        }
        FIND => {
            let id = |found: Option<AccountRef>| found.map(|found| *found.account_id.as_bytes());
            answer(call, store.find(read::<Name>(body)?.to_handle()?), move |found| Value::new(id(found)))
        }
        CREDENTIALS => answer(call, store.credentials(read::<Name>(body)?.to_handle()?), Credentials::new),
        HANDLE => {
            let text = |handle: Option<Handle>| Value::new(handle.as_ref().map(Handle::as_str));
            answer(call, store.handle(read::<Whose>(body)?.to_account()?), text)
        }
        IDENTITY_KEY => answer(call, store.identity_key(read::<Whose>(body)?.to_account()?), Value::new),
        DEVICES => answer(call, store.devices(read::<Whose>(body)?.to_account()?), Devices::new),
        LOGIN_KEY => {
            let (account_id, device_id) = read::<Whose>(body)?.to_device()?;
            answer(call, store.login_key(account_id, device_id), Value::new)
        }
        NOTE_GENERATIONS => {
            let one = |noted: &Whose| {
                let ((account_id, device_id), generation) = (noted.to_device()?, noted.generation);
                Ok(Generation { account_id, device_id, generation })
            };
            let noted: Result<_, StoreError> = read::<Generations>(body)?.noted.iter().map(one).collect();
            answer(call, store.note_generations(noted?), |numbers| Numbers { numbers })
        }
        _ => return Err(unknown()),
    })
}

fn begin_about_sessions<S: Store>(
    store: &S,
    Frame { call, kind, body }: Frame,
) -> Result<Answering<'_>, StoreError> {
    Ok(match kind {
        BEGIN_SESSION => {
            let (new, proof) = read::<NewSession>(body)?.read()?;
            answer(call, store.begin_session(new, proof), Begun::new)
        }
        ROTATE => answer(call, store.rotate(read::<Rotation>(body)?.read()?), Rotated::new),
        LOG_OUT => {
            let (account_id, device_id) = read::<Whose>(body)?.to_device()?;
            answer(call, store.log_out(account_id, device_id), Number::from)
        }
        IS_SESSION_LIVE => {
            let asked: At = read(body)?;
            let session_id = SessionId(array(&asked.what)?);
            answer(call, store.is_session_live(session_id, asked.now()), Number::from)
        }
        INVITE => answer(call, store.invite(read::<NewInvitation>(body)?.read()?), Number::from),
        INVITE_FIRST => answer(call, store.invite_first(read::<NewInvitation>(body)?.read()?), Number::from),
        IS_INVITATION_VALID => {
            let asked: At = read(body)?;
            let hash = InvitationHash(array(&asked.what)?);
            answer(call, store.is_invitation_valid(hash, asked.now()), Number::from)
        }
        ACCOUNT_COUNT => answer(call, store.account_count(), Number::from),
        SWEEP => {
            let now = Timestamp::from_ms(read::<Number>(body)?.number);
            answer(call, store.sweep(now), Number::from)
        }
        _ => return Err(unknown()),
    })
}
