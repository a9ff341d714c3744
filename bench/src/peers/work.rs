//! The work directory: certificates, seeds, data, configurations and logs of the servers under test.
//!
//! Invariant: everything in it can be made anew; nothing outside it is written.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

use super::authority;
use super::process::succeed;

/// A work directory that is ready to use.
#[derive(Debug, Clone)]
pub struct Work(PathBuf);

impl Work {
    /// Makes what is missing: the directory, its parts, the certificates.
    pub fn open(root: &Path) -> Result<Self> {
        for part in ["tls", "seed", "data", "conf", "log"] {
            let part = root.join(part);
            fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
            fs::set_permissions(&part, Permissions::from_mode(0o755))?;
        }
        let work = Self(root.canonicalize()?);
        if !work.server_and_key().exists() {
            authority::make(&work)?;
        }
        Ok(work)
    }

    /// Fails unless servers that run as users of their own can get here.
    pub fn ensure_open_to_all(&self) -> Result<()> {
        for directory in self.0.ancestors() {
            let mode = fs::metadata(directory)?.permissions().mode();
            ensure!(
                mode & 0o001 != 0,
                "servers run as users of their own, which may not enter {}: pass another --work",
                directory.display()
            );
        }
        Ok(())
    }

    /// The certificate of the authority that signed the servers' certificate (PEM).
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.0.join("tls/ca.pem")
    }

    /// The servers' certificate (PEM), for `localhost` and 127.0.0.1.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.0.join("tls/server.pem")
    }

    /// Its key (PEM).
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("tls/server.key")
    }

    /// Certificate and key in one file (PEM).
    #[must_use]
    pub fn server_and_key(&self) -> PathBuf {
        self.0.join("tls/both.pem")
    }

    /// What a server's data begins with. It is complete if it is there.
    #[must_use]
    pub fn seed(&self, peer: &str) -> PathBuf {
        self.0.join("seed").join(peer)
    }

    /// A server's data.
    #[must_use]
    pub fn data(&self, peer: &str) -> PathBuf {
        self.0.join("data").join(peer)
    }

    /// A server's configuration.
    #[must_use]
    pub fn configuration(&self, peer: &str) -> PathBuf {
        self.0.join("conf").join(peer)
    }

    /// What a server writes to its outputs.
    #[must_use]
    pub fn log(&self, peer: &str) -> PathBuf {
        self.0.join("log").join(format!("{peer}.log"))
    }

    /// Puts a copy of the seed, owners and all, in the place of a server's data; without a seed the data is empty.
    pub fn copy_seed(&self, peer: &str) -> Result<PathBuf> {
        let (seed, data) = (self.seed(peer), self.data(peer));
        remove_directory(&data)?;
        if seed.exists() {
            succeed(Command::new("cp").arg("-a").arg(seed).arg(&data))?;
        } else {
            fs::create_dir_all(&data)?;
        }
        Ok(data)
    }

    /// Makes a seed of what stands in a server's data.
    pub fn keep_as_seed(&self, peer: &str) -> Result<()> {
        // Under another name first, so that a seed that is there is complete.
        let unfinished = self.0.join("seed").join(format!("{peer}.unfinished"));
        remove_directory(&unfinished)?;
        succeed(Command::new("cp").arg("-a").arg(self.data(peer)).arg(&unfinished))?;
        fs::rename(unfinished, self.seed(peer))?;
        Ok(())
    }
}

fn remove_directory(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).with_context(|| format!("removing {}", path.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_made_once() {
        let directory = tempfile::tempdir().expect("a directory");
        let work = Work::open(directory.path()).expect("opens");
        let first = fs::read(work.certificate()).expect("made");
        let work = Work::open(directory.path()).expect("opens again");
        assert_eq!(fs::read(work.certificate()).expect("there"), first);
        crate::load::connection::Tls::new(&work.authority()).expect("the generator believes it");
    }

    #[test]
    fn data_is_a_copy_of_the_seed_each_time() {
        let directory = tempfile::tempdir().expect("a directory");
        let work = Work::open(directory.path()).expect("opens");
        let data = work.copy_seed("mosquitto").expect("empty");
        fs::write(data.join("people"), "alice").expect("ours");
        work.keep_as_seed("mosquitto").expect("kept");
        fs::write(data.join("people"), "mallory").expect("ours");
        fs::write(data.join("more"), "").expect("ours");
        let data = work.copy_seed("mosquitto").expect("copied");
        assert_eq!(fs::read_to_string(data.join("people")).expect("there"), "alice");
        assert!(!data.join("more").exists());
    }

    #[test]
    fn a_directory_that_servers_may_not_enter_is_refused() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).expect("ours");
        let work = Work::open(directory.path()).expect("opens");
        let refused = work.ensure_open_to_all().expect_err("private");
        assert!(refused.to_string().contains("--work"), "{refused}");
    }
}
