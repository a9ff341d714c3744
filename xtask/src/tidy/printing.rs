//! Programs print through a writer that they were given: what they print can be tested and a closed pipe is no panic.
//!
//! Exempt: the tools (`xtask`, `e2e`, benches), build scripts (they talk to cargo by printing) and examples in comments.

use super::Finding;
use super::banned_words::holds_word;
use super::source::SourceFile;

const MACROS: [&str; 2] = [concat!("print", "ln!"), concat!("pri", "nt!")];

/// One finding for each line.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    let exempt = !file.is_rust()
        || file.file_name() == "build.rs"
        || file.path.starts_with("xtask/")
        || file.path.starts_with("e2e/")
        || file.path.contains("/benches/");
    if exempt {
        return Vec::new();
    }
    file.product_lines()
        .filter(|(_, text)| !text.trim_start().starts_with("//"))
        .filter(|(_, text)| MACROS.iter().any(|name| holds_word(text, name)))
        .map(|(line, _)| Finding::at_line(file, line, "prints by itself: take a writer, or log by tracing"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn printing_is_found_except_where_it_is_the_purpose() {
        for name in MACROS {
            let text = format!("//! x\nfn a() {{ {name}(\"b\") }}\n/// {name}()\nfn c() {{ e{name}() }}\n");
            let lines: Vec<_> = check(&planted("apps/x/src/main.rs", &text))
                .into_iter()
                .map(|finding| finding.line)
                .collect();
            assert_eq!(lines, [Some(2)], "{name}");
            for path in [
                "xtask/src/main.rs",
                "e2e/src/lib.rs",
                "crates/x/build.rs",
                "crates/x/tests/story.rs",
                "README.md",
            ] {
                assert_eq!(check(&planted(path, &text)), [], "{path}");
            }
        }
    }
}
