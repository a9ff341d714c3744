//! The stores that the router can use.

mod counts;
mod memory;
mod rows;
mod sqlite;
mod statuses;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
