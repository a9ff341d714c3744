//! Content: what one device tells another.
//!
//! Invariants: the message id inside equals the one that the carrier names (T8: the sender's account and device are bound
//! by the session that decrypts, the message's identity by this); every bound that a sender could break is checked here.

use core::fmt;

use prost::Message as _;
use tacite_model::limits::TEXT_BYTES_MAX;
use tacite_model::{Expiry, MessageId, Timestamp};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::body::{decode_expiry, expiry_to_proto, id, optional, optional_id};
use crate::{Body, ReceiptKey, padding, proto};

/// The content of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Equal to the carrying frame's.
    pub message_id: MessageId,
    /// By the sender's clock.
    pub sent_at: Timestamp,
    /// What this device told this account before; `None`: nothing.
    pub previous_id: Option<MessageId>,
    /// What is told.
    pub body: Body,
    /// With it the recipient proves that this came.
    pub receipt_key: ReceiptKey,
    /// How this disappears; `None`: not by itself.
    pub expiry: Option<Expiry>,
    /// The id under which this came first, if it was asked for again.
    pub original_id: Option<MessageId>,
}

/// Why bytes are not a content, or a content cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContentError {
    /// The sender's (or our caller's): not padded, not protobuf, an id of the wrong length, or a bound broken.
    #[error("the content of the message is malformed")]
    Malformed,
    /// The sender's or the server's: the id inside is another than the carrier's.
    #[error("the message was passed off as another")]
    OtherMessage,
    /// The sender's release is newer than this one.
    #[error("the message is of a kind that this release does not know")]
    UnknownKind,
    /// The sender's or our caller's: empty, or more than `TEXT_BYTES_MAX` bytes.
    #[error("a text has 1 to {TEXT_BYTES_MAX} bytes, not {0}")]
    TextLength(usize),
}

impl Content {
    /// The padded bytes for encryption. Fails only if a bound is broken.
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let content = proto::Content {
            message_id: self.message_id.as_bytes().to_vec(),
            sent_at_ms: self.sent_at.as_ms(),
            previous_id: optional(self.previous_id),
            body: Some(self.body.to_proto()?),
            receipt_key: self.receipt_key.as_bytes().to_vec(),
            expiry: self.expiry.map(expiry_to_proto),
            original_id: optional(self.original_id),
        };
        content.expiry.as_ref().map(decode_expiry).transpose()?;
        let encoded = Zeroizing::new(content.encode_to_vec());
        padding::pad(&encoded).ok_or(ContentError::Malformed)
    }

    /// Reads decrypted bytes that came under `message_id`.
    pub fn decode(padded: &[u8], message_id: MessageId) -> Result<Self, ContentError> {
        let encoded = padding::unpad(padded).ok_or(ContentError::Malformed)?;
        let content = proto::Content::decode(encoded).map_err(|_| ContentError::Malformed)?;
        if id(&content.message_id)? != message_id {
            return Err(ContentError::OtherMessage);
        }
        let Some(body) = content.body else { return Err(ContentError::UnknownKind) };
        let receipt_key =
            <[u8; 32]>::try_from(content.receipt_key.as_slice()).map_err(|_| ContentError::Malformed)?;
        Ok(Self {
            message_id,
            sent_at: Timestamp::from_ms(content.sent_at_ms),
            previous_id: optional_id(&content.previous_id)?,
            body: Body::decode(body)?,
            receipt_key: ReceiptKey::from_bytes(receipt_key),
            expiry: content.expiry.as_ref().map(decode_expiry).transpose()?,
            original_id: optional_id(&content.original_id)?,
        })
    }

    /// The id under which this is known: the first one, however often it was asked for again.
    #[must_use]
    pub fn known_id(&self) -> MessageId {
        self.original_id.unwrap_or(self.message_id)
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.message_id)
    }
}

#[cfg(test)]
mod tests;
