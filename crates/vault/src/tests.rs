//! Tests of the vault.

mod rows;
mod vault;
