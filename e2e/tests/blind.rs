//! An operator with everything in hand: the disk, the logs, the memory of the process, the program.

use std::fs::{self, File};
use std::io::Write as _;

use anyhow::{Context as _, Result, ensure};
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
    ensure!(memory::holds(&memory, "alice"), "not the server's memory");
    for said in [DELIVERED, WAITING] {
        ensure!(!memory::holds(&memory, said), "`{said}` stands in the server's memory");
    }
    for name in ["alice", "bob"] {
        let person = world.stranger(name)?;
        for secret in [person.password(), person.words()] {
            ensure!(!memory::holds(&memory, &secret), "a secret of {name} stands in the server's memory");
        }
    }
    Ok(())
}

#[cfg(target_os = "linux")]
mod memory {
    //! What a process has in its memory, as its owner can read it.

    use std::fs::{self, File};
    use std::os::unix::fs::FileExt as _;

    use anyhow::{Context as _, Result};

    /// Every readable part.
    pub(crate) fn of(process_id: u32) -> Result<Vec<Vec<u8>>> {
        let maps = fs::read_to_string(format!("/proc/{process_id}/maps"))?;
        let memory = File::open(format!("/proc/{process_id}/mem"))?;
        let mut parts = Vec::new();
        for line in
            maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|mode| mode.starts_with("rw")))
        {
            let (begin, end) =
                line.split(' ').next().and_then(|range| range.split_once('-')).context("a range")?;
            let (begin, end) = (u64::from_str_radix(begin, 16)?, u64::from_str_radix(end, 16)?);
            let mut part = vec![0; usize::try_from(end - begin)?];
            // Parts come and go while the process runs.
            if memory.read_exact_at(&mut part, begin).is_ok() {
                parts.push(part);
            }
        }
        Ok(parts)
    }

    pub(crate) fn holds(memory: &[Vec<u8>], words: &str) -> bool {
        memory.iter().any(|part| part.windows(words.len()).any(|window| window == words.as_bytes()))
    }
}
