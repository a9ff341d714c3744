//! `[shedding]`: what must be free on the machine before the server refuses newcomers, and in the end messages.

use serde::Deserialize;

use crate::shedding::Wanted;

/// MiB of memory, if nothing else is said.
const MEMORY_MIB: u64 = 128;
/// MiB of disk.
const DISK_MIB: u64 = 64;

/// What must be free; at half of it more is refused, at a quarter messages too. 0: never mind.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SheddingConfig {
    /// MiB of memory.
    pub memory_mib: Option<u32>,
    /// MiB where the data directory is.
    pub disk_mib: Option<u32>,
}

impl SheddingConfig {
    /// This configuration where it says something, the other where not.
    pub(super) fn or(self, other: Self) -> Self {
        Self { memory_mib: self.memory_mib.or(other.memory_mib), disk_mib: self.disk_mib.or(other.disk_mib) }
    }
}

impl From<SheddingConfig> for Wanted {
    fn from(config: SheddingConfig) -> Self {
        let bytes = |mib: Option<u32>, usual: u64| mib.map_or(usual, u64::from) * 1024 * 1024;
        Self {
            memory_bytes: bytes(config.memory_mib, MEMORY_MIB),
            disk_bytes: bytes(config.disk_mib, DISK_MIB),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shedding::Free;

    #[test]
    fn what_is_said_counts_and_zero_means_never() {
        let config: SheddingConfig = toml::from_str("memory_mib = 2\ndisk_mib = 0").unwrap();
        assert_eq!(Wanted::from(config), Free { memory_bytes: 2 * 1024 * 1024, disk_bytes: 0 });
        let usual = Wanted::from(SheddingConfig::default());
        assert!(usual.memory_bytes > 0 && usual.disk_bytes > 0);
    }
}
