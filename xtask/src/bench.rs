//! `cargo xtask bench`: builds the servers of this checkout and the bench with optimisation, and hands the options over.
//!
//! Invariant: the program decides; what it prints and its exit status are this command's.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{prerequisites, workspace};

/// `--guard` counts instructions; everything else measures.
pub(crate) fn run(options: &[&str]) -> Result<()> {
    prerequisites::native()?;
    let (task, options) = task(options);
    let packages: &[&str] = if task == "guard" {
        prerequisites::guard()?;
        &["tacite-bench"]
    } else {
        prerequisites::bench()?;
        &["tacite-bench", "tacited"]
    };
    for package in packages {
        // One by one: built together the server would get the features that the bench's vault asks for.
        workspace::run(workspace::cargo().args(["build", "--quiet", "--release", "--package", package]))?;
    }

    let target = workspace::metadata()?.target_directory.into_std_path_buf();
    let mut bench = Command::new(target.join("release/tacite-bench"));
    bench.current_dir(workspace::root()).arg(task).arg("--work").arg(target.join("bench"));
    if task == "measure" {
        bench.arg("--docs").arg(Path::new("docs/benchmarks"));
    }
    workspace::run(bench.args(options))
}

/// Which part of the program, and what it is told.
fn task<'o>(options: &[&'o str]) -> (&'static str, Vec<&'o str>) {
    let rest: Vec<&str> = options.iter().copied().filter(|option| *option != "--guard").collect();
    let task = if rest.len() < options.len() { "guard" } else { "measure" };
    (task, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_is_a_task_of_its_own() {
        assert_eq!(task(&["--guard", "--record"]), ("guard", vec!["--record"]));
        assert_eq!(task(&["--peers", "--only", "W1"]), ("measure", vec!["--peers", "--only", "W1"]));
        assert_eq!(task(&[]), ("measure", vec![]));
    }
}
