//! `[accounts]`, `[router]`, `[depot]`: where each part keeps its database, and which are processes of their own.
//!
//! Invariant: a part that is apart is complete: address, key and secret. The router is where the links are.

use std::path::PathBuf;

use serde::Deserialize;
use tacite_model::KeyPin;

use super::SettingsError;

/// Where a part is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartConfig {
    /// `sqlite:PATH`; accounts and depot also `https://HOST:PORT`, where `tacited serve-part` listens for the other parts.
    pub url: Option<String>,
    /// Which key a part that is apart must show, as it prints it when it starts.
    pub pin: Option<String>,
    /// The file with the secret that both have.
    pub secret_file: Option<PathBuf>,
    /// The depot only: where clients put and fetch bodies, `https://HOST:PORT`.
    pub public_url: Option<String>,
}

/// Where the parts are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The accounts.
    pub accounts: Place,
    /// The database of the router, if it is not in the data directory.
    pub router: Option<PathBuf>,
    /// The depot.
    pub depot: Place,
    /// Where clients reach a depot that is apart; else empty.
    pub depot_url: String,
}

/// Where a part is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
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
    },
}

impl Default for Place {
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

    fn place(&self) -> Result<Place, SettingsError> {
        let Some(url) = &self.url else { return Ok(Place::Here(None)) };
        if let Some(path) = url.strip_prefix("sqlite:").filter(|path| !path.is_empty()) {
            return Ok(Place::Here(Some(path.into())));
        }
        let address = url.strip_prefix("https://").map(|rest| rest.trim_end_matches('/'));
        let Some(address) = address.filter(|address| address.contains(':')) else {
            return Err(SettingsError::Part("a url is sqlite:PATH or https://HOST:PORT"));
        };
        let pin = self.pin.as_ref().and_then(|pin| pin.parse().ok());
        match (pin, self.secret_file.clone()) {
            (Some(pin), Some(secret_file)) => {
                Ok(Place::Apart { address: address.to_owned(), pin, secret_file })
            }
            _ => Err(SettingsError::Part("a part that is apart needs pin and secret_file")),
        }
    }

    /// All parts.
    pub(super) fn places(accounts: &Self, router: &Self, depot: Self) -> Result<Places, SettingsError> {
        let Place::Here(router_database) = router.place()? else {
            return Err(SettingsError::Part("the router is where the links are: its url is sqlite:PATH"));
        };
        let place = depot.place()?;
        let public_url = depot.public_url.filter(|url| url.starts_with("https://"));
        let depot_url = match (&place, public_url) {
            (Place::Here(_), _) => String::new(),
            (Place::Apart { .. }, Some(url)) => url,
            (Place::Apart { .. }, None) => {
                return Err(SettingsError::Part("a depot that is apart needs public_url (https://…)"));
            }
        };
        Ok(Places { accounts: accounts.place()?, router: router_database, depot: place, depot_url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(part: &str, text: &str) -> Result<Places, SettingsError> {
        let config: crate::Config = toml::from_str(&format!("[{part}]\n{text}")).unwrap_or_default();
        PartConfig::places(&config.accounts, &config.router, config.depot)
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
        assert!(matches!(places("depot", &whole).unwrap().depot, Place::Apart { .. }));
        for line in 1..4 {
            let left = whole.lines().enumerate().filter(|(number, _)| *number != line);
            let text = left.map(|(_, text)| text).collect::<Vec<_>>().join("\n");
            assert!(places("depot", &text).is_err(), "{text}");
        }
        assert!(places("router", &whole).is_err());
    }

    #[test]
    fn accounts_that_are_apart_need_no_door_for_clients() {
        let pin = KeyPin([1; 32]);
        let whole =
            format!("url = \"https://accounts.example:7881\"\npin = \"{pin}\"\nsecret_file = \"part.key\"\n");
        let found = places("accounts", &whole).unwrap();
        let secret_file = PathBuf::from("part.key");
        let place = Place::Apart { address: String::from("accounts.example:7881"), pin, secret_file };
        assert_eq!(found, Places { accounts: place, ..Places::default() });
        for line in 1..3 {
            let left = whole.lines().enumerate().filter(|(number, _)| *number != line);
            let text = left.map(|(_, text)| text).collect::<Vec<_>>().join("\n");
            assert!(places("accounts", &text).is_err(), "{text}");
        }
    }
}
