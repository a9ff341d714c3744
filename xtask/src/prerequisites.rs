//! What building needs beyond cargo: installed where that can be done without asking, named exactly where not.
//!
//! Invariants: packages are installed only by root and only by apt-get; toolchain parts only by rustup.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

use crate::workspace;

/// The target of crates that also run in a browser.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A program and the Debian package that holds it.
type Tool = (&'static str, &'static str);

/// SQLite, SQLCipher and the cryptographic libraries are compiled from source.
const NATIVE: [Tool; 3] = [("cc", "gcc"), ("make", "make"), ("perl", "perl")];
/// Clients in other languages, which the tests run against ours.
const PEERS: [Tool; 2] = [("node", "nodejs"), ("npm", "npm")];
/// SQLCipher for the browser.
const WASM: [Tool; 2] = [("clang", "clang"), ("llvm-ar", "llvm")];

/// Servers and generator each have a processor of their own.
const BENCH: [Tool; 1] = [("taskset", "util-linux")];
/// Counts instructions.
const GUARD: [Tool; 1] = [("valgrind", "valgrind")];

/// What building and running the programs needs.
pub(crate) fn native() -> Result<()> {
    tools(&NATIVE)
}

/// What tests need that run programs of others: Signal's own library and a client in JavaScript. The tests fetch them
/// from npm, as their lockfiles say, into cargo's target directory.
pub(crate) fn peers() -> Result<()> {
    tools(&PEERS)
}

/// What measuring needs; the servers to compare with are installed by the bench itself.
pub(crate) fn bench() -> Result<()> {
    tools(&BENCH)
}

/// What counting instructions needs.
pub(crate) fn guard() -> Result<()> {
    tools(&GUARD)
}

/// What formatting and linting needs.
pub(crate) fn lints() -> Result<()> {
    for (program, component) in [("cargo-fmt", "rustfmt"), ("cargo-clippy", "clippy")] {
        if !works(program) {
            rustup(&["component", "add", component])?;
        }
    }
    Ok(())
}

/// What checking for the browser needs.
pub(crate) fn wasm() -> Result<()> {
    tools(&WASM)?;
    let sysroot = workspace::stdout_of(
        Command::new("rustc").current_dir(workspace::root()).args(["--print", "sysroot"]),
    )?;
    if !Path::new(sysroot.trim()).join("lib/rustlib").join(WASM_TARGET).is_dir() {
        rustup(&["target", "add", WASM_TARGET])?;
    }
    Ok(())
}

fn tools(wanted: &[Tool]) -> Result<()> {
    let absent: Vec<&str> =
        wanted.iter().filter(|(program, _)| !works(program)).map(|(_, package)| *package).collect();
    if absent.is_empty() {
        return Ok(());
    }
    let packages = absent.join(" ");
    if !works("apt-get") || !is_root() {
        bail!("these are needed: {packages}. On Debian: sudo apt-get install {packages}");
    }
    println!("installing {packages}");
    workspace::run(Command::new("apt-get").args(["update", "--quiet"]))?;
    workspace::run(
        Command::new("apt-get").args(["install", "--yes", "--no-install-recommends"]).args(&absent),
    )
}

fn rustup(arguments: &[&str]) -> Result<()> {
    let wanted = arguments.join(" ");
    if !works("rustup") {
        bail!("install rustup (https://rustup.rs), then: rustup {wanted}");
    }
    println!("rustup {wanted}");
    workspace::run(Command::new("rustup").current_dir(workspace::root()).args(arguments))
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stderr(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout == b"0\n")
}

fn works(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").current_dir(workspace::root()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
