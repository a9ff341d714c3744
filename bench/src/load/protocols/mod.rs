//! The protocols that the generator speaks.

pub mod limit;
pub mod tacite;
pub mod websocket;
