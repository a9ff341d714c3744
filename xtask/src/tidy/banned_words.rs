//! Nothing is left for later in the code: work that waits stands in the issues.

use super::Finding;
use super::source::SourceFile;

// Put together here, so that this file does not find itself.
const WORDS: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
];
const EXTENSIONS: [&str; 9] = ["css", "html", "js", "proto", "rs", "sh", "sql", "toml", "ts"];

/// One finding for each line and word, tests left out.
pub(super) fn check(file: &SourceFile) -> Vec<Finding> {
    if !file.extension().is_some_and(|extension| EXTENSIONS.contains(&extension)) {
        return Vec::new();
    }
    let found = |(line, text): (usize, &str)| {
        let words: Vec<_> = WORDS.into_iter().filter(|word| holds_word(text, word)).collect();
        words.into_iter().map(move |word| (line, word)).collect::<Vec<_>>()
    };
    file.product_lines()
        .flat_map(found)
        .map(|(line, word)| {
            Finding::at_line(
                file,
                line,
                format!("`{word}` marks something unfinished: do it, or open an issue"),
            )
        })
        .collect()
}

/// Whether `word` stands in `text` by itself, not as a part of a longer word.
pub(super) fn holds_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_part) && (word.ends_with('!') || !after.is_some_and(is_part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::source::planted;

    #[test]
    fn each_word_is_found_with_its_line() {
        for word in WORDS {
            let file = planted("crates/x/src/lib.rs", &format!("//! x\nfn a() {{ {word}() }} // {word}\n"));
            let lines: Vec<_> = check(&file).into_iter().map(|finding| finding.line).collect();
            assert_eq!(lines, [Some(2)], "{word}");
        }
    }

    #[test]
    fn longer_words_and_tests_are_left_alone() {
        let longer = format!("//! {}S {}X a_{}\n", WORDS[0], WORDS[2], WORDS[1]);
        assert_eq!(check(&planted("crates/x/src/lib.rs", &longer)), []);
        let in_test = format!("//! x\n#[cfg(test)]\nmod tests {{\n // {}\n}}\n", WORDS[0]);
        assert_eq!(check(&planted("crates/x/src/lib.rs", &in_test)), []);
    }
}
