//! Why a command was refused, and the frame that says so.
//!
//! Invariants: what goes out is a code and, where it helps, when to try again; never what a store or a library said.
//! A failure that is our own is logged as ERROR, once, here.

use tacite_accounts::AccountsError;
use tacite_depot::{KeysError, StoreError};
use tacite_model::{IdError, Timestamp};
use tacite_wire::proto::Failure;
use tacite_wire::{Code, Frame, FrameError, Header, Opcode, Status};

/// A refusal, as the peer is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) retry_after_ms: u64,
    pub(crate) wanted_software: String,
}

impl Refusal {
    /// With a code only.
    pub(crate) const fn new(code: Code) -> Self {
        Self { code, retry_after_ms: 0, wanted_software: String::new() }
    }

    /// Too fast: try again after so long.
    pub(crate) fn too_fast(retry_after_ms: u64) -> Self {
        Self { retry_after_ms, ..Self::new(Code::TOO_FAST) }
    }

    fn body(&self) -> Failure {
        Failure {
            detail: String::new(),
            retry_after_ms: self.retry_after_ms,
            wanted_software: self.wanted_software.clone(),
        }
    }

    /// The answer to the command with this header.
    pub(crate) fn answer(&self, to: &Header, now: Timestamp) -> Frame {
        Frame::answer(to, Status::ERROR, self.code, now, &self.body())
            .expect("a failure fits the smallest frame")
    }

    /// A push for what belongs to no command.
    pub(crate) fn push(&self, header: Header) -> Frame {
        let header = Header {
            opcode: Opcode::LINK_ERROR,
            mnemonic: Opcode::LINK_ERROR.mnemonic().expect("a known opcode"),
            status: Status::ERROR,
            code: self.code,
            ..header
        };
        Frame::new(header, &self.body()).expect("a failure fits the smallest frame")
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::new(code)
    }
}

impl From<FrameError> for Refusal {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Body => Self::new(Code::BODY_UNREADABLE),
            _ => Self::new(Code::FRAME_MALFORMED),
        }
    }
}

impl From<IdError> for Refusal {
    fn from(_: IdError) -> Self {
        Self::new(Code::BODY_UNREADABLE)
    }
}

impl From<KeysError> for Refusal {
    fn from(_: KeysError) -> Self {
        Self::new(Code::BODY_UNREADABLE)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        Self::new(store_code(&error))
    }
}

impl From<AccountsError> for Refusal {
    fn from(error: AccountsError) -> Self {
        if let AccountsError::Store(store) = &error {
            return Self::new(store_code(store));
        }
        Self { retry_after_ms: error.retry_after_ms(), ..Self::new(error.code()) }
    }
}

/// The code for a store's failure. A full disk and a database out of reach are the operator's to mend, the rest is ours.
pub(crate) fn store_code(error: &StoreError) -> Code {
    match error {
        StoreError::Full => {
            tracing::warn!("the disk is full: messages are refused until there is room");
            Code::STORAGE_FULL
        }
        StoreError::Unavailable(_) | StoreError::Closed => {
            tracing::warn!(%error, "a database cannot be reached");
            Code::UNAVAILABLE
        }
        _ => {
            tracing::error!(%error, "a database failed");
            Code::SERVER_FAULT
        }
    }
}
