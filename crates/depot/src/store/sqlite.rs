//! The depot in one SQLite file.
//!
//! Invariants: writes go through the one writer of `tacite_store` and are on disk when they are answered; deleted bytes
//! are overwritten (`secure_delete`) and leave the write-ahead log with [`Store::wipe_deleted`].

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use tacite_model::limits::ONE_TIME_PREKEYS_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_store::Database;
use tacite_wire::proto;

use crate::{BodyName, DeviceKeys, Put, Store, StoreError, Upload};

mod migrations {
    refinery::embed_migrations!("migrations");
}

const SIGNED: u8 = 0;
const LAST_RESORT: u8 = 1;
const ONE_TIME: u8 = 2;
const KYBER: u8 = 3;

/// Memory for pages: bodies go at random from wherever they came.
const CACHE_KIB: u32 = 32_768;

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
    /// Bodies were deleted whose bytes may still stand in the write-ahead log.
    unwiped: Arc<AtomicBool>,
}

impl SqliteStore {
    /// Opens or creates the file and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::open(path, &migrations::migrations::runner(), CACHE_KIB)?;
        // A process before this one may have ended in between.
        Ok(Self { database, unwiped: Arc::new(AtomicBool::new(true)) })
    }
}

impl Store for SqliteStore {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<Put, StoreError>> + Send + 'static {
        self.database.write_checked(move |connection| put(connection, name, &body, expires_at))
    }

    fn put_bodies(
        &self,
        bodies: Vec<(BodyName, Bytes, Timestamp)>,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.database.write_checked(move |connection| {
            bodies.iter().try_for_each(|(name, body, expires_at)| {
                put(connection, *name, body, *expires_at)?;
                Ok(())
            })
        })
    }

    fn keep_body(
        &self,
        name: BodyName,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send + 'static {
        self.database.write_checked(move |connection| keep(connection, name, expires_at))
    }

    fn bodies(
        &self,
        names: Vec<BodyName>,
    ) -> impl Future<Output = Result<Vec<Option<Bytes>>, StoreError>> + Send {
        self.database.read(move |connection| {
            let mut statement = connection.prepare_cached("SELECT body FROM bodies WHERE name = ?1")?;
            let find =
                |name: &BodyName| statement.query_row([name.0], |row| row.get::<_, Vec<u8>>(0)).optional();
            names.iter().map(find).map(|body| Ok(body?.map(Bytes::from))).collect()
        })
    }

    fn delete_bodies(&self, names: Vec<BodyName>) -> impl Future<Output = Result<(), StoreError>> + Send {
        let unwiped = Arc::clone(&self.unwiped);
        self.database.write_checked(move |connection| {
            unwiped.store(true, Ordering::Release);
            let mut statement = connection.prepare_cached("DELETE FROM bodies WHERE name = ?1")?;
            for name in names {
                statement.execute([name.0])?;
            }
            Ok(())
        })
    }

    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        let unwiped = Arc::clone(&self.unwiped);
        self.database.write(move |connection| {
            unwiped.store(true, Ordering::Release);
            Ok(connection.execute("DELETE FROM bodies WHERE expires_at <= ?1", [milliseconds(now)])?)
        })
    }

    async fn wipe_deleted(&self) -> Result<(), StoreError> {
        if !self.unwiped.swap(false, Ordering::AcqRel) {
            return Ok(());
        }
        self.database.truncate_log().await.inspect_err(|_| self.unwiped.store(true, Ordering::Release))
    }

    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send {
        self.database.write(move |connection| {
            let owner = Owner { connection, account_id, device_id };
            if upload.replaces_one_time {
                owner.remove_all(ONE_TIME)?;
                owner.remove_all(KYBER)?;
            }
            if let Some(key) = upload.signed_prekey {
                owner.replace(SIGNED, key.id, &key.key, &key.signature)?;
            }
            if let Some(key) = upload.last_resort {
                owner.replace(LAST_RESORT, key.id, &key.key, &key.signature)?;
            }
            let mut room = ONE_TIME_PREKEYS_MAX.saturating_sub(owner.count(ONE_TIME)? as usize);
            for key in upload.one_time_prekeys.iter().take(room) {
                owner.add(ONE_TIME, key.id, &key.key, &[])?;
            }
            room = ONE_TIME_PREKEYS_MAX.saturating_sub(owner.count(KYBER)? as usize);
            for key in upload.kyber_prekeys.iter().take(room) {
                owner.add(KYBER, key.id, &key.key, &key.signature)?;
            }
            owner.key_count()
        })
    }

    fn take_keys(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceKeys>, StoreError>> + Send {
        self.database.write(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT device_id FROM prekeys WHERE account_id = ?1 ORDER BY device_id",
            )?;
            let devices = statement.query_map([account_id.as_bytes()], |row| row.get::<_, u32>(0))?;
            let mut keys = Vec::new();
            for device_id in devices {
                let device_id = DeviceId::try_from(device_id?)
                    .map_err(|_| StoreError::Inconsistent { table: "prekeys", column: "device_id" })?;
                keys.extend(Owner { connection, account_id, device_id }.take()?);
            }
            Ok(keys)
        })
    }
}

