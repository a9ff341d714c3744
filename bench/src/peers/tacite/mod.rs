//! `tacited`, delivering inline or in split mode: how it is seeded, configured and started.
//!
//! Invariants: the server is the one that people install, with documented settings only; both modes begin with the same people.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde::Serialize;

use super::process::{ServerProcess, Start};
use super::work::Work;
use super::{Ability, Peer};
use crate::load::command::ProtocolName;

pub mod seed;

/// Seed and data of both modes are kept under this name; another one when other people are seeded, or an old seed would stay.
const NAME: &str = "tacite-2";
const PROGRAM: &str = "tacited";
const HOST: &str = "127.0.0.1";
const PORT: u16 = 7878;
/// More than anybody sends: the limit protects a server from its people, and is not what is measured.
const MESSAGES_PER_SECOND_MAX: u32 = 1_000_000;

/// How bodies travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In frames.
    Inline,
    /// Over HTTPS.
    Split,
}

/// The peer. The program is looked for beside this one.
pub struct Tacited {
    mode: Mode,
    work: Work,
    process: Option<ServerProcess>,
}

/// `config.toml`.
#[derive(Debug, Serialize)]
struct Config {
    server: Server,
    security: Security,
    delivery: Delivery,
}

#[derive(Debug, Serialize)]
struct Server {
    address: &'static str,
    port: u16,
    name: &'static str,
    data_dir: PathBuf,
    cert_path: PathBuf,
    key_path: PathBuf,
}

#[derive(Debug, Serialize)]
struct Security {
    max_messages_per_sec: u32,
}

#[derive(Debug, Serialize)]
struct Delivery {
    mode: Mode,
}

impl Tacited {
    /// In this mode.
    #[must_use]
    pub fn new(mode: Mode, work: &Work) -> Self {
        Self { mode, work: work.clone(), process: None }
    }

    fn config(&self) -> Config {
        Config {
            server: Server {
                address: HOST,
                port: PORT,
                name: "bench",
                data_dir: data_dir(&self.work),
                cert_path: self.work.certificate(),
                key_path: self.work.key(),
            },
            security: Security { max_messages_per_sec: MESSAGES_PER_SECOND_MAX },
            delivery: Delivery { mode: self.mode },
        }
    }
}

impl Peer for Tacited {
    fn name(&self) -> &'static str {
        match self.mode {
            Mode::Inline => "tacite",
            Mode::Split => "tacite-split",
        }
    }

    fn protocol(&self) -> ProtocolName {
        ProtocolName::Tacite
    }

    fn address(&self) -> String {
        format!("{HOST}:{PORT}")
    }

    fn abilities(&self) -> &'static [Ability] {
        match self.mode {
            Mode::Inline => &[
                Ability::Pairs,
                Ability::Idle,
                Ability::Offline,
                Ability::FanOut,
                Ability::Copies,
                Ability::Storm,
            ],
            Mode::Split => &[Ability::Pairs, Ability::Offline],
        }
    }

    fn people(&self) -> Option<PathBuf> {
        Some(self.work.data(NAME))
    }

    fn prepare(&mut self) -> Result<()> {
        if self.work.seed(NAME).exists() {
            return Ok(());
        }
        let place = self.work.copy_seed(NAME)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(seed::seed(&data_dir(&self.work), &place, seed::PEOPLE))?;
        self.work.keep_as_seed(NAME)
    }

    fn fresh(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{PROGRAM} runs");
        self.work.copy_seed(NAME)?;
        Ok(())
    }

    fn start(&mut self) -> Result<Vec<i32>> {
        ensure!(self.process.is_none(), "{PROGRAM} runs already");
        let program = std::env::current_exe()?.with_file_name(PROGRAM);
        ensure!(program.is_file(), "{} is missing: build it first", program.display());
        let config = self.work.configuration(self.name()).with_extension("toml");
        fs::write(&config, toml::to_string(&self.config())?)?;
        let text = |path: PathBuf| path.into_os_string().into_string().ok().context("a path is not UTF-8");
        let process = ServerProcess::start(&Start {
            command: vec![text(program)?, "--config".to_owned(), text(config)?],
            environment: Vec::new(),
            user: None,
            directory: &self.work.data(NAME),
            log: &self.work.log(self.name()),
            listens_at: vec![self.address()],
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

/// Where the server keeps its own.
fn data_dir(work: &Work) -> PathBuf {
    work.data(NAME).join("data")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_server_understands_its_configuration() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let work = Work::open(place.path()).unwrap();
        for (mode, expected) in [
            (Mode::Inline, tacite_wire::proto::DeliveryMode::Inline),
            (Mode::Split, tacite_wire::proto::DeliveryMode::Split),
        ] {
            let written = toml::to_string(&Tacited::new(mode, &work).config()).unwrap();
            let read = toml::from_str::<tacite_server::Config>(&written).unwrap();
            let tls = tacite_server::TlsFlags::default();
            let settings = tacite_server::Settings::new(read, tls, None).unwrap();
            assert_eq!(settings.policy.delivery.mode, expected);
            assert_eq!(settings.policy.max_messages_per_sec, MESSAGES_PER_SECOND_MAX);
            assert_eq!(settings.certificate, Some((work.certificate(), work.key())));
            assert_eq!(settings.data_dir, data_dir(&work));
        }
    }
}
