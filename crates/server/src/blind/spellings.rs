//! How bytes may be spelt in a file: raw, hexadecimal, base64 at any offset, or as a programming language prints them.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Bytes of one piece that is looked for: long enough not to occur by chance, short enough to be whole on some page of a
/// database or line of a log.
const PIECE_BYTES: usize = 24;
/// Pieces of one body.
const PIECES_MAX: usize = 6;
/// The beginning of a sealed body holds public keys, which may stand elsewhere.
const HEAD_BYTES: usize = 128;

/// Pieces of a body that stand for the whole. Empty if it has too few bytes that could be recognised.
pub(super) fn pieces_of_body(body: &[u8]) -> Vec<&[u8]> {
    pieces(&body[HEAD_BYTES.min(body.len() / 2)..])
}

/// Pieces of bytes that stand for the whole, spread evenly.
pub(super) fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    let telling: Vec<_> = bytes.chunks_exact(PIECE_BYTES).filter(|piece| is_telling(piece)).collect();
    let step = telling.len().div_ceil(PIECES_MAX).max(1);
    telling.into_iter().step_by(step).collect()
}

/// Padding and the like stands everywhere.
pub(super) fn is_telling(bytes: &[u8]) -> bool {
    let mut seen = bytes.to_vec();
    seen.sort_unstable();
    seen.dedup();
    seen.len() >= 4.max(bytes.len() / 4)
}

/// All spellings.
pub(super) fn spellings(bytes: &[u8]) -> Vec<Vec<u8>> {
    let decimal = format!("{bytes:?}");
    let escaped = format!("{:?}", bytes::Bytes::copy_from_slice(bytes));
    let mut spellings = vec![
        bytes.to_vec(),
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
        decimal.trim_matches(['[', ']']).to_owned().into_bytes(),
        escaped.trim_start_matches("b\"").trim_end_matches('"').to_owned().into_bytes(),
    ];
    for shift in 0..3 {
        let shifted = [&vec![0; shift], bytes].concat();
        // Only the letters that depend on nothing but these bytes: those before and after mix with the neighbours.
        let (begin, end) = ((shift * 8).div_ceil(6), shifted.len() * 8 / 6);
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            spellings.push(alphabet.encode(&shifted).as_bytes()[begin..end].to_vec());
        }
    }
    spellings.sort();
    spellings.dedup();
    spellings
}
