//! A file is one room: no Rust file is longer than 500 lines.

use super::Finding;
use super::source::SourceFile;

const LINES_MAX: usize = 500;

/// At most one finding.
pub(super) fn check(file: &SourceFile) -> Option<Finding> {
    let lines = file.text.lines().count();
    (file.is_rust() && lines > LINES_MAX)
        .then(|| Finding::in_file(file, format!("{lines} lines; at most {LINES_MAX}: split it by topic")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn one_line_past_the_bound_is_found() {
        assert_eq!(check(&planted("crates/x/src/lib.rs", &"//! x\n".repeat(LINES_MAX))), None);
        assert!(check(&planted("crates/x/src/lib.rs", &"//! x\n".repeat(LINES_MAX + 1))).is_some());
    }

    #[test]
    fn only_rust_is_measured() {
        assert_eq!(check(&planted("Cargo.lock", &"\n".repeat(LINES_MAX + 1))), None);
    }
}
