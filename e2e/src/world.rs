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
        if self.mode != Mode::Direct {
            author.listen_until_level()?;
            return reader.listen_until_level();
        }
        let mut heard = Self::listen_while(reader, || author.listen_until_level().map(drop))?.0;
        // What came may have to be answered, for which both must be there again, and so on.
        while reader.queued()? > 0 {
            heard.extend(Self::listen_while(author, || reader.listen_until_level())?.1);
            if author.queued()? > 0 {
                heard.extend(Self::listen_while(reader, || author.listen_until_level().map(drop))?.0);
            }
        }
        heard.extend(reader.listen_until_level()?);
        Ok(heard)
    }

    /// What `listener` hears while something is done, and what that returns.
    fn listen_while<T>(listener: &Person, act: impl FnOnce() -> Result<T>) -> Result<(Vec<Message>, T)> {
        let listening = listener.start(&["listen"])?;
        let done = act()?;
        // It may not be up yet. Where a shell runs the tests in the background, SIGINT is ignored until then, and it would listen on.
        listening.terminate()?;
        let lines = listening.wait()?.0;
        Ok((lines.iter().map(|line| Message::from_line(line)).collect::<Result<_>>()?, done))
    }

    /// Lets `author` hear how far their messages have come with `reader`, who has heard them all.
    pub fn tell_states(&self, author: &Person, reader: &Person) -> Result<()> {
        self.deliver(author, reader)?;
        author.listen_until_level().map(drop)
    }

    /// The first of `author`'s messages to `reader` that is not told to have been read.
    pub fn first_open(&self, author: &Person, reader: &Person) -> Result<Option<Message>> {
        let is_open = |message: &Message| message.outgoing && message.state != "read";
        Ok(author.history(reader)?.into_iter().find(is_open))
    }

    /// The directory of everything.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }
}
