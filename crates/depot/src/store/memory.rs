//! A depot that forgets everything when the process ends: for tests and simulations.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, ready};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tacite_model::limits::ONE_TIME_PREKEYS_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use crate::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};

/// See the module.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

#[derive(Debug, Default)]
struct Tables {
    bodies: HashMap<BodyName, (Bytes, Timestamp)>,
    keys: BTreeMap<(AccountId, DeviceId), Keys>,
}

#[derive(Debug, Default)]
struct Keys {
    signed: Option<proto::SignedPrekey>,
    last_resort: Option<proto::SignedPrekey>,
    one_time: BTreeMap<u32, proto::OneTimePrekey>,
    kyber: BTreeMap<u32, proto::SignedPrekey>,
}

impl MemoryStore {
    fn with<T>(&self, act: impl FnOnce(&mut Tables) -> T) -> T {
        act(&mut self.tables.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Store for MemoryStore {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| match tables.bodies.entry(name) {
            Entry::Vacant(vacant) => {
                vacant.insert((body, expires_at));
                Put::Created
            }
            Entry::Occupied(mut occupied) if occupied.get().0 == body => {
                occupied.get_mut().1 = expires_at.max(occupied.get().1);
                Put::Same
            }
            Entry::Occupied(_) => Put::Other,
        })))
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        ready(Ok(self.with(|tables| {
            let found = tables.bodies.get_mut(&name);
            found.map(|(_, kept_until)| *kept_until = expires_at.max(*kept_until)).is_some()
        })))
    }

    fn bodies(
        &self,
        names: Vec<BodyName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send {
        let find = |tables: &mut Tables| {
            names.iter().map(|name| tables.bodies.get(name).map(|(body, _)| body.clone())).collect()
        };
        ready(Ok(self.with(find)))
    }

    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send {
        self.with(|tables| tables.bodies.retain(|name, _| !names.contains(name)));
        ready(Ok(()))
    }

    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let before = tables.bodies.len();
            tables.bodies.retain(|_, (_, expires_at)| *expires_at > now);
            before - tables.bodies.len()
        })))
    }

    fn wipe_deleted(&self) -> impl Future<Output = Result<(), StoreError>> + Send {
        ready(Ok(()))
    }

    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let keys = tables.keys.entry((account_id, device_id)).or_default();
            keys.take_over(upload);
            keys.count()
        })))
    }

    fn take_keys(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceKeys>, StoreError>> + Send {
        ready(Ok(self.with(|tables| {
            let devices = tables.keys.iter_mut().filter(|((owner, _), _)| *owner == account_id);
            devices.filter_map(|((_, device_id), keys)| keys.take(*device_id)).collect()
        })))
    }
}

impl Keys {
    fn take_over(&mut self, upload: Upload) {
        if upload.replaces_one_time {
            self.one_time.clear();
            self.kyber.clear();
        }
        self.signed = upload.signed_prekey.or(self.signed.take());
        self.last_resort = upload.last_resort.or(self.last_resort.take());
        for key in upload.one_time_prekeys {
            if self.one_time.len() < ONE_TIME_PREKEYS_MAX {
                self.one_time.entry(key.id).or_insert(key);
            }
        }
        for key in upload.kyber_prekeys {
            if self.kyber.len() < ONE_TIME_PREKEYS_MAX {
                self.kyber.entry(key.id).or_insert(key);
            }
        }
    }

    fn take(&mut self, device_id: DeviceId) -> Option<DeviceKeys> {
        let signed_prekey = self.signed.clone()?;
        let last_resort = self.last_resort.clone()?;
        let one_time_prekey = self.one_time.pop_first().map(|(_, key)| key);
        let kyber_prekey = self.kyber.pop_first().map_or(last_resort, |(_, key)| key);
        Some(DeviceKeys { device_id, signed_prekey, kyber_prekey, one_time_prekey, left: self.count() })
    }

    fn count(&self) -> proto::KeyCount {
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        proto::KeyCount {
            one_time_prekeys: number(self.one_time.len()),
            kyber_prekeys: number(self.kyber.len()),
        }
    }
}
