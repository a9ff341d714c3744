//! A store before which bodies are held in memory until it is known whether they must wait (split mode).
//!
//! A body comes before its message. Most recipients are online: they fetch it at once, and with their acknowledgement it is
//! gone. Such a body never touches the disk, as inline no message does that is relayed. Whoever put it keeps it until its
//! message is answered, and is told if it is not there any more when the message comes.
//!
//! Invariants: what is held may be lost with the process, and with nothing else; after [`Holding::settle`] or
//! [`Store::keep_body`] it is in the store; no more than [`HELD_BODIES_BYTES_MAX`] are held, the rest goes to the store at
//! once; a body is found all the time, also while it goes over.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::future::{Future, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures_util::future::Either;
use tacite_model::limits::HELD_BODIES_BYTES_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use crate::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};

/// See the module.
#[derive(Debug)]
pub struct Holding<S> {
    store: S,
    held: Arc<Mutex<Held>>,
}

#[derive(Debug, Default)]
struct Held {
    bodies: HashMap<BodyName, Body>,
    bytes: usize,
    /// How many were held so far.
    count: u64,
}

#[derive(Debug)]
struct Body {
    sealed: Bytes,
    expires_at: Timestamp,
    /// The how manieth: a body that is put anew under the name of a deleted one is another.
    number: u64,
    /// How often it is on its way to the store just now.
    settling: u32,
    /// It is there.
    is_settled: bool,
}

impl<S: Store> Holding<S> {
    /// Holds nothing yet.
    pub fn new(store: S) -> Self {
        Self { store, held: Arc::default() }
    }

    /// What is in here outlives the process.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Holds a body until `expires_at`; what is held is never replaced. What there is no room for is put into the store, and
    /// on disk when this is answered.
    pub fn hold(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        match lock(&self.held).hold(name, &body, expires_at) {
            Some(put) => Either::Left(ready(Ok(put))),
            None => Either::Right(self.store.put_body(name, body, expires_at)),
        }
    }

    /// Whether a body is there whose message has come: if it is held, then for so long at least, otherwise in the store until
    /// `kept_until` at least.
    pub fn announce(
        &self,
        name: BodyName,
        held_until: Timestamp,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        if let Some(body) = lock(&self.held).bodies.get_mut(&name) {
            body.expires_at = held_until.max(body.expires_at);
            return Either::Left(ready(Ok(true)));
        }
        Either::Right(self.store.keep_body(name, kept_until))
    }

    /// Deletes bodies whose messages never waited. What was held, and never on its way to the store, is only forgotten.
    pub async fn discard(&self, mut names: Vec<BodyName>) -> Result<(), StoreError> {
        {
            let mut held = lock(&self.held);
            names.retain(|name| !held.remove(*name));
        }
        if names.is_empty() { Ok(()) } else { self.store.delete_bodies(names).await }
    }

    /// Its message must wait: afterwards a body that was announced is in the store until `kept_until`.
    ///
    /// The order of calls is the order of writing, even before the futures are polled.
    pub fn settle(
        &self,
        name: BodyName,
        kept_until: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        match self.settle_held(name, kept_until) {
            Some(settled) => Either::Left(settled),
            None => Either::Right(ready(Ok(()))),
        }
    }

    /// `None`: it is not held.
    fn settle_held(
        &self,
        name: BodyName,
        kept_until: Timestamp,
    ) -> Option<impl Future<Output = Result<(), StoreError>> + Send + 'static> {
        let (sealed, number) = lock(&self.held).begin_settling(name)?;
        let put = self.store.put_body(name, sealed, kept_until);
        let held = Arc::clone(&self.held);
        Some(async move {
            let put = put.await;
            lock(&held).end_settling(name, number, put.is_ok());
            // Other bytes under this name were there first, and stay.
            put.map(drop)
        })
    }
}

