//! core: written below.
