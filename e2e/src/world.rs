//! A server and people on it, in a temporary directory that goes with them.

use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;

use crate::{Binaries, Message, Mode, Person, Server};

/// Where a story takes place.
#[derive(Debug)]
pub struct World {
    /// The server of all.
    pub server: Server,
    /// How it delivers.
    pub mode: Mode,
    binaries: Binaries,
    // Dropped last, when nobody writes to it any more.
    directory: TempDir,
}

impl World {
    /// Builds the programs and starts a server that has nothing.
    pub fn new(mode: Mode) -> Result<Self> {
        Self::with_server(mode, &[], None)
    }

    /// The same, with more on the server's command line, and its directory elsewhere if one is given.
    pub fn with_server(mode: Mode, options: &[&str], directory: Option<&Path>) -> Result<Self> {
        let binaries = Binaries::build()?;
        let own = tempfile::Builder::new().prefix("tacite-").tempdir()?;
        let server_directory = directory.map_or_else(|| own.path().join("server"), Path::to_owned);
        let server = Server::start(&binaries, &server_directory, mode, options)?;
        Ok(Self { server, mode, binaries, directory: own })
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

    /// Brings `reader` everything that `author` has written: one after the other where the server stores what waits, both
    /// at once where it does not. Returns what the reader heard.
    pub fn deliver(&self, author: &Person, reader: &Person) -> Result<Vec<Message>> {
        let mut heard = Vec::new();
        if self.mode == Mode::Direct {
            let listening = reader.start(&["listen"])?;
            author.listen_until_level()?;
            listening.interrupt()?;
            for line in listening.wait()?.0 {
                heard.push(Message::from_line(&line)?);
            }
        } else {
            author.listen_until_level()?;
        }
        heard.extend(reader.listen_until_level()?);
        Ok(heard)
    }

    /// Until `author` knows of everything they wrote to `reader`, who has heard it all, that it was read.
    pub fn until_read(&self, author: &Person, reader: &Person) -> Result<()> {
        if self.mode != Mode::Direct {
            // The word waits on the server.
            reader.listen_until_level()?;
            author.listen_until_level()?;
            return Ok(());
        }
        // The word reaches only who is there.
        let is_open = |message: &&Message| message.outgoing && message.state != "read";
        let mut open = author.history(reader)?.iter().filter(is_open).count();
        let telling = reader.start(&["listen"])?;
        let mut hearing = author.start(&["listen", "--events"])?;
        while open > 0 {
            let line: serde_json::Value = serde_json::from_str(&hearing.next_line()?)?;
            let is_read = line["event"] == "message-changed" && line["state"] == "read";
            open -= usize::from(is_read && line["outgoing"] == true);
        }
        hearing.kill()?;
        telling.kill()
    }

    /// The directory of everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
