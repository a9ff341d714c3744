//! Tests of the vault.

mod conversations;
mod erasing;
mod rows;
mod vault;
