//! Programs end cleanly when they are told to.

use anyhow::{Result, ensure};
use tacite_e2e::{Message, Mode, World, in_each_mode};

in_each_mode!(
    the_server_ends_cleanly_and_starts_again,
    a_server_whose_log_cannot_be_written_serves_on,
    the_server_ends_although_somebody_listens,
    listening_ends_cleanly,
);

// I1
fn the_server_ends_cleanly_and_starts_again(mode: Mode) -> Result<()> {
    let mut world = World::new(mode)?;
    let alice = world.person("alice")?;
    world.server.stop()?;
    world.server.restart()?;
    alice.results(&["contacts", "list"])?;
    world.server.interrupt()?;
    world.server.restart()?;
    alice.listen_until_level()?;
    Ok(())
}

// T69: the disk of the logs may be full, or nobody reads them any more.
fn a_server_whose_log_cannot_be_written_serves_on(mode: Mode) -> Result<()> {
    let mut world = World::new(mode)?;
    world.server.stop()?;
    world.server.lose_logs();
    world.server.restart()?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    alice.send(&bob, "unheard of", mode.reach_while_away())?;
    assert_eq!(world.deliver(&alice, &bob)?.len(), 1);
    world.server.stop()
}

// The server waits for nobody who stays connected.
fn the_server_ends_although_somebody_listens(mode: Mode) -> Result<()> {
    let mut world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    let mut listening = bob.start(&["listen"])?;
    alice.send(&bob, "still there?", "received")?;
    listening.next_line()?;
    world.server.stop()?;
    world.server.restart()?;
    alice.send(&bob, "and now?", "received")?;
    assert_eq!(Message::from_line(&listening.next_line()?)?.text, "and now?");
    Ok(())
}

// H1: one Ctrl+C, or SIGTERM.
fn listening_ends_cleanly(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    for interrupted in [true, false] {
        let mut listening = bob.start(&["listen"])?;
        alice.send(&bob, "ready?", "received")?;
        listening.next_line()?;
        if interrupted {
            listening.interrupt()?;
        } else {
            listening.terminate()?;
        }
        let (lines, status) = listening.wait()?;
        ensure!(status.code() == Some(0), "listening ended with {status}");
        assert_eq!(lines, [""; 0]);
    }
    alice.send(&bob, "gone?", mode.reach_while_away())?;
    assert_eq!(world.deliver(&alice, &bob)?.len(), 1);
    Ok(())
}
