//! Everything at once, with the real programs: 1,000 messages in flight while server and clients are killed again and
//! again, connections are cut, and the server's disk is full for a while.
//!
//! What is counted is what the vaults hold at the end: each message once and in order.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Message, Mode, Person, Proxy, Weather, World, in_each_mode};

in_each_mode!(a_thousand_messages_survive_kills_and_cuts, a_full_disk_of_the_server_loses_nothing,);

/// Messages of each of the two.
const MESSAGES: usize = 500;
/// So many looks a millisecond apart at which nothing moved: everybody has what there is. On a slow machine a round may end
/// early, which is as good an end.
const QUIET_LOOKS: u32 = 5000;
/// A server that does not slow anybody down.
const FAST: [&str; 2] = ["--max-messages-per-sec", "10000"];

fn texts(author: &Person) -> Vec<String> {
    (0..MESSAGES).map(|number| format!("{number} of {}", author.handle())).collect()
}

/// Puts all texts of `author` into their outbox: all are in flight at once.
fn write_all(world: &World, author: &Person, reader: &Person) -> Result<()> {
    let file = world.directory().join(format!("{}.lines", author.handle()));
    writeln!(File::create(&file)?, "{}", texts(author).join("\n"))?;
    let mut command = author.command(&["send", &reader.handle(), "--lines", "--wait", "queued"]);
    let status = command.stdin(File::open(&file)?).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "`tacite send --lines` ended with {status}");
    Ok(())
}

fn others(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|message| !message.outgoing).map(|message| message.text.as_str()).collect()
}

/// Until every message of both has come and each author knows what became of it.
fn settle(world: &World, alice: &Person, bob: &Person) -> Result<()> {
    for (author, reader) in [(alice, bob), (bob, alice)] {
        world.deliver(author, reader)?;
    }
    for (author, reader) in [(alice, bob), (bob, alice)] {
        // So many are told in parts, as long as the reader is there.
        while world.first_open(author, reader)?.is_some() {
            world.tell_states(author, reader)?;
        }
    }
    Ok(())
}

// C6, T14, T15, T20
fn a_thousand_messages_survive_kills_and_cuts(mode: Mode) -> Result<()> {
    let mut world = World::with_server(mode, &FAST, None)?;
    let (mut alice, mut bob) = world.contacts("alice", "bob")?;
    write_all(&world, &alice, &bob)?;
    write_all(&world, &bob, &alice)?;
    for round in 0..12 {
        // Each round ends at another piece of traffic, with whatever is on its way then.
        let pieces = 40 + 37 * round;
        let weather = Weather {
            seed: round as u64,
            cuts: 3,
            cut_bytes_max: 200_000,
            freeze_after_pieces: Some(pieces),
            ..Weather::CALM
        };
        let proxy = Proxy::start(world.server.address(), weather)?;
        for person in [&mut alice, &mut bob] {
            person.connect_by_way_of(Some(proxy.address()));
        }
        let listening = [alice.start(&["listen"])?, bob.start(&["listen"])?];
        until_frozen(&proxy);
        let [alices, bobs] = listening;
        if round % 3 == 0 {
            world.server.kill()?;
        }
        alices.kill()?;
        bobs.kill()?;
        if round % 3 == 0 {
            world.server.restart()?;
        }
    }
    for person in [&mut alice, &mut bob] {
        person.connect_by_way_of(None);
    }
    settle(&world, &alice, &bob)?;
    assert_eq!(others(&bob.history(&alice)?), texts(&alice), "what bob holds");
    assert_eq!(others(&alice.history(&bob)?), texts(&bob), "what alice holds");
    Ok(())
}

/// Until the weather has frozen everything, or all has been said and nothing moves any more.
fn until_frozen(proxy: &Proxy) {
    let (mut pieces, mut quiet_looks) = (0, 0);
    while !proxy.is_frozen() && quiet_looks < QUIET_LOOKS {
        // It does not tell of itself.
        std::thread::sleep(Duration::from_millis(1));
        quiet_looks = if proxy.pieces() == pieces { quiet_looks + 1 } else { 0 };
        pieces = proxy.pieces();
    }
}

/// Runs the tests of this file again in a namespace of their own, where a small tmpfs can be mounted.
///
/// Returns false in the inner run. Neither the mount nor what is on it outlives the test.
fn rerun_with_own_mounts(test: &str) -> Result<bool> {
    const INNER: &str = "TACITE_E2E_OWN_MOUNTS";
    if std::env::var_os(INNER).is_some() {
        return Ok(false);
    }
    let status = Command::new("unshare")
        .args(["--map-root-user", "--mount"])
        .arg(std::env::current_exe()?)
        .args(["--exact", test, "--nocapture"])
        .env(INNER, "1")
        .status()
        .context("`unshare` of util-linux")?;
    ensure!(status.success(), "the inner run ended with {status}");
    Ok(true)
}

// T69: nothing is acknowledged that was not stored, and when there is room again everything goes on.
fn a_full_disk_of_the_server_loses_nothing(mode: Mode) -> Result<()> {
    if rerun_with_own_mounts(&format!("a_full_disk_of_the_server_loses_nothing::{}", mode.as_str()))? {
        return Ok(());
    }
    let disk = tempfile::tempdir()?;
    mount(disk.path(), "size=8g")?;
    let world = World::with_server(mode, &FAST, Some(&disk.path().join("server")))?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    alice.send(&bob, "there is room", mode.reach_while_away())?;
    // Now it is a small disk, and the rest of it somebody else's.
    mount(disk.path(), "remount,size=24m")?;
    let ballast = disk.path().join("ballast");
    fill(&ballast)?;
    write_all(&world, &alice, &bob)?;
    let refused = alice.run(&["send", "@bob", "no room", "--wait", "sent", "--timeout", "5"])?.expect(5)?;
    ensure!(refused.stdout.is_empty(), "a message was told to be sent: {}", refused.stdout);
    std::fs::remove_file(&ballast)?;
    mount(disk.path(), "remount,size=8g")?;
    settle(&world, &alice, &bob)?;
    let mut expected = vec![String::from("there is room")];
    expected.extend(texts(&alice));
    expected.push(String::from("no room"));
    assert_eq!(others(&bob.history(&alice)?), expected);
    Ok(())
}

fn mount(place: &Path, options: &str) -> Result<()> {
    let status = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tacite"]).arg(place).status()?;
    ensure!(status.success(), "no tmpfs could be mounted with {options}");
    Ok(())
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    for block in [65_536, 1] {
        while file.write_all(&vec![0; block]).is_ok() {}
    }
    Ok(())
}
