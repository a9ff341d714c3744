//! What a server is told to be: from flags, environment and `config.toml`, in that order of precedence.
//!
//! Invariants: unknown keys of the file are refused by name; a [`Settings`] that exists is complete and consistent.

mod delivery;
mod parts;
mod shedding;

use std::net::IpAddr;
use std::path::{Path, PathBuf};

pub use delivery::{Delivery, DeliveryConfig, DeliveryModeConfig, RETENTION_DAYS_MAX};
pub use parts::{PartConfig, Place, Places};
use serde::Deserialize;
pub use shedding::SheddingConfig;
use tacite_accounts::Registration;
use tacite_model::Secret;
use tacite_model::invitation::check_server_name;
use thiserror::Error;

pub use crate::shedding::{Free, Wanted};

/// Where a server listens if nothing else is said.
pub const DEFAULT_ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
/// On which port.
pub const DEFAULT_PORT: u16 = 7878;
const DEFAULT_MESSAGES_PER_SECOND: u32 = 5;

/// `config.toml`, or the same from flags and environment. Everything may be absent.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`
    pub server: ServerConfig,
    /// `[security]`
    pub security: SecurityConfig,
    /// `[shedding]`
    pub shedding: SheddingConfig,
    /// `[accounts]`
    pub accounts: PartConfig,
    /// `[router]`
    pub router: PartConfig,
    /// `[depot]`
    pub depot: PartConfig,
    /// `[delivery]`
    pub delivery: DeliveryConfig,
}

/// Where the server is.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Address to listen on.
    pub address: Option<IpAddr>,
    /// Port to listen on; 0: any that is free.
    pub port: Option<u16>,
    /// The server's name, to which log-ins are bound; derived from its key if absent.
    pub name: Option<String>,
    /// `host:port` that invitations tell clients to connect to, if it is not address and port.
    pub public_address: Option<String>,
    /// Where everything is kept.
    pub data_dir: Option<PathBuf>,
    /// Certificate chain, PEM.
    pub cert_path: Option<PathBuf>,
    /// Private key, PEM.
    pub key_path: Option<PathBuf>,
}

/// What the server allows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityConfig {
    /// Messages a second that an account may send on average.
    pub max_messages_per_sec: Option<u32>,
    /// Who may register.
    pub registration: Option<RegistrationConfig>,
    /// Clients must know this to connect.
    pub deployment_key: Option<String>,
}

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RegistrationConfig {
    /// Everybody.
    Open,
    /// Who has an invitation.
    Invitation,
    /// Nobody.
    Closed,
}

/// Why a configuration cannot be used. The operator is to blame for each.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The file cannot be read.
    #[error("cannot read {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// The file is not valid; the message names line and key.
    #[error("{path} is not a valid configuration:\n{cause}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Why.
        cause: Box<toml::de::Error>,
    },
    /// Certificate without key or the other way round.
    #[error("cert_path and key_path go together: give both or neither")]
    HalfCertificate,
    /// TLS is off on an address that others can reach.
    #[error(
        "without TLS the server listens on loopback only; to do it all the same, add --force-disable-tls"
    )]
    ExposedWithoutTls,
    /// The name is not valid.
    #[error("the server's name may have 1 to 255 letters, digits, '.', '-' and ':'")]
    Name,
    /// `max_messages_per_sec` of 0.
    #[error("max_messages_per_sec must be at least 1")]
    Rate,
    /// `retention_days` out of range.
    #[error("retention_days may be 1 to {RETENTION_DAYS_MAX}")]
    Retention,
    /// A part cannot be where it is said to be.
    #[error("[accounts], [router], [depot]: {0}")]
    Part(&'static str),
    /// No directory was given and none can be derived.
    #[error("there is no home directory: say where to keep data with --data-dir")]
    NoDataDirectory,
}

impl Config {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SettingsError> {
        let text = std::fs::read_to_string(path)
            .map_err(|cause| SettingsError::File { path: path.to_owned(), cause })?;
        toml::from_str(&text)
            .map_err(|cause| SettingsError::Syntax { path: path.to_owned(), cause: Box::new(cause) })
    }

    /// This configuration where it says something, the other where not.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            server: ServerConfig {
                address: self.server.address.or(other.server.address),
                port: self.server.port.or(other.server.port),
                name: self.server.name.or(other.server.name),
                public_address: self.server.public_address.or(other.server.public_address),
                data_dir: self.server.data_dir.or(other.server.data_dir),
                cert_path: self.server.cert_path.or(other.server.cert_path),
                key_path: self.server.key_path.or(other.server.key_path),
            },
            security: SecurityConfig {
                max_messages_per_sec: self
                    .security
                    .max_messages_per_sec
                    .or(other.security.max_messages_per_sec),
                registration: self.security.registration.or(other.security.registration),
                deployment_key: self.security.deployment_key.or(other.security.deployment_key),
            },
            shedding: self.shedding.or(other.shedding),
            accounts: self.accounts.or(other.accounts),
            router: self.router.or(other.router),
            depot: self.depot.or(other.depot),
            delivery: self.delivery.or(other.delivery),
        }
    }
}

/// How a server encrypts its links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TlsFlags {
    /// Plain TCP.
    pub disabled: bool,
    /// Plain TCP even where others can reach it.
    pub disabled_everywhere: bool,
    /// Make a certificate where `cert_path` and `key_path` say, if nothing is there.
    pub generate_default_cert: bool,
}

/// A complete configuration.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen.
    pub address: IpAddr,
    /// On which port; 0: any that is free.
    pub port: u16,
    /// The name; `None`: derived from the key.
    pub name: Option<String>,
    /// What invitations say, if not address and port.
    pub public_address: Option<String>,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Certificate and key of the operator; `None`: self-made, in the data directory.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// How links are encrypted.
    pub tls: TlsFlags,
    /// Where the parts are.
    pub places: Places,
    /// What must be free on the machine.
    pub shedding: Wanted,
    /// Who may register.
    pub registration: Registration,
    /// Rules for links.
    pub policy: Policy,
}

