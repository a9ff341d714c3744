//! The kinds of content, and their bounds.
//!
//! Invariant: what [`Body::decode`] returns is within the bounds of `tacite_model::limits`, so nothing behind it checks again.

use core::fmt;

use tacite_model::limits::{
    REACTION_BYTES_MAX, READS_PER_FRAME_MAX, RESENDS_PER_REQUEST_MAX, TEXT_BYTES_MAX,
};
use tacite_model::{AccountId, Expiry, ExpiryStart, MessageId, MessageName};

use crate::{ContentError, proto};

/// What a content tells.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// A text for the person.
    Text(Text),
    /// What the sender feels about a message.
    Reaction(Reaction),
    /// Another text for a message of the content's sender.
    Edit {
        /// Which message.
        message_id: MessageId,
        /// 1 to `TEXT_BYTES_MAX` bytes.
        text: String,
    },
    /// A message of the content's sender is to be wiped out everywhere.
    Deletion {
        /// Which message.
        message_id: MessageId,
    },
    /// How messages of this conversation disappear from now on; `None`: they stay.
    Timer(Option<Expiry>),
    /// Contents of the one who receives this are to be sent again.
    ResendRequest(ResendRequest),
    /// What was asked for again is not there any more.
    Gone(Gone),
    /// Texts of the one who receives this were shown to the person.
    Read {
        /// 1 to `READS_PER_FRAME_MAX`.
        message_ids: Vec<MessageId>,
    },
}

/// A text that a person wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// 1 to `TEXT_BYTES_MAX` bytes.
    pub text: String,
    /// The message that this answers.
    pub reply_to: Option<MessageName>,
}

/// A reaction to a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Reaction {
    /// To which message.
    pub target: MessageName,
    /// Up to `REACTION_BYTES_MAX` bytes without control characters; empty: the reaction is taken back.
    pub emoji: String,
}

/// Contents to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResendRequest {
    /// At most `RESENDS_PER_REQUEST_MAX`.
    pub message_ids: Vec<MessageId>,
    /// A gap: everything behind this (`None`: the earliest that there is) …
    pub after_id: Option<MessageId>,
    /// … up to this, both excluded. `None`: no gap; or if no ids are given, everything that there is.
    pub before_id: Option<MessageId>,
}

/// What is not there any more. Not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gone {
    /// At most `RESENDS_PER_REQUEST_MAX`.
    pub message_ids: Vec<MessageId>,
    /// Nothing is left of the gap that ended before this.
    pub before_id: Option<MessageId>,
}

impl Body {
    /// Fails if a bound is broken: our caller's fault.
    pub(crate) fn to_proto(&self) -> Result<proto::content::Body, ContentError> {
        Ok(match self {
            Self::Text(Text { text, reply_to }) => proto::content::Body::Text(proto::Text {
                text: checked_text(text)?.to_owned(),
                reply_to: reply_to.map(name_to_proto),
            }),
            Self::Reaction(Reaction { target, emoji }) => proto::content::Body::Reaction(proto::Reaction {
                target: Some(name_to_proto(*target)),
                emoji: checked_emoji(emoji)?.to_owned(),
            }),
            Self::Edit { message_id, text } => proto::content::Body::Edit(proto::Edit {
                message_id: message_id.as_bytes().to_vec(),
                text: checked_text(text)?.to_owned(),
            }),
            Self::Deletion { message_id } => {
                proto::content::Body::Deletion(proto::Deletion { message_id: message_id.as_bytes().to_vec() })
            }
            Self::Timer(expiry) => {
                let expiry = expiry.map(expiry_to_proto);
                // The bounds are checked once more, as those of everything that leaves.
                expiry.as_ref().map(decode_expiry).transpose()?;
                proto::content::Body::Timer(proto::Timer { expiry })
            }
            Self::ResendRequest(request) => proto::content::Body::ResendRequest(proto::ResendRequest {
                message_ids: bounded_ids(&request.message_ids)?,
                after_id: optional(request.after_id),
                before_id: optional(request.before_id),
            }),
            Self::Gone(gone) => proto::content::Body::Gone(proto::Gone {
                message_ids: checked_ids(&gone.message_ids, gone.before_id)?,
                before_id: optional(gone.before_id),
            }),
            Self::Read { message_ids } => {
                check_reads(message_ids.len())?;
                let message_ids = message_ids.iter().map(|id| id.as_bytes().to_vec()).collect();
                proto::content::Body::Read(proto::Read { message_ids })
            }
        })
    }

