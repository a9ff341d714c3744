//! The programs `tacited` and `tacite`, built once for each process that needs them.
//!
//! Invariants: they are built with the profile and into the target directory of the program that asks.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail};

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The server program.
    pub tacited: PathBuf,
    /// The client program.
    pub tacite: PathBuf,
}

impl Binaries {
    /// Builds the programs unless this process already has. Cargo's own words go to stderr.
    pub fn build() -> Result<Self> {
        static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
        let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
        built.clone().map_err(anyhow::Error::msg)
    }
}

fn build() -> Result<Binaries> {
    let directory = directory_of(&std::env::current_exe()?)?;
    let (target, profile) = target_and_profile(&directory)?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(["build", "--package", "tacited", "--package", "tacite", "--profile", profile, "--target-dir"])
        .arg(target)
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = cargo.status().context("cargo could not be started")?;
    if !status.success() {
        bail!("the programs do not build ({status})");
    }
    let program = |name: &str| directory.join(name).with_extension(std::env::consts::EXE_EXTENSION);
    Ok(Binaries { tacited: program("tacited"), tacite: program("tacite") })
}

/// Where cargo puts programs, seen from a program (`debug/xtask`) or a test (`debug/deps/story-0123`).
fn directory_of(executable: &Path) -> Result<PathBuf> {
    let directory = executable.parent().context("a program without directory")?;
    let directory = if directory.ends_with("deps") { directory.parent() } else { Some(directory) };
    Ok(directory.context("no target directory")?.to_owned())
}

fn target_and_profile(directory: &Path) -> Result<(&Path, &str)> {
    let target = directory.parent().context("no target directory")?;
    let profile = directory.file_name().and_then(|name| name.to_str()).context("no profile's directory")?;
    Ok((target, if profile == "debug" { "dev" } else { profile }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_stand_beside_the_tests() {
        for executable in ["target/debug/xtask", "target/debug/deps/story-0123"] {
            let directory = directory_of(Path::new(executable)).unwrap();
            assert_eq!(directory, Path::new("target/debug"));
            assert_eq!(target_and_profile(&directory).unwrap(), (Path::new("target"), "dev"));
        }
        let release = Path::new("target/release");
        assert_eq!(target_and_profile(release).unwrap(), (Path::new("target"), "release"));
    }
}
