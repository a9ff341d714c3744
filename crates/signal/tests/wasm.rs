//! The unit tests, known answers among them, compiled to WebAssembly and run by node.
//!
//! `wasm32-unknown-unknown` has no output: the test program traps when one of its tests fails, and returns 0 otherwise.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use serde_json::Value;

/// Instantiates a module without imports and calls its `main`.
const RUN: &str = "const fs = require('node:fs');
const module = new WebAssembly.Module(fs.readFileSync(process.argv[1]));
process.exit(new WebAssembly.Instance(module, {}).exports.main(0, 0));";

#[test]
fn known_answers_hold_on_wasm() {
    let build = Command::new(env!("CARGO"))
        .args(["test", "-p", "tacite-signal", "--lib", "--no-run", "--target", "wasm32-unknown-unknown"])
        .args(["--message-format", "json"])
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("wasm"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(build.status.success(), "the unit tests compile for wasm32-unknown-unknown");
    let messages = String::from_utf8(build.stdout).unwrap();
    let module = messages.lines().find_map(executable).expect("cargo names the test program");
    let status = Command::new("node").args(["-e", RUN, &module]).status().expect("node starts");
    assert!(
        status.success(),
        "a unit test failed on wasm; the native run says which it is, or there is a difference"
    );
}

fn executable(message: &str) -> Option<String> {
    let message: Value = serde_json::from_str(message).ok()?;
    message["executable"].as_str().map(str::to_owned)
}
