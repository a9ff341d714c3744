//! Content: what one device tells another.
//!
//! Invariants: the message id inside equals the one that the carrier names (T8: the sender's account and device are bound
//! by the session that decrypts, the message's identity by this); texts are 1 to `TEXT_BYTES_MAX` bytes.

use core::fmt;

use prost::Message as _;
use tacite_model::limits::TEXT_BYTES_MAX;
use tacite_model::{MessageId, Timestamp};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{padding, proto};

/// The content of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// Equal to the carrying frame's.
    pub message_id: MessageId,
    /// By the sender's clock.
    pub sent_at: Timestamp,
    /// What is told.
    pub body: Body,
}

/// The kinds of content.
#[derive(Clone, PartialEq, Eq)]
pub enum Body {
    /// A text for the person.
    Text(String),
}

/// Why bytes are not a content, or a content cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ContentError {
    /// The sender's: not padded, not protobuf, or an id of the wrong length.
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
    /// The padded bytes for encryption. Fails only with [`ContentError::TextLength`].
    pub fn encode(&self) -> Result<Zeroizing<Vec<u8>>, ContentError> {
        let Body::Text(text) = &self.body;
        check_text(text)?;
        let content = proto::Content {
            message_id: self.message_id.as_bytes().to_vec(),
            sent_at_ms: self.sent_at.as_ms(),
            body: Some(proto::content::Body::Text(proto::Text {
                text: text.clone(),
                ..proto::Text::default()
            })),
            ..proto::Content::default()
        };
        let encoded = Zeroizing::new(content.encode_to_vec());
        padding::pad(&encoded).ok_or(ContentError::TextLength(text.len()))
    }

    /// Reads decrypted bytes that came under `message_id`.
    pub fn decode(padded: &[u8], message_id: MessageId) -> Result<Self, ContentError> {
        let encoded = padding::unpad(padded).ok_or(ContentError::Malformed)?;
        let content = proto::Content::decode(encoded).map_err(|_| ContentError::Malformed)?;
        let inner_id =
            MessageId::try_from(content.message_id.as_slice()).map_err(|_| ContentError::Malformed)?;
        if inner_id != message_id {
            return Err(ContentError::OtherMessage);
        }
        let Some(proto::content::Body::Text(proto::Text { text, .. })) = content.body else {
            return Err(ContentError::UnknownKind);
        };
        check_text(&text)?;
        Ok(Self { message_id, sent_at: Timestamp::from_ms(content.sent_at_ms), body: Body::Text(text) })
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({})", self.message_id)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body(…)")
    }
}

fn check_text(text: &str) -> Result<(), ContentError> {
    if (1..=TEXT_BYTES_MAX).contains(&text.len()) {
        Ok(())
    } else {
        Err(ContentError::TextLength(text.len()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::CONTENT_BYTES;

    fn content(text: &str) -> Content {
        Content {
            message_id: MessageId::from_bytes([5; 16]),
            sent_at: Timestamp::from_ms(1_800_000_000_000),
            body: Body::Text(text.to_owned()),
        }
    }

    #[test]
    fn a_content_survives_encoding() {
        let hello = content("héllo");
        let bytes = hello.encode().unwrap();
        assert_eq!(Content::decode(&bytes, hello.message_id), Ok(hello));
    }

    #[test]
    fn the_bytes_are_fixed() {
        let bytes = content("hi").encode().unwrap();
        let expected = [&[0x0A, 16][..], &[5; 16], &[0x10], &[0x80, 0xA0, 0xF1, 0xC2, 0xB1, 0x34]].concat();
        assert_eq!(bytes[..25], expected);
        assert_eq!(bytes[25..33], [0x22, 0x04, 0x0A, 2, b'h', b'i', 0x80, 0]);
    }

    #[test]
    fn texts_are_bounded_on_both_sides() {
        assert_eq!(content("").encode().unwrap_err(), ContentError::TextLength(0));
        assert_eq!(content(&"x".repeat(TEXT_BYTES_MAX)).encode().unwrap().len(), CONTENT_BYTES[4]);
        assert_eq!(
            content(&"x".repeat(TEXT_BYTES_MAX + 1)).encode().unwrap_err(),
            ContentError::TextLength(TEXT_BYTES_MAX + 1)
        );
    }

    #[test]
    fn a_short_text_takes_the_smallest_size() {
        assert_eq!(content(&"x".repeat(75)).encode().unwrap().len(), CONTENT_BYTES[0]);
    }

    // T8: a message cannot be passed off as another.
    #[test]
    fn t8_the_id_inside_must_be_the_carriers() {
        let bytes = content("hello").encode().unwrap();
        let other = MessageId::from_bytes([6; 16]);
        assert_eq!(Content::decode(&bytes, other), Err(ContentError::OtherMessage));
    }

    #[test]
    fn an_unknown_kind_is_told_apart_from_damage() {
        let newer = proto::Content { message_id: vec![5; 16], sent_at_ms: 1, ..proto::Content::default() };
        let padded = padding::pad(&newer.encode_to_vec()).unwrap();
        let id = MessageId::from_bytes([5; 16]);
        assert_eq!(Content::decode(&padded, id), Err(ContentError::UnknownKind));
        assert_eq!(Content::decode(&padding::pad(b"\xFF").unwrap(), id), Err(ContentError::Malformed));
    }

    proptest! {
        // T74
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..1000)) {
            let id = MessageId::from_bytes([5; 16]);
            let _ = Content::decode(&bytes, id);
            if let Some(padded) = padding::pad(&bytes) {
                let _ = Content::decode(&padded, id);
            }
        }
    }
}