impl Held {
    /// `None`: there is no room for it.
    fn hold(&mut self, name: BodyName, sealed: &Bytes, expires_at: Timestamp) -> Option<Put> {
        let bytes = self.bytes + sealed.len();
        match self.bodies.entry(name) {
            Entry::Occupied(mut occupied) => {
                let body = occupied.get_mut();
                if body.sealed != *sealed {
                    return Some(Put::Other);
                }
                body.expires_at = expires_at.max(body.expires_at);
                Some(Put::Same)
            }
            Entry::Vacant(_) if bytes > HELD_BODIES_BYTES_MAX => None,
            Entry::Vacant(vacant) => {
                let (sealed, number) = (sealed.clone(), self.count);
                vacant.insert(Body { sealed, expires_at, number, settling: 0, is_settled: false });
                self.bytes = bytes;
                self.count += 1;
                Some(Put::Created)
            }
        }
    }

    fn begin_settling(&mut self, name: BodyName) -> Option<(Bytes, u64)> {
        let body = self.bodies.get_mut(&name)?;
        body.settling += 1;
        Some((body.sealed.clone(), body.number))
    }

    fn end_settling(&mut self, name: BodyName, number: u64, is_settled: bool) {
        let Some(body) = self.bodies.get_mut(&name).filter(|body| body.number == number) else { return };
        body.settling -= 1;
        body.is_settled |= is_settled;
        if body.is_settled && body.settling == 0 {
            self.remove(name);
        }
    }

    /// Whether it was held and nowhere else.
    fn remove(&mut self, name: BodyName) -> bool {
        let Some(body) = self.bodies.remove(&name) else { return false };
        self.bytes -= body.sealed.len();
        body.settling == 0 && !body.is_settled
    }

    fn expire(&mut self, now: Timestamp) -> usize {
        let before = self.bodies.len();
        self.bodies.retain(|_, body| body.settling > 0 || body.expires_at > now);
        self.bytes = self.bodies.values().map(|body| body.sealed.len()).sum();
        before - self.bodies.len()
    }
}

