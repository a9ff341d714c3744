//! The stores that the router can use.

mod memory;
mod rows;
mod sqlite;

pub use memory::MemoryStore;
pub use sqlite::SqliteStore;
