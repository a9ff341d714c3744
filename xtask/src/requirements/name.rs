//! How `docs/requirements.toml` names a test: `package::module::test` for a unit test, `package/file::test` for one in
//! the package's `tests/file.rs`.

use std::fmt;
use std::str::FromStr;

use anyhow::{Result, bail};

/// A test's name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TestName {
    pub(super) package: String,
    /// The file under `tests/`, without `.rs`; `None` for a unit test of the library or program.
    pub(super) file: Option<String>,
    /// As the test harness prints it: `module::test`.
    pub(super) path: String,
}

impl FromStr for TestName {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let Some((place, path)) = text.split_once("::") else {
            bail!("`{text}` names no test: write `package::module::test` or `package/file::test`");
        };
        let (package, file) = match place.split_once('/') {
            Some((package, file)) => (package, Some(file)),
            None => (place, None),
        };
        let parts = [Some(package), file, Some(path)];
        let is_plain = |part: &str| {
            !part.is_empty() && !part.contains(|letter: char| letter.is_whitespace() || letter == '/')
        };
        if !parts.into_iter().flatten().all(is_plain) {
            bail!("`{text}` names no test: write `package::module::test` or `package/file::test`");
        }
        Ok(Self { package: package.to_owned(), file: file.map(str::to_owned), path: path.to_owned() })
    }
}

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.file {
            Some(file) => write!(f, "{}/{file}::{}", self.package, self.path),
            None => write!(f, "{}::{}", self.package, self.path),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_are_read_and_shown() {
        let unit: TestName = "tacite-wire::opcode::tests::a".parse().unwrap();
        assert_eq!(
            (unit.package.as_str(), unit.file.as_deref(), unit.path.as_str()),
            ("tacite-wire", None, "opcode::tests::a")
        );
        let story: TestName = "tacite-core/two_people::a".parse().unwrap();
        assert_eq!(
            (story.package.as_str(), story.file.as_deref(), story.path.as_str()),
            ("tacite-core", Some("two_people"), "a")
        );
        assert_eq!(unit.to_string(), "tacite-wire::opcode::tests::a");
        assert_eq!(story.to_string(), "tacite-core/two_people::a");
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for text in ["", "tacite-wire", "::a", "tacite-wire::", "/a::b", "a/::b", "a/b/c::d", "a b::c"] {
            assert!(text.parse::<TestName>().is_err(), "{text:?}");
        }
    }
}
