//! `relay-limit`: the least that a relay costs. It keeps nothing and has no accounts.

use anyhow::{Context as _, Result, ensure};

use super::process::{ServerProcess, Start};
use super::work::Work;
use super::{Ability, Peer};
use crate::load::command::ProtocolName;

const NAME: &str = "relay-limit";
const ADDRESS: &str = "127.0.0.1:9443";

/// The peer, built beside this program.
pub(super) struct RelayLimit {
    work: Work,
    process: Option<ServerProcess>,
}

impl RelayLimit {
    pub(super) fn new(work: &Work) -> Self {
        Self { work: work.clone(), process: None }
    }
}

impl Peer for RelayLimit {
    fn name(&self) -> &'static str {
        NAME
    }

    fn protocol(&self) -> ProtocolName {
        ProtocolName::Limit
    }

    fn address(&self) -> String {
        ADDRESS.to_owned()
    }

    fn abilities(&self) -> &'static [Ability] {
        &[Ability::Pairs, Ability::Idle, Ability::FanOut, Ability::Copies, Ability::Storm]
    }

    fn prepare(&mut self) -> Result<()> {
        Ok(())
    }

    fn fresh(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{NAME} runs");
        self.work.copy_seed(NAME)?;
        Ok(())
    }

    fn start(&mut self) -> Result<Vec<i32>> {
        ensure!(self.process.is_none(), "{NAME} runs already");
        let program = std::env::current_exe()?.with_file_name(NAME);
        ensure!(program.is_file(), "{} is missing: build it first", program.display());
        let text = |path: std::path::PathBuf| {
            path.into_os_string().into_string().ok().context("a path is not UTF-8")
        };
        let process = ServerProcess::start(&Start {
            command: vec![
                text(program)?,
                ADDRESS.to_owned(),
                text(self.work.certificate())?,
                text(self.work.key())?,
            ],
            environment: Vec::new(),
            user: None,
            directory: &self.work.data(NAME),
            log: &self.work.log(NAME),
            listens_at: vec![ADDRESS.to_owned()],
            process_name: None,
        })?;
        let server = process.server();
        self.process = Some(process);
        Ok(vec![server])
    }

    fn stop(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), ServerProcess::stop)
    }

    fn kill(&mut self) -> Result<()> {
        self.process.take().map_or(Ok(()), ServerProcess::kill)
    }
}
