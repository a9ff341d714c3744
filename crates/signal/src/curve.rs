//! Curve25519 keys and agreement (RFC 7748) as Signal encodes them.
//!
//! Invariants: a [`PrivateKey`] is clamped from its creation on; an agreement never yields zero; keys of a peer that enter a handshake
//! or a ratchet step are [`Point`]s: canonical, on the curve, in the subgroup of prime order.

use std::fmt;

use curve25519_dalek::{
    edwards::EdwardsPoint,
    montgomery::MontgomeryPoint,
    scalar::{Scalar, clamp_integer},
};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{
    codec::{Reader, StoredError, Writer},
    kdf::hedged,
    secret::Secret,
    xeddsa::{self, SignatureError},
};

/// First byte of an encoded Curve25519 public key.
const KEY_TYPE: u8 = 0x05;

/// 2^255 − 19 in little endian.
const FIELD_PRIME: [u8; 32] = {
    let mut bytes = [0xFF; 32];
    bytes[0] = 0xED;
    bytes[31] = 0x7F;
    bytes
};

/// A public key that must not be used. Blames whoever sent the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not 33 bytes beginning with 5.
    #[error("not the encoding of a Curve25519 public key")]
    Encoding,
    /// Not canonical, not on the curve, or not in the subgroup of prime order (zero and low-order keys among them).
    #[error("a public key outside the prime-order group")]
    Point,
    /// The agreement gave zero.
    #[error("an agreement without a secret")]
    Agreement,
}

/// A Curve25519 public key: the 32-byte u-coordinate, encoded as 33 bytes. Two keys are equal when these bytes are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Bytes of the encoded form.
    pub const LENGTH: usize = 33;

    /// Decodes `0x05 ‖ u` of exactly 33 bytes. (Signal's library ignores further bytes; no honest peer sends any, so we refuse them.)
    /// Whether the key may be used for an agreement is checked there.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        match bytes.split_first() {
            Some((&KEY_TYPE, key)) => key.try_into().map(Self).map_err(|_| KeyError::Encoding),
            _ => Err(KeyError::Encoding),
        }
    }

    /// The 33-byte encoding.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [KEY_TYPE; Self::LENGTH];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }

    /// The u-coordinate, little endian.
    #[must_use]
    pub fn u_coordinate(&self) -> &[u8; 32] {
        &self.0
    }

    /// A key from its u-coordinate.
    #[must_use]
    pub fn from_u_coordinate(u: [u8; 32]) -> Self {
        Self(u)
    }

    /// Verifies a 64-byte XEdDSA signature over `message`; the crate documentation says how strictly.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let point = Point::on_curve(self).map_err(|_| SignatureError)?;
        if point.edwards.is_small_order() {
            return Err(SignatureError);
        }
        xeddsa::verify(&SignerKey::new(&point), message, signature)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({:02x}{:02x}{:02x}{:02x}..)", self.0[0], self.0[1], self.0[2], self.0[3])
    }
}

/// A Curve25519 private key: 32 clamped bytes; wiped on drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey(Secret<32>);

impl PrivateKey {
    /// A new key.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_secret(&Secret::from_fn(|out| rng.fill_bytes(out)))
    }

    /// Imports 32 bytes, clamping them (RFC 7748 section 5).
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(Secret::from_fn(|out| *out = clamp_integer(*bytes)))
    }

    /// The 32 bytes, clamped.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(*self.0.expose())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(MontgomeryPoint::mul_base_clamped(*self.0.expose()).to_bytes())
    }

    /// Plain X25519 with any public key, as RFC 7748 has it; an all-zero result is an error.
    pub fn agree(&self, theirs: &PublicKey) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let shared = MontgomeryPoint(theirs.0).mul_clamped(*self.0.expose());
        contributory(&shared).map(|secret| Zeroizing::new(*secret.expose()))
    }

    /// A 64-byte XEdDSA signature over `message`.
    pub fn sign(&self, message: &[u8], rng: &mut dyn CryptoRng) -> [u8; 64] {
        let random = Secret::from_fn(|out| rng.fill_bytes(out));
        xeddsa::sign(self.0.expose(), message, &random)
    }

    pub(crate) fn from_secret(bytes: &Secret<32>) -> Self {
        Self::from_bytes(bytes.expose())
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }

    /// A key from our own storage, where only clamped ones are.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let stored = reader.secret()?;
        let key = Self::from_secret(&stored);
        if key.0 == stored { Ok(key) } else { Err(StoredError::Damaged) }
    }

    /// X25519 with a checked key, computed on the Edwards curve, where the checks have already brought it.
    pub(crate) fn agree_with(&self, theirs: &Point) -> Result<Secret<32>, KeyError> {
        contributory(&theirs.edwards.mul_clamped(*self.0.expose()).to_montgomery())
    }
}

