//! Stories told with the real programs: a server from nothing, people with profiles of their own, bad connections
//! between them, and a search for what must not be found.
//!
//! `tests/` tell them to the test runner, `cargo xtask demo` tells one to a person.
//!
//! Invariants: everything stands in a temporary directory that goes with the story; every process ends with the value
//! that stands for it; who waits, waits for something to happen, however long that takes.

pub mod binaries;
pub mod canary;
#[cfg(target_os = "linux")]
pub mod memory;
pub mod mode;
pub mod person;
pub mod process;
pub mod proxy;
pub mod server;
pub mod story;
pub mod world;

pub use binaries::Binaries;
pub use mode::Mode;
pub use person::{Message, Person};
pub use process::{Finished, Running};
pub use proxy::{Proxy, Weather};
pub use server::Server;
pub use story::{Story, Tally};
pub use world::World;
