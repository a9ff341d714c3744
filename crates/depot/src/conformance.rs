//! What every [`Store`] of the depot must do. A store is not done until it passes.

#![expect(clippy::unwrap_used, reason = "a suite for tests, also of other crates")]

use bytes::Bytes;
use tacite_model::limits::ONE_TIME_PREKEYS_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_wire::proto;

use crate::{BodyName, Put, Store, Upload};

const ALICE: AccountId = AccountId::from_bytes([0xA1; 16]);
const BOB: AccountId = AccountId::from_bytes([0xB0; 16]);

/// A one-time prekey of valid form.
#[must_use]
pub fn curve_key(id: u32) -> proto::OneTimePrekey {
    proto::OneTimePrekey { id, key: [&[5][..], &[0x11; 32]].concat().into() }
}

/// A Kyber prekey of valid form.
#[must_use]
pub fn kyber_key(id: u32) -> proto::SignedPrekey {
    let key = [&[8][..], &[0x22; 1568]].concat().into();
    proto::SignedPrekey { id, key, signature: vec![0x33; 64].into() }
}

fn signed_key(id: u32) -> proto::SignedPrekey {
    proto::SignedPrekey { id, key: curve_key(id).key, signature: vec![0x44; 64].into() }
}

fn first_upload(one_time: u32, kyber: u32) -> Upload {
    Upload {
        signed_prekey: Some(signed_key(1)),
        last_resort: Some(kyber_key(9)),
        replaces_one_time: false,
        one_time_prekeys: (1..=one_time).map(curve_key).collect(),
        kyber_prekeys: (1..=kyber).map(kyber_key).collect(),
    }
}

/// Bodies are kept, found, deleted and expire.
async fn bodies_wait_until_deleted_or_expired(store: &impl Store) {
    let [first, second, third] = [1, 2, 3].map(|byte| BodyName([byte; 32]));
    let (early, late) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
    store.put_body(first, Bytes::from_static(b"one"), early).await.unwrap();
    store.put_body(second, Bytes::from_static(b"two"), late).await.unwrap();
    let found = store.bodies(vec![second, third, first]).await.unwrap();
    assert_eq!(found, [Some(Bytes::from_static(b"two")), None, Some(Bytes::from_static(b"one"))]);

    assert_eq!(store.expire_bodies(Timestamp::from_ms(99)).await.unwrap(), 0);
    assert_eq!(store.expire_bodies(early).await.unwrap(), 1);
    store.delete_bodies(vec![second, third]).await.unwrap();
    assert_eq!(store.bodies(vec![first, second]).await.unwrap(), [None, None]);
}

/// What is there is never replaced, and whoever puts is told.
async fn putting_again_tells_the_same_from_other_bytes(store: &impl Store) {
    let name = BodyName([1; 32]);
    let (early, late) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
    let put =
        async |body, expires_at| store.put_body(name, Bytes::from_static(body), expires_at).await.unwrap();
    assert_eq!(put(b"one", early).await, Put::Created);
    assert_eq!(put(b"other", late).await, Put::Other);
    assert_eq!(store.bodies(vec![name]).await.unwrap(), [Some(Bytes::from_static(b"one"))]);
    assert_eq!(put(b"one", late).await, Put::Same);
    // The same bytes later live longer; earlier, no shorter; other bytes change nothing.
    assert_eq!(put(b"one", early).await, Put::Same);
    assert_eq!(put(b"other", late.plus_ms(1)).await, Put::Other);
    assert_eq!(store.expire_bodies(late.minus_ms(1)).await.unwrap(), 0);
    assert_eq!(store.expire_bodies(late).await.unwrap(), 1);
    assert_eq!(put(b"other", late).await, Put::Created);
}

/// Several together are kept as each would be alone.
async fn bodies_that_are_put_together_are_all_there(store: &impl Store) {
    let [first, second, third] = [1, 2, 3].map(|byte| BodyName([byte; 32]));
    let (early, late) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
    let (one, two, other) =
        (Bytes::from_static(b"one"), Bytes::from_static(b"two"), Bytes::from_static(b"other"));
    store.put_body(first, one.clone(), early).await.unwrap();
    store.put_body(second, two.clone(), late).await.unwrap();
    let together = vec![(first, one.clone(), late), (second, other, late), (third, two.clone(), early)];
    store.put_bodies(together).await.unwrap();
    let found = store.bodies(vec![first, second, third]).await.unwrap();
    assert_eq!(found, [Some(one), Some(two.clone()), Some(two)]);
    assert_eq!(store.expire_bodies(early).await.unwrap(), 1, "the third");
    store.put_bodies(Vec::new()).await.unwrap();
}

/// A body that is announced lives on; one that is not there is reported.
async fn a_body_that_is_kept_lives_longer(store: &impl Store) {
    let name = BodyName([1; 32]);
    let (early, late) = (Timestamp::from_ms(100), Timestamp::from_ms(200));
    assert!(!store.keep_body(name, late).await.unwrap());
    store.put_body(name, Bytes::from_static(b"one"), early).await.unwrap();
    assert!(store.keep_body(name, late).await.unwrap());
    assert!(store.keep_body(name, early).await.unwrap());
    assert_eq!(store.expire_bodies(late.minus_ms(1)).await.unwrap(), 0);
    store.delete_bodies(vec![name]).await.unwrap();
    assert!(!store.keep_body(name, late).await.unwrap());
    store.wipe_deleted().await.unwrap();
}

