//! The combinations of stores that a server can run on.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::Either;
use tacite_accounts::store::{
    Credentials, InvitationHash, NewAccount, NewInvitation, NewSession, Proof, Registered, Rotated, Rotation,
    Session,
};
use tacite_accounts::{AccountRef, DeviceRef, Generation, SessionId};
use tacite_depot::{BodyName, DeviceKeys, Put, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};
use tacite_wire::proto;

use crate::hub::Parts;
use crate::remote::{RemoteAccounts, RemoteDepot};

/// SQLite files; accounts and depot may be in other processes.
#[derive(Debug)]
pub struct Sqlite;

impl Parts for Sqlite {
    type Accounts = AccountsStore;
    type Router = tacite_router::store::SqliteStore;
    type Depot = DepotStore;
}

/// Nothing outlives the process: for tests and simulations.
#[derive(Debug)]
pub struct Memory;

impl Parts for Memory {
    type Accounts = tacite_accounts::store::MemoryStore;
    type Router = tacite_router::store::MemoryStore;
    type Depot = tacite_depot::store::MemoryStore;
}

/// A part's store, here or elsewhere; decided once, at start.
#[derive(Debug)]
pub enum Placed<Here, Apart> {
    /// A file of this process.
    Here(Here),
    /// Another process.
    Apart(Apart),
}

/// The accounts of a server.
pub type AccountsStore = Placed<tacite_accounts::store::SqliteStore, RemoteAccounts>;
/// Its depot.
pub type DepotStore = Placed<tacite_depot::store::SqliteStore, RemoteDepot>;

/// Calls a method of whichever store it is.
macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            Self::Here($store) => Either::Left($call),
            Self::Apart($store) => Either::Right($call),
        }
    };
}

impl<H: tacite_accounts::Store, A: tacite_accounts::Store> tacite_accounts::Store for Placed<H, A> {
    fn register(&self, new: NewAccount) -> impl Future<Output = Result<Registered, StoreError>> + Send {
        either!(self, store => store.register(new))
    }

    fn find(&self, handle: Handle) -> impl Future<Output = Result<Option<AccountRef>, StoreError>> + Send {
        either!(self, store => store.find(handle))
    }

    fn credentials(
        &self,
        handle: Handle,
    ) -> impl Future<Output = Result<Option<Credentials>, StoreError>> + Send {
        either!(self, store => store.credentials(handle))
    }

    fn handle(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Option<Handle>, StoreError>> + Send {
        either!(self, store => store.handle(account_id))
    }

    fn identity_key(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Option<[u8; 33]>, StoreError>> + Send {
        either!(self, store => store.identity_key(account_id))
    }

    fn devices(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceRef>, StoreError>> + Send {
        either!(self, store => store.devices(account_id))
    }

    fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> impl Future<Output = Result<Option<[u8; 32]>, StoreError>> + Send {
        either!(self, store => store.login_key(account_id, device_id))
    }

    fn note_generations(
        &self,
        noted: Vec<Generation>,
    ) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send {
        either!(self, store => store.note_generations(noted))
    }

    fn begin_session(
        &self,
        new: NewSession,
        proof: Proof,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send {
        either!(self, store => store.begin_session(new, proof))
    }

    fn rotate(&self, rotation: Rotation) -> impl Future<Output = Result<Rotated, StoreError>> + Send {
        either!(self, store => store.rotate(rotation))
    }

    fn log_out(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        either!(self, store => store.log_out(account_id, device_id))
    }

    fn is_session_live(
        &self,
        session_id: SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        either!(self, store => store.is_session_live(session_id, now))
    }

    fn invite(&self, new: NewInvitation) -> impl Future<Output = Result<(), StoreError>> + Send {
        either!(self, store => store.invite(new))
    }

    fn invite_first(&self, new: NewInvitation) -> impl Future<Output = Result<bool, StoreError>> + Send {
        either!(self, store => store.invite_first(new))
    }

    fn is_invitation_valid(
        &self,
        hash: InvitationHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send {
        either!(self, store => store.is_invitation_valid(hash, now))
    }

    fn account_count(&self) -> impl Future<Output = Result<u64, StoreError>> + Send {
        either!(self, store => store.account_count())
    }

    fn sweep(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send {
        either!(self, store => store.sweep(now))
    }
}

impl<H: tacite_depot::Store, A: tacite_depot::Store> tacite_depot::Store for Placed<H, A> {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        either!(self, store => store.put_body(name, body, expires_at))
    }

    fn put_bodies(
        &self,
        bodies: Vec<(BodyName, Bytes, Timestamp)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        either!(self, store => store.put_bodies(bodies))
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        either!(self, store => store.keep_body(name, expires_at))
    }

    fn bodies(
        &self,
        names: Vec<BodyName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send {
        either!(self, store => store.bodies(names))
    }

    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send {
        either!(self, store => store.delete_bodies(names))
    }

    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        either!(self, store => store.expire_bodies(now))
    }

    fn wipe_deleted(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        either!(self, store => store.wipe_deleted())
    }

    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send {
        either!(self, store => store.publish(account_id, device_id, upload))
    }

    fn take_keys(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceKeys>, StoreError>> + Send {
        either!(self, store => store.take_keys(account_id))
    }
}
