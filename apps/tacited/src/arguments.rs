//! The command line, the environment and `config.toml`, in this order of precedence.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tacite_server::settings::{
    DeliveryConfig, DeliveryModeConfig, RegistrationConfig, SecurityConfig, ServerConfig,
};
use tacite_server::{Config, Settings, SettingsError, TlsFlags};

/// A messenger server that cannot read what it carries.
///
/// Starts with nothing: makes its data directory, keys, certificate and databases, listens on 127.0.0.1:7878 and prints
/// an invitation for the first people.
#[derive(Debug, Parser)]
#[command(name = "tacited", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Read this configuration file [default: config.toml in the data directory, if it is there]
    #[arg(long, value_name = "FILE", env = "TACITED_CONFIG", global = true)]
    config: Option<PathBuf>,

    /// Keep keys and databases here [default: tacited in the user's data directory]
    #[arg(long, value_name = "DIR", env = "TACITED_DATA_DIR", global = true)]
    data_dir: Option<PathBuf>,

    #[command(flatten)]
    place: Place,

    #[command(flatten)]
    encryption: Encryption,

    /// Messages a second that an account may send on average [default: 5]
    #[arg(long, value_name = "N", env = "TACITED_MAX_MESSAGES_PER_SEC", global = true)]
    max_messages_per_sec: Option<u32>,

    /// How messages travel [default: inline]
    #[arg(long, value_name = "MODE", env = "TACITED_DELIVERY_MODE", global = true)]
    delivery_mode: Option<DeliveryMode>,

    /// Forget after so many days everything about a message, 1 to 30 [default: 30]
    #[arg(long, value_name = "N", env = "TACITED_RETENTION_DAYS", global = true)]
    retention_days: Option<u32>,

    /// Remember when accounts were last online
    #[arg(long, env = "TACITED_LAST_SEEN", global = true)]
    last_seen: bool,

    /// Log more, to find faults; never content, secrets or addresses
    #[arg(long, env = "TACITED_DEBUG", global = true)]
    pub(crate) debug: bool,

    /// Log JSON, one object a line
    #[arg(long, env = "TACITED_LOG_JSON", global = true)]
    pub(crate) log_json: bool,
}

/// How messages travel.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum DeliveryMode {
    /// In frames; what cannot be delivered at once waits sealed on the server
    Inline,
    /// The sealed body over HTTPS, only metadata in frames
    Split,
    /// In frames and never stored: both must be online
    Direct,
}

/// Where the server is.
#[derive(Debug, Args)]
struct Place {
    /// Listen on this address [default: 127.0.0.1]
    #[arg(long, env = "TACITED_ADDRESS", global = true)]
    address: Option<IpAddr>,

    /// Listen on this port; 0 takes any that is free [default: 7878]
    #[arg(long, env = "TACITED_PORT", global = true)]
    port: Option<u16>,

    /// What invitations tell clients to connect to, if it is not address and port
    #[arg(long, value_name = "HOST:PORT", env = "TACITED_PUBLIC_ADDRESS", global = true)]
    public_address: Option<String>,

    /// The server's name, to which log-ins are bound; do not change it later [default: made of the server's key]
    #[arg(long, value_name = "NAME", env = "TACITED_NAME", global = true)]
    name: Option<String>,
}

/// How links are encrypted.
#[derive(Debug, Args)]
struct Encryption {
    /// Certificate chain, PEM [default: a self-made one, whose key invitations pin]
    #[arg(long, value_name = "FILE", env = "TACITED_CERT_PATH", global = true)]
    cert_path: Option<PathBuf>,

    /// Private key of the certificate, PEM
    #[arg(long, value_name = "FILE", env = "TACITED_KEY_PATH", global = true)]
    key_path: Option<PathBuf>,

    /// Make a self-made certificate at --cert-path and --key-path, if nothing is there
    #[arg(long, global = true)]
    generate_default_cert: bool,

    /// Do not encrypt links: for tests, or behind a proxy on the same machine; loopback only
    #[arg(long, global = true)]
    disable_tls: bool,

    /// With --disable-tls: on every address
    #[arg(long, requires = "disable_tls", global = true)]
    force_disable_tls: bool,
}

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make an invitation, also while the server runs
    Invite {
        /// How many people may register with it, 1 to 1000
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
    },
    /// Serve one part of a server in a process of its own, on a data directory of its own
    ///
    /// The rest of the server, which is the router, is told of the part in its configuration, under `[accounts]` or
    /// `[depot]`: `url`, `pin` and `secret_file`. For a depot, --address and --port say where clients put and fetch
    /// bodies; the rest of the server is told of that too, by `public_url`, and needs the same certificate, because
    /// clients pin its key.
    ServePart {
        /// Which part
        part: Part,

        /// Where the rest of the server calls it [default: 127.0.0.1:7880 for the depot, 127.0.0.1:7881 for accounts]
        #[arg(long, value_name = "ADDRESS:PORT")]
        part_address: Option<SocketAddr>,
    },
    /// Check that this installation holds nothing that it may not, also while the server runs
    ///
    /// Compares every table, column and value of the databases with what they may be, searches all other files of the
    /// data directory and the logs for bytes of messages that wait now, and reads from the program what it was built
    /// of. Exit status 0: everything was checked and holds; 1: it does not; 2: something could not be checked.
    VerifyBlind(Blind),
}

