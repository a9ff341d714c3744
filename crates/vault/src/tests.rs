//! Tests of the vault.

mod conversations;
mod erasing;
mod order;
mod rows;
mod vault;
