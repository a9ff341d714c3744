//! The combinations of stores that a server can run on.

use std::future::Future;

use bytes::Bytes;
use futures_util::future::Either;
use tacite_depot::{BodyName, DeviceKeys, Put, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use crate::hub::Parts;
use crate::remote::RemoteDepot;

/// SQLite files; the depot may be in another process.
#[derive(Debug)]
pub struct Sqlite;

impl Parts for Sqlite {
    type Accounts = tacite_accounts::store::SqliteStore;
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

/// The depot of a server, here or elsewhere.
#[derive(Debug)]
pub enum DepotStore {
    /// A file of this process.
    Here(tacite_depot::store::SqliteStore),
    /// Another process.
    Apart(RemoteDepot),
}

/// Calls a method of whichever store it is.
macro_rules! either {
    ($self:ident, $store:ident => $call:expr) => {
        match $self {
            DepotStore::Here($store) => Either::Left($call),
            DepotStore::Apart($store) => Either::Right($call),
        }
    };
}

impl tacite_depot::Store for DepotStore {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        either!(self, store => store.put_body(name, body, expires_at))
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
