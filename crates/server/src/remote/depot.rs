//! The depot's store over a connection: the calls and their two sides.

use std::future::Future;

use bytes::Bytes;
use prost::Message;
use tacite_depot::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use super::PartAddress;
use super::caller::Caller;
use super::calls::{
    Answering, Number, Part, account_id, answer, array, device_id, of_account, read, unknown, unreadable,
};
use super::frames::Frame;
use crate::apart::DepotPart;

const PUT_BODY: u8 = 1;
const KEEP_BODY: u8 = 2;
const BODIES: u8 = 3;
const DELETE_BODIES: u8 = 4;
const EXPIRE_BODIES: u8 = 5;
const WIPE_DELETED: u8 = 6;
const PUBLISH: u8 = 7;
const TAKE_KEYS: u8 = 8;

/// A depot in another process.
#[derive(Debug, Clone)]
pub struct RemoteDepot {
    caller: Caller,
}

#[derive(Clone, PartialEq, Message)]
struct Body {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    sealed: Bytes,
    #[prost(uint64, tag = "3")]
    expires_at_ms: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Names {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    names: Vec<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct FoundBodies {
    #[prost(message, repeated, tag = "1")]
    bodies: Vec<FoundBody>,
}

#[derive(Clone, PartialEq, Message)]
struct FoundBody {
    #[prost(bytes = "bytes", optional, tag = "1")]
    body: Option<Bytes>,
}

#[derive(Clone, PartialEq, Message)]
struct Publication {
    #[prost(bytes = "bytes", tag = "1")]
    account_id: Bytes,
    #[prost(uint32, tag = "2")]
    device_id: u32,
    #[prost(message, required, tag = "3")]
    keys: proto::PublishKeys,
}

#[derive(Clone, PartialEq, Message)]
struct Owner {
    #[prost(bytes = "bytes", tag = "1")]
    account_id: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct TakenKeys {
    #[prost(message, repeated, tag = "1")]
    devices: Vec<TakenDevice>,
}

#[derive(Clone, PartialEq, Message)]
struct TakenDevice {
    #[prost(uint32, tag = "1")]
    device_id: u32,
    #[prost(message, required, tag = "2")]
    signed_prekey: proto::SignedPrekey,
    #[prost(message, required, tag = "3")]
    kyber_prekey: proto::SignedPrekey,
    #[prost(message, optional, tag = "4")]
    one_time_prekey: Option<proto::OneTimePrekey>,
    #[prost(message, required, tag = "5")]
    left: proto::KeyCount,
}

impl RemoteDepot {
    /// Must be called within a tokio runtime. Connects when it is first called.
    #[must_use]
    pub fn new(part: PartAddress) -> Self {
        Self { caller: Caller::new(part) }
    }
}

impl Store for RemoteDepot {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        let body = Body { name: of_name(name), sealed: body, expires_at_ms: expires_at.as_ms() };
        let put = self.caller.call::<Number, _>(PUT_BODY, &body);
        async move {
            match put.await?.number {
                0 => Ok(Put::Created),
                1 => Ok(Put::Same),
                2 => Ok(Put::Other),
                _ => Err(unreadable()),
            }
        }
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        let body = Body { name: of_name(name), sealed: Bytes::new(), expires_at_ms: expires_at.as_ms() };
        let kept = self.caller.call::<Number, _>(KEEP_BODY, &body);
        async move { kept.await?.truth() }
    }

    async fn bodies(&self, names: Vec<BodyName>) -> Result<Vec<Option<Bytes>>, StoreError> {
        let count = names.len();
        let found: FoundBodies = self.caller.call(BODIES, &of_names(names)).await?;
        if found.bodies.len() != count {
            return Err(unreadable());
        }
        Ok(found.bodies.into_iter().map(|found| found.body).collect())
    }

    async fn delete_bodies(&self, names: Vec<BodyName>) -> Result<(), StoreError> {
        self.caller.call::<Number, _>(DELETE_BODIES, &of_names(names)).await.map(drop)
    }

    async fn expire_bodies(&self, now: Timestamp) -> Result<usize, StoreError> {
        let count: Number = self.caller.call(EXPIRE_BODIES, &Number { number: now.as_ms() }).await?;
        usize::try_from(count.number).map_err(|_| unreadable())
    }

    async fn wipe_deleted(&self) -> Result<(), StoreError> {
        self.caller.call::<Number, _>(WIPE_DELETED, &Number::default()).await.map(drop)
    }

    async fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> Result<proto::KeyCount, StoreError> {
        let keys = proto::PublishKeys {
            signed_prekey: upload.signed_prekey,
            last_resort_kyber_prekey: upload.last_resort,
            one_time_prekeys: upload.one_time_prekeys,
            kyber_prekeys: upload.kyber_prekeys,
            replace: upload.replaces_one_time,
        };
        let account_id = of_account(account_id);
        self.caller.call(PUBLISH, &Publication { account_id, device_id: device_id.into(), keys }).await
    }

    async fn take_keys(&self, account_id: AccountId) -> Result<Vec<DeviceKeys>, StoreError> {
        let owner = Owner { account_id: of_account(account_id) };
        let taken: TakenKeys = self.caller.call(TAKE_KEYS, &owner).await?;
        let device = |taken: TakenDevice| {
            Ok(DeviceKeys {
                device_id: device_id(taken.device_id)?,
                signed_prekey: taken.signed_prekey,
                kyber_prekey: taken.kyber_prekey,
                one_time_prekey: taken.one_time_prekey,
                left: taken.left,
            })
        };
        taken.devices.into_iter().map(device).collect()
    }
}

impl<S: Store> Part for DepotPart<S> {
    fn begin(&self, Frame { call, kind, body }: Frame) -> Result<Answering<'_>, StoreError> {
        let store = &self.store;
        Ok(match kind {
            PUT_BODY => {
                let Body { name, sealed, expires_at_ms } = read(body)?;
                let put = store.put_body(to_name(&name)?, sealed, Timestamp::from_ms(expires_at_ms));
                let code = |put| match put {
                    Put::Created => 0,
                    Put::Same => 1,
                    Put::Other => 2,
                };
                answer(call, put, move |put| Number::from(code(put)))
            }
            KEEP_BODY => {
                let Body { name, expires_at_ms, .. } = read(body)?;
                let kept = store.keep_body(to_name(&name)?, Timestamp::from_ms(expires_at_ms));
                answer(call, kept, Number::from)
            }
            BODIES => {
                let found = |bodies: Vec<Option<Bytes>>| FoundBodies {
                    bodies: bodies.into_iter().map(|body| FoundBody { body }).collect(),
                };
                answer(call, store.bodies(to_names(&read(body)?)?), found)
            }
            DELETE_BODIES => answer(call, store.delete_bodies(to_names(&read(body)?)?), Number::from),
            EXPIRE_BODIES => {
                let now = Timestamp::from_ms(read::<Number>(body)?.number);
                answer(call, store.expire_bodies(now), |count| Number::from(count as u64))
            }
            WIPE_DELETED => answer(call, store.wipe_deleted(), Number::from),
            PUBLISH => {
                let Publication { account_id: owner, device_id: device, keys } = read(body)?;
                let upload = Upload::try_from(keys).map_err(|_| unreadable())?;
                answer(call, store.publish(account_id(&owner)?, device_id(device)?, upload), |count| count)
            }
            TAKE_KEYS => {
                let owner = account_id(&read::<Owner>(body)?.account_id)?;
                answer(call, store.take_keys(owner), taken)
            }
            _ => return Err(unknown()),
        })
    }
}

fn taken(devices: Vec<DeviceKeys>) -> TakenKeys {
    let device = |keys: DeviceKeys| TakenDevice {
        device_id: keys.device_id.into(),
        signed_prekey: keys.signed_prekey,
        kyber_prekey: keys.kyber_prekey,
        one_time_prekey: keys.one_time_prekey,
        left: keys.left,
    };
    TakenKeys { devices: devices.into_iter().map(device).collect() }
}

fn of_name(name: BodyName) -> Bytes {
    name.0.to_vec().into()
}

fn of_names(names: Vec<BodyName>) -> Names {
    Names { names: names.into_iter().map(of_name).collect() }
}

fn to_name(bytes: &Bytes) -> Result<BodyName, StoreError> {
    array(bytes).map(BodyName)
}

fn to_names(names: &Names) -> Result<Vec<BodyName>, StoreError> {
    names.names.iter().map(to_name).collect()
}
