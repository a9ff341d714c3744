//! The README shows the counts that `docs/requirements.toml` gives, between two markers.

use super::Finding;
use super::source::SourceFile;
use crate::requirements::list::Counts;

const BEGIN: &str = "<!-- requirements -->";
const END: &str = "<!-- /requirements -->";

/// At most one finding.
pub(super) fn check(files: &[SourceFile], counts: &Counts) -> Option<Finding> {
    let Some(readme) = files.iter().find(|file| file.path == "README.md") else {
        return Some(Finding { path: "README.md".to_owned(), line: None, what: "is missing".to_owned() });
    };
    let shown = readme
        .text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(shown, _)| shown.trim());
    let wanted = counts.to_string();
    (shown != Some(wanted.as_str()))
        .then(|| Finding::in_file(readme, format!("between {BEGIN} and {END} belongs: {wanted}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    const COUNTS: Counts = Counts { done: 2, failing: 0, open: 5 };

    #[test]
    fn the_right_line_passes() {
        let readme = planted("README.md", &format!("# Tacite\n{BEGIN}\n{COUNTS}\n{END}\n"));
        assert_eq!(check(&[readme], &COUNTS), None);
    }

    #[test]
    fn an_old_line_or_none_is_found() {
        let old = planted("README.md", &format!("{BEGIN}requirements: 1 done, 0 failing, 6 open{END}"));
        assert!(check(&[old], &COUNTS).is_some());
        let without = planted("README.md", &COUNTS.to_string());
        assert!(check(&[without], &COUNTS).is_some());
        assert!(check(&[], &COUNTS).is_some());
    }
}
