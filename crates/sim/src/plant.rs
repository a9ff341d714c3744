//! Faults that are planted on purpose, to see that the checks find them.
//!
//! Invariant: each breaks one promise that the real system keeps, outside of the code under test: in a store, or in the
//! driver of a client.

use std::fmt;
use std::str::FromStr;

/// A planted fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// The server's stores say that something is durable before it is.
    AcknowledgeBeforeDurable,
    /// A client's driver performs effects before the commit.
    SendBeforeCommit,
    /// A client forgets which messages it has received.
    ForgetDeduplication,
    /// The depot deletes a body when it is read.
    DeleteAtFetch,
    /// A client that starts forgets what was in its outbox.
    DropOutboxAtRestart,
    /// The record of changes knows a place by its time alone, and many rows have one time.
    CursorByTimeAlone,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::AcknowledgeBeforeDurable,
        Self::SendBeforeCommit,
        Self::ForgetDeduplication,
        Self::DeleteAtFetch,
        Self::DropOutboxAtRestart,
        Self::CursorByTimeAlone,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::AcknowledgeBeforeDurable => "acknowledge-before-durable",
            Self::SendBeforeCommit => "send-before-commit",
            Self::ForgetDeduplication => "forget-deduplication",
            Self::DeleteAtFetch => "delete-at-fetch",
            Self::DropOutboxAtRestart => "drop-outbox-at-restart",
            Self::CursorByTimeAlone => "cursor-by-time-alone",
        }
    }
}

/// There is no such plant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoSuchPlant;

impl FromStr for Plant {
    type Err = NoSuchPlant;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|plant| plant.name() == text).ok_or(NoSuchPlant)
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
