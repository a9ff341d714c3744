//! `[accounts]`, `[router]`, `[depot]`: where each part keeps its database, and whether the depot is a process of its own.
//!
//! Invariant: a part that is apart is complete: address, key and secret.

use std::path::PathBuf;

use serde::Deserialize;
use tacite_model::KeyPin;

use super::SettingsError;

/// Where a part is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartConfig {
    /// `sqlite:PATH`; the depot also `https://HOST:PORT`, where `tacited serve-part depot` listens for the other parts.
    pub url: Option<String>,
    /// Which key a part that is apart must show, as it prints it when it starts.
    pub pin: Option<String>,
    /// The file with the secret that both have.
    pub secret_file: Option<PathBuf>,
    /// Where clients put and fetch bodies: `https://HOST:PORT`.
    pub public_url: Option<String>,
}

/// Where the parts are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The database of the accounts, if it is not in the data directory.
    pub accounts: Option<PathBuf>,
    /// That of the router.
    pub router: Option<PathBuf>,
    /// The depot.
    pub depot: DepotPlace,
}

/// Where the depot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DepotPlace {
    /// In this process, with its database here or in the data directory.
    Here(Option<PathBuf>),
    /// In a process of its own.
    Apart {
        /// `host:port`, for the other parts.
        address: String,
        /// Which key it must show.
        pin: KeyPin,
        /// The file with the secret.
        secret_file: PathBuf,
        /// Where clients reach it.
        public_url: String,
    },
}

impl Default for DepotPlace {
    fn default() -> Self {
        Self::Here(None)
    }
}

impl PartConfig {
    /// This configuration where it says something, the other where not.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            url: self.url.or(other.url),
            pin: self.pin.or(other.pin),
            secret_file: self.secret_file.or(other.secret_file),
            public_url: self.public_url.or(other.public_url),
        }
    }

    /// A part that cannot be apart.
    fn here(self) -> Result<Option<PathBuf>, SettingsError> {
        match self.depot()? {
            DepotPlace::Here(path) => Ok(path),
            DepotPlace::Apart { .. } => {
                Err(SettingsError::Part("only the depot can be a process of its own"))
            }
        }
    }

    fn depot(self) -> Result<DepotPlace, SettingsError> {
        let Some(url) = self.url else { return Ok(DepotPlace::Here(None)) };
        if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(DepotPlace::Here(Some(path.into())));
        }
        let address = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let Some(address) = address.filter(|address| address.contains(':')) else {
            return Err(SettingsError::Part("a url is sqlite:PATH or https://HOST:PORT"));
        };
        let pin = self.pin.and_then(|pin| pin.parse().ok());
        match (pin, self.secret_file, self.public_url) {
            (Some(pin), Some(secret_file), Some(public_url)) if public_url.starts_with("https://") => {
                Ok(DepotPlace::Apart { address: address.to_owned(), pin, secret_file, public_url })
            }
            _ => Err(SettingsError::Part(
                "a depot that is apart needs pin, secret_file and public_url (https://…)",
            )),
        }
    }

    /// All parts.
    pub(super) fn places(accounts: Self, router: Self, depot: Self) -> Result<Places, SettingsError> {
        Ok(Places { accounts: accounts.here()?, router: router.here()?, depot: depot.depot()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(part: &str, text: &str) -> Result<Places, SettingsError> {
        let config: crate::Config = toml::from_str(&format!("[{part}]\n{text}")).unwrap_or_default();
        PartConfig::places(config.accounts, config.router, config.depot)
    }

    // E1
    #[test]
    fn each_part_has_its_own_database_by_url() {
        let path = Some(PathBuf::from("/srv/router.db"));
        assert_eq!(places("router", "url = \"sqlite:/srv/router.db\"").unwrap().router, path);
        assert_eq!(places("depot", "").unwrap(), Places::default());
        for wrong in ["postgres://host/db", "sqlite:", "https://nowhere", "/srv/router.db"] {
            assert!(places("depot", &format!("url = \"{wrong}\"")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_depot_that_is_apart_is_complete_or_refused() {
        let pin = KeyPin([1; 32]);
        let whole = format!(
            "url = \"https://depot.example:7880\"\npin = \"{pin}\"\nsecret_file = \"part.key\"\n\
             public_url = \"https://depot.example:7879\"\n"
        );
        assert!(matches!(places("depot", &whole).unwrap().depot, DepotPlace::Apart { .. }));
        for line in 1..4 {
            let left = whole.lines().enumerate().filter(|(number, _)| *number != line);
            let text = left.map(|(_, text)| text).collect::<Vec<_>>().join("\n");
            assert!(places("depot", &text).is_err(), "{text}");
        }
        assert!(places("router", &whole).is_err());
    }
}
