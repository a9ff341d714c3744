//! From the command line to an open vault.
//!
//! Invariants: a vault is made by `register` only; the profile stays locked as long as its vault is open.

use std::path::PathBuf;

use tacite_client::core::{Vault, VaultError};
use tacite_client::model::Secret;
use tacite_client::vault_key::{KeyFile, VaultKey, keyring_is_there};
use tacite_client::{KeyError, Permissions, Profile, SessionOptions, clock, profile};

use crate::arguments::{Common, DisableTls};
use crate::configuration::{self, Configuration};
use crate::failure::{Exit, Failure};
use crate::secrets::{Source, somebody_is_there};

/// A locked profile with its vault open. The vault is dropped first.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) vault: Vault,
    pub(crate) profile: Profile,
}

/// Opens the profile that the command line names; it must be registered. `command` is such as `listen`.
pub(crate) fn existing(common: &Common, command: &str) -> Result<Opened, Failure> {
    let profile = Profile::open(&data_directory(common)?, &common.profile, &format!("tacite {command}"))?;
    let file = KeyFile::read(&profile.key_path())?.ok_or_else(Failure::not_registered)?;
    if !profile.vault_path().exists() {
        return Err(Failure::not_registered());
    }
    let key = unlock(common, &file)?;
    let mut opened = open(profile, &key, file.wants_passphrase())?;
    let account = opened.vault.transaction()?.account()?;
    account.is_some().then_some(opened).ok_or_else(Failure::not_registered)
}

/// Opens the profile that the command line names and makes profile, key and vault where they are missing.
pub(crate) fn new(common: &Common, command: &str) -> Result<Opened, Failure> {
    let profile = Profile::create(&data_directory(common)?, &common.profile, &format!("tacite {command}"))?;
    let path = profile.key_path();
    if let Some(file) = KeyFile::read(&path)? {
        let key = unlock(common, &file)?;
        return open(profile, &key, file.wants_passphrase());
    }
    let rng = &mut clock::random_source();
    let source = passphrase_source(common);
    let key = match &source {
        Source::Terminal if keyring_is_there() => match KeyFile::create_in_keyring(&path, rng) {
            Err(KeyError::Keyring(_)) => {
                KeyFile::create_with_passphrase(&path, &choose_passphrase(&source)?, rng)
            }
            created => created,
        },
        _ => KeyFile::create_with_passphrase(&path, &choose_passphrase(&source)?, rng),
    }?;
    open(profile, &key, matches!(source, Source::File(_) | Source::Descriptor(_)))
}

/// Reads the configuration file. Keys that nobody knows are in it by name.
pub(crate) fn configuration(common: &Common) -> Result<Configuration, Failure> {
    let directory = match &common.data_dir {
        Some(directory) => Some(directory.clone()),
        None => profile::configuration_directory().ok(),
    };
    configuration::read(common.config.as_deref(), directory.map(|directory| directory.join("config.toml")))
}

/// How a session reaches its server: what the command line and the environment say stands above the vault.
pub(crate) fn session_options(common: &Common, vault: &mut Vault) -> Result<SessionOptions, Failure> {
    let permissions = Permissions {
        plain_anywhere: common.disable_tls == Some(DisableTls::Force),
        certificate_unchecked: common.allow_invalid_cert,
    };
    let known = vault.transaction()?.server()?.map(|server| server.address);
    let address = match (&common.server, common.port, known) {
        (None, None, _) | (None, _, None) => None,
        (host, port, known) => {
            let known = known.as_deref().and_then(|address| address.rsplit_once(':'));
            let host = host.as_deref().or(known.map(|(host, _)| host)).unwrap_or_default();
            let known_port = known.and_then(|(_, port)| port.parse().ok());
            Some(address(host, port.or(known_port).unwrap_or(configuration::PORT)))
        }
    };
    let deployment_key =
        configuration(common)?.deployment_key.map(|key| Secret::new(key.expose().clone().into_bytes()));
    Ok(SessionOptions { address, permissions, deployment_key })
}

/// `host:port`, with brackets around an IPv6 address.
pub(crate) fn address(host: &str, port: u16) -> String {
    let bare = host.contains(':') && !host.starts_with('[');
    if bare { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

fn data_directory(common: &Common) -> Result<PathBuf, Failure> {
    match &common.data_dir {
        Some(directory) => Ok(directory.clone()),
        None => Ok(profile::data_directory()?),
    }
}

fn passphrase_source(common: &Common) -> Source {
    Source::new(common.passphrase_file.as_deref(), common.passphrase_fd)
}

fn unlock(common: &Common, file: &KeyFile) -> Result<VaultKey, Failure> {
    if !file.wants_passphrase() {
        return Ok(file.unlock(None)?);
    }
    let source = passphrase_source(common);
    if source == Source::Terminal && !somebody_is_there() {
        return Err(KeyError::PassphraseWanted.into());
    }
    Ok(file.unlock(Some(&source.read("passphrase")?))?)
}

fn choose_passphrase(source: &Source) -> Result<Secret<String>, Failure> {
    if *source == Source::Terminal && !somebody_is_there() {
        return Err(Failure::new(
            Exit::VaultClosed,
            "vault-closed",
            "There is no keyring here, so the vault needs a passphrase.",
            "Give one with --passphrase-file or --passphrase-fd.",
        ));
    }
    source.choose("passphrase to encrypt the messages on this machine")
}

fn open(profile: Profile, key: &VaultKey, from_passphrase: bool) -> Result<Opened, Failure> {
    match Vault::open(&profile.vault_path(), key) {
        Ok(vault) => Ok(Opened { vault, profile }),
        Err(VaultError::WrongKey) if !from_passphrase => Err(Failure::new(
            Exit::VaultClosed,
            "vault-closed",
            "The key in the keyring does not open the vault.",
            "Check whether the profile was copied from elsewhere.",
        )),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_address_gets_brackets() {
        assert_eq!(address("::1", 7878), "[::1]:7878");
        assert_eq!(address("[::1]", 7878), "[::1]:7878");
        assert_eq!(address("club.example", 1), "club.example:1");
    }
}
