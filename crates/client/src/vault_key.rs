//! The key of a vault: 32 bytes, kept in the operating system's keyring or derived from a passphrase.
//!
//! `vault.toml` beside the vault says which of the two, chosen when the profile was made. It holds no secret: the name of
//! the keyring's entry, or the salt and the parameters of Argon2id (RFC 9106; 64 MiB, three passes, four lanes).
//!
//! Invariants: the key itself is never written to a file; parameters read from the file are bounded before they are used;
//! the file appears whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use tacite_model::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

/// Fewest characters of a passphrase for a new vault.
pub const PASSPHRASE_CHARS_MIN: usize = 8;

const FILE_VERSION: u32 = 1;
const FILE_BYTES_MAX: u64 = 4096;
const SALT_BYTES: usize = 16;
const MEMORY_KIB: u32 = 64 * 1024;
const MEMORY_KIB_MAX: u32 = 1024 * 1024;
const PASSES: u32 = 3;
const PASSES_MAX: u32 = 64;
const LANES: u32 = 4;
const KEYRING_SERVICE: &str = "tacite";

/// The key of a vault.
pub type VaultKey = Secret<[u8; 32]>;

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The vault's key is derived from a passphrase and none was given.
    #[error("the vault's passphrase is wanted")]
    PassphraseWanted,
    /// A new passphrase is too short.
    #[error("a passphrase has at least {PASSPHRASE_CHARS_MIN} characters")]
    PassphraseShort,
    /// There is no keyring, it is locked, or it has lost the key.
    #[error("the operating system's keyring does not give the vault's key: {0}")]
    Keyring(String),
    /// `vault.toml` is damaged or was written by a newer version.
    #[error("vault.toml cannot be used: {0}")]
    File(String),
    /// `vault.toml` cannot be read or written.
    #[error("vault.toml: {0}")]
    Io(#[from] io::Error),
}

/// What `vault.toml` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyFile {
    version: u32,
    key: KeySource,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "source", rename_all = "kebab-case", deny_unknown_fields)]
enum KeySource {
    Keyring { entry: String },
    Passphrase { salt: String, memory_kib: u32, passes: u32, lanes: u32 },
}

impl KeyFile {
    /// Reads `vault.toml`; `Ok(None)` if there is none, so no vault was ever made.
    pub fn read(path: &Path) -> Result<Option<Self>, KeyError> {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let file: Self = toml::from_str(&text).map_err(|error| KeyError::File(error.message().to_owned()))?;
        if file.version != FILE_VERSION {
            return Err(KeyError::File(format!("version {} is not known to this program", file.version)));
        }
        Ok(Some(file))
    }

    /// Draws a new key, gives it to the keyring, and writes down that it is there.
    pub fn create_in_keyring(path: &Path, rng: &mut dyn CryptoRng) -> Result<VaultKey, KeyError> {
        let mut entry = [0; 16];
        rng.fill_bytes(&mut entry);
        let entry = STANDARD.encode(entry);
        let mut key = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *key);
        keyring_entry(&entry)?.set_secret(&*key).map_err(|error| keyring_error(&error))?;
        let key = Secret::new(*key);
        let file = Self { version: FILE_VERSION, key: KeySource::Keyring { entry } };
        if file.unlock(None)?.expose() != key.expose() {
            return Err(KeyError::Keyring("it gave back another key than it was given".to_owned()));
        }
        file.write(path)?;
        Ok(key)
    }

    /// Derives a new key from a passphrase and writes down how.
    pub fn create_with_passphrase(
        path: &Path,
        passphrase: &Secret<String>,
        rng: &mut dyn CryptoRng,
    ) -> Result<VaultKey, KeyError> {
        if passphrase.expose().chars().count() < PASSPHRASE_CHARS_MIN {
            return Err(KeyError::PassphraseShort);
        }
        let mut salt = [0; SALT_BYTES];
        rng.fill_bytes(&mut salt);
        let salt = STANDARD.encode(salt);
        let key = KeySource::Passphrase { salt, memory_kib: MEMORY_KIB, passes: PASSES, lanes: LANES };
        let file = Self { version: FILE_VERSION, key };
        let key = file.unlock(Some(passphrase))?;
        file.write(path)?;
        Ok(key)
    }

    /// Whether [`KeyFile::unlock`] needs a passphrase.
    #[must_use]
    pub const fn wants_passphrase(&self) -> bool {
        matches!(self.key, KeySource::Passphrase { .. })
    }

    /// The vault's key. That a passphrase is wrong shows only when the vault is opened with what came of it.
    pub fn unlock(&self, passphrase: Option<&Secret<String>>) -> Result<VaultKey, KeyError> {
        match &self.key {
            KeySource::Keyring { entry } => {
                let secret = keyring_entry(entry)?.get_secret().map_err(|error| keyring_error(&error))?;
                let secret = Zeroizing::new(secret);
                let key = secret.as_slice().try_into();
                Ok(Secret::new(key.map_err(|_| KeyError::Keyring("the entry is not a key".to_owned()))?))
            }
            KeySource::Passphrase { salt, memory_kib, passes, lanes } => {
                let passphrase = passphrase.ok_or(KeyError::PassphraseWanted)?;
                let salt = STANDARD.decode(salt).map_err(|_| KeyError::File("damaged salt".to_owned()))?;
                if *memory_kib > MEMORY_KIB_MAX || *passes > PASSES_MAX {
                    return Err(KeyError::File("excessive parameters".to_owned()));
                }
                derive(passphrase, &salt, *memory_kib, *passes, *lanes)
            }
        }
    }

    fn write(&self, path: &Path) -> Result<(), KeyError> {
        let text = toml::to_string(self).map_err(|error| KeyError::File(error.to_string()))?;
        let beside = path.with_extension("toml.new");
        let mut file = File::create(&beside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        Ok(())
    }
}

