//! The data directory: keys and databases, made at the first start.
//!
//! | file | holds |
//! |---|---|
//! | `accounts.db`, `router.db`, `depot.db` | the three stores, apart |
//! | `keys/accounts.key` | OPAQUE set-up and token signing key |
//! | `keys/names.key` | the router's key for names of bodies |
//! | `keys/permits.key` | the key for upload permits, which the depot has too |
//! | `keys/part.key` | the secret that a part in a process of its own shares with the rest |
//! | `keys/tls.key.pem`, `keys/tls.cert.pem` | the self-made TLS key and certificate |
//!
//! Invariants: the directory can be entered by its owner only (0700), key files read by their owner only (0600); keys are
//! outside the databases, so that a stolen database alone allows no guessing of passwords and no finding of bodies; a key
//! file that is damaged is an error and is never replaced.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tacite_accounts::Keys;
use tacite_depot::PermitKey;
use tacite_router::NamingKey;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::clock::Chance;
use crate::remote::PartSecret;

/// First byte of `names.key` and `permits.key`.
const KEY_VERSION: u8 = 1;

/// Paths within the directory.
#[derive(Debug, Clone)]
pub(crate) struct DataDir {
    root: PathBuf,
}

/// Why the directory cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Reading or writing failed.
    #[error("{path}: {cause}")]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// A key file is damaged or of a newer version.
    #[error("{0} is damaged or was written by a newer version; restore it from a backup")]
    Damaged(PathBuf),
}

impl DataDir {
    /// Makes the directory if it is not there, and narrows its mode.
    pub(crate) fn open(root: &Path) -> Result<Self, DataDirError> {
        for directory in [root.to_owned(), root.join("keys")] {
            create_private_directory(&directory).map_err(at(&directory))?;
        }
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn tls_key(&self) -> PathBuf {
        self.root.join("keys/tls.key.pem")
    }

    pub(crate) fn tls_certificate(&self) -> PathBuf {
        self.root.join("keys/tls.cert.pem")
    }

    /// The keys of the accounts part, made at the first call.
    pub(crate) fn account_keys(&self, chance: &Chance) -> Result<Keys, DataDirError> {
        let path = self.root.join("keys/accounts.key");
        let make = || Zeroizing::new(chance.with(|rng| Keys::generate(rng)).to_bytes().to_vec());
        let bytes = read_or_make(&path, make)?;
        Keys::from_bytes(&bytes).map_err(|_| DataDirError::Damaged(path))
    }

    /// The router's key for names, made at the first call.
    pub(crate) fn naming_key(&self, chance: &Chance) -> Result<NamingKey, DataDirError> {
        Ok(NamingKey::new(*self.key("names", chance)?))
    }

    /// The key for upload permits, made at the first call.
    pub(crate) fn permit_key(&self, chance: &Chance) -> Result<PermitKey, DataDirError> {
        Ok(PermitKey::new(*self.key("permits", chance)?))
    }

    /// Where the secret of the parts is, and the secret, made at the first call.
    pub(crate) fn part_secret(&self, chance: &Chance) -> Result<(PathBuf, PartSecret), DataDirError> {
        let path = self.root.join("keys/part.key");
        Ok((path, PartSecret::new(*self.key("part", chance)?)))
    }

    /// A file of a version byte and 32 bytes, made at the first call.
    fn key(&self, name: &str, chance: &Chance) -> Result<Zeroizing<[u8; 32]>, DataDirError> {
        let path = self.root.join("keys").join(name).with_extension("key");
        let make = || {
            let mut bytes = Zeroizing::new(vec![KEY_VERSION]);
            bytes.extend_from_slice(&*Zeroizing::new(chance.bytes::<32>()));
            bytes
        };
        parse_key(&read_or_make(&path, make)?).ok_or(DataDirError::Damaged(path))
    }
}

/// The secret of a part that is apart, from a file that must be there.
pub(crate) fn read_part_secret(path: &Path) -> Result<PartSecret, DataDirError> {
    let bytes = fs::read(path).map(Zeroizing::new).map_err(at(path))?;
    let key = parse_key(&bytes).ok_or_else(|| DataDirError::Damaged(path.to_owned()))?;
    Ok(PartSecret::new(*key))
}

/// The 32 bytes behind the version.
fn parse_key(bytes: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let (&KEY_VERSION, key) = bytes.split_first()? else { return None };
    key.try_into().map(Zeroizing::new).ok()
}

/// The bytes of a file; if it is not there, made, written durably with mode 0600, and returned.
pub(crate) fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Zeroizing<Vec<u8>>,
) -> Result<Zeroizing<Vec<u8>>, DataDirError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Zeroizing::new(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = make();
            write_private(path, &bytes).map_err(at(path))?;
            Ok(bytes)
        }
        Err(error) => Err(at(path)(error)),
    }
}

/// Writes a file that only its owner can read, durably: a power cut leaves the whole file or none.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        fs::File::open(directory)?.sync_all()?;
    }
    Ok(())
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)?;
    #[cfg(unix)]
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DataDirError {
    let path = path.to_owned();
    |cause| DataDirError::Io { path, cause }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn directory_and_keys_are_for_their_owner_only() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("tacited");
        let directory = DataDir::open(&root).unwrap();
        let chance = Chance::from_seed([1; 32]);
        directory.naming_key(&chance).unwrap();
        directory.account_keys(&chance).unwrap();
        assert_eq!(mode(&root), 0o700);
        assert_eq!(mode(&root.join("keys")), 0o700);
        assert_eq!(mode(&root.join("keys/names.key")), 0o600);
        assert_eq!(mode(&root.join("keys/accounts.key")), 0o600);
    }

    #[test]
    fn keys_are_made_once_and_a_damaged_one_is_never_replaced() {
        let place = tempfile::tempdir().unwrap();
        let directory = DataDir::open(place.path()).unwrap();
        let path = place.path().join("keys/names.key");
        directory.naming_key(&Chance::from_seed([1; 32])).unwrap();
        let first = fs::read(&path).unwrap();
        directory.naming_key(&Chance::from_seed([2; 32])).unwrap();
        assert_eq!(fs::read(&path).unwrap(), first);
        fs::write(&path, &first[..20]).unwrap();
        assert!(matches!(directory.naming_key(&Chance::from_seed([3; 32])), Err(DataDirError::Damaged(_))));
        assert_eq!(fs::read(&path).unwrap().len(), 20);
    }
}
