//! `cargo xtask up`: everything needed to build, then a server on loopback and the commands for a first conversation.
//!
//! The development profile is used: it compiles much faster than a release, shares its artifacts with the tests, and
//! optimises what needs it (all dependencies, so the cryptography).
//!
//! Invariants: nothing outside the checkout is written: server and profiles live in `target/tacite-up`.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use tacite_e2e::Binaries;

use crate::{prerequisites, workspace};

/// People who may register with one invitation.
const USES: &str = "10";

/// Builds, prints what to do next, and becomes the server.
pub(crate) fn run() -> Result<()> {
    prerequisites::native()?;
    let binaries = Binaries::build()?;
    let place = workspace::root().join("target/tacite-up");
    let data = place.join("server");
    std::fs::create_dir_all(&place)?;
    let mut invite = Command::new(&binaries.tacited);
    let invited = workspace::stdout_of(invite.args(["invite", "--uses", USES, "--data-dir"]).arg(&data))?;
    let link = invited.split_whitespace().find(|word| word.starts_with("tacite://"));
    let link = link.context("`tacited invite` printed no link")?;
    println!("{}", next_steps(link, &binaries.tacite, &place));
    // What the server prints on stdout has been said.
    serve(Command::new(&binaries.tacited).arg("--data-dir").arg(&data).stdout(Stdio::null()))
}

fn next_steps(link: &str, tacite: &Path, place: &Path) -> String {
    let address = link.trim_start_matches("tacite://").split('/').next().unwrap_or_default();
    let (tacite, people) = (tacite.display(), place.join("people"));
    let people = people.display();
    format!(
        "\
address: {address}
invitation: {link}

The server starts now; Ctrl+C ends it. In a second terminal:

  export TACITE_HOME='{people}'
  alias alice=\"'{tacite}' --profile alice\" bob=\"'{tacite}' --profile bob\"
  alice register @alice --suggest-words --invite '{link}'
  bob register @bob --suggest-words --invite '{link}'
  alice contacts request @bob
  bob contacts accept @alice
  alice send @bob 'Hello!'
  bob listen

The web client comes later; until then people talk from the command line. Everything stands in
{place}: delete it to begin anew.
",
        place = place.display(),
    )
}

/// Becomes the server, so that signals reach it and nothing stands between.
#[cfg(unix)]
fn serve(server: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(server.exec()).context("tacited could not be started")
}

#[cfg(not(unix))]
fn serve(server: &mut Command) -> Result<()> {
    workspace::run(server)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_steps_name_address_invitation_and_programs() {
        let link = "tacite://127.0.0.1:7878/club#secret.pin";
        let text = next_steps(link, Path::new("target/debug/tacite"), Path::new("target/tacite-up"));
        assert!(text.contains("address: 127.0.0.1:7878\n"), "{text}");
        assert!(text.contains(&format!("invitation: {link}\n")), "{text}");
        assert!(text.contains("'target/debug/tacite' --profile alice"), "{text}");
        assert!(text.contains("TACITE_HOME='target/tacite-up/people'"), "{text}");
    }
}
