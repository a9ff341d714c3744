//! store: written below.
