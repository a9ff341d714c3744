//! Servers as Debian packages them.
//!
//! Invariants: installing a package starts nothing; a server writes to its data only.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::unistd::Uid;

use super::process::{ServerProcess, Start, succeed};
use super::work::Work;
use super::{Ability, Peer};
use crate::load::command::ProtocolName;

/// How many people have accounts.
pub(super) const PEOPLE: u32 = 10_000;
/// Everybody's password.
pub(super) const PASSWORD: &str = "pw";

const POLICY: &str = "/usr/sbin/policy-rc.d";
/// Debian's policy that no service may be started (invoke-rc.d(8)).
const NO_SERVICE: &str = "#!/bin/sh\nexit 101\n";

/// What is particular to one server.
pub(super) struct Description {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
    pub(super) user: &'static str,
    pub(super) protocol: ProtocolName,
    pub(super) port: u16,
    pub(super) abilities: &'static [Ability],
    /// Its configuration: file names, and texts in which `@DATA@`, `@CONF@` and `@TLS@` are directories.
    pub(super) files: &'static [(&'static str, &'static str)],
    /// The program and its arguments, with the same placeholders.
    pub(super) command: &'static [&'static str],
    /// Its environment, with the same placeholders.
    pub(super) environment: &'static [(&'static str, &'static str)],
    /// See [`Start::process_name`].
    pub(super) process_name: Option<&'static str>,
    /// Makes the accounts in the data, which is empty.
    pub(super) seed: fn(&mut DebianPeer) -> Result<()>,
}

/// A server that Debian packages.
pub(super) struct DebianPeer {
    description: &'static Description,
    work: Work,
    process: Option<ServerProcess>,
}

impl DebianPeer {
    pub(super) fn new(description: &'static Description, work: &Work) -> Self {
        Self { description, work: work.clone(), process: None }
    }

    pub(super) fn data(&self) -> PathBuf {
        self.work.data(self.description.name)
    }

    /// Gives everything in the data to the server's user.
    pub(super) fn own_data(&self) -> Result<()> {
        if !Uid::effective().is_root() {
            return Ok(());
        }
        let owner = format!("{0}:{0}", self.description.user);
        succeed(Command::new("chown").arg("-R").arg(owner).arg(self.data()))
    }

    fn write_configuration(&self) -> Result<()> {
        let directory = self.work.configuration(self.description.name);
        fs::create_dir_all(&directory)?;
        for (name, text) in self.description.files {
            let path = directory.join(name);
            fs::write(&path, self.filled_in(text)?).with_context(|| path.display().to_string())?;
            fs::set_permissions(&path, Permissions::from_mode(0o644))?;
        }
        Ok(())
    }

    fn filled_in(&self, text: &str) -> Result<String> {
        let tls = self.work.certificate();
        let tls = tls.parent().context("certificates have a directory")?;
        Ok(text
            .replace("@DATA@", utf8(&self.data())?)
            .replace("@CONF@", utf8(&self.work.configuration(self.description.name))?)
            .replace("@TLS@", utf8(tls)?))
    }
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

impl Peer for DebianPeer {
    fn name(&self) -> &'static str {
        self.description.name
    }

    fn protocol(&self) -> ProtocolName {
        self.description.protocol
    }

    fn address(&self) -> String {
        format!("127.0.0.1:{}", self.description.port)
    }

    fn abilities(&self) -> &'static [Ability] {
        self.description.abilities
    }

    fn prepare(&mut self) -> Result<()> {
        install(self.description.package, self.description.command[0])?;
        if Uid::effective().is_root() {
            self.work.ensure_open_to_all()?;
        }
        if !self.work.seed(self.description.name).exists() {
            self.work.copy_seed(self.description.name)?;
            (self.description.seed)(self)?;
            self.own_data()?;
            self.work.keep_as_seed(self.description.name)?;
        }
        Ok(())
    }

    fn fresh(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "{} runs", self.name());
        self.work.copy_seed(self.description.name)?;
        Ok(())
    }

    fn start(&mut self) -> Result<Vec<i32>> {
        ensure!(self.process.is_none(), "{} runs already", self.name());
        self.write_configuration()?;
        let description = self.description;
        let command: Result<Vec<String>> =
            description.command.iter().map(|text| self.filled_in(text)).collect();
        let environment: Result<Vec<(&str, String)>> =
            description.environment.iter().map(|(name, text)| Ok((*name, self.filled_in(text)?))).collect();
        let process = ServerProcess::start(&Start {
            command: command?,
            environment: environment?,
            user: Some(description.user),
            directory: &self.data(),
            log: &self.work.log(description.name),
            listens_at: vec![self.address()],
            process_name: description.process_name,
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

/// Installs a package, if its program is not there.
fn install(package: &str, program: &str) -> Result<()> {
    if is_installed(program) {
        return Ok(());
    }
    ensure!(
        Uid::effective().is_root() && is_installed("apt-get"),
        "`{program}` is missing: install Debian's package `{package}`, or run this as root"
    );
    let _policy = NoService::declare()?;
    apt_get(&["install", "-y", "--no-install-recommends", package]).or_else(|_| {
        apt_get(&["update"])?;
        apt_get(&["install", "-y", "--no-install-recommends", package])
    })
}

fn apt_get(arguments: &[&str]) -> Result<()> {
    succeed(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_installed(program: &str) -> bool {
    // Servers are in directories that are not in everybody's path.
    let usual = [OsStr::new("/usr/sbin"), OsStr::new("/usr/bin")].map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(usual).any(|directory| directory.join(program).is_file())
}

/// While it lives, installing starts no services.
struct NoService {
    is_ours: bool,
}

impl NoService {
    fn declare() -> Result<Self> {
        if Path::new(POLICY).exists() {
            return Ok(Self { is_ours: false });
        }
        fs::write(POLICY, NO_SERVICE).with_context(|| format!("writing {POLICY}"))?;
        fs::set_permissions(POLICY, Permissions::from_mode(0o755))?;
        Ok(Self { is_ours: true })
    }
}

impl Drop for NoService {
    fn drop(&mut self) {
        if self.is_ours {
            // If it cannot be removed, the person finds out when she starts a service, and the file says what it does.
            let _ = fs::remove_file(POLICY);
        }
    }
}
