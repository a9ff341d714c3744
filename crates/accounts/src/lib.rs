//! accounts: written below.
