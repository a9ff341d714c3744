//! Every Rust file opens with its purpose: a `//!` on the first line.

use super::Finding;
use super::source::SourceFile;

/// At most one finding.
pub(super) fn check(file: &SourceFile) -> Option<Finding> {
    let first = file.text.lines().next().unwrap_or_default();
    let documented = first.strip_prefix("//!").is_some_and(|text| !text.trim().is_empty());
    (file.is_rust() && !documented)
        .then(|| Finding::at_line(file, 1, "the first line is a `//!` that says what the file is for"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn a_file_without_purpose_is_found() {
        assert_eq!(check(&planted("crates/x/src/lib.rs", "//! What it is.\n")), None);
        for text in ["", "use std::fmt;\n//! late\n", "//!\n", "// a comment\n", "/// an item's doc\n"] {
            assert!(check(&planted("crates/x/src/lib.rs", text)).is_some(), "{text:?}");
        }
        assert_eq!(check(&planted("README.md", "# Tacite\n")), None);
    }
}
