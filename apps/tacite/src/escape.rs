//! Makes what others wrote harmless on a terminal.
//!
//! Invariants: what comes out of [`line`], [`block`] and [`json`] holds no control character and no character that reorders
//! or hides text, except that [`block`] begins new lines, indented; so nobody can draw on the screen, change its settings
//! or fake a line of output.

use std::fmt::Write as _;

/// What stands before each further line of a text, so that it cannot pass for a line of the program.
const INDENT: &str = "    ";

/// A text on one line: line feeds and tabs become spaces, everything deceptive is spelled out as `\u{…}`.
pub(crate) fn line(text: &str) -> String {
    escaped(text, " ")
}

/// A text of several lines, each but the first indented.
pub(crate) fn block(text: &str) -> String {
    escaped(text, &format!("\n{INDENT}"))
}

/// JSON with everything deceptive in its strings written as `\uXXXX`; it means the same to a program that parses it.
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_deceptive(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(out, "\\u{unit:04x}").expect("a String takes all");
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn escaped(text: &str, line_feed: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str(line_feed),
            '\t' => out.push(' '),
            c if is_deceptive(c) => write!(out, "\\u{{{:x}}}", u32::from(c)).expect("a String takes all"),
            c => out.push(c),
        }
    }
    out
}

/// Controls, marks that change the direction of text, invisible characters, separators that terminals treat as line ends.
/// The joiners that emoji and several scripts need (U+200C, U+200D) and variation selectors stay.
fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    // T59
    #[test]
    fn terminal_sequences_are_spelled_out() {
        assert_eq!(line("\x1b[2Jhello\x07"), "\\u{1b}[2Jhello\\u{7}");
        assert_eq!(line("\x1b]0;title\x1b\\"), "\\u{1b}]0;title\\u{1b}\\");
        assert_eq!(line("\u{9b}31m"), "\\u{9b}31m");
        assert_eq!(line("over\rwritten\x08"), "over\\u{d}written\\u{8}");
    }

    // T59
    #[test]
    fn reordering_and_invisible_characters_are_spelled_out() {
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{feff}', '\u{2028}', '\u{e0041}', '\u{61c}'] {
            assert_eq!(line(&format!("a{c}b")), format!("a\\u{{{:x}}}b", u32::from(c)));
        }
    }

    #[test]
    fn a_text_cannot_fake_a_line_of_output() {
        assert_eq!(block("hi\n12:00 @alice: pay"), "hi\n    12:00 @alice: pay");
        assert_eq!(line("hi\n12:00 @alice: pay"), "hi 12:00 @alice: pay");
    }

    // T59
    #[test]
    fn json_means_the_same_and_holds_nothing_deceptive() {
        let text = "\u{9b}31m \u{202e} \u{e0041} \x7f \x1b \n é 👩‍👧";
        let written = json(&serde_json::to_string(text).unwrap());
        assert!(!written.chars().any(is_deceptive), "{written:?}");
        assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
    }

    #[test]
    fn what_people_write_stays() {
        let text = "Grüße, 👩‍👩‍👧 ❤️ שלום नमस्ते";
        assert_eq!(line(text), text);
    }
}
