//! The protocols that the generator speaks.

pub mod limit;
pub mod mqtt;
pub mod nats;
pub mod tacite;
pub mod websocket;
pub mod xmpp;
