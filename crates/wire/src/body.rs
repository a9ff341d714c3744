//! Sealed bodies outside frames (split mode): put to and fetched from the depot over HTTPS.
//!
//! `PUT`, `GET` and `DELETE` of [`PATH`] followed by the body's name in base64url without padding (RFC 4648, section 5).
//! A `PUT` shows its permit, in the same letters, in the header [`PERMIT_HEADER`]. The bytes are the sealed body of the
//! envelope, a byte 0x80 and zeros up to one of [`BODY_BYTES`] (ISO/IEC 7816-4), so that the length of a request tells no
//! more than the length of a frame does.
//!
//! Invariants: a name has exactly one spelling; every sealed body has exactly one padded form, and only that is accepted.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tacite_model::limits::BODY_BYTES;

/// What stands before the name in the path.
pub const PATH: &str = "/v1/bodies/";
/// The header with the permit.
pub const PERMIT_HEADER: &str = "tacite-permit";

const MARK: u8 = 0x80;

/// The spelling of a name or a permit.
#[must_use]
pub fn to_text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes that are spelt so; `None` if they would be spelt otherwise or are more than 129.
#[must_use]
pub fn from_text(text: &str) -> Option<Vec<u8>> {
    if text.len() > 172 {
        return None;
    }
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The body to put; `None` if the sealed body is too long for the largest size.
#[must_use]
pub fn pad(sealed: &[u8]) -> Option<Bytes> {
    let size = BODY_BYTES.into_iter().find(|size| sealed.len() < *size)?;
    let mut padded = Vec::with_capacity(size);
    padded.extend_from_slice(sealed);
    padded.push(MARK);
    padded.resize(size, 0);
    Some(padded.into())
}

/// The sealed body within a body that was fetched; `None` if it is not padded as [`pad`] does.
#[must_use]
pub fn unpad(padded: &Bytes) -> Option<Bytes> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let fits = BODY_BYTES.into_iter().find(|size| end < *size) == Some(padded.len());
    (padded[end] == MARK && fits).then(|| padded.slice(..end))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_is_padded_to_the_smallest_size_that_has_room() {
        for (length, size) in
            [(0, 256), (255, 256), (256, 1024), (16_383, 16_384), (16_384, 65_000), (64_999, 65_000)]
        {
            assert_eq!(pad(&vec![7; length]).unwrap().len(), size, "{length}");
        }
        assert_eq!(pad(&vec![7; 65_000]), None);
    }

    #[test]
    fn other_padding_is_refused() {
        let good = pad(b"sealed").unwrap();
        assert_eq!(unpad(&good).as_deref(), Some(b"sealed".as_slice()));
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.to_vec();
            change(&mut bytes);
            unpad(&bytes.into())
        };
        assert_eq!(changed(&|bytes| bytes.truncate(255)), None);
        assert_eq!(changed(&|bytes| bytes.resize(257, 0)), None);
        assert_eq!(changed(&|bytes| bytes.resize(1024, 0)), None);
        assert_eq!(changed(&|bytes| bytes[6] = 1), None);
        assert_eq!(changed(&|bytes| bytes.fill(0)), None);
        assert_eq!(unpad(&Bytes::new()), None);
    }

    #[test]
    fn a_name_has_one_spelling() {
        let name = [0xFB; 32];
        let text = to_text(&name);
        assert_eq!(text.len(), 43);
        assert_eq!(from_text(&text).as_deref(), Some(name.as_slice()));
        // The last letter carries two bits more than the name has.
        let last = text.len() - 1;
        let next = [&text[..last], "t"].concat();
        assert_ne!(text, next);
        assert_eq!(from_text(&next), None);
        assert_eq!(from_text(&format!("{text}=")), None);
        assert_eq!(from_text(&text.replace('-', "+").replace('_', "/")), None);
        assert_eq!(from_text(&"A".repeat(172)).map(|bytes| bytes.len()), Some(129));
        assert_eq!(from_text(&"A".repeat(173)), None);
    }

    proptest! {
        #[test]
        fn padding_is_undone(sealed in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let padded = pad(&sealed).unwrap();
            prop_assert_eq!(unpad(&padded).unwrap(), sealed);
        }
    }
}