/// The prekeys of one device, within one transaction.
struct Owner<'c> {
    connection: &'c Connection,
    account_id: AccountId,
    device_id: DeviceId,
}

impl Owner<'_> {
    fn remove_all(&self, kind: u8) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM prekeys WHERE account_id = ?1 AND device_id = ?2 AND kind = ?3")?
            .execute(params![self.account_id.as_bytes(), self.device_id.value(), kind])?;
        Ok(())
    }

    fn replace(&self, kind: u8, key_id: u32, key: &[u8], signature: &[u8]) -> Result<(), StoreError> {
        self.remove_all(kind)?;
        self.add(kind, key_id, key, signature)
    }

    fn add(&self, kind: u8, key_id: u32, key: &[u8], signature: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached(
                "INSERT INTO prekeys (account_id, device_id, kind, key_id, key, signature) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING",
            )?
            .execute(params![
                self.account_id.as_bytes(),
                self.device_id.value(),
                kind,
                key_id,
                key,
                signature
            ])?;
        Ok(())
    }

    fn count(&self, kind: u8) -> Result<u32, StoreError> {
        Ok(self
            .connection
            .prepare_cached(
                "SELECT count(*) FROM prekeys WHERE account_id = ?1 AND device_id = ?2 AND kind = ?3",
            )?
            .query_row(params![self.account_id.as_bytes(), self.device_id.value(), kind], |row| row.get(0))?)
    }

    fn key_count(&self) -> Result<proto::KeyCount, StoreError> {
        Ok(proto::KeyCount { one_time_prekeys: self.count(ONE_TIME)?, kyber_prekeys: self.count(KYBER)? })
    }

    /// The key of this kind with the lowest id.
    fn first(&self, kind: u8) -> Result<Option<proto::SignedPrekey>, StoreError> {
        let read = |row: &rusqlite::Row<'_>| {
            let (key, signature): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(2)?);
            Ok(proto::SignedPrekey { id: row.get(0)?, key: key.into(), signature: signature.into() })
        };
        Ok(self
            .connection
            .prepare_cached(
                "SELECT key_id, key, signature FROM prekeys \
                 WHERE account_id = ?1 AND device_id = ?2 AND kind = ?3 ORDER BY key_id LIMIT 1",
            )?
            .query_row(params![self.account_id.as_bytes(), self.device_id.value(), kind], read)
            .optional()?)
    }

    /// Like `first`, and deletes it.
    fn take_first(&self, kind: u8) -> Result<Option<proto::SignedPrekey>, StoreError> {
        let Some(key) = self.first(kind)? else { return Ok(None) };
        self.connection
            .prepare_cached(
                "DELETE FROM prekeys WHERE account_id = ?1 AND device_id = ?2 AND kind = ?3 AND key_id = ?4",
            )?
            .execute(params![self.account_id.as_bytes(), self.device_id.value(), kind, key.id])?;
        Ok(Some(key))
    }

    fn take(&self) -> Result<Option<DeviceKeys>, StoreError> {
        let (Some(signed_prekey), Some(last_resort)) = (self.first(SIGNED)?, self.first(LAST_RESORT)?) else {
            return Ok(None);
        };
        let one_time_prekey =
            self.take_first(ONE_TIME)?.map(|key| proto::OneTimePrekey { id: key.id, key: key.key });
        let kyber_prekey = self.take_first(KYBER)?.unwrap_or(last_resort);
        let left = self.key_count()?;
        Ok(Some(DeviceKeys { device_id: self.device_id, signed_prekey, kyber_prekey, one_time_prekey, left }))
    }
}

