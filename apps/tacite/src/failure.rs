//! How a command fails: a code, a stable word, a sentence, a next step, and the exit status that follows from its kind.
//!
//! Invariants: exit statuses and words are never given to another meaning; sentences hold no secrets.

use std::io;
use std::process::ExitCode;

use serde::Serialize;
use tacite_client::core::{Problem, VaultError};
use tacite_client::{KeyError, PerformError, ProfileError, SessionError};

/// The exit statuses, for `--help` and the manual.
pub(crate) const EXIT_STATUS_HELP: &str = "\
Exit status:
  0    done
  1    the program failed: our bug, or the disk
  2    wrong usage: option, argument, configuration, input
  3    refused by the server or the other side; the error has the code
  4    not registered, or logged out: `tacite register` or `tacite login` first
  5    the server was not reached or the time ran out; a message stays in the outbox
  6    another process uses the profile
  7    the vault cannot be opened: wrong passphrase, no keyring
  130  interrupted (Ctrl+C, SIGTERM) before it was done

Errors go to standard error; with --json as one object
{\"error\":{\"code\",\"word\",\"sentence\",\"next_step\",\"retryable\"}}.";

/// The kinds of failure; the number is the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// Whoever read our output has gone away; there is nobody to tell.
    ReaderGone = 0,
    Internal = 1,
    Usage = 2,
    Refused = 3,
    LogInFirst = 4,
    Unreached = 5,
    InUse = 6,
    VaultClosed = 7,
    Interrupted = 130,
}

/// Why a command failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Failure {
    #[serde(skip)]
    pub(crate) exit: Exit,
    /// Three digits of the wire; 0 where none fits.
    pub(crate) code: u16,
    pub(crate) word: &'static str,
    pub(crate) sentence: String,
    pub(crate) next_step: String,
    pub(crate) retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_after_ms: Option<u64>,
}

impl Failure {
    /// A failure that no server had a part in.
    pub(crate) fn new(
        exit: Exit,
        word: &'static str,
        sentence: impl Into<String>,
        next_step: impl Into<String>,
    ) -> Self {
        let (sentence, next_step) = (sentence.into(), next_step.into());
        let retryable = matches!(exit, Exit::Unreached | Exit::InUse | Exit::Interrupted);
        Self { exit, code: 0, word, sentence, next_step, retryable, retry_after_ms: None }
    }

    /// Wrong usage.
    pub(crate) fn usage(sentence: impl Into<String>, next_step: impl Into<String>) -> Self {
        Self::new(Exit::Usage, "usage", sentence, next_step)
    }

    /// The profile has no account.
    pub(crate) fn not_registered() -> Self {
        Self::new(
            Exit::LogInFirst,
            "not-registered",
            "This profile has no account yet.",
            "Register with `tacite register @NAME --invite LINK`.",
        )
    }

    /// The time that was given ran out. `problem` is what last hindered the link.
    pub(crate) fn timed_out(next_step: &str, problem: Option<Problem>) -> Self {
        let Some(problem) = problem else {
            return Self::new(Exit::Unreached, "timed-out", "The time ran out.", next_step);
        };
        let mut failure = Self::from(problem);
        failure.exit = Exit::Unreached;
        next_step.clone_into(&mut failure.next_step);
        failure
    }

    /// The engine answered an intent with another intent's outcome: our bug.
    pub(crate) fn unexpected() -> Self {
        Self::new(
            Exit::Internal,
            "internal",
            "The program failed: an unexpected outcome.",
            "Report this as a bug.",
        )
    }

    /// What a reader that has gone away is told: nothing.
    pub(crate) fn is_silent(&self) -> bool {
        self.exit == Exit::ReaderGone
    }

    /// A signal came before the command was done.
    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted", "Interrupted.", "Run the command again.")
    }

    /// The exit status.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit as u8)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let exit = match problem.code.0 {
            401 | 440 | 442 => Exit::LogInFirst,
            503 => Exit::Unreached,
            _ => Exit::Refused,
        };
        Self {
            exit,
            code: problem.code.0,
            word: problem.word,
            sentence: problem.sentence,
            next_step: problem.next_step,
            retryable: problem.retryable,
            retry_after_ms: problem.retry_after_ms,
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        let sentence = format!("{}.", capitalised(&error.to_string()));
        match error {
            ProfileError::Missing(_) => Self::not_registered(),
            ProfileError::InUse { .. } => Self::new(
                Exit::InUse,
                "profile-in-use",
                sentence,
                "End that process, or use another --profile.",
            ),
            ProfileError::Homeless => Self::new(
                Exit::Usage,
                "no-data-directory",
                sentence,
                "Say where with --data-dir or TACITE_HOME.",
            ),
            ProfileError::Io { .. } => {
                Self::new(Exit::Internal, "profile-unusable", sentence, "Check the disk and the permissions.")
            }
        }
    }
}

impl From<KeyError> for Failure {
    fn from(error: KeyError) -> Self {
        let sentence = format!("{}.", capitalised(&error.to_string()));
        let closed = |next: &str| Self::new(Exit::VaultClosed, "vault-closed", sentence.as_str(), next);
        match error {
            KeyError::PassphraseWanted => {
                closed("Give it with --passphrase-file, --passphrase-fd or at a terminal.")
            }
            KeyError::PassphraseShort => Self::usage(sentence, "Choose a longer one."),
            KeyError::Keyring(_) => closed("Unlock the keyring and try again."),
            KeyError::File(_) => closed("Restore the file, or update the program."),
            KeyError::Io(_) => closed("Check the disk and the permissions."),
        }
    }
}

impl From<VaultError> for Failure {
    fn from(error: VaultError) -> Self {
        let sentence = format!("{}.", capitalised(&error.to_string()));
        match error {
            VaultError::WrongKey => Self::new(
                Exit::VaultClosed,
                "passphrase-wrong",
                "The passphrase does not open the vault.",
                "Try again with the right one.",
            ),
            VaultError::InUse => Self::new(
                Exit::InUse,
                "profile-in-use",
                sentence,
                "End that process, or use another --profile.",
            ),
            VaultError::Newer => Self::new(Exit::VaultClosed, "vault-newer", sentence, "Update the program."),
            VaultError::Full => Self::new(Exit::Internal, "disk-full", sentence, "Make room and try again."),
            VaultError::Damaged(_) | VaultError::Unavailable(_) | VaultError::Migration(_) => Self::new(
                Exit::Internal,
                "vault-failed",
                sentence,
                "Check the disk; if it is well, report a bug.",
            ),
        }
    }
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::Vault(error) => error.into(),
            error => Self::new(
                Exit::Internal,
                "internal",
                format!("The program failed: {error}."),
                "Report this as a bug; nothing that was stored is lost.",
            ),
        }
    }
}

impl From<PerformError> for Failure {
    fn from(error: PerformError) -> Self {
        match error {
            PerformError::Refused(problem) => problem.into(),
            PerformError::Session(error) => error.into(),
        }
    }
}

impl From<io::Error> for Failure {
    /// Of standard output, and of threads and signals at the start.
    fn from(error: io::Error) -> Self {
        let exit = if error.kind() == io::ErrorKind::BrokenPipe { Exit::ReaderGone } else { Exit::Internal };
        Self::new(exit, "io", format!("Input or output failed: {error}."), "Check where it goes to.")
    }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
