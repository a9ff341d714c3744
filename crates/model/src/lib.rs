//! model: written below.
