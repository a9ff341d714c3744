//! The store in memory, for tests and simulations.
//!
//! Invariant: behaves as the stores on disk do (conformance suite); each method holds the one lock for its whole length.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tacite_model::{AccountId, DeviceId, Handle, Timestamp};

use super::{
    Credentials, InvitationHash, NewAccount, NewInvitation, NewSession, Proof, Registered, Rotated, Rotation,
    Session, Store, StoreError, TokenHash,
};
use crate::identity::{AccountRef, DeviceRef, Generation, SessionId};

/// Keeps everything in memory.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    accounts: BTreeMap<AccountId, Account>,
    devices: BTreeMap<(AccountId, DeviceId), Device>,
    sessions: BTreeMap<SessionId, LiveSession>,
    tokens: BTreeMap<TokenHash, Token>,
    invitations: BTreeMap<InvitationHash, Invitation>,
}

#[derive(Debug)]
struct Account {
    handle: Handle,
    identity_key: [u8; 33],
    credentials: Credentials,
    administrator: bool,
}

#[derive(Debug)]
struct Device {
    login_key: [u8; 32],
    registration_id: u32,
    logged_out: bool,
    generation: u64,
}

#[derive(Debug)]
struct LiveSession {
    account_id: AccountId,
    device_id: DeviceId,
    expires_at: Timestamp,
}

#[derive(Debug)]
struct Token {
    session_id: SessionId,
    used: bool,
    expires_at: Timestamp,
}

#[derive(Debug)]
struct Invitation {
    uses_left: u32,
    first: bool,
    expires_at: Timestamp,
}

impl MemoryStore {
    fn tables(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    async fn register(&self, new: NewAccount) -> Result<Registered, StoreError> {
        Ok(self.tables().register(new))
    }

    async fn find(&self, handle: Handle) -> Result<Option<AccountRef>, StoreError> {
        let tables = self.tables();
        let found = tables.accounts.iter().find(|(_, account)| account.handle == handle);
        Ok(found.map(|(account_id, _)| AccountRef { account_id: *account_id, handle }))
    }

    async fn credentials(&self, handle: Handle) -> Result<Option<Credentials>, StoreError> {
        let tables = self.tables();
        let found = tables.accounts.values().find(|account| account.handle == handle);
        Ok(found.map(|account| account.credentials.clone()))
    }

    async fn handle(&self, account_id: AccountId) -> Result<Option<Handle>, StoreError> {
        Ok(self.tables().accounts.get(&account_id).map(|account| account.handle.clone()))
    }

    async fn identity_key(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, StoreError> {
        Ok(self.tables().accounts.get(&account_id).map(|account| account.identity_key))
    }

    async fn devices(&self, account_id: AccountId) -> Result<Vec<DeviceRef>, StoreError> {
        let tables = self.tables();
        let own = tables.devices.iter().filter(|((owner, _), _)| *owner == account_id);
        let refs = own.map(|((_, device_id), device)| DeviceRef {
            device_id: *device_id,
            registration_id: device.registration_id,
        });
        Ok(refs.collect())
    }

    async fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        Ok(self.tables().devices.get(&(account_id, device_id)).map(|device| device.login_key))
    }

    async fn note_generations(&self, noted: Vec<Generation>) -> Result<Vec<u64>, StoreError> {
        let mut tables = self.tables();
        let note = |Generation { account_id, device_id, generation }| {
            let Some(device) = tables.devices.get_mut(&(account_id, device_id)) else { return 0 };
            let known = device.generation;
            device.generation = known.max(generation.min(i64::MAX.unsigned_abs()));
            known
        };
        Ok(noted.into_iter().map(note).collect())
    }

    async fn begin_session(&self, new: NewSession, proof: Proof) -> Result<Option<Session>, StoreError> {
        Ok(self.tables().begin_session(&new, proof))
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        Ok(self.tables().rotate(&rotation))
    }

    async fn log_out(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), StoreError> {
        let mut tables = self.tables();
        tables.end_session_of(account_id, device_id);
        if let Some(device) = tables.devices.get_mut(&(account_id, device_id)) {
            device.logged_out = true;
        }
        Ok(())
    }

    async fn is_session_live(&self, session_id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        Ok(self.tables().sessions.get(&session_id).is_some_and(|session| session.expires_at > now))
    }

    async fn invite(&self, new: NewInvitation) -> Result<(), StoreError> {
        self.tables().invite(&new, false);
        Ok(())
    }

    async fn invite_first(&self, new: NewInvitation) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        if !tables.accounts.is_empty() {
            return Ok(false);
        }
        tables.invitations.retain(|_, invitation| !invitation.first);
        tables.invite(&new, true);
        Ok(true)
    }

    async fn is_invitation_valid(&self, hash: InvitationHash, now: Timestamp) -> Result<bool, StoreError> {
        let mut tables = self.tables();
        Ok(tables.valid_invitation(hash, now).is_some())
    }