fn contributory(shared: &MontgomeryPoint) -> Result<Secret<32>, KeyError> {
    let secret = Secret::new(shared.to_bytes());
    if secret == Secret::new([0; 32]) { Err(KeyError::Agreement) } else { Ok(secret) }
}

/// A private key with its public half.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyPair {
    public: PublicKey,
    private: PrivateKey,
}

impl KeyPair {
    /// A new pair.
    pub fn generate(rng: &mut dyn CryptoRng) -> Self {
        Self::from_private(PrivateKey::generate(rng))
    }

    /// The pair of a private key.
    #[must_use]
    pub fn from_private(private: PrivateKey) -> Self {
        Self { public: private.public(), private }
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private half.
    #[must_use]
    pub fn private(&self) -> &PrivateKey {
        &self.private
    }

    /// A pair whose randomness is mixed with a secret of the present state.
    pub(crate) fn generate_hedged(rng: &mut dyn CryptoRng, state: &Secret<32>, purpose: &[u8]) -> Self {
        Self::from_private(PrivateKey::from_secret(&hedged(rng, state, purpose)))
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.public.0);
        writer.bytes(self.private.expose());
    }

    /// A pair from our own storage, without recomputing the public half.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(Self { public: PublicKey(reader.array()?), private: PrivateKey::read(reader)? })
    }
}

/// A peer's public key, checked and converted to the Edwards form, the sign of x being positive.
pub(crate) struct Point {
    edwards: EdwardsPoint,
}

impl Point {
    /// Checks everything: canonical, on the curve, in the subgroup of prime order and not its identity.
    pub(crate) fn checked(key: &PublicKey) -> Result<Self, KeyError> {
        let point = Self::on_curve(key)?;
        // Order times P is zero if and only if (order − 1) times P is −P; public keys need no constant time. The identity of the Edwards
        // curve has no u-coordinate.
        let product =
            EdwardsPoint::vartime_double_scalar_mul_basepoint(&-Scalar::ONE, &point.edwards, &Scalar::ZERO);
        if product == -point.edwards { Ok(point) } else { Err(KeyError::Point) }
    }

    /// Checks that the key is canonical and on the curve.
    fn on_curve(key: &PublicKey) -> Result<Self, KeyError> {
        if !is_canonical(&key.0) {
            return Err(KeyError::Point);
        }
        let edwards = MontgomeryPoint(key.0).to_edwards(0).ok_or(KeyError::Point)?;
        Ok(Self { edwards })
    }
}

/// A key for the verification of signatures, both signs of x in one.
pub(crate) struct SignerKey {
    edwards: EdwardsPoint,
    compressed: [u8; 32],
}

impl SignerKey {
    pub(crate) fn new(point: &Point) -> Self {
        Self { edwards: point.edwards, compressed: point.edwards.compress().to_bytes() }
    }

    /// The point with the given sign of x, and its compressed form.
    pub(crate) fn with_sign(&self, negative: bool) -> (EdwardsPoint, [u8; 32]) {
        let mut compressed = self.compressed;
        compressed[31] |= u8::from(negative) << 7;
        (if negative { -self.edwards } else { self.edwards }, compressed)
    }
}

/// Whether `u < 2^255 − 19`. Public keys are public: variable time is fine.
fn is_canonical(u: &[u8; 32]) -> bool {
    u.iter().rev().lt(FIELD_PRIME.iter().rev())
}

/// The Ed25519 image of a clamped private key: its scalar modulo the group's order.
pub(crate) fn scalar_of(private: &[u8; 32]) -> Scalar {
    Scalar::from_bytes_mod_order(*private)
}

#[cfg(test)]
mod tests;