/// Whether this machine has a keyring that can be asked now.
#[must_use]
pub fn keyring_is_there() -> bool {
    keyring::v1::Entry::store_status().is_ok()
}

fn derive(
    passphrase: &Secret<String>,
    salt: &[u8],
    memory_kib: u32,
    passes: u32,
    lanes: u32,
) -> Result<VaultKey, KeyError> {
    let refused = |error: argon2::Error| KeyError::File(error.to_string());
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(refused)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.expose().as_bytes(), salt, &mut *key)
        .map_err(refused)?;
    Ok(Secret::new(*key))
}

fn keyring_entry(entry: &str) -> Result<keyring::v1::Entry, KeyError> {
    keyring::v1::Entry::new(KEYRING_SERVICE, entry).map_err(|error| keyring_error(&error))
}

fn keyring_error(error: &keyring::v1::Error) -> KeyError {
    KeyError::Keyring(error.to_string())
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    io::Read::read_to_string(&mut io::Read::take(File::open(path)?, FILE_BYTES_MAX), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::clock::random_source;

    fn file_in(directory: &tempfile::TempDir) -> PathBuf {
        directory.path().join("vault.toml")
    }

    fn secret(text: &str) -> Secret<String> {
        Secret::new(text.to_owned())
    }

    #[test]
    fn the_same_passphrase_gives_the_same_key_and_another_does_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_in(&directory);
        let passphrase = secret("alice's passphrase");
        let key = KeyFile::create_with_passphrase(&path, &passphrase, &mut random_source()).unwrap();
        let file = KeyFile::read(&path).unwrap().unwrap();
        assert!(file.wants_passphrase());
        assert_eq!(file.unlock(Some(&passphrase)).unwrap().expose(), key.expose());
        assert_ne!(file.unlock(Some(&secret("bob's passphrase"))).unwrap().expose(), key.expose());
        assert!(matches!(file.unlock(None), Err(KeyError::PassphraseWanted)));
        let written = fs::read_to_string(&path).unwrap();
        assert!(!written.contains("passphrase of") && !written.contains(&STANDARD.encode(key.expose())));
    }

    #[test]
    fn a_short_passphrase_is_refused_and_nothing_is_written() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_in(&directory);
        let create = |text| KeyFile::create_with_passphrase(&path, &secret(text), &mut random_source());
        assert!(matches!(create("7 chars"), Err(KeyError::PassphraseShort)));
        assert!(KeyFile::read(&path).unwrap().is_none());
        assert!(create("8 chars!").is_ok());
    }

    #[test]
    fn a_damaged_newer_or_excessive_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = file_in(&directory);
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            KeyFile::read(&path).and_then(|file| file.unwrap().unlock(Some(&secret("alice's passphrase"))))
        };
        let passphrase = |memory: u32, passes: u32| {
            format!(
                "version = 1\n[key]\nsource = \"passphrase\"\nsalt = \"AAAAAAAAAAAAAAAAAAAAAA==\"\n\
                 memory_kib = {memory}\npasses = {passes}\nlanes = 1\n"
            )
        };
        assert!(read(&passphrase(64, 1)).is_ok());
        assert!(matches!(read(&passphrase(MEMORY_KIB_MAX + 1, 1)), Err(KeyError::File(_))));
        assert!(matches!(read(&passphrase(64, PASSES_MAX + 1)), Err(KeyError::File(_))));
        assert!(matches!(read(&passphrase(0, 1)), Err(KeyError::File(_))));
        assert!(matches!(
            read("version = 2\n[key]\nsource = \"keyring\"\nentry = \"x\""),
            Err(KeyError::File(_))
        ));
        assert!(matches!(read("nonsense"), Err(KeyError::File(_))));
    }
}
