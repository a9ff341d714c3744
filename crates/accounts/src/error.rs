//! What the rules answer when they say no.
//!
//! Invariants: wrong password, wrong words, wrong signature and unknown account are one and the same error, so an answer
//! tells nobody which names exist (T29); nothing here holds a secret.

use tacite_model::HandleError;
use tacite_store::StoreError;
use tacite_wire::Code;
use thiserror::Error;

use crate::SessionId;

/// Why a command of this crate was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountsError {
    /// A field has the wrong length or form; names the field. The peer's mistake.
    #[error("the field {0} cannot be read")]
    Unreadable(&'static str),
    /// The handle is not allowed.
    #[error(transparent)]
    HandleNotAllowed(#[from] HandleError),
    /// Another account has the handle.
    #[error("the name is taken")]
    HandleTaken,
    /// This server takes no new accounts.
    #[error("registration is closed")]
    RegistrationClosed,
    /// The invitation is unknown, used up or expired.
    #[error("the invitation is not valid")]
    InvitationInvalid,
    /// The account id is in use.
    #[error("the account id is in use")]
    IdInUse,
    /// Name, password, words, device or signature are wrong.
    #[error("name, password, words or signature are wrong")]
    CredentialsWrong,
    /// The session was ended or has expired, or the device must log in by password first.
    #[error("the session has ended")]
    SessionEnded,
    /// The token is forged, of another server or another session.
    #[error("the token is not valid")]
    TokenInvalid,
    /// The refresh token had been used before: somebody else has it. The session has been ended; its links should be closed.
    #[error("the refresh token was used twice")]
    TokenReused {
        /// The session that has been ended.
        session_id: SessionId,
    },
    /// Too many in too short a time.
    #[error("too fast, wait {retry_after_ms} ms")]
    TooFast {
        /// Milliseconds from now until it makes sense to try again.
        retry_after_ms: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AccountsError {
    /// The code of the answer.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Unreadable(_) => Code::BODY_UNREADABLE,
            Self::HandleNotAllowed(_) => Code::NAME_NOT_ALLOWED,
            Self::HandleTaken => Code::NAME_TAKEN,
            Self::RegistrationClosed => Code::FORBIDDEN,
            Self::InvitationInvalid => Code::INVITATION_INVALID,
            Self::IdInUse => Code::ID_IN_USE,
            Self::CredentialsWrong => Code::CREDENTIALS_WRONG,
            Self::SessionEnded => Code::SESSION_ENDED,
            Self::TokenInvalid | Self::TokenReused { .. } => Code::TOKEN_INVALID,
            Self::TooFast { .. } => Code::TOO_FAST,
            Self::Store(StoreError::Full) => Code::STORAGE_FULL,
            Self::Store(StoreError::Unavailable(_) | StoreError::Closed) => Code::UNAVAILABLE,
            Self::Store(_) => Code::SERVER_FAULT,
        }
    }

    /// Milliseconds after which to try again; 0 if the answer does not say.
    #[must_use]
    pub const fn retry_after_ms(&self) -> u64 {
        if let Self::TooFast { retry_after_ms } = self { *retry_after_ms } else { 0 }
    }
}
