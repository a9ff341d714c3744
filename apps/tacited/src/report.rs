//! What the program says on standard output, and its errors on standard error.
//!
//! Invariant: each fact stands on a line of its own, `key: value`, so that scripts can read it.

use std::error::Error;
use std::io::{self, Write};

use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use tacite_server::blind::Findings;
use tacite_server::{Invitation, Running, RunningPart};

/// How to connect. A closed standard output does not stop a server.
pub(crate) fn started(running: &Running) {
    let _ = write_started(&mut io::stdout().lock(), running);
}

/// How the rest of a server connects to a part.
pub(crate) fn part_started(running: &RunningPart) {
    let _ = write_part_started(&mut io::stdout().lock(), running);
}

/// A new invitation.
pub(crate) fn invitation(invitation: &Invitation, uses: u32) {
    let _ = write_invitation(&mut io::stdout().lock(), invitation, uses);
}

/// What an audit found.
pub(crate) fn audited(findings: &Findings, json: bool) {
    let mut out = io::stdout().lock();
    let _ = if json {
        let findings = serde_json::json!({ "exit_code": findings.exit_code(), "findings": findings });
        writeln!(out, "{findings:#}")
    } else {
        write!(out, "{findings}")
    };
}

/// Why the program ends: the cause and what caused it.
pub(crate) fn failed(error: &dyn Error) {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        // Many errors repeat their source already.
        if !text.contains(&inner.to_string()) {
            text = format!("{text}: {inner}");
        }
        cause = inner.source();
    }
    let _ = writeln!(io::stderr().lock(), "tacited: {text}");
}

fn write_started(out: &mut impl Write, running: &Running) -> io::Result<()> {
    writeln!(out, "{}", tacite_server::SOFTWARE)?;
    writeln!(out, "address: {}", running.address)?;
    writeln!(out, "name: {}", running.name)?;
    match running.pin {
        Some(pin) => writeln!(out, "fingerprint: {pin}")?,
        None => writeln!(out, "fingerprint: none, links are not encrypted")?,
    }
    match &running.first_invitation {
        Some(first) => write_invitation(out, first, tacite_server::FIRST_INVITATION_USES)?,
        None => writeln!(out, "To let somebody in: tacited invite")?,
    }
    out.flush()
}

fn write_part_started(out: &mut impl Write, running: &RunningPart) -> io::Result<()> {
    writeln!(out, "{}", tacite_server::SOFTWARE)?;
    if let Some(address) = running.address {
        writeln!(out, "address: {address}")?;
    }
    writeln!(out, "part-address: {}", running.part_address)?;
    writeln!(out, "pin: {}", running.pin)?;
    writeln!(out, "secret-file: {}", running.secret_file.display())?;
    out.flush()
}

fn write_invitation(out: &mut impl Write, invitation: &Invitation, uses: u32) -> io::Result<()> {
    let link = invitation.to_link();
    writeln!(out, "invitation: {link}")?;
    let people = if uses == 1 { "1 person" } else { &format!("{uses} people") };
    writeln!(out, "It is good for {people} and 7 days. Whoever has it can register:")?;
    writeln!(out, "    tacite register @NAME --invite '{link}'")?;
    if let Ok(code) = QrCode::new(&link) {
        writeln!(out, "{}", code.render::<Dense1x2>().build())?;
    }
    out.flush()
}
