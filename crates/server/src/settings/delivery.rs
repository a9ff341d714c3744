//! `[delivery]`: in which way messages travel, and what the router may remember.
//!
//! Invariant: nothing here lets the server keep anything longer than [`RETENTION_DAYS_MAX`].

use serde::Deserialize;
use tacite_model::limits::{DAY_MS, MESSAGE_WAIT_MS_MAX};
use tacite_wire::proto;

use super::SettingsError;

/// Longest, and usual, time in days after which what the router knows of a message is deleted.
pub const RETENTION_DAYS_MAX: u32 = 30;

/// How messages travel.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DeliveryConfig {
    /// Which way.
    pub mode: Option<DeliveryModeConfig>,
    /// Days after which everything that the router knows of a message is deleted.
    pub retention_days: Option<u32>,
    /// Whether to remember when accounts were last online.
    pub last_seen: Option<bool>,
}

/// The ways of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeliveryModeConfig {
    /// In frames; what cannot be delivered at once waits sealed on the server.
    Inline,
    /// The sealed body over HTTPS, metadata in frames.
    Split,
    /// In frames, and never stored.
    Direct,
}

/// What is decided about delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// Which way messages travel.
    pub mode: proto::DeliveryMode,
    /// Milliseconds after which everything that the router knows of a message is deleted.
    pub retention_ms: u64,
    /// Whether to remember when accounts were last online.
    pub last_seen: bool,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            mode: proto::DeliveryMode::Inline,
            retention_ms: u64::from(RETENTION_DAYS_MAX) * DAY_MS,
            last_seen: false,
        }
    }
}

impl Delivery {
    /// Milliseconds for which a message waits for its device: no longer than anything may be known of it.
    #[must_use]
    pub fn wait_ms(&self) -> u64 {
        self.retention_ms.min(MESSAGE_WAIT_MS_MAX)
    }
}

impl DeliveryConfig {
    /// This configuration where it says something, the other where not.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            mode: self.mode.or(other.mode),
            retention_days: self.retention_days.or(other.retention_days),
            last_seen: self.last_seen.or(other.last_seen),
        }
    }
}

impl TryFrom<DeliveryConfig> for Delivery {
    type Error = SettingsError;

    fn try_from(config: DeliveryConfig) -> Result<Self, SettingsError> {
        let days = config.retention_days.unwrap_or(RETENTION_DAYS_MAX);
        if !(1..=RETENTION_DAYS_MAX).contains(&days) {
            return Err(SettingsError::Retention);
        }
        let mode = match config.mode {
            Some(DeliveryModeConfig::Split) => proto::DeliveryMode::Split,
            Some(DeliveryModeConfig::Direct) => proto::DeliveryMode::Direct,
            Some(DeliveryModeConfig::Inline) | None => proto::DeliveryMode::Inline,
        };
        Ok(Self {
            mode,
            retention_ms: u64::from(days) * DAY_MS,
            last_seen: config.last_seen.unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // E5
    #[test]
    fn metadata_is_kept_for_1_to_30_days() {
        let days =
            |days| Delivery::try_from(DeliveryConfig { retention_days: Some(days), ..Default::default() });
        assert!(matches!(days(0), Err(SettingsError::Retention)));
        assert_eq!(days(1).unwrap().retention_ms, DAY_MS);
        assert_eq!(days(RETENTION_DAYS_MAX).unwrap(), Delivery::default());
        assert!(matches!(days(RETENTION_DAYS_MAX + 1), Err(SettingsError::Retention)));
    }

    // E3
    #[test]
    fn each_mode_has_its_word() {
        for (word, mode) in [
            ("inline", proto::DeliveryMode::Inline),
            ("split", proto::DeliveryMode::Split),
            ("direct", proto::DeliveryMode::Direct),
        ] {
            let config: DeliveryConfig = toml::from_str(&format!("mode = \"{word}\"")).unwrap();
            assert_eq!(Delivery::try_from(config).unwrap().mode, mode);
        }
        assert!(toml::from_str::<DeliveryConfig>("mode = \"carrier-pigeon\"").is_err());
    }
}
