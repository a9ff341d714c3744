//! Parts of the server in processes of their own: two people talk, and each process has only what is its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Binaries, Finished, Message, Mode, Running, World};

const SAID: &str = "the boats lie apart";

/// A part of the server, and what it said of itself when it was first started.
struct Part {
    name: &'static str,
    binaries: Binaries,
    directory: PathBuf,
    said: Vec<String>,
    /// `None` while it is down.
    process: Option<Running>,
}

impl Part {
    /// Starts a part with nothing in a directory of its name within `place`.
    fn start(binaries: &Binaries, name: &'static str, place: &Path) -> Result<Self> {
        let directory = place.join(name);
        fs::create_dir_all(&directory)?;
        let (binaries, said) = (binaries.clone(), Vec::new());
        let mut part = Self { name, binaries, directory, said, process: None };
        part.said = part.run("127.0.0.1:0")?;
        Ok(part)
    }

    /// Runs it, to be called at an address; what it says.
    fn run(&mut self, part_address: &str) -> Result<Vec<String>> {
        let mut command = Command::new(&self.binaries.tacited);
        command.args(["serve-part", self.name, "--address", "127.0.0.1", "--port", "0"]);
        command.args(["--part-address", part_address, "--debug", "--data-dir"]).arg(self.data());
        let mut process = Running::start_relied_on(&mut command, &self.log())?;
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| line.starts_with("secret-file: ")) {
            said.push(process.next_line()?);
        }
        self.process = Some(process);
        Ok(said)
    }

    /// `kill -9`.
    fn kill(&mut self) -> Result<()> {
        self.process.take().context("the part is already down")?.kill()
    }

    /// Starts it again on the same data, to be called at the same address.
    fn restart(&mut self) -> Result<()> {
        let address = self.said("part-address")?.to_owned();
        self.run(&address).map(drop)
    }

    /// SIGTERM; expects exit status 0.
    fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("the part is already down")?;
        process.terminate()?;
        ensure!(process.wait()?.1.success(), "{} did not end cleanly", self.name);
        Ok(())
    }

    fn said(&self, word: &str) -> Result<&str> {
        let line = self.said.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(": "));
        line.with_context(|| format!("{word} in {:?}", self.said))
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// What the rest of the server is told of it.
    fn section(&self) -> Result<String> {
        let mut section = format!(
            "[{}]\nurl = \"https://{}\"\npin = \"{}\"\nsecret_file = \"{}\"\n",
            self.name,
            self.said("part-address")?,
            self.said("pin")?,
            self.said("secret-file")?,
        );
        if let Ok(address) = self.said("address") {
            writeln!(section, "public_url = \"https://{address}\"")?;
        }
        Ok(section)
    }

    /// `tacited verify-blind` finds nothing that may not be there.
    fn audit(&self) -> Result<()> {
        let config = self.directory.join("empty.toml");
        fs::write(&config, "")?;
        audit(&self.binaries, &self.data(), &config, &self.log(), &["--part", self.name])
    }
}

/// The rest of the server, in the directory `server` of `place`, and its configuration.
fn server(mode: Mode, place: &Path, depot: &Part, sections: &[String]) -> Result<(World, PathBuf)> {
    let (directory, config) = (place.join("server"), place.join("config.toml"));
    fs::create_dir_all(directory.join("data/keys"))?;
    // Clients pin one key for both.
    for file in ["keys/tls.cert.pem", "keys/tls.key.pem"] {
        fs::copy(depot.data().join(file), directory.join("data").join(file))?;
    }
    fs::write(&config, sections.concat())?;
    let options = ["--config", config.to_str().context("a path")?];
    Ok((World::with_server(mode, &options, Some(&directory))?, config))
}

// E1, E3, T80: also the memory of the processes.
#[test]
fn two_people_talk_and_each_process_has_its_own_database_only() -> Result<()> {
    let (binaries, place) = (Binaries::build()?, tempfile::tempdir()?);
    let mut depot = Part::start(&binaries, "depot", place.path())?;
    let (world, config) = server(Mode::Split, place.path(), &depot, &[depot.section()?])?;

    let (alice, bob) = world.contacts("alice", "bob")?;
    world.deliver(&alice, &bob)?;
    alice.send(&bob, SAID, "sent")?;
    audit(&binaries, &world.server.data(), &config, &world.server.logs().join("tacited.log"), &[])?;
    depot.audit()?;
    let sealed = waiting(&depot.data().join("depot.db"))?;
    let heard = world.deliver(&alice, &bob)?;
    ensure!(heard.iter().any(|message| message.text == SAID), "{heard:?}");

    assert_eq!(databases(&world.server.data())?, ["accounts.db", "router.db"]);
    assert_eq!(databases(&depot.data())?, ["depot.db"]);
    // It has been put, announced, fetched and acknowledged, and the rest of the server has seen none of it.
    #[cfg(target_os = "linux")]
    {
        use tacite_e2e::memory;

        let of_server = memory::of(world.server.process_id()?)?;
        ensure!(memory::holds(&of_server, b"alice"), "not the server's memory");
        ensure!(
            !memory::holds(&of_server, &sealed),
            "sealed bytes stand in the memory of the router's process"
        );
        let of_depot = memory::of(depot.process.as_ref().context("the depot is down")?.process_id())?;
        ensure!(!memory::holds(&of_depot, b"alice") && !memory::holds(&of_depot, SAID.as_bytes()));
    }
    depot.stop()
}

