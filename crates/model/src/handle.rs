//! Handles: the names by which people find each other, written `@alice`.
//!
//! Invariants: ASCII only, lower case, 2 to 32 characters, so two handles that look alike are alike: no homoglyphs,
//! no bidirectional or zero-width characters, nothing that a terminal would interpret.

use core::fmt;
use core::str::FromStr;

use thiserror::Error;

use crate::limits::{HANDLE_CHARS_MAX, HANDLE_CHARS_MIN};

/// Names that could be taken for the system itself.
const RESERVED: [&str; 9] =
    ["admin", "administrator", "everyone", "here", "room", "root", "server", "system", "tacite"];

/// A valid handle, without the `@`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

/// Why a text is not a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HandleError {
    /// Too short or too long.
    #[error("a name has {HANDLE_CHARS_MIN} to {HANDLE_CHARS_MAX} characters")]
    Length,
    /// Something other than `a-z`, `0-9`, `_`, `-`, `.`, or not beginning with a letter.
    #[error("a name begins with a letter and has only a-z, 0-9, '_', '-' and '.'")]
    Character,
    /// Could be taken for the system itself.
    #[error("this name is reserved")]
    Reserved,
}

impl Handle {
    /// The name without `@`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = HandleError;

    /// Parses `alice`, `@alice` or `@Alice`.
    fn from_str(text: &str) -> Result<Self, HandleError> {
        let name = text.strip_prefix('@').unwrap_or(text);
        if !(HANDLE_CHARS_MIN..=HANDLE_CHARS_MAX).contains(&name.len()) {
            return Err(HandleError::Length);
        }
        let begins_well = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !begins_well || !name.chars().all(valid) {
            return Err(HandleError::Character);
        }
        let name = name.to_ascii_lowercase();
        if RESERVED.contains(&name.as_str()) {
            return Err(HandleError::Reserved);
        }
        Ok(Self(name))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_at_sign_do_not_matter() {
        assert_eq!("@Alice".parse::<Handle>(), "alice".parse());
        assert_eq!("alice".parse::<Handle>().unwrap().to_string(), "@alice");
    }

    #[test]
    fn length_is_bounded_on_both_sides() {
        assert_eq!("a".parse::<Handle>(), Err(HandleError::Length));
        assert!("ab".parse::<Handle>().is_ok());
        assert!("a".repeat(32).parse::<Handle>().is_ok());
        assert_eq!("a".repeat(33).parse::<Handle>(), Err(HandleError::Length));
    }

    // T59: bidirectional, zero-width and look-alike characters, terminal escapes.
    #[test]
    fn deceptive_characters_are_refused() {
        for text in
            ["ali\u{202e}ce", "ali\u{200b}ce", "аlice", "al\x1b[2J", "al ice", "al/ice", "..", "9lives"]
        {
            assert_eq!(text.parse::<Handle>(), Err(HandleError::Character), "{text:?}");
        }
    }

    #[test]
    fn names_of_the_system_are_reserved() {
        assert_eq!("@Admin".parse::<Handle>(), Err(HandleError::Reserved));
    }
}
