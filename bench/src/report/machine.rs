//! The machine that figures come from, as far as it explains them. It says nothing of whose it is.

use std::fs;

use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// What the processor calls itself.
    pub processor: String,
    /// How many cores this process may use.
    pub cores: usize,
    /// Bytes of memory.
    pub memory_bytes: u64,
    /// The kernel's version.
    pub kernel: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        Self {
            processor: after(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            memory_bytes: after(&read("/proc/meminfo"), "MemTotal")
                .and_then(|kilobytes| kilobytes.strip_suffix(" kB")?.parse::<u64>().ok())
                .map_or(0, |kilobytes| kilobytes * 1024),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// One sentence.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Self { processor, cores, memory_bytes, kernel } = self;
        let gibibytes = memory_bytes >> 30;
        format!("{cores} cores of {processor}, {gibibytes} GiB of memory, Linux {kernel}.")
    }
}

/// What stands behind the colon of the first line that begins with `name`.
fn after(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_name() {
        let text = "processor\t: 0\nmodel name\t: Some CPU @ 3 GHz\nMemTotal:  24 kB\n";
        assert_eq!(after(text, "model name").as_deref(), Some("Some CPU @ 3 GHz"));
        assert_eq!(after(text, "MemTotal").as_deref(), Some("24 kB"));
        assert_eq!(after(text, "flags"), None);
    }

    #[test]
    fn a_machine_has_a_core() {
        assert!(Machine::this().cores >= 1);
    }
}
