//! An operator with everything in hand: the disk, the logs, the memory of the process, the program.

use std::fs::{self, File};
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
#[cfg(target_os = "linux")]
use tacite_e2e::memory;
use tacite_e2e::{Mode, World, in_each_mode};

in_each_mode!(the_audit_of_a_running_server_holds,);
#[cfg(target_os = "linux")]
in_each_mode!(t80_nothing_that_was_said_is_in_the_servers_memory,);

const DELIVERED: &str = "the heron has left the quay";
const WAITING: &str = "the kelp waits for high water";

/// Bob has read one message and is away; another waits for him, if this server keeps any.
fn conversation(mode: Mode) -> Result<World> {
    let world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    world.deliver(&alice, &bob)?;
    alice.send(&bob, DELIVERED, mode.reach_while_away())?;
    world.deliver(&alice, &bob)?;
    alice.send(&bob, WAITING, mode.reach_while_away())?;
    Ok(world)
}

// E4, T80, T81, T83
fn the_audit_of_a_running_server_holds(mode: Mode) -> Result<()> {
    let world = conversation(mode)?;
    let needles = [DELIVERED, WAITING].map(hex::encode);
    let options = ["--json", "--needle", &needles[0], "--needle", &needles[1]];
    let finished = world.server.audit(&options)?.expect(0)?;
    let report: serde_json::Value = serde_json::from_str(&finished.stdout)?;
    let checked = report["findings"]["checked"].as_array().context("what was checked")?;
    let waiting = if mode == Mode::Direct { "for 0 bodies" } else { "for 1 bodies" };
    ensure!(
        checked.iter().any(|sentence| sentence.as_str().is_some_and(|text| text.contains(waiting))),
        "{report:#}"
    );

    // One line too many in the log, and it does not hold; the report does not repeat it.
    let log = world.server.logs().join("tacited.log");
    writeln!(File::options().append(true).open(&log)?, "DEBUG taken: {DELIVERED}")?;
    let finished = world.server.audit(&options)?.expect(1)?;
    ensure!(
        finished.stdout.contains("tacited.log") && !finished.stdout.contains(DELIVERED),
        "{}",
        finished.stdout
    );

    // Without a list in the program nothing can be said of it.
    fs::write(&log, "")?;
    let other = log.display().to_string();
    world.server.audit(&["--binary", &other, "--needle", &needles[0]])?.expect(2)?;
    Ok(())
}

// T80, T83
#[cfg(target_os = "linux")]
fn t80_nothing_that_was_said_is_in_the_servers_memory(mode: Mode) -> Result<()> {
    let world = conversation(mode)?;
    let memory = memory::of(world.server.process_id()?)?;
    // What the server knows is there: this is its memory.
    ensure!(memory::holds(&memory, b"alice"), "not the server's memory");
    for said in [DELIVERED, WAITING] {
        ensure!(!memory::holds(&memory, said.as_bytes()), "`{said}` stands in the server's memory");
    }
    for name in ["alice", "bob"] {
        let person = world.stranger(name)?;
        for secret in [person.password(), person.words()] {
            ensure!(
                !memory::holds(&memory, secret.as_bytes()),
                "a secret of {name} stands in the server's memory"
            );
        }
    }
    Ok(())
}
