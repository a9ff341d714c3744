//! The files that the checks look at.
//!
//! Invariants: paths are relative to the root and use `/`; files that are not text are left out.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::workspace;

/// A text file of the project.
pub(super) struct SourceFile {
    /// Relative to the root, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    pub(super) fn is_rust(&self) -> bool {
        self.extension() == Some("rs")
    }

    pub(super) fn extension(&self) -> Option<&str> {
        self.file_name().rsplit_once('.').map(|(_, extension)| extension)
    }

    pub(super) fn file_name(&self) -> &str {
        self.path.rsplit_once('/').map_or(self.path.as_str(), |(_, name)| name)
    }

    /// Lines that are not tests, with their numbers from 1. Tests stand in files of their own, or last in a file below
    /// `#[cfg(test)]` and `mod tests {`.
    pub(super) fn product_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines: Vec<&str> = self.text.lines().collect();
        let tests_at = lines.windows(2).position(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        });
        let end = if self.is_test() { 0 } else { tests_at.unwrap_or(lines.len()) };
        lines.into_iter().take(end).enumerate().map(|(at, line)| (at + 1, line))
    }

    fn is_test(&self) -> bool {
        self.file_name() == "tests.rs" || self.path.split('/').rev().skip(1).any(|folder| folder == "tests")
    }
}

/// All text files that git tracks or would track.
pub(super) fn tracked_files(root: &Path) -> Result<Vec<SourceFile>> {
    let mut git = Command::new("git");
    git.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let names = workspace::stdout_of(&mut git).context("the house rules need a git checkout")?;
    let mut files = Vec::new();
    for name in names.split_terminator('\0') {
        let path = root.join(name);
        // A tracked file may just have been deleted.
        if !path.is_file() {
            continue;
        }
        let bytes = std::fs::read(&path).with_context(|| name.to_owned())?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(SourceFile { path: name.to_owned(), text });
        }
    }
    Ok(files)
}

#[cfg(test)]
pub(super) fn planted(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_no_product_lines() {
        let file = planted("crates/x/src/lib.rs", "//! x\nfn a() {}\n#[cfg(test)]\nmod tests {\n    b\n}\n");
        let lines: Vec<_> = file.product_lines().collect();
        assert_eq!(lines, [(1, "//! x"), (2, "fn a() {}")]);
        for path in ["crates/x/tests/story.rs", "crates/x/src/y/tests.rs", "crates/x/tests/common/mod.rs"] {
            assert_eq!(planted(path, "fn a() {}").product_lines().count(), 0, "{path}");
        }
    }

    #[test]
    fn a_declaration_of_a_test_module_ends_nothing() {
        let file = planted("crates/x/src/lib.rs", "#[cfg(test)]\nmod tests;\nfn a() {}\n");
        assert_eq!(file.product_lines().count(), 3);
    }

    #[test]
    fn this_file_is_tracked() -> Result<()> {
        let files = tracked_files(&workspace::root())?;
        assert!(
            files
                .iter()
                .any(|file| file.path == "xtask/src/tidy/source.rs" && file.text.contains("this_file"))
        );
        Ok(())
    }
}
