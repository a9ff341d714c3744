//! The servers under test: how each is installed, seeded, started, stopped and killed.
//!
//! Invariants: one server runs at a time, on the first processor only, as its own user, over a copy of its seed; the
//! configuration of each is in `conf/` and differs from Debian's in what is said there.

use std::path::PathBuf;

use anyhow::{Result, bail};

use self::debian::DebianPeer;
use self::relay_limit::RelayLimit;
use self::tacite::{Mode, Tacited};
use self::work::Work;
use crate::load::command::ProtocolName;

mod authority;
mod debian;
mod ejabberd;
mod mosquitto;
mod nats;
pub mod process;
mod prosody;
mod relay_limit;
pub mod serve;
pub mod tacite;
pub mod work;

/// What a peer can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ability {
    /// W1: messages between people who are online.
    Pairs,
    /// W2: connections without traffic.
    Idle,
    /// W3: messages to people who are away.
    Offline,
    /// W4: a room, or whatever the server has to reach many at once.
    FanOut,
    /// W4 without it: a copy for each. Every server could; it is of interest beside a room of ours only.
    Copies,
    /// W7: log-ins.
    Storm,
}

/// A server under test.
pub trait Peer {
    /// As rows name it.
    fn name(&self) -> &'static str;
    /// What the generator has to speak.
    fn protocol(&self) -> ProtocolName;
    /// Where it listens: `HOST:PORT`.
    fn address(&self) -> String;
    /// What it can be asked to do.
    fn abilities(&self) -> &'static [Ability];
    /// The directory of the people's keys, if the generator needs them.
    fn people(&self) -> Option<PathBuf> {
        None
    }
    /// Installs what is missing and makes the seed, once; what is there already is left as it is.
    fn prepare(&mut self) -> Result<()>;
    /// Puts a copy of the seed in the place of its data. The server must not run.
    fn fresh(&mut self) -> Result<()>;
    /// Starts it over its data and waits until it can be connected to; gives its processes, by id.
    fn start(&mut self) -> Result<Vec<i32>>;
    /// Ends it in good order, if it runs.
    fn stop(&mut self) -> Result<()>;
    /// Ends it as a power cut would (SIGKILL), if it runs.
    fn kill(&mut self) -> Result<()>;
}

/// All peers that are not Tacite, by name, in the order in which they are measured.
pub const OTHERS: [&str; 5] = ["relay-limit", "nats", "mosquitto", "prosody", "ejabberd"];

/// A peer by its name.
pub fn peer(name: &str, work: &Work) -> Result<Box<dyn Peer>> {
    Ok(match name {
        "tacite" => Box::new(Tacited::new(Mode::Inline, work)),
        "tacite-split" => Box::new(Tacited::new(Mode::Split, work)),
        "relay-limit" => Box::new(RelayLimit::new(work)),
        "nats" => Box::new(DebianPeer::new(&nats::NATS, work)),
        "mosquitto" => Box::new(DebianPeer::new(&mosquitto::MOSQUITTO, work)),
        "prosody" => Box::new(DebianPeer::new(&prosody::PROSODY, work)),
        "ejabberd" => Box::new(DebianPeer::new(&ejabberd::EJABBERD, work)),
        _ => bail!("there is no peer `{name}`; there are tacite, tacite-split, {}", OTHERS.join(", ")),
    })
}
