//! client: written below.
