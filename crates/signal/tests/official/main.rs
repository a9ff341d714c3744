//! Our implementation against Signal's own library (npm `@signalapp/libsignal-client` 0.103.0), which runs as a separate process.
//!
//! Needs node, npm and, the first time, the npm registry. Our side stores and restores its session around every operation, and so does
//! theirs.

#![expect(clippy::unwrap_used, reason = "in a test a failure is a failed test")]

#[path = "../protocol/device.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod device;

mod arena;
mod conversation;
mod fields;
mod library;
mod negative_first;
mod negative_ratchet;
mod negative_whisper;
mod primitives;
mod wire;
