//! A wrapper for secrets: cannot be printed, is wiped when dropped.

use core::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A secret value. `Debug` shows only that it is there; the memory is overwritten on drop.
#[derive(Clone, Default)]
pub struct Secret<T: Zeroize>(Zeroizing<T>);

impl<T: Zeroize> Secret<T> {
    /// Takes the value into keeping.
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value. Every use of this name is a place to review.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_cannot_be_printed() {
        let words = Secret::new(String::from("correct horse battery"));
        assert_eq!(format!("{words:?}"), "Secret(…)");
    }
}
