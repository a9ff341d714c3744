//! seal: written below.