/// A part that can be a process of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Log-in records, devices, sessions, invitations
    Accounts,
    /// Sealed bodies and public prekeys
    Depot,
}

impl Part {
    /// The name of its database.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Depot => "depot",
        }
    }

    /// Where the rest of the server calls it if nothing else is said: both fit on one machine.
    pub(crate) const fn default_address(self) -> SocketAddr {
        let port = match self {
            Self::Accounts => 7881,
            Self::Depot => 7880,
        };
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
    }
}

/// What to look at.
#[derive(Debug, Args)]
pub(crate) struct Blind {
    /// The data directory is that of one part, served by `tacited serve-part`
    #[arg(long, value_name = "PART")]
    pub(crate) part: Option<Part>,

    /// The program to check [default: this one]
    #[arg(long, value_name = "FILE")]
    pub(crate) binary: Option<PathBuf>,

    /// A file to which the server logged; may be given more than once
    #[arg(long, value_name = "FILE")]
    pub(crate) log: Vec<PathBuf>,

    /// Say that no logs are kept
    #[arg(long, conflicts_with = "log")]
    pub(crate) no_log: bool,

    /// Look for these bytes too, such as a message that was delivered; may be given more than once
    #[arg(long, value_name = "HEX", value_parser = Needle::from_hex)]
    needle: Vec<Needle>,

    /// Look for what stands in this file too; may be given more than once
    #[arg(long, value_name = "FILE", value_parser = Needle::from_file)]
    needle_file: Vec<Needle>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Bytes to look for.
#[derive(Debug, Clone)]
struct Needle(Vec<u8>);

impl Needle {
    fn from_hex(text: &str) -> Result<Self, hex::FromHexError> {
        hex::decode(text).map(Self)
    }

    fn from_file(path: &str) -> Result<Self, std::io::Error> {
        std::fs::read(path).map(Self)
    }
}

impl Blind {
    pub(crate) fn needles(&self) -> Vec<Vec<u8>> {
        self.needle.iter().chain(&self.needle_file).map(|needle| needle.0.clone()).collect()
    }
}

impl From<DeliveryMode> for DeliveryModeConfig {
    fn from(mode: DeliveryMode) -> Self {
        match mode {
            DeliveryMode::Inline => Self::Inline,
            DeliveryMode::Split => Self::Split,
            DeliveryMode::Direct => Self::Direct,
        }
    }
}

impl Arguments {
    /// Flags and environment over file over defaults.
    pub(crate) fn settings(&self) -> Result<Settings, SettingsError> {
        let default_data_dir =
            directories::ProjectDirs::from("", "", "tacited").map(|places| places.data_dir().to_owned());
        let beside =
            self.data_dir.as_ref().or(default_data_dir.as_ref()).map(|place| place.join("config.toml"));
        let file = match (&self.config, beside) {
            (Some(path), _) => Config::read(path)?,
            (None, Some(path)) if path.exists() => Config::read(&path)?,
            (None, _) => Config::default(),
        };
        let tls = TlsFlags {
            disabled: self.encryption.disable_tls,
            disabled_everywhere: self.encryption.force_disable_tls,
            generate_default_cert: self.encryption.generate_default_cert,
        };
        Settings::new(self.flags().or(file), tls, default_data_dir)
    }

    fn flags(&self) -> Config {
        Config {
            server: ServerConfig {
                address: self.place.address,
                port: self.place.port,
                name: self.place.name.clone(),
                public_address: self.place.public_address.clone(),
                data_dir: self.data_dir.clone(),
                cert_path: self.encryption.cert_path.clone(),
                key_path: self.encryption.key_path.clone(),
            },
            security: SecurityConfig {
                max_messages_per_sec: self.max_messages_per_sec,
                registration: None::<RegistrationConfig>,
                deployment_key: None,
            },
            delivery: DeliveryConfig {
                mode: self.delivery_mode.map(Into::into),
                retention_days: self.retention_days,
                last_seen: self.last_seen.then_some(true),
            },
            ..Config::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_every_option_explained() {
        let command = Arguments::command();
        command.clone().debug_assert();
        let unexplained: Vec<_> =
            command.get_arguments().filter(|option| option.get_help().is_none()).collect();
        assert!(unexplained.is_empty(), "{unexplained:?}");
    }

    // I2: flags before file.
    #[test]
    fn flags_go_before_the_file() {
        let place = std::env::temp_dir().join(format!("tacited-arguments-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("config.toml"), "[server]\nport = 1\nname = \"club\"\n").unwrap();
        let arguments =
            Arguments::parse_from(["tacited", "--port", "2", "--data-dir", place.to_str().unwrap()]);
        let settings = arguments.settings().unwrap();
        assert_eq!((settings.port, settings.name.as_deref()), (2, Some("club")));
        std::fs::remove_dir_all(&place).unwrap();
    }
}
