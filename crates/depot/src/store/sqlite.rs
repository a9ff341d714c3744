//! The depot in one SQLite file.
//!
//! Invariants: writes go through the one writer of `tacite_store` and are on disk when they are answered; deleted bytes
//! are overwritten (`secure_delete`).

use std::future::Future;
use std::path::Path;

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension as _, params};
use tacite_model::limits::ONE_TIME_PREKEYS_MAX;
use tacite_model::{AccountId, DeviceId, Timestamp};
use tacite_store::Database;
use tacite_wire::proto;

use crate::{BodyName, DeviceKeys, Store, StoreError, Upload};

mod migrations {
    refinery::embed_migrations!("migrations");
}

const SIGNED: u8 = 0;
const LAST_RESORT: u8 = 1;
const ONE_TIME: u8 = 2;
const KYBER: u8 = 3;

/// See the module.
#[derive(Debug)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens or creates the file and brings its tables up to date.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &migrations::migrations::runner())? })
    }
}

impl Store for SqliteStore {
    fn put_body(
        &self,
        name: BodyName,
        body: Bytes,
        expires_at: Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send + 'static {
        self.database.write(move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO bodies (name, body, expires_at) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
                )?
                .execute(params![name.0, &body[..], milliseconds(expires_at)])?;
            Ok(())
        })
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
        self.database.write(move |connection| {
            let mut statement = connection.prepare_cached("DELETE FROM bodies WHERE name = ?1")?;
            for name in names {
                statement.execute([name.0])?;
            }
            Ok(())
        })
    }

    fn expire_bodies(&self, now: Timestamp) -> impl Future<Output = Result<usize, StoreError>> + Send {
        self.database.write(move |connection| {
            Ok(connection.execute("DELETE FROM bodies WHERE expires_at <= ?1", [milliseconds(now)])?)
        })
    }

    fn publish(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
        upload: Upload,
    ) -> impl Future<Output = Result<proto::KeyCount, StoreError>> + Send {
        self.database.write(move |connection| {
            let owner = Owner { connection, account_id, device_id };
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
    fn replace(&self, kind: u8, key_id: u32, key: &[u8], signature: &[u8]) -> Result<(), StoreError> {
        self.connection
            .prepare_cached("DELETE FROM prekeys WHERE account_id = ?1 AND device_id = ?2 AND kind = ?3")?
            .execute(params![self.account_id.as_bytes(), self.device_id.value(), kind])?;
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

fn milliseconds(time: Timestamp) -> i64 {
    i64::try_from(time.as_ms()).unwrap_or(i64::MAX)
}