    async fn account_count(&self) -> Result<u64, StoreError> {
        Ok(self.tables().accounts.len() as u64)
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut tables = self.tables();
        let before = tables.row_count();
        tables.tokens.retain(|_, token| token.expires_at > now);
        let over: Vec<_> = tables
            .sessions
            .iter()
            .filter(|(_, session)| session.expires_at <= now)
            .map(|(id, _)| *id)
            .collect();
        for session_id in over {
            tables.end_session(session_id);
        }
        tables.invitations.retain(|_, invitation| invitation.expires_at > now);
        Ok(before - tables.row_count())
    }
}

impl Tables {
    fn register(&mut self, new: NewAccount) -> Registered {
        if self.accounts.contains_key(&new.account_id) {
            return Registered::IdInUse;
        }
        if self.accounts.values().any(|account| account.handle == new.handle) {
            return Registered::HandleTaken;
        }
        if let Some(hash) = new.invitation {
            let Some(invitation) = self.valid_invitation(hash, new.session.now) else {
                return Registered::InvitationInvalid;
            };
            invitation.uses_left -= 1;
        }
        let administrator = self.accounts.is_empty();
        let credentials = Credentials {
            account_id: new.account_id,
            password_record: new.password_record,
            words_record: new.words_record,
        };
        let account =
            Account { handle: new.handle, identity_key: new.identity_key, credentials, administrator };
        self.accounts.insert(new.account_id, account);
        let device = Device {
            login_key: new.device.login_key,
            registration_id: new.device.registration_id,
            logged_out: false,
            generation: 0,
        };
        self.devices.insert((new.account_id, new.device.device_id), device);
        self.begin_session(&new.session, Proof::Words);
        Registered::Done { administrator }
    }

    fn begin_session(&mut self, new: &NewSession, proof: Proof) -> Option<Session> {
        let (account_id, device_id) = (new.account_id, new.device_id);
        let device = self.devices.get_mut(&(account_id, device_id))?;
        if device.logged_out && proof == Proof::Signature {
            return None;
        }
        device.logged_out = false;
        self.end_session_of(account_id, device_id);
        let session = LiveSession { account_id, device_id, expires_at: new.expires_at };
        self.sessions.insert(new.session_id, session);
        let token = Token { session_id: new.session_id, used: false, expires_at: new.expires_at };
        self.tokens.insert(new.refresh, token);
        self.session(new.session_id)
    }

    fn rotate(&mut self, rotation: &Rotation) -> Rotated {
        let Some(token) = self.tokens.get_mut(&rotation.shown) else { return Rotated::Unknown };
        let session_id = token.session_id;
        if token.used {
            self.end_session(session_id);
            return Rotated::Reused(session_id);
        }
        if rotation.expected.is_some_and(|expected| expected != session_id) {
            return Rotated::Unknown;
        }
        if token.expires_at <= rotation.now {
            return Rotated::Expired;
        }
        token.used = true;
        let next = Token { session_id, used: false, expires_at: rotation.expires_at };
        self.tokens.insert(rotation.next, next);
        if let Some(session) = self.sessions.get_mut(&session_id) {
            session.expires_at = rotation.expires_at;
        }
        self.session(session_id).map_or(Rotated::Unknown, Rotated::Done)
    }

    fn session(&self, session_id: SessionId) -> Option<Session> {
        let LiveSession { account_id, device_id, .. } = *self.sessions.get(&session_id)?;
        let administrator = self.accounts.get(&account_id)?.administrator;
        Some(Session { session_id, account_id, device_id, administrator })
    }

    fn end_session_of(&mut self, account_id: AccountId, device_id: DeviceId) {
        let own = |session: &LiveSession| (session.account_id, session.device_id) == (account_id, device_id);
        let found = self.sessions.iter().find(|(_, session)| own(session)).map(|(id, _)| *id);
        if let Some(session_id) = found {
            self.end_session(session_id);
        }
    }

    fn end_session(&mut self, session_id: SessionId) {
        self.tokens.retain(|_, token| token.session_id != session_id);
        self.sessions.remove(&session_id);
    }

    fn invite(&mut self, new: &NewInvitation, first: bool) {
        let invitation = Invitation { uses_left: new.uses, first, expires_at: new.expires_at };
        self.invitations.insert(new.hash, invitation);
    }

    fn valid_invitation(&mut self, hash: InvitationHash, now: Timestamp) -> Option<&mut Invitation> {
        let invitation = self.invitations.get_mut(&hash)?;
        (invitation.uses_left > 0 && invitation.expires_at > now).then_some(invitation)
    }

    fn row_count(&self) -> u64 {
        (self.sessions.len() + self.tokens.len() + self.invitations.len()) as u64
    }
}
