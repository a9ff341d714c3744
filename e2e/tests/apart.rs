//! The depot in a process of its own: two people talk, and each process has only what is its own.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Binaries, Finished, Mode, Running, World};

const SAID: &str = "the boats lie apart";

/// A depot, running, and what it said of itself.
struct Depot {
    process: Running,
    said: Vec<String>,
}

impl Depot {
    fn start(binaries: &Binaries, directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let mut command = Command::new(&binaries.tacited);
        command.args(["serve-part", "depot", "--address", "127.0.0.1", "--port", "0"]);
        command.args(["--part-address", "127.0.0.1:0", "--debug", "--data-dir"]).arg(directory.join("data"));
        let mut process = Running::start_relied_on(&mut command, &directory.join("log"))?;
        let said = (0..5).map(|_| process.next_line()).collect::<Result<_>>()?;
        Ok(Self { process, said })
    }

    fn said(&self, word: &str) -> Result<&str> {
        let line = self.said.iter().find_map(|line| line.strip_prefix(word)?.strip_prefix(": "));
        line.with_context(|| format!("{word} in {:?}", self.said))
    }
}

// E1, E3, T80: also the memory of the processes.
#[test]
fn two_people_talk_and_each_process_has_its_own_database_only() -> Result<()> {
    let (binaries, place) = (Binaries::build()?, tempfile::tempdir()?);
    let (depot_place, server_place) = (place.path().join("depot"), place.path().join("server"));
    let depot = Depot::start(&binaries, &depot_place)?;
    // Clients pin one key for both.
    fs::create_dir_all(server_place.join("data/keys"))?;
    for file in ["keys/tls.cert.pem", "keys/tls.key.pem"] {
        fs::copy(depot_place.join("data").join(file), server_place.join("data").join(file))?;
    }
    let config = place.path().join("config.toml");
    let text = format!(
        "[depot]\nurl = \"https://{}\"\npin = \"{}\"\nsecret_file = \"{}\"\npublic_url = \"https://{}\"\n",
        depot.said("part-address")?,
        depot.said("pin")?,
        depot.said("secret-file")?,
        depot.said("address")?
    );
    fs::write(&config, text)?;
    let options = ["--config", config.to_str().context("a path")?];
    let world = World::with_server(Mode::Split, &options, Some(&server_place))?;

    let (alice, bob) = world.contacts("alice", "bob")?;
    world.deliver(&alice, &bob)?;
    alice.send(&bob, SAID, "sent")?;
    audit(&binaries, &server_place.join("data"), &config, &server_place.join("logs/tacited.log"), &[])?;
    let empty = place.path().join("empty.toml");
    fs::write(&empty, "")?;
    audit(&binaries, &depot_place.join("data"), &empty, &depot_place.join("log"), &["--part", "depot"])?;
    let sealed = waiting(&depot_place.join("data/depot.db"))?;
    let heard = world.deliver(&alice, &bob)?;
    ensure!(heard.iter().any(|message| message.text == SAID), "{heard:?}");

    let databases = |directory: &Path| -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(directory.join("data"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.retain(|name| Path::new(name).extension().is_some_and(|ending| ending == "db"));
        names.sort();
        Ok(names)
    };
    assert_eq!(databases(&server_place)?, ["accounts.db", "router.db"]);
    assert_eq!(databases(&depot_place)?, ["depot.db"]);
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
        let of_depot = memory::of(depot.process.process_id())?;
        ensure!(!memory::holds(&of_depot, b"alice") && !memory::holds(&of_depot, SAID.as_bytes()));
    }
    depot.process.terminate()?;
    ensure!(depot.process.wait()?.1.success());
    Ok(())
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
