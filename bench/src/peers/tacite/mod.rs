//! `tacited`: how it is seeded, configured and started.

pub mod seed;