/// Rules that handlers apply.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The server's name, once it is known; empty before.
    pub server_name: String,
    /// Messages a second that an account may send on average.
    pub max_messages_per_sec: u32,
    /// Where clients put and fetch bodies; empty: where the link is.
    pub depot_url: String,
    /// Clients must know this.
    pub deployment_key: Option<Secret<Vec<u8>>>,
    /// How messages travel.
    pub delivery: Delivery,
}

impl Settings {
    /// The databases of this process and their files.
    #[must_use]
    pub fn databases(&self) -> Vec<(&'static str, PathBuf)> {
        let is_here = |part: &&str| match *part {
            "accounts" => matches!(self.places.accounts, Place::Here(_)),
            "depot" => matches!(self.places.depot, Place::Here(_)),
            _ => true,
        };
        ["accounts", "router", "depot"]
            .into_iter()
            .filter(is_here)
            .map(|part| (part, self.database(part)))
            .collect()
    }

    /// The file of a part's database: `accounts`, `router` or `depot`.
    #[must_use]
    pub fn database(&self, part: &str) -> PathBuf {
        let here = |place: &Place| match place {
            Place::Here(path) => path.clone(),
            Place::Apart { .. } => None,
        };
        let path = match part {
            "accounts" => here(&self.places.accounts),
            "router" => self.places.router.clone(),
            _ => here(&self.places.depot),
        };
        path.unwrap_or_else(|| self.data_dir.join(part).with_extension("db"))
    }

    /// Completes a configuration. `default_data_dir` is where data goes if nothing is said.
    pub fn new(
        config: Config,
        tls: TlsFlags,
        default_data_dir: Option<PathBuf>,
    ) -> Result<Self, SettingsError> {
        let address = config.server.address.unwrap_or(DEFAULT_ADDRESS);
        if tls.disabled && !tls.disabled_everywhere && !address.is_loopback() {
            return Err(SettingsError::ExposedWithoutTls);
        }
        let certificate = match (config.server.cert_path, config.server.key_path) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => return Err(SettingsError::HalfCertificate),
        };
        if config.server.name.as_deref().is_some_and(|name| check_server_name(name).is_err()) {
            return Err(SettingsError::Name);
        }
        let max_messages_per_sec =
            config.security.max_messages_per_sec.unwrap_or(DEFAULT_MESSAGES_PER_SECOND);
        if max_messages_per_sec == 0 {
            return Err(SettingsError::Rate);
        }
        let registration = match config.security.registration {
            Some(RegistrationConfig::Open) => Registration::Open,
            Some(RegistrationConfig::Closed) => Registration::Closed,
            Some(RegistrationConfig::Invitation) | None => Registration::Invitation,
        };
        let places = PartConfig::places(&config.accounts, &config.router, config.depot)?;
        let data_dir = config.server.data_dir.or(default_data_dir).ok_or(SettingsError::NoDataDirectory)?;
        let deployment_key = config.security.deployment_key.map(|key| Secret::new(key.into_bytes()));
        Ok(Self {
            address,
            port: config.server.port.unwrap_or(DEFAULT_PORT),
            name: config.server.name,
            public_address: config.server.public_address,
            data_dir,
            certificate,
            tls,
            shedding: config.shedding.into(),
            registration,
            policy: Policy {
                server_name: String::new(),
                max_messages_per_sec,
                depot_url: places.depot_url.clone(),
                deployment_key,
                delivery: config.delivery.try_into()?,
            },
            places,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str, tls: TlsFlags) -> Result<Settings, SettingsError> {
        let config = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        Settings::new(config, tls, Some(PathBuf::from("data")))
    }

    // I2
    #[test]
    fn the_documented_file_is_read() {
        let text = "[server]\naddress = \"127.0.0.1\"\nport = 7878\n[security]\nmax_messages_per_sec = 5\n";
        let settings = settings(text, TlsFlags::default()).unwrap();
        assert_eq!((settings.address, settings.port), (DEFAULT_ADDRESS, 7878));
        assert_eq!(settings.policy.max_messages_per_sec, 5);
        assert_eq!(settings.registration, Registration::Invitation);
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = toml::from_str::<Config>("[server]\nadress = \"127.0.0.1\"\n").unwrap_err();
        assert!(error.to_string().contains("adress"), "{error}");
    }

    #[test]
    fn what_is_said_first_wins() {
        let flags: Config = toml::from_str("[server]\nport = 1\n").unwrap();
        let file: Config = toml::from_str("[server]\nport = 2\nname = \"club\"\n").unwrap();
        let merged = flags.or(file);
        assert_eq!((merged.server.port, merged.server.name.as_deref()), (Some(1), Some("club")));
    }

    // I1
    #[test]
    fn without_tls_it_listens_on_loopback_unless_forced() {
        let off = TlsFlags { disabled: true, ..TlsFlags::default() };
        let exposed = "[server]\naddress = \"0.0.0.0\"\n";
        assert!(settings("", off).is_ok());
        assert!(matches!(settings(exposed, off), Err(SettingsError::ExposedWithoutTls)));
        assert!(settings(exposed, TlsFlags { disabled_everywhere: true, ..off }).is_ok());
        assert!(settings(exposed, TlsFlags::default()).is_ok());
    }

    #[test]
    fn half_a_certificate_is_refused() {
        let error = settings("[server]\ncert_path = \"a.pem\"\n", TlsFlags::default()).unwrap_err();
        assert!(matches!(error, SettingsError::HalfCertificate));
    }
}
