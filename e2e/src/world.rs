//! A server and people on it, in a temporary directory that goes with them.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::{Binaries, Person, Server};

/// Where a story takes place.
#[derive(Debug)]
pub struct World {
    /// The server of all.
    pub server: Server,
    binaries: Binaries,
    // Dropped last, when nobody writes to it any more.
    directory: TempDir,
}

impl World {
    /// Builds the programs and starts a server that has nothing.
    pub fn new() -> Result<Self> {
        let binaries = Binaries::build()?;
        let directory = tempfile::Builder::new().prefix("tacite-").tempdir()?;
        let server = Server::start(&binaries, &directory.path().join("server"))?;
        Ok(Self { server, binaries, directory })
    }

    /// Somebody who has not registered yet.
    pub fn stranger(&self, name: &str) -> Result<Person> {
        Person::new(&self.binaries, self.directory.path(), name)
    }

    /// Somebody who is registered.
    pub fn person(&self, name: &str) -> Result<Person> {
        let person = self.stranger(name)?;
        person.register(&self.server.invite(1)?)?;
        Ok(person)
    }

    /// Two people who are registered and each other's contacts.
    pub fn contacts(&self, first: &str, second: &str) -> Result<(Person, Person)> {
        let (first, second) = (self.person(first)?, self.person(second)?);
        first.befriend(&second)?;
        Ok((first, second))
    }

    /// The directory of everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
