//! The depot's store over a connection: the calls and their two sides.

use std::future::{Future, ready};
use std::pin::Pin;

use bytes::Bytes;
use futures_util::FutureExt as _;
use prost::Message;
use tacite_depot::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use super::PartAddress;
use super::caller::Caller;
use super::frames::{Frame, unavailable};

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

/// A number, a truth (0 or 1), a time, or nothing.
#[derive(Clone, PartialEq, Message)]
struct Number {
    #[prost(uint64, tag = "1")]
    number: u64,
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

    fn call<T: Message + Default, A: Message>(
        &self,
        method: u8,
        arguments: &A,
    ) -> impl Future<Output = Result<T, StoreError>> + Send + use<T, A> {
        self.caller.call(method, arguments)
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
        let put = self.call::<Number, _>(PUT_BODY, &body);
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
        let kept = self.call::<Number, _>(KEEP_BODY, &body);
        async move { Ok(kept.await?.number == 1) }
    }

    async fn bodies(&self, names: Vec<BodyName>) -> Result<Vec<Option<Bytes>>, StoreError> {
        let count = names.len();
        let found: FoundBodies = self.call(BODIES, &of_names(names)).await?;
        if found.bodies.len() != count {
            return Err(unreadable());
        }
        Ok(found.bodies.into_iter().map(|found| found.body).collect())
    }

    async fn delete_bodies(&self, names: Vec<BodyName>) -> Result<(), StoreError> {
        self.call::<Number, _>(DELETE_BODIES, &of_names(names)).await.map(drop)
    }

    async fn expire_bodies(&self, now: Timestamp) -> Result<usize, StoreError> {
        let count: Number = self.call(EXPIRE_BODIES, &Number { number: now.as_ms() }).await?;
        usize::try_from(count.number).map_err(|_| unreadable())
    }

    async fn wipe_deleted(&self) -> Result<(), StoreError> {
        self.call::<Number, _>(WIPE_DELETED, &Number::default()).await.map(drop)
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
        let account_id = account_id.as_bytes().to_vec().into();
        self.call(PUBLISH, &Publication { account_id, device_id: device_id.into(), keys }).await
    }

    async fn take_keys(&self, account_id: AccountId) -> Result<Vec<DeviceKeys>, StoreError> {
        let owner = Owner { account_id: account_id.as_bytes().to_vec().into() };
        let taken: TakenKeys = self.call(TAKE_KEYS, &owner).await?;
        let device = |taken: TakenDevice| {
            Ok(DeviceKeys {
                device_id: DeviceId::try_from(taken.device_id).map_err(|_| unreadable())?,
                signed_prekey: taken.signed_prekey,
                kyber_prekey: taken.kyber_prekey,
                one_time_prekey: taken.one_time_prekey,
                left: taken.left,
            })
        };
        taken.devices.into_iter().map(device).collect()
    }
}

/// The answer to one call, begun at once.
type Answering<'a> = Pin<Box<dyn Future<Output = Frame> + Send + 'a>>;

/// Begins a call that came in.
pub(super) fn begin<S: Store>(store: &S, call: Frame) -> Answering<'_> {
    let number = call.call;
    begin_known(store, call)
        .unwrap_or_else(|error| ready(Frame::answer::<Number>(number, &Err(error))).boxed())
}

fn begin_known<S: Store>(store: &S, Frame { call, kind, body }: Frame) -> Result<Answering<'_>, StoreError> {
    let number = |number: u64| Number { number };
    Ok(match kind {
        PUT_BODY => {
            let Body { name, sealed, expires_at_ms } = read(body)?;
            let put = store.put_body(to_name(&name)?, sealed, Timestamp::from_ms(expires_at_ms));
            let code = |put| match put {
                Put::Created => 0,
                Put::Same => 1,
                Put::Other => 2,
            };
            async move { Frame::answer(call, &put.await.map(|put| number(code(put)))) }.boxed()
        }
        KEEP_BODY => {
            let Body { name, expires_at_ms, .. } = read(body)?;
            let kept = store.keep_body(to_name(&name)?, Timestamp::from_ms(expires_at_ms));
            async move { Frame::answer(call, &kept.await.map(|kept| number(kept.into()))) }.boxed()
        }
        BODIES => {
            let bodies = store.bodies(to_names(&read(body)?)?);
            let found = |bodies: Vec<Option<Bytes>>| FoundBodies {
                bodies: bodies.into_iter().map(|body| FoundBody { body }).collect(),
            };
            async move { Frame::answer(call, &bodies.await.map(found)) }.boxed()
        }
        DELETE_BODIES => {
            let deleted = store.delete_bodies(to_names(&read(body)?)?);
            async move { Frame::answer(call, &deleted.await.map(|()| number(0))) }.boxed()
        }
        EXPIRE_BODIES => {
            let expired = store.expire_bodies(Timestamp::from_ms(read::<Number>(body)?.number));
            async move { Frame::answer(call, &expired.await.map(|count| number(count as u64))) }.boxed()
        }
        WIPE_DELETED => {
            async move { Frame::answer(call, &store.wipe_deleted().await.map(|()| number(0))) }.boxed()
        }
        PUBLISH => {
            let Publication { account_id, device_id, keys } = read(body)?;
            let account_id = AccountId::try_from(&account_id[..]).map_err(|_| unreadable())?;
            let device_id = DeviceId::try_from(device_id).map_err(|_| unreadable())?;
            let upload = Upload::try_from(keys).map_err(|_| unreadable())?;
            async move { Frame::answer(call, &store.publish(account_id, device_id, upload).await) }.boxed()
        }
        TAKE_KEYS => {
            let account_id =
                AccountId::try_from(&read::<Owner>(body)?.account_id[..]).map_err(|_| unreadable())?;
            async move { Frame::answer(call, &store.take_keys(account_id).await.map(taken)) }.boxed()
        }
        _ => return Err(unavailable("the part does not know this call: it is of another release")),
    })
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

fn read<T: Message + Default>(body: Bytes) -> Result<T, StoreError> {
    T::decode(body).map_err(|_| unreadable())
}

fn of_name(name: BodyName) -> Bytes {
    name.0.to_vec().into()
}

fn of_names(names: Vec<BodyName>) -> Names {
    Names { names: names.into_iter().map(of_name).collect() }
}

fn to_name(bytes: &Bytes) -> Result<BodyName, StoreError> {
    Ok(BodyName(bytes[..].try_into().map_err(|_| unreadable())?))
}

fn to_names(names: &Names) -> Result<Vec<BodyName>, StoreError> {
    names.names.iter().map(to_name).collect()
}

fn unreadable() -> StoreError {
    unavailable("a call to the part, or its answer, cannot be read")
}
