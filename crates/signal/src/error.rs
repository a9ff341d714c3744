//! Why a message could not be sent or read. One enum per operation; each variant says who is to blame.

use crate::{curve::KeyError, message::MessageError};

/// Why [`crate::SessionRecord::encrypt`] failed. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncryptError {
    /// There is no current session: fetch a bundle and process it.
    #[error("no session with this device")]
    NoSession,
    /// The peer has not answered the session's first message for 30 days: fetch a bundle and process it.
    #[error("the session was never acknowledged and is too old")]
    Unacknowledged,
    /// 2^32 messages without an answer.
    #[error("the session has no message keys left until the peer answers")]
    Exhausted,
    /// The plaintext is longer than a message may be. Misuse.
    #[error("the plaintext is too long")]
    TooLong,
}

/// Why a received message could not be read. Nothing was changed; no prekey was used.
///
/// The distinctions are for the local log. Answering a peer or a server differently for different variants would be an oracle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// Not a message of this protocol. Blames the peer or the carrier.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// No session with this device. The peer believes that there is one: ask it to begin anew.
    #[error("no session with this device")]
    NoSession,
    /// The message was read before, or its key is too old. Expected after a redelivery.
    #[error("the message was received before")]
    Duplicate,
    /// More than 25,000 messages are missing before it. Blames the peer.
    #[error("the message is too far ahead")]
    TooFarAhead,
    /// A key in the message must not be used. Blames the peer.
    #[error("in the message: {0}")]
    Key(#[from] KeyError),
    /// The post-quantum part is missing or wrong. Blames the peer.
    #[error("the post-quantum ratchet refuses the message")]
    PostQuantum,
    /// MAC, addresses or padding are wrong: forged, damaged, for somebody else, or of a session that we do not have.
    #[error("the message does not belong to a session of ours")]
    Forged,
    /// The caller does not trust the peer's identity key (it changed). The message can be tried again afterwards.
    #[error("the identity key of the peer is not trusted")]
    UntrustedIdentity,
    /// The message names a prekey that we do not have (used, deleted, or never ours).
    #[error("the message names an unknown prekey")]
    UnknownPrekey,
    /// The last-resort prekey was used like this before: a replay.
    #[error("this use of the Kyber prekey is not permitted")]
    KyberUseRefused,
}