    pub(crate) fn decode(body: proto::content::Body) -> Result<Self, ContentError> {
        Ok(match body {
            proto::content::Body::Text(proto::Text { text, reply_to }) => {
                checked_text(&text)?;
                Self::Text(Text { text, reply_to: reply_to.as_ref().map(decode_name).transpose()? })
            }
            proto::content::Body::Reaction(proto::Reaction { target, emoji }) => {
                checked_emoji(&emoji)?;
                let target = decode_name(target.as_ref().ok_or(ContentError::Malformed)?)?;
                Self::Reaction(Reaction { target, emoji })
            }
            proto::content::Body::Edit(proto::Edit { message_id, text }) => {
                checked_text(&text)?;
                Self::Edit { message_id: id(&message_id)?, text }
            }
            proto::content::Body::Deletion(deletion) => {
                Self::Deletion { message_id: id(&deletion.message_id)? }
            }
            proto::content::Body::Timer(timer) => {
                Self::Timer(timer.expiry.as_ref().map(decode_expiry).transpose()?)
            }
            proto::content::Body::ResendRequest(request) => {
                let before_id = optional_id(&request.before_id)?;
                let message_ids = decode_ids(&request.message_ids)?;
                Self::ResendRequest(ResendRequest {
                    message_ids,
                    after_id: optional_id(&request.after_id)?,
                    before_id,
                })
            }
            proto::content::Body::Gone(gone) => {
                let before_id = optional_id(&gone.before_id)?;
                Self::Gone(Gone { message_ids: ids(&gone.message_ids, before_id)?, before_id })
            }
            proto::content::Body::Read(read) => {
                check_reads(read.message_ids.len())?;
                let message_ids = read.message_ids.iter().map(|bytes| id(bytes)).collect::<Result<_, _>>()?;
                Self::Read { message_ids }
            }
        })
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(…)")
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Text(…)")
    }
}

impl fmt::Debug for Reaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reaction(…)")
    }
}

pub(crate) fn expiry_to_proto(expiry: Expiry) -> proto::Expiry {
    let start = match expiry.start {
        ExpiryStart::Read => proto::ExpiryStart::Read,
        ExpiryStart::Receipt => proto::ExpiryStart::Receipt,
    };
    proto::Expiry { after_ms: expiry.after_ms, start: start.into() }
}

pub(crate) fn decode_expiry(expiry: &proto::Expiry) -> Result<Expiry, ContentError> {
    let start = match expiry.start() {
        proto::ExpiryStart::Read => ExpiryStart::Read,
        proto::ExpiryStart::Receipt => ExpiryStart::Receipt,
        proto::ExpiryStart::Unspecified => return Err(ContentError::Malformed),
    };
    Expiry::new(expiry.after_ms, start).ok_or(ContentError::Malformed)
}

fn name_to_proto(name: MessageName) -> proto::MessageRef {
    proto::MessageRef {
        author_id: name.author_id.as_bytes().to_vec(),
        message_id: name.message_id.as_bytes().to_vec(),
    }
}

fn decode_name(name: &proto::MessageRef) -> Result<MessageName, ContentError> {
    let author_id = AccountId::try_from(name.author_id.as_slice()).map_err(|_| ContentError::Malformed)?;
    Ok(MessageName { author_id, message_id: id(&name.message_id)? })
}

/// 16 bytes, or nothing.
pub(crate) fn optional_id(bytes: &[u8]) -> Result<Option<MessageId>, ContentError> {
    if bytes.is_empty() { Ok(None) } else { id(bytes).map(Some) }
}

pub(crate) fn optional(id: Option<MessageId>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| id.as_bytes().to_vec())
}

pub(crate) fn id(bytes: &[u8]) -> Result<MessageId, ContentError> {
    MessageId::try_from(bytes).map_err(|_| ContentError::Malformed)
}

fn checked_text(text: &str) -> Result<&str, ContentError> {
    if (1..=TEXT_BYTES_MAX).contains(&text.len()) {
        Ok(text)
    } else {
        Err(ContentError::TextLength(text.len()))
    }
}

/// Control characters have no place in an emoji, but might have an effect where it is shown.
fn checked_emoji(emoji: &str) -> Result<&str, ContentError> {
    if emoji.len() <= REACTION_BYTES_MAX && !emoji.contains(char::is_control) {
        Ok(emoji)
    } else {
        Err(ContentError::Malformed)
    }
}

fn checked_ids(ids: &[MessageId], before_id: Option<MessageId>) -> Result<Vec<Vec<u8>>, ContentError> {
    check_not_empty(ids.len(), before_id)?;
    bounded_ids(ids)
}

fn bounded_ids(ids: &[MessageId]) -> Result<Vec<Vec<u8>>, ContentError> {
    check_count(ids.len())?;
    Ok(ids.iter().map(|id| id.as_bytes().to_vec()).collect())
}

fn ids(ids: &[Vec<u8>], before_id: Option<MessageId>) -> Result<Vec<MessageId>, ContentError> {
    check_not_empty(ids.len(), before_id)?;
    decode_ids(ids)
}

fn decode_ids(ids: &[Vec<u8>]) -> Result<Vec<MessageId>, ContentError> {
    check_count(ids.len())?;
    ids.iter().map(|bytes| id(bytes)).collect()
}

fn check_not_empty(count: usize, before_id: Option<MessageId>) -> Result<(), ContentError> {
    if count == 0 && before_id.is_none() { Err(ContentError::Malformed) } else { Ok(()) }
}

fn check_reads(count: usize) -> Result<(), ContentError> {
    if (1..=READS_PER_FRAME_MAX).contains(&count) { Ok(()) } else { Err(ContentError::Malformed) }
}

fn check_count(count: usize) -> Result<(), ContentError> {
    if count > RESENDS_PER_REQUEST_MAX { Err(ContentError::Malformed) } else { Ok(()) }
}
