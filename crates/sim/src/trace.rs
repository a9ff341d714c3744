//! What happens, line by line: printed when somebody looks on, and summed up so that two runs can be compared.
//!
//! Invariant: the sum depends on every line and on their order.

use std::fmt;
use std::io::Write;

/// See the module.
pub(crate) struct Trace {
    out: Option<Box<dyn Write>>,
    sum: u64,
    line: String,
}

impl Trace {
    /// Prints to `out`, if there is one.
    pub(crate) fn new(out: Option<Box<dyn Write>>) -> Self {
        Self { out, sum: 0xCBF2_9CE4_8422_2325, line: String::new() }
    }

    /// Something has happened, so many milliseconds after the beginning.
    pub(crate) fn tell(&mut self, at_ms: u64, what: fmt::Arguments<'_>) {
        self.line.clear();
        let (seconds, ms) = (at_ms / 1000, at_ms % 1000);
        // Writing to a string does not fail.
        let _ = fmt::write(&mut self.line, format_args!("{seconds:>6}.{ms:03}  {what}"));
        // FNV-1a: only to compare two runs.
        for byte in self.line.bytes() {
            self.sum = (self.sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
        }
        if let Some(out) = &mut self.out {
            // A reader who is gone misses nothing.
            let _ = writeln!(out, "{}", self.line);
        }
    }

    /// The sum of all lines.
    pub(crate) const fn sum(&self) -> u64 {
        self.sum
    }
}
