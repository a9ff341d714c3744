//! Where passphrase, password and words come from: a file, an open descriptor, or a terminal. Never an argument.
//!
//! Invariants: what was read is wiped when no longer needed; a secret is the first line of its source, without the line
//! end; nothing typed at a prompt is shown.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

use tacite_client::model::Secret;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Most bytes of a secret.
const SECRET_BYTES_MAX: usize = 1024;
/// Fewest characters of a new password.
const PASSWORD_CHARS_MIN: usize = 8;

/// Where one secret comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// The first line of a file.
    File(PathBuf),
    /// The first line of what an open descriptor gives.
    Descriptor(u32),
    /// A question at the terminal.
    Terminal,
}

impl Source {
    /// The source that two options name. The file may come from the environment, so the descriptor stands above it.
    pub(crate) fn new(file: Option<&Path>, descriptor: Option<u32>) -> Self {
        match (file, descriptor) {
            (_, Some(descriptor)) => Self::Descriptor(descriptor),
            (Some(path), None) => Self::File(path.to_owned()),
            (None, None) => Self::Terminal,
        }
    }

    /// Reads a secret that exists already. `what` is such as `password`.
    pub(crate) fn read(&self, what: &str) -> Result<Secret<String>, Failure> {
        let opened = match self {
            Self::File(path) => File::open(path),
            Self::Descriptor(descriptor) => File::open(format!("/dev/fd/{descriptor}")),
            Self::Terminal => return ask(what),
        };
        let secret = opened.and_then(first_line).map_err(|error| unreadable(what, &error))?;
        if secret.expose().is_empty() {
            return Err(Failure::usage(format!("The {what} is empty."), "Put it on the first line."));
        }
        Ok(secret)
    }

    /// Reads a secret that is being chosen: at a terminal twice, so that a slip does not lock its owner out.
    pub(crate) fn choose(&self, what: &str) -> Result<Secret<String>, Failure> {
        let chosen = self.read(what)?;
        if *self == Self::Terminal && ask(&format!("{what}, once more"))?.expose() != chosen.expose() {
            return Err(Failure::usage("The two are not the same.", "Run the command again."));
        }
        Ok(chosen)
    }

    /// Reads a password that is being chosen.
    pub(crate) fn choose_password(&self) -> Result<Secret<String>, Failure> {
        let password = self.choose("password of the account")?;
        if password.expose().chars().count() < PASSWORD_CHARS_MIN {
            let sentence = format!("A password has at least {PASSWORD_CHARS_MIN} characters.");
            return Err(Failure::usage(sentence, "Choose a longer one."));
        }
        Ok(password)
    }
}

/// Whether somebody can be asked.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

fn ask(what: &str) -> Result<Secret<String>, Failure> {
    if !somebody_is_there() {
        let option = what.split([',', ' ']).next().unwrap_or(what);
        return Err(Failure::usage(
            format!("The {what} is wanted and there is no terminal to ask at."),
            format!("Give it with --{option}-file or --{option}-fd."),
        ));
    }
    let prompt = format!("{what}: ");
    let _ = io::stderr().flush();
    let typed = Zeroizing::new(rpassword::prompt_password(prompt).map_err(|error| unreadable(what, &error))?);
    if typed.is_empty() || typed.len() > SECRET_BYTES_MAX {
        return Err(Failure::usage(format!("The {what} is empty or too long."), "Run the command again."));
    }
    Ok(Secret::new(String::clone(&typed)))
}

/// The first line, without its end. The buffer has room for all from the start, so that no copy is left behind.
fn first_line(source: impl Read) -> io::Result<Secret<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(SECRET_BYTES_MAX + 1));
    source.take(SECRET_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > SECRET_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the line is too long"));
    }
    let text =
        std::str::from_utf8(line).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))?;
    Ok(Secret::new(text.to_owned()))
}

fn unreadable(what: &str, error: &io::Error) -> Failure {
    Failure::usage(format!("The {what} cannot be read: {error}."), "Check the file or descriptor.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str) -> io::Result<String> {
        first_line(text.as_bytes()).map(|secret| secret.expose().clone())
    }

    #[test]
    fn a_secret_is_the_first_line() {
        assert_eq!(first("correct horse\nsecond line\n").unwrap(), "correct horse");
        assert_eq!(first("correct horse\r\n").unwrap(), "correct horse");
        assert_eq!(first(" spaces count ").unwrap(), " spaces count ");
    }

    #[test]
    fn a_secret_has_at_most_1024_bytes() {
        assert_eq!(first(&"x".repeat(SECRET_BYTES_MAX)).unwrap().len(), SECRET_BYTES_MAX);
        assert!(first(&"x".repeat(SECRET_BYTES_MAX + 1)).is_err());
        assert_eq!(first(&format!("{}\n", "x".repeat(SECRET_BYTES_MAX))).unwrap().len(), SECRET_BYTES_MAX);
    }

    #[test]
    fn a_secret_is_text() {
        assert!(first_line([0xFF, 0xFE].as_slice()).is_err());
    }
}
