//! XEdDSA signatures with Curve25519 keys, in the variant that Signal's library uses.
//!
//! Differs from the published document (signal.org/docs/specifications/xeddsa) in the sign bit: the Edwards key is not negated; its sign
//! travels in the top bit of the last signature byte.
//!
//! Invariant: verification is stricter than Signal's (s must be below the group's order; keys must be canonical and not of low order; R
//! must not be of low order), which no honest signer notices.

use curve25519_dalek::{edwards::EdwardsPoint, scalar::Scalar};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;
use zeroize::Zeroize;

use crate::{
    curve::{SignerKey, scalar_of},
    secret::Secret,
};

/// A signature that does not belong to the key and the message. Blames the signer or whoever carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct SignatureError;

/// Domain separator of the nonce hash: 0xFE, then 31 bytes 0xFF.
const NONCE_PREFIX: [u8; 32] = {
    let mut prefix = [0xFF; 32];
    prefix[0] = 0xFE;
    prefix
};

const SIGN_BIT: u8 = 0x80;

/// Signs with a clamped private key and 64 random bytes.
pub(crate) fn sign(private: &[u8; 32], message: &[u8], random: &Secret<64>) -> [u8; 64] {
    let mut key = scalar_of(private);
    let public = EdwardsPoint::mul_base(&key).compress().to_bytes();
    let mut nonce = hash_to_scalar(&[&NONCE_PREFIX, private, message, random.expose()]);
    let commitment = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
    let challenge = hash_to_scalar(&[&commitment, &public, message]);
    let response = challenge * key + nonce;
    key.zeroize();
    nonce.zeroize();
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&commitment);
    signature[32..].copy_from_slice(response.as_bytes());
    signature[63] |= public[31] & SIGN_BIT;
    signature
}

/// Verifies a signature; the caller has refused signers of low order.
pub(crate) fn verify(signer: &SignerKey, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    let signature: &[u8; 64] = signature.try_into().map_err(|_| SignatureError)?;
    let (commitment, response) = signature.split_at(32);
    let mut response: [u8; 32] = response.try_into().map_err(|_| SignatureError)?;
    let negative = response[31] & SIGN_BIT != 0;
    response[31] &= !SIGN_BIT;
    let response: Scalar = Option::from(Scalar::from_canonical_bytes(response)).ok_or(SignatureError)?;
    let (public, compressed) = signer.with_sign(negative);
    let challenge = hash_to_scalar(&[commitment, &compressed, message]);
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&challenge, &-public, &response);
    let equal: bool = expected.compress().as_bytes().ct_eq(commitment).into();
    if equal && !expected.is_small_order() { Ok(()) } else { Err(SignatureError) }
}

fn hash_to_scalar(parts: &[&[u8]]) -> Scalar {
    let mut hash = Sha512::new();
    for part in parts {
        hash.update(part);
    }
    let wide = Secret::<64>::from_fn(|out| out.copy_from_slice(&hash.finalize()));
    Scalar::from_bytes_mod_order_wide(wide.expose())
}

#[cfg(test)]
mod tests;
