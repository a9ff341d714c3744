//! The sealed body of an envelope: a version byte, the kind of Signal message, the message.
//!
//! Invariant: every sealed body that decodes encodes back to the same bytes.

use tacite_model::limits::SEALED_BYTES_MAX;
use thiserror::Error;

/// The version of sealed bodies: Signal messages of version 4.
const VERSION: u8 = 1;

/// Which of Signal's two messages a sealed body holds. The numbers are Signal's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealKind {
    /// A message of an ongoing session.
    Whisper = 2,
    /// A message that may begin a session.
    Prekey = 3,
}

/// A sealed body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which message it is.
    pub kind: SealKind,
    /// The message, as the Signal protocol has it.
    pub message: Vec<u8>,
}

/// Why bytes are not a sealed body. The sender or the server is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealedError {
    /// A version that this release does not know.
    #[error("a sealed body of version {0} is too new for this release")]
    Version(u8),
    /// A kind that does not exist.
    #[error("a sealed body cannot be of kind {0}")]
    Kind(u8),
    /// Too short or too long.
    #[error("a sealed body cannot have {0} bytes")]
    Length(usize),
}

impl Sealed {
    /// The bytes for the envelope.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&[VERSION, self.kind as u8], self.message.as_slice()].concat()
    }

    /// Reads the bytes of an envelope.
    pub fn decode(bytes: &[u8]) -> Result<Self, SealedError> {
        let [version, kind, message @ ..] = bytes else { return Err(SealedError::Length(bytes.len())) };
        if message.is_empty() || bytes.len() > SEALED_BYTES_MAX {
            return Err(SealedError::Length(bytes.len()));
        }
        if *version != VERSION {
            return Err(SealedError::Version(*version));
        }
        let kind = match kind {
            2 => SealKind::Whisper,
            3 => SealKind::Prekey,
            other => return Err(SealedError::Kind(*other)),
        };
        Ok(Self { kind, message: message.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_fixed() {
        let sealed = Sealed { kind: SealKind::Prekey, message: vec![7, 8] };
        assert_eq!(sealed.encode(), [1, 3, 7, 8]);
        assert_eq!(Sealed::decode(&[1, 3, 7, 8]), Ok(sealed));
    }

    #[test]
    fn other_versions_kinds_and_lengths_are_refused() {
        assert_eq!(Sealed::decode(&[2, 3, 7]), Err(SealedError::Version(2)));
        assert_eq!(Sealed::decode(&[1, 4, 7]), Err(SealedError::Kind(4)));
        for bytes in [&[][..], &[1], &[1, 2]] {
            assert_eq!(Sealed::decode(bytes), Err(SealedError::Length(bytes.len())));
        }
        let mut longest = vec![1; SEALED_BYTES_MAX];
        longest[1] = 2;
        assert!(Sealed::decode(&longest).is_ok());
        longest.push(1);
        assert_eq!(Sealed::decode(&longest), Err(SealedError::Length(SEALED_BYTES_MAX + 1)));
    }
}
