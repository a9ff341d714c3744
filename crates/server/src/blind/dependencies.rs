//! What a program was built of: a list that the build puts into it, and the traces that code leaves by itself.
//!
//! Invariants: the list stands in the program once, between two marks that are nowhere spelt out in the code that looks for
//! them; a program without a list is not passed.

use std::fs;
use std::path::Path;

use super::Findings;

/// Crates of ours that can decrypt, and those that bring them.
const OURS: &[&str] = &["signal", "seal", "core", "vault", "view", "client"];
/// How the names of others begin that can.
const OTHERS: &[&str] = &["openmls", "libsignal", "libcrux", "vodozemac"];

/// Checks a program.
pub(super) fn check(binary: &Path, findings: &mut Findings) {
    let bytes = match fs::read(binary) {
        Ok(bytes) => bytes,
        Err(error) => return findings.unchecked(binary, format!("it cannot be read: {error}")),
    };
    for name in OURS {
        // As compilers write the paths of functions, and panics the places in files.
        let symbol = format!("{}tacite_{name}", "tacite_".len() + name.len());
        let source = format!("crates/{name}/src/");
        for trace in [symbol, source] {
            if let Some(at) = find(&bytes, trace.as_bytes()) {
                findings.violation(binary, format!("byte {at}"), format!("code of tacite-{name}"));
            }
        }
    }
    let Some(list) = list_in(&bytes) else {
        return findings.unchecked(binary, "it does not say what it was built of");
    };
    let dependencies: Vec<_> = list.lines().filter(|line| !line.is_empty()).collect();
    for line in &dependencies {
        let name = line.split(' ').next().unwrap_or_default();
        let ours = name.strip_prefix("tacite-").is_some_and(|own| OURS.contains(&own));
        if ours || OTHERS.iter().any(|other| name.starts_with(other)) {
            findings.violation(binary, name, "a dependency that can decrypt");
        }
    }
    findings.checked.push(format!("{}: {} dependencies", binary.display(), dependencies.len()));
}

/// The list in a program: lines of name and version.
fn list_in(bytes: &[u8]) -> Option<&str> {
    let mark = |which: &str| format!("\n[tacite dependencies {which}]\n");
    let begin = mark("begin");
    let rest = &bytes[find(bytes, begin.as_bytes())? + begin.len()..];
    let list = std::str::from_utf8(&rest[..find(rest, mark("end").as_bytes())?]).ok()?;
    (!list.trim().is_empty()).then_some(list)
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    aho_corasick::AhoCorasick::new([wanted]).ok()?.find(bytes).map(|hit| hit.start())
}
