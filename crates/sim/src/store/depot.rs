//! Sealed bodies and prekeys behind a disk.

use bytes::Bytes;
use tacite_depot::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use super::{Slow, Written};
use crate::plant::Plant;

impl<S: Store> Store for Slow<S> {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        self.disk.look_at(&body);
        let is_planted = self.is_planted(Plant::AcknowledgeBeforeDurable);
        let written = self.write(async move |store| store.put_body(name, body, expires_at).await);
        async move { if is_planted { Ok(Put::Created) } else { written.await } }
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        self.write(async move |store| store.keep_body(name, expires_at).await)
    }

    async fn bodies(&self, names: Vec<BodyName>) -> Result<Vec<Option<Bytes>>, StoreError> {
        let fetched = self.read(async |store| store.bodies(names.clone()).await).await?;
        if self.is_planted(Plant::DeleteAtFetch) {
            self.store.delete_bodies(names).await?;
        }
        Ok(fetched)
    }

    async fn delete_bodies(&self, names: Vec<BodyName>) -> Result<(), StoreError> {
        self.write(async move |store| store.delete_bodies(names).await).await
    }

    async fn expire_bodies(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.write(async move |store| store.expire_bodies(now).await).await
    }

    async fn wipe_deleted(&self) -> Result<(), StoreError> {
        self.write(async move |store| store.wipe_deleted().await).await
    }

    async fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> Result<proto::KeyCount, StoreError> {
        self.disk.note(|| Written::Keys(account_id, device_id, Box::new(upload.clone())));
        self.write(async move |store| store.publish(account_id, device_id, upload).await).await
    }

    async fn take_keys(&self, account_id: AccountId) -> Result<Vec<DeviceKeys>, StoreError> {
        self.write(async move |store| store.take_keys(account_id).await).await
    }
}
