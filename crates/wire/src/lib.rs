//! wire: written below.
