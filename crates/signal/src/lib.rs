//! signal: written below.