fn put(
    connection: &Connection,
    name: BodyName,
    body: &[u8],
    expires_at: Timestamp,
) -> Result<Put, StoreError> {
    let added = connection
        .prepare_cached(
            "INSERT INTO bodies (name, body, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        )?
        .execute(params![name.0, body, milliseconds(expires_at)])?;
    if added == 1 {
        return Ok(Put::Created);
    }
    let same: bool = connection
        .prepare_cached("SELECT body = ?2 FROM bodies WHERE name = ?1")?
        .query_row(params![name.0, body], |row| row.get(0))?;
    if !same {
        return Ok(Put::Other);
    }
    keep(connection, name, expires_at)?;
    Ok(Put::Same)
}

/// Extends the life of a body; false if it is not there.
fn keep(connection: &Connection, name: BodyName, expires_at: Timestamp) -> Result<bool, StoreError> {
    let kept = connection
        .prepare_cached("UPDATE bodies SET expires_at = max(expires_at, ?2) WHERE name = ?1")?
        .execute(params![name.0, milliseconds(expires_at)])?;
    Ok(kept == 1)
}

fn milliseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &[u8] = b"the sealed bytes of a body that was deleted";

    fn holds_canary(directory: &Path) -> bool {
        let files =
            std::fs::read_dir(directory).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
        files.into_iter().any(|bytes| bytes.windows(CANARY.len()).any(|part| part == CANARY))
    }

    // E3: what was delivered is gone from the disk, not only from the tables.
    #[tokio::test]
    async fn deleted_and_expired_bodies_leave_database_and_log() {
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&directory.path().join("depot.db")).unwrap();
        let expiry = Timestamp::from_ms(100);
        // Within a page and over many.
        for (number, length) in [1, 50, 1000].into_iter().enumerate() {
            let name = BodyName([u8::try_from(number).unwrap(); 32]);
            store.put_body(name, CANARY.repeat(length).into(), expiry).await.unwrap();
        }
        // Into the database as well as the log.
        store.database.truncate_log().await.unwrap();
        assert!(holds_canary(directory.path()));
        store.delete_bodies(vec![BodyName([0; 32]), BodyName([1; 32])]).await.unwrap();
        assert_eq!(store.expire_bodies(expiry).await.unwrap(), 1);
        store.put_body(BodyName([9; 32]), CANARY.repeat(3).into(), expiry).await.unwrap();
        store.delete_bodies(vec![BodyName([9; 32])]).await.unwrap();
        assert!(holds_canary(directory.path()), "the log keeps them a while");
        store.wipe_deleted().await.unwrap();
        assert!(!holds_canary(directory.path()));
    }

    // A process that was killed may have left deleted bytes in the log.
    #[tokio::test]
    async fn the_first_wiping_after_a_start_is_never_skipped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("depot.db");
        let (killed, next) = (SqliteStore::open(&path).unwrap(), SqliteStore::open(&path).unwrap());
        killed.put_body(BodyName([1; 32]), CANARY.to_vec().into(), Timestamp::from_ms(1)).await.unwrap();
        killed.delete_bodies(vec![BodyName([1; 32])]).await.unwrap();
        assert!(holds_canary(directory.path()));
        next.wipe_deleted().await.unwrap();
        assert!(!holds_canary(directory.path()));
    }

    // What was stored before this release is there after it, and what it freed is overwritten.
    #[tokio::test]
    async fn a_database_of_the_first_release_is_brought_up_to_date() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("depot.db");
        let first = include_str!("../../migrations/V1__bodies_and_prekeys.sql");
        let migration = refinery::Migration::unapplied("V1__bodies_and_prekeys", first).unwrap();
        let mut connection = Connection::open(&path).unwrap();
        refinery::Runner::new(&[migration]).run(&mut connection).unwrap();
        for number in 0..3_u8 {
            connection
                .execute(
                    "INSERT INTO bodies VALUES (?1, ?2, ?3)",
                    params![[number; 32], CANARY.repeat(50), number],
                )
                .unwrap();
        }
        drop(connection);
        let store = SqliteStore::open(&path).unwrap();
        let names = |numbers: &[u8]| numbers.iter().map(|number| BodyName([*number; 32])).collect();
        let body = Bytes::from(CANARY.repeat(50));
        assert_eq!(
            store.bodies(names(&[0, 2, 9])).await.unwrap(),
            [Some(body.clone()), Some(body.clone()), None]
        );
        let again = store.put_body(BodyName([1; 32]), body, Timestamp::from_ms(9)).await;
        assert_eq!(again.unwrap(), Put::Same);
        assert_eq!(store.expire_bodies(Timestamp::from_ms(2)).await.unwrap(), 2, "one is kept longer now");
        store.delete_bodies(names(&[1])).await.unwrap();
        store.wipe_deleted().await.unwrap();
        assert!(!holds_canary(directory.path()));
    }
}
