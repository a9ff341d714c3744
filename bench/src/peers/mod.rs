//! To be written.

pub mod tacite;
