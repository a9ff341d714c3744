//! Profiles: one directory for each account on this machine, held by one process at a time.
//!
//! A profile's directory holds `lock` (see [`lock`]), `vault.toml` (where the vault's key comes from, see
//! [`crate::vault_key`]) and `vault.db` (the vault).
//!
//! Invariants: a [`Profile`] that exists is locked until it is dropped or its process ends, by whatever end; a profile's
//! name can never lead out of the directory of profiles; directories are made with mode 0700.

mod lock;

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use directories::ProjectDirs;
use thiserror::Error;

pub use self::lock::Holder;
use self::lock::{Lock, LockError};

const NAME_CHARS_MAX: usize = 32;

/// The name of a profile: 1 to 32 characters of `a-z`, `0-9`, `-` and `_`, beginning with a letter or digit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileName(String);

/// A text that cannot name a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "a profile's name has 1 to {NAME_CHARS_MAX} of a-z, 0-9, '-' and '_', and begins with a letter or digit"
)]
pub struct ProfileNameError;

/// Why a profile cannot be used.
#[derive(Debug, Error)]
pub enum ProfileError {
    /// There is no such profile yet.
    #[error("there is no profile {0}")]
    Missing(ProfileName),
    /// Another process works with it.
    #[error("the profile {profile} is in use by {holder}")]
    InUse {
        /// Which profile.
        profile: ProfileName,
        /// Who has it.
        holder: Holder,
    },
    /// The operating system tells no home directory.
    #[error("this system does not say where a person's data belong")]
    Homeless,
    /// A file or directory cannot be made, read or written.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
}

/// A locked profile.
#[derive(Debug)]
pub struct Profile {
    name: ProfileName,
    directory: PathBuf,
    _lock: Lock,
}

impl Profile {
    /// Opens a profile that exists. `command` is what a second process is told about this one, such as `tacite listen`.
    pub fn open(data: &Path, name: &ProfileName, command: &str) -> Result<Self, ProfileError> {
        let directory = directory_of(data, name);
        if !directory.is_dir() {
            return Err(ProfileError::Missing(name.clone()));
        }
        let lock = Lock::take(&directory.join("lock"), command).map_err(|error| match error {
            LockError::Held(holder) => ProfileError::InUse { profile: name.clone(), holder },
            LockError::Io(source) => io_error(&directory.join("lock"), source),
        })?;
        Ok(Self { name: name.clone(), directory, _lock: lock })
    }

    /// Opens a profile and makes it first if there is none.
    pub fn create(data: &Path, name: &ProfileName, command: &str) -> Result<Self, ProfileError> {
        let directory = directory_of(data, name);
        make_private_directory(&directory).map_err(|source| io_error(&directory, source))?;
        Self::open(data, name, command)
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &ProfileName {
        &self.name
    }

    /// Where its vault is.
    #[must_use]
    pub fn vault_path(&self) -> PathBuf {
        self.directory.join("vault.db")
    }

    /// Where it is written how to come by the vault's key.
    #[must_use]
    pub fn key_path(&self) -> PathBuf {
        self.directory.join("vault.toml")
    }
}

/// Where this system keeps a person's data, such as `~/.local/share/tacite`.
pub fn data_directory() -> Result<PathBuf, ProfileError> {
    Ok(project_directories()?.data_dir().to_owned())
}

/// Where this system keeps a person's configuration, such as `~/.config/tacite`.
pub fn configuration_directory() -> Result<PathBuf, ProfileError> {
    Ok(project_directories()?.config_dir().to_owned())
}

impl FromStr for ProfileName {
    type Err = ProfileNameError;

    fn from_str(text: &str) -> Result<Self, ProfileNameError> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let valid = |c: char| plain(c) || matches!(c, '-' | '_');
        if text.len() > NAME_CHARS_MAX || !text.starts_with(plain) || !text.chars().all(valid) {
            return Err(ProfileNameError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for ProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn project_directories() -> Result<ProjectDirs, ProfileError> {
    ProjectDirs::from("", "", "tacite").ok_or(ProfileError::Homeless)
}

fn directory_of(data: &Path, name: &ProfileName) -> PathBuf {
    data.join("profiles").join(&name.0)
}

fn make_private_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}

fn io_error(path: &Path, source: io::Error) -> ProfileError {
    ProfileError::Io { path: path.display().to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ProfileName {
        text.parse().unwrap()
    }

    // T59: a name cannot lead elsewhere.
    #[test]
    fn a_name_stays_within_the_directory_of_profiles() {
        for text in ["", ".", "..", "../alice", "a/b", "a\\b", "-a", "Alice", "al ice", "a\0", "é"] {
            assert_eq!(text.parse::<ProfileName>(), Err(ProfileNameError), "{text:?}");
        }
        assert!("a".repeat(32).parse::<ProfileName>().is_ok());
        assert!("a".repeat(33).parse::<ProfileName>().is_err());
        assert!("alice-2_work".parse::<ProfileName>().is_ok());
    }

    // T19: a second holder is refused and told who has it.
    #[test]
    fn a_profile_has_one_holder_and_names_it() {
        let data = tempfile::tempdir().unwrap();
        let held = Profile::create(data.path(), &name("alice"), "tacite listen").unwrap();
        let refused = Profile::open(data.path(), &name("alice"), "tacite send").unwrap_err();
        let expected =
            format!("the profile alice is in use by tacite listen (process {})", std::process::id());
        assert_eq!(refused.to_string(), expected);
        drop(held);
        Profile::open(data.path(), &name("alice"), "tacite send").unwrap();
    }

    #[test]
    fn profiles_do_not_hinder_each_other() {
        let data = tempfile::tempdir().unwrap();
        let _alice = Profile::create(data.path(), &name("alice"), "tacite listen").unwrap();
        Profile::create(data.path(), &name("bob"), "tacite listen").unwrap();
    }

    #[test]
    fn opening_does_not_make_a_profile() {
        let data = tempfile::tempdir().unwrap();
        let refused = Profile::open(data.path(), &name("alice"), "tacite send").unwrap_err();
        assert!(matches!(refused, ProfileError::Missing(_)));
        assert_eq!(data.path().read_dir().unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn directories_are_for_their_owner_only() {
        use std::os::unix::fs::PermissionsExt as _;
        let data = tempfile::tempdir().unwrap();
        let profile = Profile::create(data.path(), &name("alice"), "tacite listen").unwrap();
        let mode = profile.directory.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