impl<S: Store> Store for Holding<S> {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        self.store.put_body(name, body, expires_at)
    }

    fn put_bodies(
        &self,
        bodies: Vec<(BodyName, Bytes, Timestamp)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.store.put_bodies(bodies)
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        match self.settle_held(name, expires_at) {
            Some(settled) => Either::Left(async move { settled.await.map(|()| true) }),
            None => Either::Right(self.store.keep_body(name, expires_at)),
        }
    }

    async fn bodies(&self, names: Vec<BodyName>) -> Result<Vec<Option<Bytes>>, StoreError> {
        let mut found: Vec<Option<Bytes>> = {
            let held = lock(&self.held);
            names.iter().map(|name| held.bodies.get(name).map(|body| body.sealed.clone())).collect()
        };
        let is_missing = |(name, body): (&BodyName, &Option<Bytes>)| body.is_none().then_some(*name);
        let missing: Vec<BodyName> = names.iter().zip(&found).filter_map(is_missing).collect();
        if !missing.is_empty() {
            let places = found.iter_mut().filter(|body| body.is_none());
            for (place, body) in places.zip(self.store.bodies(missing).await?) {
                *place = body;
            }
        }
        Ok(found)
    }

    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send {
        {
            let mut held = lock(&self.held);
            for name in &names {
                held.remove(*name);
            }
        }
        // A body that was put anew may be in both.
        self.store.delete_bodies(names)
    }

    async fn expire_bodies(&self, now: Timestamp) -> Result<usize, StoreError> {
        let expired = lock(&self.held).expire(now);
        Ok(expired + self.store.expire_bodies(now).await?)
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

fn lock(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tacite_model::limits::SEALED_BYTES_MAX;
    use tempfile::{TempDir, tempdir};

    use super::*;
    use crate::store::{MemoryStore, SqliteStore};

    const NAME: BodyName = BodyName([1; 32]);
    const EARLY: Timestamp = Timestamp::from_ms(100);
    const LATE: Timestamp = Timestamp::from_ms(200);
    const BODY: Bytes = Bytes::from_static(b"sealed");
    const OTHER: Bytes = Bytes::from_static(b"other");

    fn depot() -> Holding<MemoryStore> {
        Holding::new(MemoryStore::default())
    }

    fn held_bytes(depot: &Holding<impl Store>) -> usize {
        lock(&depot.held).bytes
    }

    async fn of(store: &impl Store) -> Option<Bytes> {
        store.bodies(vec![NAME]).await.unwrap().remove(0)
    }

    // E3: what its recipient fetches at once never touches the disk.
    #[tokio::test]
    async fn what_does_not_wait_never_reaches_the_store() {
        let depot = depot();
        assert_eq!(depot.hold(NAME, BODY, EARLY).await, Ok(Put::Created));
        assert_eq!(depot.announce(NAME, LATE, LATE).await, Ok(true));
        assert_eq!((of(&depot).await, of(depot.store()).await), (Some(BODY), None));
        depot.discard(vec![NAME]).await.unwrap();
        assert_eq!(of(&depot).await, None);
        assert_eq!(depot.announce(NAME, LATE, LATE).await, Ok(false));
    }

    #[tokio::test]
    async fn what_waits_is_in_the_store_and_held_no_more() {
        let depot = depot();
        depot.hold(NAME, BODY, EARLY).await.unwrap();
        depot.settle(NAME, LATE).await.unwrap();
        assert_eq!((of(&depot).await, of(depot.store()).await), (Some(BODY), Some(BODY)));
        assert_eq!(held_bytes(&depot), 0);
        assert_eq!(depot.expire_bodies(LATE.minus_ms(1)).await, Ok(0), "as long as its message waits");
        depot.settle(NAME, LATE).await.unwrap();
        depot.delete_bodies(vec![NAME]).await.unwrap();
        assert_eq!((of(&depot).await, of(depot.store()).await), (None, None));
    }

    // A sender whose link ended puts it again, while what it has put first is waiting.
    #[tokio::test]
    async fn what_is_deleted_is_in_the_store_no_more_though_held_again() {
        let depot = depot();
        for delete_all in [true, false] {
            depot.hold(NAME, BODY, EARLY).await.unwrap();
            depot.settle(NAME, LATE).await.unwrap();
            if delete_all {
                depot.hold(NAME, BODY, EARLY).await.unwrap();
                depot.delete_bodies(vec![NAME]).await.unwrap();
            } else {
                depot.discard(vec![NAME]).await.unwrap();
            }
            assert_eq!((of(&depot).await, of(depot.store()).await), (None, None));
        }
    }

    // As the rest of a server asks a depot that is apart.
    #[tokio::test]
    async fn what_is_kept_is_in_the_store() {
        let depot = depot();
        assert_eq!(depot.keep_body(NAME, LATE).await, Ok(false));
        depot.hold(NAME, BODY, EARLY).await.unwrap();
        assert_eq!(depot.keep_body(NAME, LATE).await, Ok(true));
        assert_eq!(of(depot.store()).await, Some(BODY));
        assert_eq!(depot.keep_body(NAME, LATE).await, Ok(true));
        assert_eq!(depot.announce(NAME, LATE, LATE).await, Ok(true));
    }

    #[tokio::test]
    async fn what_is_held_is_never_replaced() {
        let depot = depot();
        assert_eq!(depot.hold(NAME, BODY, EARLY).await, Ok(Put::Created));
        assert_eq!(depot.hold(NAME, OTHER, LATE).await, Ok(Put::Other));
        assert_eq!(depot.hold(NAME, BODY, LATE).await, Ok(Put::Same));
        assert_eq!(of(&depot).await, Some(BODY));
        assert_eq!(depot.expire_bodies(LATE.minus_ms(1)).await, Ok(0), "the same bytes later live longer");
        assert_eq!(depot.expire_bodies(LATE).await, Ok(1));
        assert_eq!((of(&depot).await, held_bytes(&depot)), (None, 0));
    }

    #[tokio::test]
    async fn what_is_announced_is_held_longer() {
        let depot = depot();
        depot.hold(NAME, BODY, EARLY).await.unwrap();
        depot.announce(NAME, LATE, LATE).await.unwrap();
        assert_eq!(depot.expire_bodies(LATE.minus_ms(1)).await, Ok(0));
        assert_eq!(depot.expire_bodies(LATE).await, Ok(1));
    }

    // T68: at the bound, and one byte past it.
    #[tokio::test]
    async fn what_there_is_no_room_for_goes_to_the_store() {
        let depot = depot();
        let body = Bytes::from(vec![7; SEALED_BYTES_MAX]);
        let full = HELD_BODIES_BYTES_MAX / SEALED_BYTES_MAX;
        let name = |number: usize| {
            let mut name = BodyName([2; 32]);
            name.0[..8].copy_from_slice(&number.to_be_bytes());
            name
        };
        for number in 0..full {
            depot.hold(name(number), body.clone(), EARLY).await.unwrap();
        }
        let rest = HELD_BODIES_BYTES_MAX % SEALED_BYTES_MAX;
        depot.hold(NAME, body.slice(..=rest), EARLY).await.unwrap();
        assert!(of(depot.store()).await.is_some());
        depot.delete_bodies(vec![NAME]).await.unwrap();
        depot.hold(NAME, body.slice(..rest), EARLY).await.unwrap();
        assert_eq!((of(depot.store()).await, held_bytes(&depot)), (None, HELD_BODIES_BYTES_MAX));
        // A place is free again, and again there is room.
        depot.delete_bodies(vec![name(0)]).await.unwrap();
        depot.hold(name(full), body.clone(), EARLY).await.unwrap();
        assert_eq!(depot.store().bodies(vec![name(full)]).await, Ok(vec![None]));
    }

    fn on_disk() -> (TempDir, Holding<SqliteStore>) {
        let directory = tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("depot.db")).unwrap();
        (directory, Holding::new(store))
    }

    #[tokio::test]
    async fn a_body_is_found_while_it_goes_over_and_gone_if_deleted_meanwhile() {
        let (_directory, depot) = on_disk();
        depot.hold(NAME, BODY, EARLY).await.unwrap();
        let settled = depot.settle(NAME, LATE);
        assert_eq!(of(&depot).await, Some(BODY), "not even polled");
        assert_eq!(depot.expire_bodies(LATE.minus_ms(1)).await, Ok(0));
        depot.delete_bodies(vec![NAME]).await.unwrap();
        // Another under the same name, which is not the one that goes over.
        depot.hold(NAME, OTHER, EARLY).await.unwrap();
        settled.await.unwrap();
        assert_eq!((of(&depot).await, of(depot.store()).await), (Some(OTHER), None));
    }

    // The disk was full, say: who put it tries again, and it is still there.
    #[test]
    fn what_could_not_go_over_is_still_held() {
        let mut held = Held::default();
        held.hold(NAME, &BODY, EARLY);
        for is_settled in [false, true] {
            assert!(held.bodies.contains_key(&NAME));
            let (_, number) = held.begin_settling(NAME).unwrap();
            held.end_settling(NAME, number, is_settled);
        }
        assert!(held.bodies.is_empty());
        // Twice on its way: the one that fails may be the last.
        held.hold(NAME, &BODY, EARLY);
        let numbers = [(); 2].map(|()| held.begin_settling(NAME).unwrap().1);
        held.end_settling(NAME, numbers[0], true);
        held.end_settling(NAME, numbers[1], false);
        assert!(held.bodies.is_empty(), "one of the two has arrived");
    }
}
