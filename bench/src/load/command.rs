//! `tacite-bench load`: one workload against one server that runs, with its figures as a JSON object on standard output.
//!
//! Invariant: the same workload means the same to every protocol; what differs follows from the workload alone.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};

use super::connection::{FailedLinks, Tls};
use super::crowd::Field;
use super::figures::Figures;
use super::open_files::allow_many_open_files;
use super::protocols::tacite::Tacite;
use super::target::{Protocol, Target};
use super::usage::ServerProcesses;
use super::workloads::fan_out::{self, FanOut};
use super::workloads::idle::{self, Idle};
use super::workloads::offline::{self, OfflineDrain, OfflineSend};
use super::workloads::pairs::{self, Pairs};
use super::workloads::storm::{self, Storm};

/// What to load, and how.
#[derive(Debug, Args)]
pub struct Load {
    /// What the server speaks.
    #[arg(long, value_enum)]
    protocol: ProtocolName,
    /// Where it listens.
    #[arg(long, value_name = "HOST:PORT")]
    address: String,
    /// The authority that signed its certificate (PEM).
    #[arg(long, value_name = "FILE")]
    ca: PathBuf,
    /// Its processes, by id; their children are found.
    #[arg(long, value_name = "N", value_delimiter = ',', required = true)]
    server_pid: Vec<i32>,
    /// The directory with the people's keys (tacite only).
    #[arg(long, value_name = "DIRECTORY")]
    people: Option<PathBuf>,
    #[command(subcommand)]
    workload: Workload,
}

/// By its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProtocolName {
    /// A WebSocket to relay-limit.
    Limit,
    /// MQTT 3.1.1 at `QoS` 1.
    Mqtt,
    /// Core NATS.
    Nats,
    /// XMPP.
    Xmpp,
    /// Tacite's own.
    Tacite,
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// W1: pairs of people who are online.
    Pairs(Pairs),
    /// W2: connections without traffic.
    Idle(Idle),
    /// W3: messages to people who are away.
    OfflineSend(OfflineSend),
    /// W3: these people come back.
    OfflineDrain(OfflineDrain),
    /// W4: one room, many members.
    FanOut(FanOut),
    /// W7: everybody logs in at once.
    Storm(Storm),
}

impl Load {
    /// Does it, in this thread.
    pub fn run(&self) -> Result<Figures> {
        allow_many_open_files()?;
        let field = Field {
            target: Arc::new(Target {
                protocol: self.protocol()?,
                address: self.address.clone(),
                tls: Tls::new(&self.ca)?,
            }),
            server: ServerProcesses::new(self.server_pid.clone()),
            failed: FailedLinks::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match &self.workload {
                Workload::Pairs(pairs) => pairs::run(&field, pairs).await,
                Workload::Idle(idle) => idle::run(&field, idle).await,
                Workload::OfflineSend(offline) => offline::send(&field, offline).await,
                Workload::OfflineDrain(offline) => offline::drain(&field, offline).await,
                Workload::FanOut(fan_out) => fan_out::run(&field, fan_out).await,
                Workload::Storm(storm) => storm::run(&field, storm).await,
            }
        })
    }

    fn protocol(&self) -> Result<Protocol> {
        // Who is away is kept a place, and who sends to her is told what was accepted.
        let offline = matches!(self.workload, Workload::OfflineSend(_) | Workload::OfflineDrain(_));
        Ok(match self.protocol {
            ProtocolName::Limit => Protocol::Limit,
            ProtocolName::Mqtt => Protocol::Mqtt { persistent: offline },
            ProtocolName::Nats => Protocol::Nats,
            ProtocolName::Tacite => {
                let people = self.people.as_deref().context("tacite needs --people")?;
                Protocol::Tacite(Tacite::load(people)?)
            }
            ProtocolName::Xmpp => Protocol::Xmpp { acknowledged: offline },
        })
    }
}
