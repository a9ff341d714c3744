//! A search for words that must not stand anywhere in a directory, in any of the usual spellings.
//!
//! Invariants: every file below the directory is read whole; a file that cannot be read is an error, not a pass.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The files below `directory` that hold `canary`: plain, UTF-16, hexadecimal, or base64 at any offset.
pub fn files_with(directory: &Path, canary: &str) -> Result<Vec<PathBuf>> {
    let spellings = spellings(canary);
    let mut found = Vec::new();
    for path in files_below(directory)? {
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        if spellings.iter().any(|spelling| holds(&bytes, spelling)) {
            found.push(path);
        }
    }
    Ok(found)
}

/// An error that names the file if one below `directory` holds one of `canaries`, or if there is no file at all.
pub fn expect_none(directory: &Path, canaries: &[String]) -> Result<()> {
    if files_below(directory)?.is_empty() {
        bail!("nothing to search in {}", directory.display());
    }
    for canary in canaries {
        if let Some(path) = files_with(directory, canary)?.first() {
            bail!("`{canary}` stands in {}", path.display());
        }
    }
    Ok(())
}

fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            files.extend(files_below(&entry.path())?);
        } else if entry.file_type()?.is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

fn spellings(canary: &str) -> Vec<Vec<u8>> {
    let bytes = canary.as_bytes();
    let mut spellings = vec![
        bytes.to_vec(),
        canary.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        hex::encode(bytes).into_bytes(),
        hex::encode_upper(bytes).into_bytes(),
    ];
    for shift in 0..3 {
        let mut shifted = vec![0; shift];
        shifted.extend_from_slice(bytes);
        // Only the letters that depend on nothing but the canary: those before and after mix with its neighbours.
        let begin = (shift * 8).div_ceil(6);
        let end = shifted.len() * 8 / 6;
        for alphabet in [STANDARD_NO_PAD, URL_SAFE_NO_PAD] {
            spellings.push(alphabet.encode(&shifted).as_bytes()[begin..end].to_vec());
        }
    }
    spellings
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CANARY: &str = "the heron flies at dawn";

    fn found_in(text: &[u8]) -> bool {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("below")).unwrap();
        fs::write(directory.path().join("below/file"), text).unwrap();
        !files_with(directory.path(), CANARY).unwrap().is_empty()
    }

    #[test]
    fn every_spelling_is_found() {
        assert!(found_in(format!("before{CANARY}after").as_bytes()));
        assert!(found_in(&CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()));
        assert!(found_in(hex::encode(CANARY).as_bytes()));
        assert!(found_in(hex::encode_upper(CANARY).as_bytes()));
        for before in ["", "a", "ab", "abc"] {
            let text = format!("{before}{CANARY} and more");
            assert!(found_in(STANDARD_NO_PAD.encode(&text).as_bytes()), "{before:?}");
            assert!(found_in(URL_SAFE_NO_PAD.encode(&text).as_bytes()), "{before:?}");
        }
    }

    #[test]
    fn other_words_are_not() {
        assert!(!found_in(b""));
        assert!(!found_in(b"the heron flies at noon"));
        assert!(!found_in(hex::encode("the heron flies at noon").as_bytes()));
        assert!(!found_in(STANDARD_NO_PAD.encode("the heron flies at noon").as_bytes()));
    }

    #[test]
    fn an_empty_directory_proves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        assert!(expect_none(directory.path(), &[CANARY.to_owned()]).is_err());
        fs::write(directory.path().join("file"), CANARY).unwrap();
        assert!(expect_none(directory.path(), &[CANARY.to_owned()]).is_err());
        fs::write(directory.path().join("file"), "calm").unwrap();
        assert!(expect_none(directory.path(), &[CANARY.to_owned()]).is_ok());
    }
}
