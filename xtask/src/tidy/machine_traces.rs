//! No file names the machine that it was written on: neither its directories nor where its packages came from.

use super::Finding;
use super::source::SourceFile;

// Put together here, so that this file does not find itself.
const DIRECTORIES: [&str; 5] = [
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/Use", "rs/"),
    concat!("C:", "\\Users\\"),
];
const OUTSIDE: [&str; 2] = [concat!(".lib", "rary/"), concat!("../sha", "red/")];
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One finding for each line.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let lines = file.text.lines().enumerate().map(|(at, text)| (at + 1, text));
    lines
        .filter_map(|(line, text)| trace(file, text).map(|what| Finding::at_line(file, line, what)))
        .collect()
}

fn trace(file: &SourceFile, text: &str) -> Option<String> {
    let named = DIRECTORIES.into_iter().find(|directory| starts_a_path(text, directory));
    let outside = || OUTSIDE.into_iter().find(|path| text.contains(path));
    if let Some(path) = named.or_else(outside) {
        return Some(format!("`{path}` is a path of one machine"));
    }
    match file.file_name() {
        "Cargo.lock" if text.starts_with("source = ") && !text.contains(CRATES_IO) => {
            Some("a package that does not come from crates.io".to_owned())
        }
        "package-lock.json" if text.trim_start().starts_with("\"resolved\":") => {
            Some("`resolved` names a registry: set omit-lockfile-registry-resolved".to_owned())
        }
        _ => None,
    }
}

/// Whether `directory` stands in `text` as the beginning of an absolute path, not inside another path or URL.
fn starts_a_path(text: &str, directory: &str) -> bool {
    text.match_indices(directory).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|letter| letter.is_alphanumeric() || "_-./~}$".contains(letter))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn every_directory_of_a_machine_is_found() {
        for directory in DIRECTORIES {
            let text = format!("first\nsee \"{directory}main\"\n");
            let lines: Vec<_> =
                check(&planted("docs/x.md", &text)).into_iter().map(|finding| finding.line).collect();
            assert_eq!(lines, [Some(2)], "{directory}");
        }
        for path in OUTSIDE {
            assert_eq!(check(&planted("docs/x.md", path)).len(), 1, "{path}");
        }
    }

    #[test]
    fn paths_inside_others_are_no_traces() {
        let text = format!(
            "https://example.org{}a\n$HOME{}b\ntarget{}c\n",
            DIRECTORIES[1], DIRECTORIES[0], DIRECTORIES[2]
        );
        assert_eq!(check(&planted("docs/x.md", &text)), []);
    }

    #[test]
    fn lock_files_name_no_private_registry() {
        let own = format!("source = \"{CRATES_IO}\"\n");
        assert_eq!(check(&planted("Cargo.lock", &own)), []);
        let other = "[[package]]\nsource = \"registry+https://registry.example/index\"\n";
        assert_eq!(check(&planted("Cargo.lock", other)).len(), 1);
        let resolved = "{\n      \"resolved\": \"https://registry.example/a.tgz\",\n}\n";
        assert_eq!(check(&planted("apps/web/package-lock.json", resolved)).len(), 1);
    }
}
