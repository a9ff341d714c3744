//! What a device publishes so that others can begin a session with it.
//!
//! Invariant: a bundle is foreign data; [`PreKeyBundle::verify`] must succeed before any of its keys is used, and sessions do that themselves.

use crate::{
    curve::{KeyError, Point, PublicKey, SignerKey},
    kyber::KyberPublicKey,
    xeddsa::{self, SignatureError},
};

/// The public keys of one device, as fetched from a directory. The directory may lie about all but the signed parts; replacing the one-time
/// prekey makes the handshake fail at the receiver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreKeyBundle {
    /// The device's registration id; not authenticated.
    pub registration_id: u32,
    /// The device number, 1 to 127.
    pub device_id: u8,
    /// The account's identity.
    pub identity_key: PublicKey,
    /// Names the signed prekey.
    pub signed_prekey_id: u32,
    /// The medium-term Curve25519 key.
    pub signed_prekey: PublicKey,
    /// Signature by the identity over the signed prekey's 33-byte encoding.
    pub signed_prekey_signature: [u8; 64],
    /// Names the Kyber prekey.
    pub kyber_prekey_id: u32,
    /// The Kyber prekey, one-time or last-resort: the difference does not show.
    pub kyber_prekey: KyberPublicKey,
    /// Signature by the identity over the Kyber prekey's 1,569-byte encoding.
    pub kyber_prekey_signature: [u8; 64],
    /// Id and key of a one-time prekey, while there are any.
    pub one_time_prekey: Option<(u32, PublicKey)>,
}

/// Why a bundle is refused. Blames the device that made it or the directory that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// One of the curve keys must not be used.
    #[error("in the bundle: {0}")]
    Key(#[from] KeyError),
    /// A prekey's signature is not by the identity.
    #[error("a prekey of the bundle is not signed by its identity")]
    Signature(#[from] SignatureError),
    /// The bundle belongs to another device than the one asked for.
    #[error("the bundle is of another device")]
    Device,
}

/// The checked keys of a bundle.
pub(crate) struct VerifiedKeys {
    pub(crate) identity: Point,
    pub(crate) signed_prekey: Point,
    pub(crate) one_time_prekey: Option<Point>,
}

impl PreKeyBundle {
    /// Checks both signatures and that all curve keys are in the prime-order group. (The Kyber key was checked when it was decoded.)
    pub fn verify(&self) -> Result<(), BundleError> {
        self.verified_keys().map(drop)
    }

    pub(crate) fn verified_keys(&self) -> Result<VerifiedKeys, BundleError> {
        let identity = Point::checked(&self.identity_key)?;
        let signer = SignerKey::new(&identity);
        xeddsa::verify(&signer, &self.signed_prekey.encode(), &self.signed_prekey_signature)?;
        xeddsa::verify(&signer, &self.kyber_prekey.encode(), &self.kyber_prekey_signature)?;
        let signed_prekey = Point::checked(&self.signed_prekey)?;
        let one_time_prekey =
            self.one_time_prekey.as_ref().map(|(_, key)| Point::checked(key)).transpose()?;
        Ok(VerifiedKeys { identity, signed_prekey, one_time_prekey })
    }
}
