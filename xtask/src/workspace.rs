//! Where the checkout is, and how its tools are called.
//!
//! Invariants: commands run in the checkout's root; a command that fails is named in the error.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Metadata, MetadataCommand};

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().expect("xtask is a directory of the workspace").to_owned()
}

/// The cargo that runs this program, to be run in the root.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(cargo_program());
    command.current_dir(root());
    command
}

/// What cargo knows of the workspace and all that it depends on.
pub(crate) fn metadata() -> Result<Metadata> {
    MetadataCommand::new().cargo_path(cargo_program()).current_dir(root()).exec().context("cargo metadata")
}

/// Runs `command` on this terminal; an exit status other than zero is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let name = command_line(command);
    let status = command.status().with_context(|| format!("`{name}` could not be started"))?;
    if !status.success() {
        bail!("`{name}` failed ({status})");
    }
    Ok(())
}

/// Runs `command` and gives what it printed; its stderr goes to this terminal.
pub(crate) fn stdout_of(command: &mut Command) -> Result<String> {
    let name = command_line(command);
    let output = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("`{name}` could not be started"))?;
    if !output.status.success() {
        bail!("`{name}` failed ({})", output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{name}` printed something else than text"))
}

/// Program and arguments as a person would type them.
pub(crate) fn command_line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(program.as_os_str());
    let words: Vec<_> =
        std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}

fn cargo_program() -> String {
    std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned())
}
