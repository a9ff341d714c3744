//! Tests of the vault.

mod conversations;
mod rows;
mod vault;
