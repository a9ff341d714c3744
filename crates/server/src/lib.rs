//! server: written below.
