//! The configuration file, `config.toml`. Flags stand above environment variables, those above the file.
//!
//! The server program reads a file of the same form; what belongs to it alone is passed over.
//!
//! Invariants: a key that nobody knows is reported by its name, never passed over in silence; the only secret in the file is the
//! deployment key, which all clients of a server share.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tacite_client::model::{KeyPin, Secret};
use toml::{Table, Value};

use crate::failure::Failure;

/// Port of a server if nobody says otherwise.
pub(crate) const PORT: u16 = 7878;

/// Keys of `[server]` that belong to the server program.
const SERVER_KEYS_OF_THE_SERVER: [&str; 5] = ["name", "public_address", "cert_path", "key_path", "data_dir"];
/// Keys of `[security]` that belong to the server program.
const SECURITY_KEYS_OF_THE_SERVER: [&str; 2] = ["max_messages_per_sec", "registration"];

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// `[server] address`: the host.
    pub(crate) address: Option<String>,
    /// `[server] port`.
    pub(crate) port: Option<u16>,
    /// `[server] pin`: the key that the server must show.
    pub(crate) pin: Option<KeyPin>,
    /// `[security] deployment_key`: what a server that accepts its own clients only wants to be shown.
    pub(crate) deployment_key: Option<Secret<String>>,
    /// Keys that nobody knows.
    pub(crate) unknown_keys: Vec<String>,
}

/// Reads the file that was named, or the usual one if it is there.
pub(crate) fn read(named: Option<&Path>, usual: Option<PathBuf>) -> Result<Configuration, Failure> {
    let Some(path) = named.map(Path::to_owned).or(usual) else { return Ok(Configuration::default()) };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(refused(&path, &error.to_string())),
    };
    parse(&text).map_err(|reason| refused(&path, &reason))
}

fn parse(text: &str) -> Result<Configuration, String> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
    let mut configuration = Configuration::default();
    for (section, value) in table {
        match (section.as_str(), value) {
            ("server", Value::Table(server)) => parse_server(server, &mut configuration)?,
            ("security", Value::Table(security)) => parse_security(security, &mut configuration)?,
            (section @ ("server" | "security"), _) => return Err(format!("[{section}] is not a section")),
            _ => configuration.unknown_keys.push(section),
        }
    }
    Ok(configuration)
}

fn parse_server(server: Table, configuration: &mut Configuration) -> Result<(), String> {
    for (key, value) in server {
        match (key.as_str(), value) {
            ("address", Value::String(address)) => configuration.address = Some(address),
            ("port", Value::Integer(port)) => {
                let port = u16::try_from(port).ok().filter(|port| *port > 0);
                configuration.port = Some(port.ok_or("server.port is not a port, 1 to 65535")?);
            }
            ("pin", Value::String(pin)) => {
                configuration.pin =
                    Some(pin.parse().map_err(|_| "server.pin is not a key as in an invitation")?);
            }
            ("address" | "port" | "pin", _) => return Err(format!("server.{key} has the wrong type")),
            (key, _) if SERVER_KEYS_OF_THE_SERVER.contains(&key) => {}
            _ => configuration.unknown_keys.push(format!("server.{key}")),
        }
    }
    Ok(())
}

fn parse_security(security: Table, configuration: &mut Configuration) -> Result<(), String> {
    for (key, value) in security {
        match (key.as_str(), value) {
            ("deployment_key", Value::String(key)) => configuration.deployment_key = Some(Secret::new(key)),
            ("deployment_key", _) => return Err("security.deployment_key has the wrong type".to_owned()),
            (key, _) if SECURITY_KEYS_OF_THE_SERVER.contains(&key) => {}
            _ => configuration.unknown_keys.push(format!("security.{key}")),
        }
    }
    Ok(())
}

fn refused(path: &Path, reason: &str) -> Failure {
    Failure::usage(
        format!("The configuration {} cannot be used: {reason}.", path.display()),
        "Correct the file.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_programs_read_one_file() {
        let text = "[server]\naddress = \"127.0.0.1\"\nport = 7878\n[security]\nmax_messages_per_sec = 5\n";
        let parsed = parse(text).unwrap();
        assert_eq!((parsed.address.as_deref(), parsed.port), (Some("127.0.0.1"), Some(7878)));
        assert!(parsed.unknown_keys.is_empty(), "{:?}", parsed.unknown_keys);
        assert!(parse("").unwrap().address.is_none());
    }

    // A5
    #[test]
    fn a_deployment_key_is_read_and_not_printed() {
        let parsed = parse("[security]\ndeployment_key = \"our own clients\"\n").unwrap();
        assert!(!format!("{parsed:?}").contains("our own"));
        assert_eq!(parsed.deployment_key.unwrap().expose(), "our own clients");
    }

    #[test]
    fn unknown_keys_are_reported_by_name() {
        let parsed = parse("colour = 1\n[server]\nadress = \"x\"\n").unwrap();
        assert_eq!(parsed.unknown_keys, ["colour", "server.adress"]);
    }

    #[test]
    fn a_port_is_1_to_65535() {
        let port = |port: i64| parse(&format!("[server]\nport = {port}"));
        assert!(port(0).is_err() && port(65_536).is_err() && port(-1).is_err());
        assert!(port(1).is_ok() && port(65_535).is_ok());
        assert!(parse("[server]\nport = \"7878\"").is_err());
    }
}
