//! Codes of answers: three digits, with HTTP's meaning where HTTP has one.
//!
//! Invariants: a code is never given to another meaning; each known one has a sentence and a next step for the person;
//! whether the same command may succeed later is a property of the code ([`Code::is_retryable`]).

/// What became of a command. Any `u16` decodes; [`Code::explanation`] tells the known ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u16);

/// What a person is told about a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// What happened, one sentence.
    pub sentence: &'static str,
    /// What to do next.
    pub next_step: &'static str,
    /// Whether the same command may succeed later without anybody changing it.
    pub retryable: bool,
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $retry:ident, $sentence:literal, $next:literal;)*) => {
        impl Code {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// All known codes with their explanations, ascending.
            pub const ALL: &[(Self, Explanation)] = &[$((
                Self::$name,
                Explanation { sentence: $sentence, next_step: $next, retryable: codes!(@ $retry) },
            ),)*];
        }
    };
    (@ once) => { false };
    (@ retry) => { true };
}

codes! {
    /// Commands and pushes carry no code.
    NONE = 0, once, "Nothing to say.", "Nothing to do.";
    /// Done.
    DONE = 200, once, "Done.", "Nothing to do.";
    /// Taken; the outcome follows in a second answer.
    TAKEN = 202, once, "Taken; the outcome follows.", "Wait.";
    /// The body is not what the opcode demands.
    BODY_UNREADABLE = 400, once, "The server could not read the command.", "Update the client; if it is new, report a bug.";
    /// Not logged in yet.
    LOG_IN_FIRST = 401, once, "You are not logged in.", "Log in with `tacite login`.";
    /// Logged in, but not allowed to do this.
    FORBIDDEN = 403, once, "You may not do this.", "Ask the server's administrator.";
    /// No account of that name.
    NOBODY = 404, once, "There is nobody by that name here.", "Check the spelling of the name.";
    /// Opcode and mnemonic do not belong together.
    MNEMONIC_MISMATCH = 405, once, "The command's number and name do not belong together.", "Update the client; if it is new, report a bug.";
    /// The handle is taken.
    NAME_TAKEN = 409, once, "That name is taken.", "Choose another name.";
    /// The invitation is unknown, used up or expired.
    INVITATION_INVALID = 410, once, "The invitation is not valid, or no longer.", "Ask for a new invitation.";
    /// The frame is too large or not padded to one of the sizes.
    FRAME_MALFORMED = 413, once, "A frame was too large or not of an allowed size.", "Update the client; if it is new, report a bug.";
    /// The device does not know the deployment key.
    DEPLOYMENT_KEY_WRONG = 421, once, "This server accepts its own clients only.", "Put the server's deployment key into the configuration.";
    /// The handle is not allowed.
    NAME_NOT_ALLOWED = 422, once, "That name is not allowed.", "Use 2 to 32 letters, digits, '_', '-' or '.', beginning with a letter.";
    /// The message travels in another way than the server's delivery mode demands.
    OTHER_MODE = 423, retry, "The server delivers in another way.", "Wait; the client connects again and learns how.";
    /// Split mode: the body of the message is not in the depot.
    BODY_MISSING = 424, retry, "The body of the message is not there.", "Wait; the client puts it there again.";
    /// A step of a command came out of order.
    STEP_OUT_OF_ORDER = 425, once, "A step of the command came out of order.", "Begin again.";
    /// The peer speaks no common version.
    INCOMPATIBLE = 426, once, "Client and server do not speak a common version.", "Install the version that the server names.";
    /// Too many in too short a time.
    TOO_FAST = 429, retry, "Too much in too short a time.", "Wait as long as the server says.";
    /// The session has ended or the token has expired.
    SESSION_ENDED = 440, once, "Your session has ended.", "Log in with `tacite login`.";
    /// Password, words or signature are wrong; which of handle and secret was wrong is not told.
    CREDENTIALS_WRONG = 441, once, "Name, password or words are wrong.", "Check them and try again.";
    /// The token is forged, of another server, or already used.
    TOKEN_INVALID = 442, once, "The token is not valid.", "Log in with `tacite login`.";
    /// The recipient has not accepted the sender.
    NOT_A_CONTACT = 443, once, "The two of you are not contacts.", "Send a contact request and wait until it is accepted.";
    /// Too many messages wait for the recipient already.
    QUEUE_FULL = 444, retry, "Too many messages wait for this person already.", "Wait until they have been online.";
    /// The recipient has no such device, or it has published no keys.
    DEVICE_UNKNOWN = 445, retry, "This person has no device that could receive it.", "Wait until they have been online.";
    /// No request of that account is open.
    NO_REQUEST = 446, once, "There is no contact request of this person.", "Send one yourself.";
    /// An account may only have so many of these.
    TOO_MANY = 447, once, "You have too many of these already.", "Remove some first.";
    /// An id that must be new is in use with other content.
    ID_IN_USE = 448, once, "The id is in use already.", "Update the client; if it is new, report a bug.";
    /// Direct mode: the recipient is not online, and nothing is stored.
    RECIPIENT_AWAY = 480, retry, "This person is not online, and this server stores nothing.", "Wait until both of you are online; the client keeps the message.";
    /// The server's own fault.
    SERVER_FAULT = 500, retry, "The server failed.", "Try again later; tell the administrator if it goes on.";
    /// Unknown opcode, or one that this server does not offer.
    NOT_OFFERED = 501, once, "The server does not offer this.", "Ask the administrator for a newer server.";
    /// The server is stopping or overloaded.
    UNAVAILABLE = 503, retry, "The server is stopping or overloaded.", "Wait; the client tries again by itself.";
    /// The server's disk is full.
    STORAGE_FULL = 507, retry, "The server has no room to store this.", "Wait; tell the administrator.";
}

impl Code {
    /// The explanation of a known code.
    #[must_use]
    pub fn explanation(self) -> Option<Explanation> {
        let at = Self::ALL.binary_search_by_key(&self.0, |(code, _)| code.0).ok()?;
        Some(Self::ALL[at].1)
    }

    /// Whether the same command may succeed later. Unknown codes: as in HTTP, from 500 on.
    #[must_use]
    pub fn is_retryable(self) -> bool {
        self.explanation().map_or(self.0 >= 500, |explanation| explanation.retryable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_have_three_digits_and_say_what_to_do() {
        assert!(Code::ALL.windows(2).all(|pair| pair[0].0.0 < pair[1].0.0));
        for (code, explanation) in &Code::ALL[1..] {
            assert!((100..=999).contains(&code.0), "{code:?}");
            assert!(explanation.sentence.ends_with('.') && explanation.next_step.ends_with('.'), "{code:?}");
        }
    }

    #[test]
    fn an_unknown_code_survives() {
        assert_eq!(Code(499).explanation(), None);
        assert!(!Code(499).is_retryable());
        assert!(Code(599).is_retryable());
    }
}
