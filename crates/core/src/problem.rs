//! Problems: from a code of the wire, or of the device's own finding.
//!
//! Invariant: words are stable; sentences name people by handle and never hold content, secrets or addresses.

use tacite_model::Handle;
use tacite_wire::proto::Failure;
use tacite_wire::{Code, Frame};

use crate::Problem;

/// The word for a message that could not be opened.
pub(crate) const UNREADABLE: &str = "message-unreadable";

impl Problem {
    /// The problem that a code stands for.
    #[must_use]
    pub fn of(code: Code) -> Self {
        let (sentence, next_step) = match code.explanation() {
            Some(explanation) => (explanation.sentence, explanation.next_step),
            None => ("The server answered with a code that this client does not know.", "Update the client."),
        };
        Self {
            code,
            word: word(code),
            sentence: sentence.to_owned(),
            next_step: next_step.to_owned(),
            retryable: code.is_retryable(),
            retry_after_ms: None,
        }
    }

    /// The problem that an answer or push with status error tells.
    pub(crate) fn of_frame(frame: &Frame) -> Self {
        let failure: Failure = frame.read().unwrap_or_default();
        let mut problem = Self::of(frame.header.code);
        if failure.retry_after_ms > 0 {
            problem.retry_after_ms = Some(failure.retry_after_ms);
        }
        // The server's own words are foreign text: only what looks like a software name is repeated.
        if frame.header.code == Code::INCOMPATIBLE && is_software_name(&failure.wanted_software) {
            problem.next_step = format!("Install {}.", failure.wanted_software);
        }
        problem
    }

    fn local(code: Code, word: &'static str, sentence: impl Into<String>, next_step: &str) -> Self {
        Self {
            code,
            word,
            sentence: sentence.into(),
            next_step: next_step.to_owned(),
            retryable: false,
            retry_after_ms: None,
        }
    }

    pub(crate) fn not_registered() -> Self {
        Self::local(
            Code::LOG_IN_FIRST,
            "not-registered",
            "There is no account in this profile.",
            "Register with `tacite register`.",
        )
    }

    pub(crate) fn already_registered() -> Self {
        Self::local(
            Code::TOO_MANY,
            "already-registered",
            "This profile has an account already.",
            "Use another profile for another account.",
        )
    }

    pub(crate) fn registration_interrupted() -> Self {
        Self {
            retryable: true,
            ..Self::local(
                Code::UNAVAILABLE,
                "registration-interrupted",
                "The registration did not reach the server.",
                "Register again.",
            )
        }
    }

    pub(crate) fn busy() -> Self {
        Self::local(
            Code::STEP_OUT_OF_ORDER,
            "busy",
            "A registration or log-in is under way already.",
            "Wait until it is done.",
        )
    }

