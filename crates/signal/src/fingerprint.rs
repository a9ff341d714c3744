//! Safety numbers: Signal's numeric fingerprint, version 2, 5,200 iterations.
//!
//! Each side's key is hashed with its name; the two halves are sorted, so both people see the same 60 digits.
//!
//! Invariant: the scannable form is exactly what Signal's library makes, so an app of either kind can compare.

use prost::Message;
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

use crate::curve::PublicKey;

const ITERATIONS: u32 = 5_200;

/// Version of the scannable form.
const SCANNABLE_VERSION: u32 = 2;

/// Version within the hash.
const HASH_VERSION: [u8; 2] = [0, 0];

/// Bytes of each half in the scannable form, and those that the digits come from.
const SCANNABLE_LENGTH: usize = 32;
const DISPLAYED_LENGTH: usize = 30;

/// The safety number of two people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// 60 digits, the same on both sides.
    pub displayable: String,
    /// For a QR code; the other side's has the halves exchanged.
    pub scannable: Vec<u8>,
}

/// A scanned code that cannot be compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not a scannable fingerprint.
    #[error("not a safety number")]
    Malformed,
    /// Made by a program that counts differently; the number is the other side's version.
    #[error("a safety number of version {0}; this is version 2")]
    Version(u32),
}

/// The safety number of a local and a remote person; names are the stable identifiers of the accounts, as bytes.
#[must_use]
pub fn fingerprint(
    local_name: &[u8],
    local_key: &PublicKey,
    remote_name: &[u8],
    remote_key: &PublicKey,
) -> Fingerprint {
    let local = iterated_hash(local_name, local_key);
    let remote = iterated_hash(remote_name, remote_key);
    let mut halves = [digits(&local), digits(&remote)];
    halves.sort();
    let scannable = ScannableFields {
        version: Some(SCANNABLE_VERSION),
        local: Some(HalfFields { content: Some(local[..SCANNABLE_LENGTH].to_vec()) }),
        remote: Some(HalfFields { content: Some(remote[..SCANNABLE_LENGTH].to_vec()) }),
    };
    Fingerprint { displayable: halves.concat(), scannable: scannable.encode_to_vec() }
}

impl Fingerprint {
    /// Whether `scanned`, which the other person's device shows, is the other side of this fingerprint.
    pub fn matches(&self, scanned: &[u8]) -> Result<bool, FingerprintError> {
        let theirs = ScannableFields::decode(scanned).map_err(|_| FingerprintError::Malformed)?;
        let ours =
            ScannableFields::decode(self.scannable.as_slice()).map_err(|_| FingerprintError::Malformed)?;
        match theirs.version {
            Some(SCANNABLE_VERSION) => {}
            Some(version) => return Err(FingerprintError::Version(version)),
            None => return Err(FingerprintError::Malformed),
        }
        let (their_local, their_remote) = theirs.halves()?;
        let (our_local, our_remote) = ours.halves()?;
        Ok((our_local.ct_eq(&their_remote) & our_remote.ct_eq(&their_local)).into())
    }
}

fn iterated_hash(name: &[u8], key: &PublicKey) -> [u8; 64] {
    let key = key.encode();
    let first = Sha512::new()
        .chain_update(HASH_VERSION)
        .chain_update(key)
        .chain_update(name)
        .chain_update(key)
        .finalize();
    let hash =
        (1..ITERATIONS).fold(first, |hash, _| Sha512::new().chain_update(hash).chain_update(key).finalize());
    hash.into()
}

/// Six groups of five digits, each from five bytes.
fn digits(hash: &[u8; 64]) -> String {
    let numbers = hash[..DISPLAYED_LENGTH]
        .chunks_exact(5)
        .map(|group| group.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)));
    numbers.map(|number| format!("{:05}", number % 100_000)).collect::<Vec<_>>().concat()
}

#[derive(Clone, PartialEq, Eq, Message)]
struct ScannableFields {
    #[prost(uint32, optional, tag = "1")]
    version: Option<u32>,
    #[prost(message, optional, tag = "2")]
    local: Option<HalfFields>,
    #[prost(message, optional, tag = "3")]
    remote: Option<HalfFields>,
}

impl ScannableFields {
    fn halves(self) -> Result<(Vec<u8>, Vec<u8>), FingerprintError> {
        let content =
            |half: Option<HalfFields>| half.and_then(|half| half.content).ok_or(FingerprintError::Malformed);
        Ok((content(self.local)?, content(self.remote)?))
    }
}

#[derive(Clone, PartialEq, Eq, Message)]
struct HalfFields {
    #[prost(bytes = "vec", optional, tag = "1")]
    content: Option<Vec<u8>>,
}

#[cfg(test)]
mod tests;
