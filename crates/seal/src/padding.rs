//! Padding of contents: a byte 0x80, then zeros up to one of five sizes (ISO/IEC 7816-4).
//!
//! Invariants: every content has exactly one padded form; only padded forms are accepted.

use zeroize::Zeroizing;

/// Sizes of padded contents, in bytes.
///
/// Each is one less than a multiple of 16, because the cipher adds 1 to 16 bytes. A message of an ongoing session adds at
/// most 147 bytes (routing 45, version and kind 2, Signal's message 100), so the first four fit frame bodies of 256,
/// 1,024, 4,096 and 16,384 bytes; the last holds the longest text that a person may write.
pub const CONTENT_BYTES: [usize; 5] = [111, 879, 3935, 16_223, 33_007];

const MARK: u8 = 0x80;

/// Pads to the smallest size that has room; `None` if none has.
pub(crate) fn pad(content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let size = CONTENT_BYTES.into_iter().find(|size| content.len() < *size)?;
    // The whole size at once: a vector that grows would leave copies behind.
    let mut padded = Zeroizing::new(Vec::with_capacity(size));
    padded.extend_from_slice(content);
    padded.push(MARK);
    padded.resize(size, 0);
    Some(padded)
}

/// The content without padding; `None` if it is not padded as [`pad`] does.
pub(crate) fn unpad(padded: &[u8]) -> Option<&[u8]> {
    let end = padded.iter().rposition(|byte| *byte != 0)?;
    let fits = CONTENT_BYTES.into_iter().find(|size| end < *size) == Some(padded.len());
    (padded[end] == MARK && fits).then(|| &padded[..end])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_length_is_padded_to_the_smallest_size_that_has_room() {
        for (length, size) in [(0, 111), (110, 111), (111, 879), (878, 879), (879, 3935), (33_006, 33_007)] {
            assert_eq!(pad(&vec![7; length]).unwrap().len(), size, "{length}");
        }
        assert!(pad(&vec![7; 33_007]).is_none());
    }

    #[test]
    fn other_padding_is_refused() {
        let good = pad(b"hello").unwrap();
        assert_eq!(unpad(&good), Some(b"hello".as_slice()));
        assert_eq!(unpad(&good[..110]), None);
        assert_eq!(unpad(&[0; 111]), None);
        assert_eq!(unpad(&[]), None);
        let mut larger = good.to_vec();
        larger.resize(879, 0);
        assert_eq!(unpad(&larger), None);
        let mut unmarked = good.to_vec();
        unmarked[5] = 1;
        assert_eq!(unpad(&unmarked), None);
    }

    proptest! {
        #[test]
        fn padding_is_undone(content in proptest::collection::vec(any::<u8>(), 0..4000)) {
            let padded = pad(&content).unwrap();
            prop_assert_eq!(unpad(&padded), Some(content.as_slice()));
        }
    }
}
