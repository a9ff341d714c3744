//! The store in SQLite.
//!
//! Invariants: every method is one job of the writer or one of a reader, hence one transaction; all that is checked is checked
//! before the first change; migrations are only ever added.

mod statements;

use std::path::Path;

use refinery::{Migration, Runner};
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};
use tacite_store::Database;

use self::statements as sql;
use super::{
    Credentials, InvitationHash, NewAccount, NewInvitation, NewSession, Proof, Registered, Rotated, Rotation,
    Session, Store, StoreError,
};
use crate::identity::{AccountRef, DeviceRef, Generation, SessionId};

/// Memory for pages: log-ins are rare beside messages.
const CACHE_KIB: u32 = 1024;

/// All migrations, oldest first: name and SQL.
const MIGRATIONS: [(&str, &str); 2] = [
    ("V1__accounts", include_str!("../../migrations/V1__accounts.sql")),
    ("V2__generations", include_str!("../../migrations/V2__generations.sql")),
];

/// Keeps everything in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    database: Database,
}

impl SqliteStore {
    /// Opens the file at `path`, makes it if it is not there, brings its tables up to date. Blocks.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let migrations: Result<Vec<_>, _> =
            MIGRATIONS.iter().map(|(name, text)| Migration::unapplied(name, text)).collect();
        let runner = Runner::new(&migrations?);
        Ok(Self { database: Database::open(path, &runner, CACHE_KIB)? })
    }
}

impl Store for SqliteStore {
    async fn register(&self, new: NewAccount) -> Result<Registered, StoreError> {
        self.database.write(move |db| sql::register(db, &new)).await
    }

    async fn find(&self, handle: Handle) -> Result<Option<AccountRef>, StoreError> {
        self.database.read(move |db| sql::find(db, handle)).await
    }

    async fn credentials(&self, handle: Handle) -> Result<Option<Credentials>, StoreError> {
        self.database.read(move |db| sql::credentials(db, &handle)).await
    }

    async fn handle(&self, account_id: AccountId) -> Result<Option<Handle>, StoreError> {
        self.database.read(move |db| sql::handle(db, account_id)).await
    }

    async fn identity_key(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, StoreError> {
        self.database.read(move |db| sql::identity_key(db, account_id)).await
    }

    async fn devices(&self, account_id: AccountId) -> Result<Vec<DeviceRef>, StoreError> {
        self.database.read(move |db| sql::devices(db, account_id)).await
    }

    async fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        self.database.read(move |db| sql::login_key(db, account_id, device_id)).await
    }

    async fn note_generations(&self, noted: Vec<Generation>) -> Result<Vec<u64>, StoreError> {
        self.database
            .write(move |db| noted.iter().map(|noted| sql::note_generation(db, noted)).collect())
            .await
    }

    async fn begin_session(&self, new: NewSession, proof: Proof) -> Result<Option<Session>, StoreError> {
        self.database.write(move |db| sql::begin_session(db, &new, proof)).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        self.database.write(move |db| sql::rotate(db, &rotation)).await
    }

    async fn log_out(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), StoreError> {
        self.database.write(move |db| sql::log_out(db, account_id, device_id)).await
    }

    async fn is_session_live(&self, session_id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.database.read(move |db| sql::is_session_live(db, session_id, now)).await
    }

    async fn invite(&self, new: NewInvitation) -> Result<(), StoreError> {
        self.database.write(move |db| sql::invite(db, &new, false)).await
    }

    async fn invite_first(&self, new: NewInvitation) -> Result<bool, StoreError> {
        self.database.write(move |db| sql::invite_first(db, &new)).await
    }

    async fn is_invitation_valid(&self, hash: InvitationHash, now: Timestamp) -> Result<bool, StoreError> {
        self.database.read(move |db| sql::is_invitation_valid(db, hash, now)).await
    }

    async fn account_count(&self) -> Result<u64, StoreError> {
        self.database.read(sql::account_count).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.database.write(move |db| sql::sweep(db, now)).await
    }
}
