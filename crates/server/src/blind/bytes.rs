//! A search through files, for bytes that may not stand there. Files are read raw, so free pages, write-ahead logs and
//! what editors left behind are searched too.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasick;

use super::spellings::{is_telling, pieces, pieces_of_body, spellings};
use super::tables::Waiting;
use super::{Audit, Findings};

/// Fewest bytes of a needle: fewer stand somewhere by chance.
const NEEDLE_BYTES_MIN: usize = 8;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// A piece of a body that waits: in the depot's file only.
    Body,
    /// The name of one.
    Name,
    /// What the operator asked for, while it is part of a body that waits.
    WaitingNeedle,
    /// What the operator asked for: nowhere.
    Needle,
}

/// Searches the data directory and the logs.
pub(super) fn check(audit: &Audit, waiting: &[Waiting], findings: &mut Findings) {
    let patterns = patterns(audit, waiting, findings);
    if patterns.is_empty() {
        let what = "no body waits and nothing was given to look for: send a message to somebody who is away, or \
                    use --needle";
        findings.unchecked(&audit.data_dir, what);
        return;
    }
    let (kinds, bytes): (Vec<_>, Vec<_>) = patterns.into_iter().unzip();
    let Ok(automaton) = AhoCorasick::new(&bytes) else {
        findings.unchecked(&audit.data_dir, "too much to look for");
        return;
    };
    let mut files = Vec::new();
    if let Err(error) = files_below(&audit.data_dir, &mut files) {
        findings.unchecked(&audit.data_dir, format!("it cannot be listed: {error}"));
    }
    let elsewhere = audit.databases.iter().flat_map(|(_, path)| database_files(path));
    files.extend(elsewhere.filter(|path| !path.starts_with(&audit.data_dir) && path.exists()));
    let depot = audit.databases.iter().find(|(name, _)| *name == "depot");
    let depot = depot.map(|(_, path)| database_files(path)).unwrap_or_default();
    let logs = audit.logs.as_deref();
    if logs.is_none() {
        findings.unchecked(
            Path::new(""),
            "the logs: say with --log FILE where they are, or --no-log if none are kept",
        );
    }
    for path in files.iter().chain(logs.unwrap_or_default()) {
        match search(path, &automaton) {
            Ok(found) => {
                let in_depot = depot.contains(path);
                let forbidden = |wanted: &Wanted| !in_depot || *wanted == Wanted::Needle;
                let found = found.into_iter().map(|(index, at)| (kinds[index], at));
                if let Some((wanted, at)) =
                    found.filter(|(wanted, _)| forbidden(wanted)).min_by_key(|(_, at)| *at)
                {
                    findings.violation(path, format!("byte {at}"), wanted.sentence());
                }
            }
            // Files come and go while a server runs.
            Err(error) if error.kind() == io::ErrorKind::NotFound && files.contains(path) => {}
            Err(error) => findings.unchecked(path, format!("it cannot be read: {error}")),
        }
    }
    let (files, logs) = (files.len(), logs.unwrap_or_default().len());
    findings.checked.push(format!(
        "{files} files of the data directory and {logs} logs, for {} bodies that wait and {} needles",
        waiting.len(),
        audit.needles.len()
    ));
}

fn patterns(audit: &Audit, waiting: &[Waiting], findings: &mut Findings) -> Vec<(Wanted, Vec<u8>)> {
    let mut patterns = Vec::new();
    let mut add = |wanted, bytes: &[u8]| {
        patterns.extend(spellings(bytes).into_iter().map(|spelling| (wanted, spelling)));
    };
    for body in waiting {
        add(Wanted::Name, &body.name.0);
        for piece in pieces_of_body(&body.body) {
            add(Wanted::Body, piece);
        }
    }
    for (number, needle) in (1..).zip(&audit.needles) {
        let waits =
            waiting.iter().any(|body| body.body.windows(needle.len().max(1)).any(|part| part == needle));
        let wanted = if waits { Wanted::WaitingNeedle } else { Wanted::Needle };
        let parts = if needle.len() <= 64 { vec![needle.as_slice()] } else { pieces(needle) };
        if needle.len() < NEEDLE_BYTES_MIN || parts.is_empty() || !parts.iter().all(|part| is_telling(part)) {
            findings.unchecked(
                Path::new(""),
                format!("needle {number}: it is too short or too plain to be looked for"),
            );
        } else {
            for part in parts {
                add(wanted, part);
            }
        }
    }
    patterns
}

/// The first place of each pattern in a file.
fn search(path: &Path, automaton: &AhoCorasick) -> io::Result<Vec<(usize, usize)>> {
    let mut found = Vec::new();
    for hit in automaton.stream_find_iter(File::open(path)?) {
        let hit = hit?;
        found.push((hit.pattern().as_usize(), hit.start()));
    }
    Ok(found)
}

/// A database, its write-ahead log, and the index of that.
fn database_files(path: &Path) -> Vec<PathBuf> {
    let with = |ending: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(ending);
        name.into()
    };
    vec![path.to_owned(), with("-wal"), with("-shm")]
}

fn files_below(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(fs::DirEntry::path);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            files_below(&entry.path(), files)?;
        } else if kind.is_file() || fs::metadata(entry.path()).is_ok_and(|target| target.is_file()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

impl Wanted {
    const fn sentence(self) -> &'static str {
        match self {
            Self::Body => "a part of a sealed body that waits in the depot",
            Self::Name => "the name of a body that waits in the depot",
            Self::WaitingNeedle | Self::Needle => "what was to be looked for",
        }
    }
}
