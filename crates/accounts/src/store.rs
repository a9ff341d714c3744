//! The store's port: what must be kept, in the words of this crate.
//!
//! Invariants: one method is one intention and one transaction; "not found" is `Ok(None)`; nothing that is stored allows
//! guessing a password or using a token. The conformance suite runs on every implementation.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod memory;
mod sqlite;

use core::fmt;

use tacite_model::{AccountId, DeviceId, Handle, Timestamp};

pub use self::memory::MemoryStore;
pub use self::sqlite::SqliteStore;
use crate::identity::{AccountRef, DeviceRef, Generation, SessionId};
pub use crate::opaque::Record;
pub use tacite_store::StoreError;

/// SHA-256 of a refresh token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

/// SHA-256 of an invitation's secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvitationHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}

impl fmt::Debug for InvitationHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InvitationHash(…)")
    }
}

/// An account to be made, with its first device and that device's session.
#[derive(Debug, Clone)]
pub struct NewAccount {
    /// Chosen by the device.
    pub account_id: AccountId,
    /// Its name.
    pub handle: Handle,
    /// Signal encoding, type byte first.
    pub identity_key: [u8; 33],
    /// OPAQUE record of the password.
    pub password_record: Record,
    /// OPAQUE record of the three words.
    pub words_record: Record,
    /// The device that registers.
    pub device: NewDevice,
    /// Its session.
    pub session: NewSession,
    /// The invitation to be used up by one; `None` where registration is open.
    pub invitation: Option<InvitationHash>,
}

/// A device to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewDevice {
    /// Its number.
    pub device_id: DeviceId,
    /// Ed25519 public key.
    pub login_key: [u8; 32],
    /// Signal registration id.
    pub registration_id: u32,
}

/// A session to be begun. It ends the device's earlier one.
#[derive(Debug, Clone, Copy)]
pub struct NewSession {
    /// Its id.
    pub session_id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// On which device.
    pub device_id: DeviceId,
    /// The first refresh token.
    pub refresh: TokenHash,
    /// When it begins.
    pub now: Timestamp,
    /// When the refresh token, and with it the session, ends unless renewed.
    pub expires_at: Timestamp,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// Done.
    Done {
        /// True for the first account of the server.
        administrator: bool,
    },
    /// Another account has the id.
    IdInUse,
    /// Another account has the handle.
    HandleTaken,
    /// The invitation is unknown, used up or expired.
    InvitationInvalid,
}

/// How a session is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// By password and words: also lifts the ban that a log-out put on the device's signature.
    Words,
    /// By the device's signature: refused after a log-out.
    Signature,
}

/// A session that was begun or renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Its id.
    pub session_id: SessionId,
    /// Whose.
    pub account_id: AccountId,
    /// On which device.
    pub device_id: DeviceId,
    /// Whether the account administers the server.
    pub administrator: bool,
}

/// A refresh token to be exchanged for the next.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// The token that was shown.
    pub shown: TokenHash,
    /// The only session for which it may be used, if the link has one.
    pub expected: Option<SessionId>,
    /// The token that replaces it.
    pub next: TokenHash,
    /// The time.
    pub now: Timestamp,
    /// When the next token, and with it the session, ends unless renewed.
    pub expires_at: Timestamp,
}

/// What became of a rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotated {
    /// Done.
    Done(Session),
    /// There is no such token, or it is of another session than expected.
    Unknown,
    /// The token has expired.
    Expired,
    /// The token had been used before; its session has been ended.
    Reused(SessionId),
}

/// What a log-in by password needs.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Whose.
    pub account_id: AccountId,
    /// OPAQUE record of the password.
    pub password_record: Record,
    /// OPAQUE record of the three words.
    pub words_record: Record,
}

/// An invitation to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewInvitation {
    /// Hash of its secret.
    pub hash: InvitationHash,
    /// How often it may be used.
    pub uses: u32,
    /// Who made it; `None`: the operator.
    pub created_by: Option<AccountId>,
    /// When it was made.
    pub now: Timestamp,
    /// From when on it is not valid.
    pub expires_at: Timestamp,
}

/// Keeps accounts, devices, sessions and invitations.
pub trait Store: Send + Sync + 'static {
    /// Makes an account with its device and session, and uses the invitation, all or nothing.
    fn register(&self, new: NewAccount) -> impl Future<Output = Result<Registered, StoreError>> + Send;

    /// The account with this handle.
    fn find(&self, handle: Handle) -> impl Future<Output = Result<Option<AccountRef>, StoreError>> + Send;

    /// What a log-in as `handle` needs.
    fn credentials(
        &self,
        handle: Handle,
    ) -> impl Future<Output = Result<Option<Credentials>, StoreError>> + Send;

    /// The handle of an account.
    fn handle(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Option<Handle>, StoreError>> + Send;

    /// The identity key of an account.
    fn identity_key(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Option<[u8; 33]>, StoreError>> + Send;

    /// The devices of an account, by number; none for an unknown account.
    fn devices(
        &self,
        account_id: AccountId,
    ) -> impl Future<Output = Result<Vec<DeviceRef>, StoreError>> + Send;

    /// The Ed25519 public key of a device.
    fn login_key(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> impl Future<Output = Result<Option<[u8; 32]>, StoreError>> + Send;

    /// Keeps the highest generation of each device; returns the highest before, in the same order, 0 if there was none.
    fn note_generations(
        &self,
        noted: Vec<Generation>,
    ) -> impl Future<Output = Result<Vec<u64>, StoreError>> + Send;

    /// Begins a session, ending the device's earlier one. `None`: no such device, or it was logged out and `proof` is not
    /// enough to come back.
    fn begin_session(
        &self,
        new: NewSession,
        proof: Proof,
    ) -> impl Future<Output = Result<Option<Session>, StoreError>> + Send;

    /// Exchanges a refresh token; a token that had been used ends its session.
    fn rotate(&self, rotation: Rotation) -> impl Future<Output = Result<Rotated, StoreError>> + Send;

    /// Ends a device's session with all its tokens and refuses the device's signature from now on.
    fn log_out(
        &self,
        account_id: AccountId,
        device_id: DeviceId,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Whether a session has neither been ended nor expired.
    fn is_session_live(
        &self,
        session_id: SessionId,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Keeps an invitation.
    fn invite(&self, new: NewInvitation) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Keeps an invitation for the first account and forgets earlier ones of this kind; false, and nothing is kept, if there
    /// is an account already.
    fn invite_first(&self, new: NewInvitation) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// Whether an invitation could be used now.
    fn is_invitation_valid(
        &self,
        hash: InvitationHash,
        now: Timestamp,
    ) -> impl Future<Output = Result<bool, StoreError>> + Send;

    /// How many accounts there are.
    fn account_count(&self) -> impl Future<Output = Result<u64, StoreError>> + Send;

    /// Forgets sessions, tokens and invitations that have expired; says how many rows that were.
    fn sweep(&self, now: Timestamp) -> impl Future<Output = Result<u64, StoreError>> + Send;
}
