//! The compiled test programs of the workspace: which tests they hold, and what running some of them came to.
//!
//! Invariants: they are the same programs that `cargo test --workspace` runs, started in the same directory.

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufReader;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cargo_metadata::{Artifact, Message, TargetKind};

use super::name::TestName;
use crate::workspace;

/// One compiled test program.
pub(super) struct TestBinary {
    package: String,
    file: Option<String>,
    executable: PathBuf,
    directory: PathBuf,
    /// Paths of the tests inside.
    tests: BTreeSet<String>,
}

/// What became of one test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    Ignored,
    DoesNotExist,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Ignored => "ignored",
            Self::DoesNotExist => "does not exist",
        }
    }
}

/// Builds all test programs of the workspace and asks each for its tests.
pub(super) fn build() -> Result<Vec<TestBinary>> {
    let packages: BTreeMap<_, _> = workspace::metadata()?
        .packages
        .into_iter()
        .map(|package| (package.id, package.name.to_string()))
        .collect();
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]);
    let mut child = cargo.stdout(Stdio::piped()).spawn().context("cargo could not be started")?;
    let stdout = child.stdout.take().expect("stdout is piped");
    let mut binaries = Vec::new();
    for message in Message::parse_stream(BufReader::new(stdout)) {
        if let Message::CompilerArtifact(artifact) = message?
            && let Some(package) = packages.get(&artifact.package_id)
        {
            binaries.extend(TestBinary::from_artifact(package, &artifact)?);
        }
    }
    if !child.wait()?.success() {
        bail!("the tests do not build");
    }
    Ok(binaries)
}

impl TestBinary {
    /// For people: `package` or `package/file`.
    pub(super) fn label(&self) -> String {
        match &self.file {
            Some(file) => format!("{}/{file}", self.package),
            None => self.package.clone(),
        }
    }

    pub(super) fn holds(&self, name: &TestName) -> bool {
        self.package == name.package && self.file == name.file && self.tests.contains(&name.path)
    }

    /// Runs the named tests, which it must hold.
    pub(super) fn run(&self, names: &[&TestName]) -> Result<BTreeMap<TestName, Outcome>> {
        let mut command = self.command();
        command.arg("--exact").args(names.iter().map(|name| &name.path));
        let output = command.stderr(Stdio::inherit()).output().with_context(|| self.label())?;
        let text = String::from_utf8_lossy(&output.stdout);
        let outcomes = outcomes(&text);
        if outcomes.values().any(|outcome| *outcome == Outcome::Failed) || !output.status.success() {
            eprintln!("{text}");
        }
        // A test of which nothing was printed ended the whole program.
        let outcome = |name: &TestName| outcomes.get(&name.path).copied().unwrap_or(Outcome::Failed);
        Ok(names.iter().map(|name| ((*name).clone(), outcome(name))).collect())
    }

    fn from_artifact(package: &str, artifact: &Artifact) -> Result<Option<Self>> {
        let Some(executable) = artifact.executable.as_ref().filter(|_| artifact.profile.test) else {
            return Ok(None);
        };
        let directory = artifact.manifest_path.parent().context("a manifest without directory")?;
        let file = artifact.target.kind.contains(&TargetKind::Test).then(|| artifact.target.name.clone());
        let mut binary = Self {
            package: package.to_owned(),
            file,
            executable: executable.into(),
            directory: directory.into(),
            tests: BTreeSet::new(),
        };
        let listed = workspace::stdout_of(binary.command().args(["--list", "--format", "terse"]))?;
        binary.tests =
            listed.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
        Ok(Some(binary))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(&self.directory).env("CARGO_MANIFEST_DIR", &self.directory);
        command
    }
}

/// Reads `test PATH ... OUTCOME` lines of a test harness.
fn outcomes(text: &str) -> BTreeMap<String, Outcome> {
    let outcome = |line: &str| {
        let (path, outcome) = line.strip_prefix("test ")?.split_once(" ... ")?;
        let path = path.strip_suffix(" - should panic").unwrap_or(path);
        let outcome = match outcome {
            "ok" => Outcome::Passed,
            ignored if ignored.starts_with("ignored") => Outcome::Ignored,
            _ => Outcome::Failed,
        };
        Some((path.to_owned(), outcome))
    };
    text.lines().filter_map(outcome).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_of_the_harness_are_read() {
        let text = "\nrunning 4 tests\ntest a::passes ... ok\ntest a::panics - should panic ... ok\ntest fails ... FAILED\n\
                    test waits ... ignored, too slow\n\nfailures:\n\ntest result: FAILED. 2 passed; 1 failed\n";
        let expected = [
            ("a::panics", Outcome::Passed),
            ("a::passes", Outcome::Passed),
            ("fails", Outcome::Failed),
            ("waits", Outcome::Ignored),
        ];
        let expected = expected.map(|(path, outcome)| (path.to_owned(), outcome));
        assert_eq!(outcomes(text), BTreeMap::from(expected));
    }
}
