//! A depot's store that is slow and fails on demand: what it does with a body, the body says.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use tacite_depot::store::MemoryStore;
use tacite_depot::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;
use tokio::sync::Semaphore;

/// A body whose writing waits until the test adds a permit.
pub(super) const SLOW: &[u8] = b"a slow body";
/// A body for which there is no room.
pub(super) const TOO_MUCH: &[u8] = b"too much of a body";

/// See the module.
pub(crate) struct FaultyDepot {
    store: Arc<MemoryStore>,
    slow: Arc<Semaphore>,
}

impl FaultyDepot {
    /// A permit for each slow body that is to be written.
    pub(super) fn new(slow: Arc<Semaphore>) -> Self {
        Self { store: Arc::default(), slow }
    }
}

impl Store for FaultyDepot {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        let (store, slow) = (Arc::clone(&self.store), Arc::clone(&self.slow));
        async move {
            if body == SLOW {
                slow.acquire().await.map_err(|_| StoreError::Closed)?.forget();
            }
            if body == TOO_MUCH {
                return Err(StoreError::Full);
            }
            store.put_body(name, body, expires_at).await
        }
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        self.store.keep_body(name, expires_at)
    }

    fn bodies(
        &self,
        names: Vec<BodyName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send {
        self.store.bodies(names)
    }

    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.store.delete_bodies(names)
    }

    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.store.expire_bodies(now)
    }

    fn wipe_deleted(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.store.wipe_deleted()
    }

    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send {
        self.store.publish(account_id, device_id, upload)
    }

    fn take_keys(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceKeys>, StoreError>> + Send {
        self.store.take_keys(account_id)
    }
}
