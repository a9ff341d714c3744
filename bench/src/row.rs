//! What one measurement gave.
//!
//! Invariant: a figure's name says what it is and ends in its unit, so that nobody has to guess.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One run of one workload against one peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// The server: `tacite`, `tacite-split`, `relay-limit`, `mosquitto`, …
    pub peer: String,
    /// The workload and its setting: `W1/window 1`.
    pub measurement: String,
    /// Which of the repetitions, from 1.
    pub repetition: u32,
    /// By name, for instance `cpu_us_per_message`.
    pub figures: BTreeMap<String, f64>,
}