    pub(crate) fn words_not_three() -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            "words-not-three",
            "The second secret is exactly three words, separated by single spaces.",
            "Give three words.",
        )
    }

    pub(crate) fn password_empty() -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            "password-empty",
            "A password cannot be empty.",
            "Choose a password.",
        )
    }

    pub(crate) fn text_length() -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            "text-length",
            "A message has at least 1 and at most 32,768 bytes.",
            "Split the text.",
        )
    }

    pub(crate) fn message_unknown() -> Self {
        Self::local(
            Code::NOBODY,
            "message-unknown",
            "There is no such message to do this with.",
            "It may have been deleted or have disappeared.",
        )
    }

    pub(crate) fn reaction_length() -> Self {
        Self::local(Code::BODY_UNREADABLE, "reaction-length", "A reaction is one emoji.", "Choose one emoji.")
    }

    pub(crate) fn edits_used_up() -> Self {
        Self::local(
            Code::TOO_MANY,
            "edits-used-up",
            "This message was changed as often as allowed.",
            "Write a new message.",
        )
    }

    pub(crate) fn timer_length() -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            "timer-length",
            "Messages disappear after at least a millisecond and at most 366 days.",
            "Choose another time, or switch disappearing off.",
        )
    }

    pub(crate) fn note_length() -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            "note-length",
            "A name has at most 256 bytes, notes at most 65,536.",
            "Shorten it.",
        )
    }

    pub(crate) fn no_key_yet() -> Self {
        Self::local(
            Code::DEVICE_UNKNOWN,
            "no-key-yet",
            "You do not know this person's key yet, so there is nothing to compare.",
            "Exchange a message first.",
        )
    }

    pub(crate) fn blocked(handle: &Handle) -> Self {
        Self::local(Code::FORBIDDEN, "blocked", format!("You have blocked {handle}."), "Unblock them first.")
    }

    pub(crate) fn not_yourself() -> Self {
        Self::local(
            Code::FORBIDDEN,
            "not-yourself",
            "You cannot be your own contact.",
            "Check the spelling of the name.",
        )
    }

    pub(crate) fn other_server() -> Self {
        Self::local(
            Code::FORBIDDEN,
            "other-server",
            "The server gives itself another name than the one you registered with.",
            "Do not go on; ask the server's administrator.",
        )
    }

    pub(crate) fn link_lost() -> Self {
        Self {
            retryable: true,
            ..Self::local(
                Code::UNAVAILABLE,
                "link-lost",
                "The link to the server was lost.",
                "Wait; the client tries again by itself.",
            )
        }
    }

    pub(crate) fn server_silent() -> Self {
        Self {
            retryable: true,
            ..Self::local(
                Code::UNAVAILABLE,
                "server-silent",
                "The server did not answer in time.",
                "Wait; the client tries again by itself.",
            )
        }
    }

    pub(crate) fn server_unintelligible() -> Self {
        Self {
            retryable: true,
            ..Self::local(
                Code::SERVER_FAULT,
                "server-unintelligible",
                "The server said something that this client cannot read.",
                "Update client and server; if both are new, report a bug.",
            )
        }
    }

    pub(crate) fn identity_changed(handle: &Handle) -> Self {
        Self::local(
            Code::FORBIDDEN,
            "identity-changed",
            format!("The keys of {handle} are not the ones you know; nothing is sent to or taken from them."),
            "Ask them by another way whether they have registered anew.",
        )
    }

    pub(crate) fn identity_unchanged(handle: &Handle) -> Self {
        Self::local(
            Code::NOBODY,
            "identity-unchanged",
            format!("No other keys of {handle} were shown than the ones you know."),
            "Nothing to do.",
        )
    }

    pub(crate) fn identity_accepted(handle: &Handle) -> Self {
        Self::local(
            Code::DONE,
            "identity-accepted",
            format!("The new keys of {handle} are accepted; they are not verified."),
            "Compare safety numbers again.",
        )
    }

    pub(crate) fn message_unreadable(handle: &Handle) -> Self {
        Self::local(
            Code::BODY_UNREADABLE,
            UNREADABLE,
            format!("A message from {handle} could not be decrypted."),
            "Wait; the client asks for it again.",
        )
    }

    pub(crate) fn messages_missing(handle: &Handle) -> Self {
        Self::local(
            Code::BODY_MISSING,
            "messages-missing",
            format!("Messages from {handle} are missing; the place is marked."),
            "Wait, or ask them; what comes later is put into its place.",
        )
    }

    pub(crate) fn asked_too_often(handle: &Handle) -> Self {
        Self::local(
            Code::TOO_FAST,
            "asked-too-often",
            format!(
                "Messages from {handle} keep coming in a form that cannot be read; they are asked for less often."
            ),
            "If it goes on, tell the server's administrator.",
        )
    }

    pub(crate) fn vault_restored() -> Self {
        Self::local(
            Code::DONE,
            "vault-restored",
            "This profile is an older copy of itself, or another copy of it is in use. All keys were made anew.",
            "Use one copy only. What was sent from the other copy cannot be shown here.",
        )
    }

    pub(crate) fn body_missing(handle: &Handle) -> Self {
        Self {
            retryable: true,
            ..Self::local(
                Code::BODY_MISSING,
                "body-missing",
                format!("A message from {handle} has come without its body."),
                "Wait; the client asks for it again.",
            )
        }
    }

    pub(crate) fn message_too_new(handle: &Handle) -> Self {
        Self::local(
            Code::INCOMPATIBLE,
            "message-too-new",
            format!("A message from {handle} is of a kind that this release does not know."),
            "Update the client.",
        )
    }
}

fn is_software_name(text: &str) -> bool {
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '.' | '-' | '_' | '>' | '=');
    !text.is_empty() && text.len() <= tacite_model::limits::SOFTWARE_BYTES_MAX && text.chars().all(valid)
}

fn word(code: Code) -> &'static str {
    match code {
        Code::BODY_UNREADABLE => "command-unreadable",
        Code::LOG_IN_FIRST => "log-in-first",
        Code::FORBIDDEN => "forbidden",
        Code::NOBODY => "nobody",
        Code::MNEMONIC_MISMATCH => "mnemonic-mismatch",
        Code::NAME_TAKEN => "name-taken",
        Code::INVITATION_INVALID => "invitation-invalid",
        Code::FRAME_MALFORMED => "frame-malformed",
        Code::DEPLOYMENT_KEY_WRONG => "deployment-key-wrong",
        Code::NAME_NOT_ALLOWED => "name-not-allowed",
        Code::STEP_OUT_OF_ORDER => "step-out-of-order",
        Code::INCOMPATIBLE => "incompatible",
        Code::TOO_FAST => "too-fast",
        Code::SESSION_ENDED => "session-ended",
        Code::CREDENTIALS_WRONG => "credentials-wrong",
        Code::TOKEN_INVALID => "token-invalid",
        Code::NOT_A_CONTACT => "not-a-contact",
        Code::QUEUE_FULL => "queue-full",
        Code::DEVICE_UNKNOWN => "device-unknown",
        Code::NO_REQUEST => "no-request",
        Code::TOO_MANY => "too-many",
        Code::ID_IN_USE => "id-in-use",
        Code::SERVER_FAULT => "server-fault",
        Code::NOT_OFFERED => "not-offered",
        Code::OTHER_MODE => "other-mode",
        Code::BODY_MISSING => "body-missing",
        Code::RECIPIENT_AWAY => "recipient-away",
        Code::UNAVAILABLE => "unavailable",
        Code::STORAGE_FULL => "storage-full",
        _ => "refused",
    }
}
