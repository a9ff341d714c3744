//! Every crate takes the workspace's lint table; one that does not would escape all lints in silence.
//!
//! The fuzz targets are a workspace of their own, as cargo-fuzz wants it: they need a nightly compiler and hold no product.

use super::Finding;
use super::source::SourceFile;

/// At most one finding.
pub(super) fn check(file: &SourceFile) -> Option<Finding> {
    let is_apart = file.path == "Cargo.toml" || file.path == "fuzz/Cargo.toml";
    if file.file_name() != "Cargo.toml" || is_apart {
        return None;
    }
    let inherits = file
        .text
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != "[lints]")
        .nth(1)
        .is_some_and(|line| line == "workspace = true");
    (!inherits).then(|| Finding::in_file(file, "lacks `[lints]` with `workspace = true`"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn a_crate_with_lints_of_its_own_is_found() {
        assert_eq!(check(&planted("crates/x/Cargo.toml", "[package]\n\n[lints]\nworkspace = true\n")), None);
        for text in [
            "[package]\n",
            "[lints]\n",
            "[lints]\nworkspace = false\n",
            "[lints.rust]\nunsafe_code = \"allow\"\n",
        ] {
            assert!(check(&planted("crates/x/Cargo.toml", text)).is_some(), "{text:?}");
        }
        assert_eq!(check(&planted("Cargo.toml", "[workspace]\n")), None);
        assert_eq!(check(&planted("fuzz/Cargo.toml", "[workspace]\n")), None);
    }
}
