//! The combinations of stores that a server can run on.

use crate::hub::Parts;

/// Three SQLite files in the data directory.
#[derive(Debug)]
pub struct Sqlite;

impl Parts for Sqlite {
    type Accounts = tacite_accounts::store::SqliteStore;
    type Router = tacite_router::store::SqliteStore;
    type Depot = tacite_depot::store::SqliteStore;
}

/// Nothing outlives the process: for tests and simulations.
#[derive(Debug)]
pub struct Memory;

impl Parts for Memory {
    type Accounts = tacite_accounts::store::MemoryStore;
    type Router = tacite_router::store::MemoryStore;
    type Depot = tacite_depot::store::MemoryStore;
}
