//! The secret that the processes of one server share.
//!
//! Invariants: what is shown to the other side is derived from it and good for one purpose; it is compared in constant
//! time, cannot be printed and is wiped.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tacite_depot::PermitKey;
use zeroize::Zeroizing;

/// 32 bytes.
#[derive(Clone)]
pub struct PartSecret(Zeroizing<[u8; 32]>);

impl PartSecret {
    /// Takes 32 random bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// What a caller shows.
    pub(super) fn greeting(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.derive(b"tacite part v1").finalize().into_bytes().into())
    }

    /// Whether somebody has shown the right thing.
    pub(super) fn is_greeting(&self, shown: &[u8]) -> bool {
        self.derive(b"tacite part v1").verify_slice(shown).is_ok()
    }

    /// The key for upload permits, where the depot is apart.
    pub(crate) fn permit_key(&self) -> PermitKey {
        PermitKey::new(self.derive(b"tacite permit key v1").finalize().into_bytes().into())
    }

    fn derive(&self, purpose: &[u8]) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0[..])
            .expect("HMAC takes keys of every length")
            .chain_update(purpose)
    }
}

impl fmt::Debug for PartSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PartSecret(…)")
    }
}
