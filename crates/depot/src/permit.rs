//! Upload permits: whoever has one may put one body under one name, until it expires.
//!
//! The part that knows accounts issues them, the depot checks them; all that the two share is a key. So the depot learns
//! nothing of who uploads.
//!
//! A permit is a version byte (1), the time of expiry in milliseconds since 1970 (u64, big endian) and
//! HMAC-SHA-256 (RFC 2104) of `"tacite upload permit v1" || 0 || name || expiry`.
//!
//! Invariants: a permit is good for its name only and up to its expiry, which is checked only once the code is found right;
//! codes are compared in constant time; the key cannot be printed and is wiped.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tacite_model::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::BodyName;

/// Bytes of a permit.
pub const PERMIT_BYTES: usize = 1 + EXPIRY_BYTES + CODE_BYTES;

const VERSION: u8 = 1;
const EXPIRY_BYTES: usize = 8;
const CODE_BYTES: usize = 32;

/// The key for permits.
#[derive(Clone)]
pub struct PermitKey(Zeroizing<[u8; 32]>);

/// Why a permit is refused. The uploader is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PermitError {
    /// Not a permit, made with another key, for another name, or changed.
    #[error("this is no permit for this name")]
    Forged,
    /// It was good before. Ask for another.
    #[error("the permit has expired")]
    Expired,
}

impl PermitKey {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// A permit to put a body under `name` as long as it is not later than `expires_at`.
    #[must_use]
    pub fn issue(&self, name: BodyName, expires_at: Timestamp) -> Vec<u8> {
        let expiry = expires_at.as_ms().to_be_bytes();
        let code: [u8; CODE_BYTES] = self.mac(name, expiry).finalize().into_bytes().into();
        [&[VERSION][..], &expiry, &code].concat()
    }

    /// Whether a body may be put under `name` at `now`.
    pub fn check(&self, permit: &[u8], name: BodyName, now: Timestamp) -> Result<(), PermitError> {
        let permit: &[u8; PERMIT_BYTES] = permit.try_into().map_err(|_| PermitError::Forged)?;
        let [VERSION, rest @ ..] = permit else { return Err(PermitError::Forged) };
        let (expiry, code) = rest.split_first_chunk::<EXPIRY_BYTES>().ok_or(PermitError::Forged)?;
        self.mac(name, *expiry).verify_slice(code).map_err(|_| PermitError::Forged)?;
        if now > Timestamp::from_ms(u64::from_be_bytes(*expiry)) {
            return Err(PermitError::Expired);
        }
        Ok(())
    }

    fn mac(&self, name: BodyName, expiry: [u8; EXPIRY_BYTES]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0[..]).expect("HMAC takes keys of every length");
        mac.update(b"tacite upload permit v1\0");
        mac.update(&name.0);
        mac.update(&expiry);
        mac
    }
}

impl fmt::Debug for PermitKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PermitKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: BodyName = BodyName([3; 32]);
    const EXPIRY: Timestamp = Timestamp::from_ms(1000);

    fn key() -> PermitKey {
        PermitKey::new([9; 32])
    }

    #[test]
    fn a_permit_is_good_up_to_its_expiry_and_not_one_millisecond_longer() {
        let permit = key().issue(NAME, EXPIRY);
        assert_eq!(permit.len(), PERMIT_BYTES);
        assert_eq!(key().check(&permit, NAME, EXPIRY), Ok(()));
        assert_eq!(key().check(&permit, NAME, EXPIRY.plus_ms(1)), Err(PermitError::Expired));
    }

    // T46
    #[test]
    fn t46_a_permit_is_good_for_its_name_and_key_only() {
        let permit = key().issue(NAME, EXPIRY);
        assert_eq!(key().check(&permit, BodyName([4; 32]), EXPIRY), Err(PermitError::Forged));
        assert_eq!(PermitKey::new([8; 32]).check(&permit, NAME, EXPIRY), Err(PermitError::Forged));
    }

    // T46: also a later expiry, another version, another length.
    #[test]
    fn t46_a_permit_with_any_bit_changed_is_forged() {
        let permit = key().issue(NAME, EXPIRY);
        for bit in 0..permit.len() * 8 {
            let mut forged = permit.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key().check(&forged, NAME, EXPIRY), Err(PermitError::Forged), "bit {bit}");
        }
        for length in 0..permit.len() {
            assert_eq!(key().check(&permit[..length], NAME, EXPIRY), Err(PermitError::Forged));
        }
        let longer = [permit.as_slice(), &[0]].concat();
        assert_eq!(key().check(&longer, NAME, EXPIRY), Err(PermitError::Forged));
    }

    // The layout is fixed: the parts of a server may be of different releases.
    #[test]
    fn the_layout_is_fixed() {
        let permit = key().issue(NAME, EXPIRY);
        assert_eq!(permit[..9], [1, 0, 0, 0, 0, 0, 0, 3, 0xE8]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap();
        mac.update(b"tacite upload permit v1\0");
        mac.update(&[3; 32]);
        mac.update(&1000_u64.to_be_bytes());
        assert_eq!(permit[9..], mac.finalize().into_bytes()[..]);
    }

    #[test]
    fn a_key_cannot_be_printed() {
        assert_eq!(format!("{:?}", key()), "PermitKey(…)");
    }
}
