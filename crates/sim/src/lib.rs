//! The simulated world: real cores over real vaults, the real server code, a network and disks that fail, and tokio's paused
//! clock; everything that happens follows from one seed.
//!
//! [`run`] lets one world happen: people write to each other while links break, programs and the server die, disks fill up
//! and clocks jump; then everything heals, and what was promised must hold: every message whose writer was told that it is
//! accepted arrives once, or the writer is told; order and histories agree; states never step back; no key is used twice;
//! nothing that was written stands in a frame or in a file of the server.
//!
//! Invariants: no thread, no clock and no chance but the world's; the code under test is the code that is shipped. A plan is
//! drawn before the world begins (`plan`), the network decides what becomes of frames (`net`), people drive their devices
//! (`person`), the truth is kept outside of all of them (`truth`), and `checks` compares.

mod checks;
mod depot;
mod dice;
mod event;
mod net;
mod person;
mod plan;
mod plant;
mod server;
mod store;
mod talk;
mod template;
mod trace;
mod transport;
mod truth;
mod watch;
mod wiretap;
mod world;

use std::io::Write;

use plan::Plan;
pub use plant::{NoSuchPlant, Plant};
use template::Template;
use trace::Trace;
use world::World;

/// What came of a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Texts that people typed.
    pub messages: u64,
    /// Faults that happened.
    pub faults: u64,
    /// Everything that must not be as it is; empty if all is well.
    pub wrong: Vec<String>,
    /// A sum of all that happened: two runs of a seed have the same.
    pub trace_sum: u64,
    /// How long the world took by its own clock, milliseconds.
    pub ms: u64,
}

impl Report {
    /// How many messages were lost.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.wrong.iter().filter(|what| what.ends_with("is lost")).count()
    }

    /// How many messages were doubled.
    #[must_use]
    pub fn doubled(&self) -> usize {
        self.wrong.iter().filter(|what| what.contains("doubled") || what.contains("shown twice")).count()
    }
}

/// Lets the world with this seed happen, with a planted fault if one is named. Each step is written to `steps`.
#[must_use]
pub fn run(seed: u64, plant: Option<Plant>, steps: Option<Box<dyn Write>>) -> Report {
    let template = Template::shared();
    let plan = Plan::of(seed);
    let happen = async {
        let begun = template.begin(plan.people).await;
        let (stores, vaults) = begun.map_err(|error| error.to_string())?;
        Ok(World::new(seed, &plan, (stores, vaults), plant, Trace::new(steps)).run().await)
    };
    watch::over(|| runtime().block_on(happen))
}

/// A runtime whose clock moves only when everybody waits.
fn runtime() -> tokio::runtime::Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without threads and sockets needs nothing that could be missing")
}
