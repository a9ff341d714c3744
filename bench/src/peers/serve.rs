//! `tacite-bench serve`: one server, left running to look at it by hand.

use std::io::{Write, stdin};
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, ValueEnum as _};

use super::peer;
use super::work::Work;

/// Which server.
#[derive(Debug, Args)]
pub struct Serve {
    /// relay-limit, tacite, tacite-split, nats, mosquitto, prosody or ejabberd.
    peer: String,
    /// Where certificates, seeds, data and logs are kept.
    #[arg(long, value_name = "DIRECTORY", default_value = "target/bench")]
    work: PathBuf,
    /// Go on with the data that is there instead of a copy of the seed.
    #[arg(long)]
    as_left: bool,
}

impl Serve {
    /// Starts the server, says how it is reached, and stops it after Enter or the end of the input.
    pub fn run(&self, out: &mut impl Write) -> Result<()> {
        let work = Work::open(&self.work)?;
        let mut peer = peer(&self.peer, &work)?;
        peer.prepare()?;
        if !self.as_left {
            peer.fresh()?;
        }
        let processes: Vec<String> = peer.start()?.iter().map(ToString::to_string).collect();
        let protocol = peer.protocol().to_possible_value().map(|name| name.get_name().to_owned());
        write!(
            out,
            "--protocol {} --address {} --ca {} --server-pid {}",
            protocol.unwrap_or_default(),
            peer.address(),
            work.authority().display(),
            processes.join(",")
        )?;
        if let Some(people) = peer.people() {
            write!(out, " --people {}", people.display())?;
        }
        writeln!(out)?;
        out.flush()?;
        stdin().read_line(&mut String::new())?;
        peer.stop()
    }
}
