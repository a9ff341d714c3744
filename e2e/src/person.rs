//! A person with a profile of their own, who acts by running `tacite`.
//!
//! Invariants: a profile is used by nobody else; secrets are given in files, as scripts do; commands have all the time
//! they need, so a slow machine fails no story.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::{Binaries, Finished, Running};

/// Somebody.
#[derive(Debug)]
pub struct Person {
    binaries: Binaries,
    name: String,
    directory: PathBuf,
    /// Where commands connect instead of the invitation's address.
    by_way_of: Option<SocketAddr>,
}

/// A message as `tacite` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: String,
    /// The other person's handle.
    pub peer: String,
    /// Whether this person wrote it.
    pub outgoing: bool,
    /// What it says.
    pub text: String,
    /// How far it has come: `queued`, `sent`, `received` …
    pub state: String,
}

impl Person {
    /// Somebody without profile. All of theirs stands in `directory/name`.
    pub fn new(binaries: &Binaries, directory: &Path, name: &str) -> Result<Self> {
        let directory = directory.join(name);
        fs::create_dir_all(directory.join("secrets"))?;
        let person = Self { binaries: binaries.clone(), name: name.to_owned(), directory, by_way_of: None };
        fs::write(person.secret_file("passphrase"), format!("passphrase of {name}\n"))?;
        fs::write(person.secret_file("password"), format!("{}\n", person.password()))?;
        fs::write(person.secret_file("words"), format!("{}\n", person.words()))?;
        Ok(person)
    }

    /// The name with its sign: `@alice`.
    #[must_use]
    pub fn handle(&self) -> String {
        format!("@{}", self.name)
    }

    /// What they log in with.
    #[must_use]
    pub fn password(&self) -> String {
        format!("pass-quay-{}-7319", self.name)
    }

    /// Their three words.
    #[must_use]
    pub fn words(&self) -> String {
        format!("heron-{} kelp-{} rowan-{}", self.name, self.name, self.name)
    }

    /// The directory of their profiles: what `tacite` keeps on their disk.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The file that holds a secret: `passphrase`, `password` or `words`.
    #[must_use]
    pub fn secret_file(&self, secret: &str) -> PathBuf {
        self.directory.join("secrets").join(secret)
    }

    /// From now on their commands connect to `address`; `None`: to the server itself.
    pub fn connect_by_way_of(&mut self, address: Option<SocketAddr>) {
        self.by_way_of = address;
    }

    /// `tacite` with their profile and JSON output, ready to run. The time of `listen` stays unbounded.
    #[must_use]
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binaries.tacite);
        // Neither their keyring nor their settings may play a part.
        for variable in ["DBUS_SESSION_BUS_ADDRESS", "TACITE_SERVER", "TACITE_PORT", "TACITE_CONFIG"] {
            command.env_remove(variable);
        }
        command.env("TACITE_HOME", self.data()).env("HOME", &self.directory);
        if let Some(address) = self.by_way_of {
            command
                .env("TACITE_SERVER", address.ip().to_string())
                .env("TACITE_PORT", address.port().to_string());
        }
        command
            .args(["--json", "--profile", &self.name, "--passphrase-file"])
            .arg(self.secret_file("passphrase"));
        if arguments.first() != Some(&"listen") && !arguments.contains(&"--timeout") {
            command.args(["--timeout", "86400"]);
        }
        command.args(arguments);
        if matches!(arguments.first(), Some(&("register" | "login"))) {
            command.arg("--password-file").arg(self.secret_file("password"));
            command.arg("--words-file").arg(self.secret_file("words"));
        }
        command
    }

    /// Runs a command to its end, however it ends.
    pub fn run(&self, arguments: &[&str]) -> Result<Finished> {
        Finished::of(&mut self.command(arguments))
    }

    /// Runs a command that must succeed; its results, one object a line.
    pub fn results(&self, arguments: &[&str]) -> Result<Vec<Value>> {
        let finished = self.run(arguments)?.expect(0)?;
        finished.stdout.lines().map(|line| serde_json::from_str(line).context(line.to_owned())).collect()
    }

    /// Starts a command and lets it run; what it logs goes to a file of the person's.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        Running::start(&mut self.command(arguments), &self.directory.join("log"))
    }

    /// Registers by an invitation.
    pub fn register(&self, invitation: &str) -> Result<()> {
        self.results(&["register", &self.handle(), "--invite", invitation]).map(drop)
    }

    /// Becomes the other's contact: asks, and the other accepts.
    pub fn befriend(&self, other: &Self) -> Result<()> {
        self.results(&["contacts", "request", &other.handle()])?;
        other.results(&["contacts", "accept", &self.handle()]).map(drop)
    }

    /// Sends a text and waits until it is `queued`, `sent` or `received`.
    pub fn send(&self, other: &Self, text: &str, wait: &str) -> Result<Message> {
        let results = self.results(&["send", &other.handle(), text, "--wait", wait])?;
        results.first().context("`tacite send` printed nothing").and_then(Message::from_json)
    }

    /// Listens until nothing waits any more; what was heard.
    pub fn listen_until_level(&self) -> Result<Vec<Message>> {
        self.results(&["listen", "--until-level"])?.iter().map(Message::from_json).collect()
    }

    /// How many messages wait in their outbox.
    pub fn queued(&self) -> Result<u64> {
        let results = self.results(&["status", "--offline"])?;
        let queued = results.first().and_then(|status| status["queued"].as_u64());
        queued.context("`tacite status` did not say what is queued")
    }

    /// All messages with somebody, oldest first.
    pub fn history(&self, other: &Self) -> Result<Vec<Message>> {
        let results = self.results(&["history", &other.handle(), "--limit", "1000000"])?;
        results.iter().map(Message::from_json).collect()
    }
}

impl Message {
    /// Reads a line of `tacite listen --json`.
    pub fn from_line(line: &str) -> Result<Self> {
        Self::from_json(&serde_json::from_str(line).context(line.to_owned())?)
    }

    fn from_json(object: &Value) -> Result<Self> {
        let text = |key: &str| object[key].as_str().map(str::to_owned);
        let message = || {
            Some(Self {
                id: text("message_id")?,
                peer: text("peer")?,
                outgoing: object["outgoing"].as_bool()?,
                text: text("text")?,
                state: text("state")?,
            })
        };
        let Some(message) = message() else { bail!("no message: {object}") };
        Ok(message)
    }
}
