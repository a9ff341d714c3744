//! Writes down what the program is built of, for `tacited verify-blind`: a line of name and version for each crate that is
//! linked into it, between two marks, as `cargo tree` tells.
//!
//! Invariant: if cargo cannot tell, the list is empty, and `verify-blind` says that it could not check.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new("../..");
    println!("cargo::rerun-if-changed=build.rs");
    for manifest in ["Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={}", root.join(manifest).display());
    }
    for crate_of_ours in fs::read_dir(root.join("crates"))? {
        println!("cargo::rerun-if-changed={}", crate_of_ours?.path().join("Cargo.toml").display());
    }
    let dependencies = dependencies().unwrap_or_else(|error| {
        println!("cargo::warning=the program will not know what it was built of: {error}");
        BTreeSet::new()
    });
    let lines: String = dependencies.into_iter().map(|line| line + "\n").collect();
    let list = format!("\n[tacite dependencies begin]\n{lines}\n[tacite dependencies end]\n");
    fs::write(Path::new(&env::var("OUT_DIR")?).join("dependencies"), list)?;
    Ok(())
}

/// `name version` of each crate in the graph of normal dependencies.
fn dependencies() -> Result<BTreeSet<String>, Box<dyn Error>> {
    let mut cargo = Command::new(env::var("CARGO")?);
    cargo.args(["tree", "--offline", "--edges", "normal", "--prefix", "none", "--format", "{p}"]);
    cargo.args(["--package", &env::var("CARGO_PKG_NAME")?, "--target", &env::var("TARGET")?]);
    let output = cargo.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned().into());
    }
    let name_and_version = |line: &str| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?.trim_start_matches('v')))
    };
    let lines = String::from_utf8(output.stdout)?;
    Ok(lines.lines().filter(|line| !line.is_empty()).filter_map(name_and_version).collect())
}
