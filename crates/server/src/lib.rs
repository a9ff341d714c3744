//! The server of Tacite: it lets people in, passes sealed messages on and keeps those that must wait. It cannot read them.
//!
//! Three parts do the work, each with its own store: `accounts`, `router`, `depot`. This crate is what stands around them:
//! configuration and data directory, TLS and HTTP, links and the dispatch of their commands, upkeep, administration.
//!
//! Invariants: no crate that can decrypt is in this crate's dependencies (`cargo xtask tidy` checks); no log line holds
//! content, secrets or addresses, whatever the level; an ERROR line is a bug of ours.

mod admin;
mod allowed;
mod apart;
mod behind;
pub mod blind;
pub mod bodies;
mod clock;
mod company;
mod data_dir;
mod dispatch;
mod generations;
mod handlers;
mod http;
mod hub;
mod link;
mod links;
mod listener;
mod machine;
mod meters;
mod node;
mod parts;
mod queue;
mod refusal;
pub mod remote;
mod running;
mod seen;
mod session;
pub mod settings;
mod shedding;
mod storing;
#[cfg(test)]
mod tests;
mod tls;
mod upkeep;

pub use admin::{AdminError, invite};
pub use apart::{RunningPart, start_accounts, start_depot};
pub use axum::extract::ws::Message as LinkMessage;
pub use clock::{Chance, Clock};
pub use data_dir::DataDirError;
pub use hub::Parts;
pub use link::Transport;
pub use node::Node;
pub use parts::{AccountsStore, DepotStore, Memory, Placed, Sqlite};
pub use running::{FIRST_INVITATION_USES, Running, StartError, start};
pub use settings::{Config, Settings, SettingsError, TlsFlags};
pub use tacite_model::Invitation;
pub use tls::TlsError;

/// What this server calls itself to clients.
pub const SOFTWARE: &str = concat!("tacited ", env!("CARGO_PKG_VERSION"));
