//! Log-in records behind a disk.

use tacite_accounts::store::{
    Credentials, InvitationHash, NewAccount, NewInvitation, NewSession, Proof, Registered, Rotated, Rotation,
    Session,
};
use tacite_accounts::{AccountRef, DeviceRef, Generation, SessionId, Store};
use tacite_depot::StoreError;
use tacite_model::{AccountId, DeviceId, Handle, Timestamp};

use super::{Slow, Written};

impl<S: Store> Store for Slow<S> {
    async fn register(&self, new: NewAccount) -> Result<Registered, StoreError> {
        self.disk.note(|| Written::Account(Box::new(new.clone())));
        self.write(async move |store| store.register(new).await).await
    }

    async fn find(&self, handle: Handle) -> Result<Option<AccountRef>, StoreError> {
        self.read(async |store| store.find(handle).await).await
    }

    async fn credentials(&self, handle: Handle) -> Result<Option<Credentials>, StoreError> {
        self.read(async |store| store.credentials(handle).await).await
    }

    async fn handle(&self, account_id: AccountId) -> Result<Option<Handle>, StoreError> {
        self.read(async |store| store.handle(account_id).await).await
    }

    async fn identity_key(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, StoreError> {
        self.read(async |store| store.identity_key(account_id).await).await
    }

    async fn devices(&self, account_id: AccountId) -> Result<Vec<DeviceRef>, StoreError> {
        self.read(async |store| store.devices(account_id).await).await
    }

    async fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> Result<Option<[u8; 32]>, StoreError> {
        self.read(async |store| store.login_key(account_id, device_id).await).await
    }

    async fn note_generations(&self, noted: Vec<Generation>) -> Result<Vec<u64>, StoreError> {
        self.write(async move |store| store.note_generations(noted).await).await
    }

    async fn begin_session(&self, new: NewSession, proof: Proof) -> Result<Option<Session>, StoreError> {
        self.write(async move |store| store.begin_session(new, proof).await).await
    }

    async fn rotate(&self, rotation: Rotation) -> Result<Rotated, StoreError> {
        self.write(async move |store| store.rotate(rotation).await).await
    }

    async fn log_out(&self, account_id: AccountId, device_id: DeviceId) -> Result<(), StoreError> {
        self.write(async move |store| store.log_out(account_id, device_id).await).await
    }

    async fn is_session_live(&self, session_id: SessionId, now: Timestamp) -> Result<bool, StoreError> {
        self.read(async |store| store.is_session_live(session_id, now).await).await
    }

    async fn invite(&self, new: NewInvitation) -> Result<(), StoreError> {
        self.write(async move |store| store.invite(new).await).await
    }

    async fn invite_first(&self, new: NewInvitation) -> Result<bool, StoreError> {
        self.write(async move |store| store.invite_first(new).await).await
    }

    async fn is_invitation_valid(&self, hash: InvitationHash, now: Timestamp) -> Result<bool, StoreError> {
        self.read(async |store| store.is_invitation_valid(hash, now).await).await
    }

    async fn account_count(&self) -> Result<u64, StoreError> {
        self.read(async |store| store.account_count().await).await
    }

    async fn sweep(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(async move |store| store.sweep(now).await).await
    }
}
