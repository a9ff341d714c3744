//! What the generator connects to, and how.

use std::sync::Arc;

use anyhow::Result;

use super::connection::{Connection, Tls};
use super::protocols::tacite::Tacite;
use super::protocols::{limit, tacite};

/// A protocol, with what its log-in and codec need.
#[derive(Debug, Clone)]
pub enum Protocol {
    /// A WebSocket to `relay-limit`; nothing is acknowledged.
    Limit,
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
    /// Connects and logs a person in; she receives nothing before [`super::Order::Online`].
    pub async fn log_in(&self, person: u32) -> Result<Connection> {
        match &self.protocol {
            Protocol::Limit => limit::log_in(self, person).await,
            Protocol::Tacite(tacite) => tacite::log_in(self, tacite, person).await,
        }
    }
}
