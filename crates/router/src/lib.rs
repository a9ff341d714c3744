//! router: written below.
