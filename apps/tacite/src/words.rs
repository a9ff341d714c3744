//! The three words of an account: chosen by the person, or suggested from the EFF's long list (7,776 words, so three
//! have 38 bits).
//!
//! Invariant: words reach the engine in one form only, lower case and separated by single spaces, so that how they were
//! typed does not matter.

use diceware_wordlists::EFF_LONG_WORDLIST;
use rand_core::CryptoRng;
use tacite_client::model::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

const WORDS: usize = 3;

/// Three words drawn evenly from the list.
pub(crate) fn suggest(rng: &mut dyn CryptoRng) -> Secret<String> {
    let words: [&str; WORDS] = std::array::from_fn(|_| draw(rng));
    Secret::new(words.join(" "))
}

/// The one form of what was typed.
pub(crate) fn parse(typed: &Secret<String>) -> Result<Secret<String>, Failure> {
    let lower = Zeroizing::new(typed.expose().to_lowercase());
    let words = Zeroizing::new(lower.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    if words.len() != WORDS {
        let sentence = format!("These are {} words, not {WORDS}.", words.len());
        return Err(Failure::usage(sentence, "Give three words, separated by spaces."));
    }
    Ok(Secret::new(words.join(" ")))
}

/// Draws without bias: numbers beyond the last whole multiple of the list's length are drawn again.
fn draw(rng: &mut dyn CryptoRng) -> &'static str {
    let length = u32::try_from(EFF_LONG_WORDLIST.len()).expect("the list has 7,776 words");
    let end = u32::MAX - u32::MAX % length;
    loop {
        let number = rng.next_u32();
        if number < end {
            return EFF_LONG_WORDLIST[(number % length) as usize];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<String, Failure> {
        parse(&Secret::new(text.to_owned())).map(|words| words.expose().clone())
    }

    #[test]
    fn case_and_spaces_do_not_matter() {
        assert_eq!(parsed(" Abacus  abdomen\tABIDE "), Ok("abacus abdomen abide".to_owned()));
    }

    #[test]
    fn there_are_exactly_three() {
        assert!(parsed("abacus abdomen").is_err());
        assert!(parsed("abacus abdomen abide able").is_err());
        assert!(parsed("").is_err());
    }

    #[test]
    fn suggested_words_are_three_from_the_list() {
        let suggested = suggest(&mut tacite_client::clock::random_source());
        assert!(parse(&suggested).is_ok());
        assert!(suggested.expose().split(' ').all(|word| EFF_LONG_WORDLIST.contains(&word)));
        assert_eq!(EFF_LONG_WORDLIST.len(), 7776);
    }
}
