//! Byte strings that cannot be printed and are wiped when dropped.
//!
//! Invariant: a [`Secret`] leaves this type only by [`Secret::expose`], so a search for that word finds every use of key bytes.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` secret bytes: redacted when printed, compared in constant time, wiped on drop.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret<const N: usize>([u8; N]);

impl<const N: usize> Secret<N> {
    pub(crate) const fn new(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Fills the bytes in place, so that no copy stays behind.
    pub(crate) fn from_fn(fill: impl FnOnce(&mut [u8; N])) -> Self {
        let mut secret = Self([0; N]);
        fill(&mut secret.0);
        secret
    }

    /// Copies `bytes`, which must be exactly `N` long by the caller's own arithmetic.
    pub(crate) fn copy_of(bytes: &[u8]) -> Self {
        Self::from_fn(|out| out.copy_from_slice(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> fmt::Debug for Secret<N> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret<{N}>(..)")
    }
}

impl<const N: usize> PartialEq for Secret<N> {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl<const N: usize> Eq for Secret<N> {}

#[cfg(test)]
mod tests {
    use zeroize::{Zeroize, ZeroizeOnDrop};

    use super::Secret;
    use crate::curve::PrivateKey;

    #[test]
    fn t13_secrets_are_wiped() {
        fn is_wiped_on_drop<T: ZeroizeOnDrop>() {}
        is_wiped_on_drop::<Secret<32>>();
        is_wiped_on_drop::<Secret<3168>>();
        let mut secret = Secret::new([7; 32]);
        secret.zeroize();
        assert_eq!(secret.expose(), &[0; 32]);
        assert_eq!(format!("{:?}", PrivateKey::from_bytes(&[7; 32])), "PrivateKey(Secret<32>(..))");
    }

    #[test]
    fn t13_a_secret_cannot_be_printed() {
        assert_eq!(format!("{:?}", Secret::new([0xAB; 32])), "Secret<32>(..)");
    }
}
