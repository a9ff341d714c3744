//! The unused pages of the depot's file: what was deleted must be overwritten with zeros.
//!
//! The format of the file is SQLite's (sqlite.org/fileformat2.html, sections 1.3 and 1.5): the header names the first trunk
//! page of the free list; each trunk names the next one and its leaves.
//!
//! Invariants: a damaged list is followed to no end twice; nothing is taken for a leaf that the list does not name.

use std::fs;
use std::path::PathBuf;

use super::Findings;

/// A writer that is copying its log into the file may be seen half-way.
const ATTEMPTS: usize = 3;

/// Checks the depot's file, if the depot is here.
pub(super) fn check(databases: &[(&str, PathBuf)], findings: &mut Findings) {
    let Some((_, path)) = databases.iter().find(|(name, _)| *name == "depot") else { return };
    let mut outcome = Err("it is not there");
    for _ in 0..ATTEMPTS {
        outcome = fs::read(path).map_err(|_| "it cannot be read").and_then(|bytes| unwiped_page(&bytes));
        if outcome == Ok(None) {
            break;
        }
    }
    match outcome {
        Ok(None) => findings.checked.push(format!("{}: unused pages are empty", path.display())),
        Ok(Some(page)) => {
            findings.violation(path, format!("page {page}"), "an unused page that was not overwritten");
        }
        Err(why) => findings.unchecked(path, format!("its unused pages: {why}")),
    }
}

/// The first unused page that holds anything.
fn unwiped_page(bytes: &[u8]) -> Result<Option<u32>, &'static str> {
    const DAMAGED: &str = "it is damaged";
    let number = |at: usize| {
        let four = bytes.get(at..at + 4).and_then(|four| four.first_chunk::<4>());
        four.map(|four| u32::from_be_bytes(*four)).ok_or(DAMAGED)
    };
    if !bytes.starts_with(b"SQLite format 3\0") {
        return Err("it is no database");
    }
    let page_bytes = match number(14)? & 0xFFFF {
        1 => 65_536,
        size => size as usize,
    };
    if page_bytes < 512 {
        return Err(DAMAGED);
    }
    let start = |page: u32| {
        (page as usize).checked_sub(1).and_then(|page| page.checked_mul(page_bytes)).ok_or(DAMAGED)
    };
    let (mut trunk, mut left) = (number(32)?, bytes.len() / page_bytes);
    while trunk != 0 {
        left = left.checked_sub(1).ok_or(DAMAGED)?;
        let at = start(trunk)?;
        let leaves = number(at + 4)? as usize;
        if leaves > page_bytes / 4 - 2 {
            return Err(DAMAGED);
        }
        for leaf in 0..leaves {
            let page = number(at + 8 + 4 * leaf)?;
            let start = start(page)?;
            let content = bytes.get(start..start + page_bytes).ok_or(DAMAGED)?;
            if content.iter().any(|byte| *byte != 0) {
                return Ok(Some(page));
            }
        }
        trunk = number(at)?;
    }
    Ok(None)
}