// E1, C6, T20: what the accounts answered survives their death, and whoever was not answered asks again by themselves.
#[test]
fn accounts_and_depot_are_apart_and_the_accounts_are_killed_again_and_again() -> Result<()> {
    let (binaries, place) = (Binaries::build()?, tempfile::tempdir()?);
    let mut depot = Part::start(&binaries, "depot", place.path())?;
    let mut accounts = Part::start(&binaries, "accounts", place.path())?;
    let sections = [accounts.section()?, depot.section()?];
    let (mut world, config) = server(Mode::Inline, place.path(), &depot, &sections)?;

    let (alice, bob) = world.contacts("alice", "bob")?;
    let mut texts = Vec::new();
    for round in 0..4 {
        let [before, during, meanwhile, across] =
            ["before", "during", "meanwhile", "across"].map(|when| format!("{when} {round}"));
        // A link that is open goes on without accounts.
        let listening = (round % 2 == 1).then(|| bob.start(&["listen"])).transpose()?;
        alice.send(&bob, &before, "sent")?;
        let sending = alice.start(&["send", "@bob", &during, "--wait", "sent"])?;
        accounts.kill()?;
        accounts.restart()?;
        ensure!(sending.wait()?.1.success(), "what was sent when the accounts were killed did not arrive");
        accounts.kill()?;
        // Nobody can sign in, so it waits with her.
        alice.send(&bob, &meanwhile, "queued")?;
        let sending = alice.start(&["send", "@bob", &across, "--wait", "sent"])?;
        accounts.restart()?;
        ensure!(sending.wait()?.1.success(), "what was sent while there were no accounts did not arrive");
        if let Some(listening) = listening {
            listening.interrupt()?;
            ensure!(listening.wait()?.1.success(), "listening did not end cleanly");
        }
        texts.extend([before, during, meanwhile, across]);
    }
    world.deliver(&alice, &bob)?;
    let heard: Vec<String> = bob.history(&alice)?.into_iter().map(|message: Message| message.text).collect();
    assert_eq!(heard, texts);
    world.tell_states(&alice, &bob)?;
    assert_eq!(world.first_open(&alice, &bob)?, None, "what became of this is not known");

    // The rest of the server starts without accounts too, and somebody new waits for them.
    accounts.kill()?;
    world.server.stop()?;
    world.server.restart()?;
    accounts.restart()?;
    let carol = world.person("carol")?;
    carol.befriend(&alice)?;
    carol.send(&alice, SAID, "sent")?;

    audit(&binaries, &world.server.data(), &config, &world.server.logs().join("tacited.log"), &[])?;
    accounts.audit()?;
    depot.audit()?;
    assert_eq!(databases(&world.server.data())?, ["router.db"]);
    assert_eq!(databases(&accounts.data())?, ["accounts.db"]);
    assert_eq!(databases(&depot.data())?, ["depot.db"]);
    #[cfg(target_os = "linux")]
    {
        use tacite_e2e::memory;

        let sealed = waiting(&depot.data().join("depot.db"))?;
        let of_accounts =
            memory::of(accounts.process.as_ref().context("the accounts are down")?.process_id())?;
        ensure!(memory::holds(&of_accounts, b"carol"), "not the memory of the accounts");
        ensure!(!memory::holds(&of_accounts, &sealed), "sealed bytes stand in the memory of the accounts");
    }
    let heard = world.deliver(&carol, &alice)?;
    ensure!(heard.iter().any(|message| message.text == SAID), "{heard:?}");
    world.server.stop()?;
    accounts.stop()?;
    depot.stop()
}

/// The databases of a data directory.
fn databases(data: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(data)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "db"));
    names.sort();
    Ok(names)
}

/// Bytes from the middle of the one body that waits.
fn waiting(database: &Path) -> Result<Vec<u8>> {
    let connection = rusqlite::Connection::open(database)?;
    let body: Vec<u8> = connection.query_row("SELECT body FROM bodies", [], |row| row.get(0))?;
    ensure!(body.len() >= 256, "{} bytes", body.len());
    Ok(body[128..152].to_vec())
}

/// Both hold, each by itself.
fn audit(binaries: &Binaries, data: &Path, config: &Path, log: &Path, options: &[&str]) -> Result<()> {
    let mut command = Command::new(&binaries.tacited);
    command.arg("verify-blind").arg("--data-dir").arg(data).arg("--config").arg(config).arg("--log").arg(log);
    command.args(["--needle", &hex::encode(SAID)]).args(options);
    Finished::of(&mut command)?.expect(0).map(drop)
}
