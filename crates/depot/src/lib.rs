//! depot: written below.
