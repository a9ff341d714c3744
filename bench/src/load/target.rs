//! What the generator connects to, and how.

use std::sync::Arc;

use anyhow::Result;

use super::connection::{Connection, Tls};
use super::protocols::tacite::Tacite;
use super::protocols::{limit, mqtt, nats, tacite, xmpp};

/// A protocol, with what its log-in and codec need.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// A WebSocket to `relay-limit`; nothing is acknowledged.
    Limit,
    /// MQTT 3.1.1 at `QoS` 1; accepted is what the server has acknowledged.
    Mqtt {
        /// The server keeps the session of a person who is away.
        persistent: bool,
    },
    /// Core NATS; nothing is acknowledged.
    Nats,
    /// XMPP.
    Xmpp {
        /// With stream management (XEP-0198); accepted is what the server has acknowledged.
        acknowledged: bool,
    },
    /// Tacite's own, whichever way the server delivers.
    Tacite(Arc<Tacite>),
}

/// A server under load.
pub struct Target {
    /// What it speaks.
    pub protocol: Protocol,
    /// `HOST:PORT`.
    pub address: String,
    /// How it is believed.
    pub tls: Tls,
}

impl Target {
    /// Gets a person what the peer's clients have at hand when they come back: with Tacite an access token. Not measured.
    pub async fn prepare(&self, person: u32) -> Result<()> {
        match &self.protocol {
            Protocol::Tacite(tacite) => tacite::fetch_token(self, tacite, person).await,
            _ => Ok(()),
        }
    }

    /// Connects and logs a person in; she receives nothing before [`super::Order::Online`].
    pub async fn log_in(&self, person: u32) -> Result<Connection> {
        match &self.protocol {
            Protocol::Limit => limit::log_in(self, person).await,
            Protocol::Mqtt { persistent } => mqtt::log_in(self, person, *persistent).await,
            Protocol::Nats => nats::log_in(self, person).await,
            Protocol::Xmpp { acknowledged } => xmpp::log_in(self, person, *acknowledged).await,
            Protocol::Tacite(tacite) => tacite::log_in(self, tacite, person).await,
        }
    }
}
