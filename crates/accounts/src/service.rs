//! The rules, and what they need: settings, keys, a store, meters.
//!
//! Invariant: everything that a stranger can try is counted before it costs anything (T29, T52).

use tacite_model::limits::{LOG_IN_QUOTA, LOOKUP_QUOTA, REGISTRATION_QUOTA, SESSION_QUOTA};
use tacite_model::rate::Quota;
use tacite_model::{AccountId, Handle, Timestamp};
use tacite_wire::password::Suite;

use crate::store::{InvitationHash, Store};
use crate::throttle::Meters;
use crate::token::AccessTokens;
use crate::{AccountRef, AccountsError, DeviceRef, Generation, Keys};

/// What the operator has decided.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The server's name: signatures and tokens are bound to it.
    pub server_name: String,
    /// Who may register.
    pub registration: Registration,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Registration {
    /// Everybody.
    Open,
    /// Who has an invitation.
    #[default]
    Invitation,
    /// Nobody.
    Closed,
}

/// How often somebody may try. `Default`: the constants of `tacite_model::limits`.
#[derive(Debug, Clone, Copy)]
pub struct Quotas {
    /// Log-ins by password, for each name.
    pub log_in: Quota,
    /// Registrations, for each invitation; where registration is open, for all together.
    pub registration: Quota,
    /// Names looked up, for each account that looks.
    pub lookup: Quota,
    /// Sessions begun by signature or renewed, for each account.
    pub session: Quota,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            log_in: LOG_IN_QUOTA,
            registration: REGISTRATION_QUOTA,
            lookup: LOOKUP_QUOTA,
            session: SESSION_QUOTA,
        }
    }
}

/// The accounts of one server. Methods take `&self` and may run at the same time.
pub struct Accounts<S> {
    pub(crate) settings: Settings,
    pub(crate) store: S,
    pub(crate) setup: opaque_ke::ServerSetup<Suite>,
    pub(crate) access_tokens: AccessTokens,
    pub(crate) log_ins: Meters<Handle>,
    pub(crate) registrations: Meters<Option<InvitationHash>>,
    pub(crate) lookups: Meters<AccountId>,
    pub(crate) sessions: Meters<AccountId>,
}

impl<S: Store> Accounts<S> {
    /// The rules over a store, with the usual quotas.
    pub fn new(settings: Settings, keys: Keys, store: S) -> Self {
        Self::with_quotas(settings, keys, store, &Quotas::default())
    }

    /// The rules over a store, with other quotas.
    pub fn with_quotas(settings: Settings, keys: Keys, store: S, quotas: &Quotas) -> Self {
        let access_tokens = AccessTokens::new(&keys, &settings.server_name);
        Self {
            settings,
            store,
            setup: keys.setup,
            access_tokens,
            log_ins: Meters::new(quotas.log_in),
            registrations: Meters::new(quotas.registration),
            lookups: Meters::new(quotas.lookup),
            sessions: Meters::new(quotas.session),
        }
    }

    /// The account with this handle, for the server's own use; what a person asks goes to [`Accounts::look_up`].
    pub async fn find_by_handle(&self, handle: &Handle) -> Result<Option<AccountRef>, AccountsError> {
        Ok(self.store.find(handle.clone()).await?)
    }

    /// The account with this handle, asked by `asker`: counted, so that names cannot be guessed in numbers (T29).
    pub async fn look_up(
        &self,
        asker: AccountId,
        handle: &Handle,
        now: Timestamp,
    ) -> Result<Option<AccountRef>, AccountsError> {
        self.lookups.admit(asker, now)?;
        self.find_by_handle(handle).await
    }

    /// The handle of an account.
    pub async fn handle_of(&self, account_id: AccountId) -> Result<Option<Handle>, AccountsError> {
        Ok(self.store.handle(account_id).await?)
    }

    /// The devices of an account, by number; none for an unknown account.
    pub async fn devices_of(&self, account_id: AccountId) -> Result<Vec<DeviceRef>, AccountsError> {
        Ok(self.store.devices(account_id).await?)
    }

    /// Keeps the highest generation of each device; returns the highest before, in the same order, 0 if there was none (T20).
    pub async fn note_generations(&self, noted: Vec<Generation>) -> Result<Vec<u64>, AccountsError> {
        Ok(self.store.note_generations(noted).await?)
    }

    /// The identity key of an account, Signal encoding.
    pub async fn identity_key_of(&self, account_id: AccountId) -> Result<Option<[u8; 33]>, AccountsError> {
        Ok(self.store.identity_key(account_id).await?)
    }

    /// How many accounts there are.
    pub async fn account_count(&self) -> Result<u64, AccountsError> {
        Ok(self.store.account_count().await?)
    }

    /// Forgets sessions, tokens and invitations that have expired; says how many rows that were. To be called now and then.
    pub async fn sweep(&self, now: Timestamp) -> Result<u64, AccountsError> {
        Ok(self.store.sweep(now).await?)
    }
}
