//! vault: written below.