/// T18: keys whose private halves are lost are not handed out any more.
async fn an_upload_can_replace_the_one_time_keys(store: &impl Store) {
    store.publish(ALICE, DeviceId::FIRST, first_upload(100, 30)).await.unwrap();
    store.publish(BOB, DeviceId::FIRST, first_upload(2, 2)).await.unwrap();
    let anew = Upload {
        replaces_one_time: true,
        one_time_prekeys: vec![curve_key(300)],
        kyber_prekeys: vec![kyber_key(400)],
        ..Upload::default()
    };
    let count = store.publish(ALICE, DeviceId::FIRST, anew).await.unwrap();
    assert_eq!((count.one_time_prekeys, count.kyber_prekeys), (1, 1));
    let keys = store.take_keys(ALICE).await.unwrap().remove(0);
    assert_eq!((keys.one_time_prekey.map(|key| key.id), keys.kyber_prekey.id), (Some(300), 400));
    assert_eq!(keys.signed_prekey, signed_key(1));
    assert_eq!(store.take_keys(BOB).await.unwrap().remove(0).one_time_prekey.map(|key| key.id), Some(1));
}

/// T6: a one-time prekey is handed out once; T5: when none is left, the last-resort key serves.
async fn one_time_prekeys_are_handed_out_once(store: &impl Store) {
    let count = store.publish(ALICE, DeviceId::FIRST, first_upload(2, 1)).await.unwrap();
    assert_eq!((count.one_time_prekeys, count.kyber_prekeys), (2, 1));

    let mut taken = Vec::new();
    for _ in 0..3 {
        let keys = store.take_keys(ALICE).await.unwrap().remove(0);
        taken.push((
            keys.one_time_prekey.map(|key| key.id),
            keys.kyber_prekey.id,
            keys.left.one_time_prekeys,
        ));
    }
    assert_eq!(taken, [(Some(1), 1, 1), (Some(2), 9, 0), (None, 9, 0)]);
    assert!(store.take_keys(BOB).await.unwrap().is_empty());
}

/// Signed keys are replaced, one-time keys added; the number kept is bounded.
async fn uploads_replace_signed_keys_and_add_one_time_keys(store: &impl Store) {
    store.publish(BOB, DeviceId::FIRST, first_upload(100, 30)).await.unwrap();
    let more = Upload { one_time_prekeys: (101..=200).map(curve_key).collect(), ..Upload::default() };
    assert_eq!(store.publish(BOB, DeviceId::FIRST, more).await.unwrap().one_time_prekeys, 200);
    let one_more = Upload {
        signed_prekey: Some(signed_key(2)),
        one_time_prekeys: vec![curve_key(201)],
        ..Upload::default()
    };
    let count = store.publish(BOB, DeviceId::FIRST, one_more).await.unwrap();
    assert_eq!(count.one_time_prekeys as usize, ONE_TIME_PREKEYS_MAX);
    let keys = store.take_keys(BOB).await.unwrap().remove(0);
    assert_eq!(keys.signed_prekey, signed_key(2));
}

/// A device that has published no signed keys cannot be written to.
async fn a_device_without_signed_keys_is_left_out(store: &impl Store) {
    let upload = Upload { one_time_prekeys: vec![curve_key(1)], ..Upload::default() };
    store.publish(ALICE, DeviceId::FIRST, upload).await.unwrap();
    assert!(store.take_keys(ALICE).await.unwrap().is_empty());
}

/// Runs the whole suite, each part on a store with nothing in it.
///
/// # Panics
/// If the store does not do what it must.
pub async fn run<S: Store>(fresh: impl AsyncFn() -> S) {
    bodies_wait_until_deleted_or_expired(&fresh().await).await;
    putting_again_tells_the_same_from_other_bytes(&fresh().await).await;
    bodies_that_are_put_together_are_all_there(&fresh().await).await;
    a_body_that_is_kept_lives_longer(&fresh().await).await;
    one_time_prekeys_are_handed_out_once(&fresh().await).await;
    uploads_replace_signed_keys_and_add_one_time_keys(&fresh().await).await;
    an_upload_can_replace_the_one_time_keys(&fresh().await).await;
    a_device_without_signed_keys_is_left_out(&fresh().await).await;
}

#[cfg(test)]
mod tests {
    use crate::Holding;
    use crate::store::{MemoryStore, SqliteStore};

    macro_rules! on_every_store {
        ($($name:ident),*) => {
            mod memory {
                use super::*;
                $(#[tokio::test] async fn $name() { super::super::$name(&MemoryStore::default()).await; })*
            }
            mod holding {
                use super::*;
                $(#[tokio::test] async fn $name() {
                    super::super::$name(&Holding::new(MemoryStore::default())).await;
                })*
            }
            mod sqlite {
                use super::*;
                $(#[tokio::test] async fn $name() {
                    let directory = tempfile::tempdir().unwrap();
                    let store = SqliteStore::open(&directory.path().join("depot.db")).unwrap();
                    super::super::$name(&store).await;
                })*
            }
        };
    }

    on_every_store!(
        bodies_wait_until_deleted_or_expired,
        putting_again_tells_the_same_from_other_bytes,
        bodies_that_are_put_together_are_all_there,
        a_body_that_is_kept_lives_longer,
        one_time_prekeys_are_handed_out_once,
        uploads_replace_signed_keys_and_add_one_time_keys,
        an_upload_can_replace_the_one_time_keys,
        a_device_without_signed_keys_is_left_out
    );
}
