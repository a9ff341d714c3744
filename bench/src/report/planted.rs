//! Rows made by hand, for the tests of this module's parts.

use crate::row::Row;

/// A first run.
pub(super) fn row(peer: &str, measurement: &str, figures: &[(&str, f64)]) -> Row {
    Row {
        peer: peer.to_owned(),
        measurement: measurement.to_owned(),
        repetition: 1,
        figures: figures.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
    }
}
