//! `kill -9` of a client at each stage of each command, and of the server in between.
//!
//! A proxy stops the command at its n-th piece of network traffic, for n = 0, 1, 2 …; there it is killed, with that
//! piece on its way. Then the person tries again, and nothing may be lost, doubled or out of order.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Message, Mode, Person, Proxy, Weather, World, in_each_mode};

in_each_mode!(
    registering_survives_a_kill_at_each_stage,
    becoming_contacts_survives_a_kill_at_each_stage,
    sending_survives_a_kill_at_each_stage,
    hearing_survives_a_kill_at_each_stage,
    a_conversation_survives_a_server_that_is_killed_again_and_again,
);

/// What a command came to that was to be stopped at one piece.
#[derive(Debug, PartialEq, Eq)]
enum Stopped {
    /// It was killed there.
    Killed,
    /// It ended before so many pieces had come.
    Ended,
}

/// Runs a command of `person` and kills it when `pieces` pieces have passed.
fn stop_after(world: &World, person: &mut Person, pieces: usize, arguments: &[&str]) -> Result<Stopped> {
    let weather = Weather { freeze_after_pieces: Some(pieces), ..Weather::CALM };
    let proxy = Proxy::start(world.server.address(), weather)?;
    person.connect_by_way_of(Some(proxy.address()));
    let mut running = person.start(arguments)?;
    while !proxy.is_frozen() && !running.has_ended()? {
        // Neither tells of itself.
        std::thread::sleep(Duration::from_millis(1));
    }
    let stopped = if proxy.is_frozen() { Stopped::Killed } else { Stopped::Ended };
    running.kill()?;
    person.connect_by_way_of(Some(world.server.address()));
    Ok(stopped)
}

/// At which pieces of traffic a command is killed: at each one inline; where the same takes several connections, at every third,
/// each time beginning elsewhere.
fn stages(mode: Mode) -> impl Iterator<Item = usize> {
    match mode {
        Mode::Inline => (0..).step_by(1),
        Mode::Split => (1..).step_by(3),
        Mode::Direct => (2..).step_by(3),
    }
}

/// The other's side of a conversation: only what they heard.
fn heard(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|message| !message.outgoing).map(|message| message.text.as_str()).collect()
}

/// This person's side of a conversation.
fn said(messages: &[Message]) -> Vec<&str> {
    messages.iter().filter(|message| message.outgoing).map(|message| message.text.as_str()).collect()
}

// B1, T20
fn registering_survives_a_kill_at_each_stage(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let bob = world.person("bob")?;
    for stage in stages(mode) {
        let mut alice = world.stranger(&format!("alice{stage}"))?;
        let handle = alice.handle();
        let invitation = world.server.invite(1)?;
        let register = ["register", handle.as_str(), "--invite", invitation.as_str()];
        let stopped = stop_after(&world, &mut alice, stage, &register)?;
        if stopped == Stopped::Killed {
            finish_registration(&alice, &register)
                .with_context(|| format!("after a kill at piece {stage}"))?;
        }
        alice.befriend(&bob)?;
        bob.send(&alice, "welcome", mode.reach_while_away())?;
        assert_eq!(heard(&world.deliver(&bob, &alice)?), ["welcome"], "after a kill at piece {stage}");
        if stopped == Stopped::Ended {
            ensure!(stage > 10, "the command ended after {stage} pieces: was it stopped at all?");
            return Ok(());
        }
    }
    Ok(())
}

/// Registers again; if the server had taken the first attempt, the profile already is this account.
fn finish_registration(alice: &Person, register: &[&str]) -> Result<()> {
    if alice.run(register)?.code == Some(0) {
        return Ok(());
    }
    alice.results(&["contacts", "list"]).map(drop)
}

// C2
fn becoming_contacts_survives_a_kill_at_each_stage(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let mut bob = world.person("bob")?;
    for stage in stages(mode) {
        let mut alice = world.person(&format!("alice{stage}"))?;
        let handle = alice.handle();
        let (request, accept) = (["contacts", "request", "@bob"], ["contacts", "accept", &handle]);
        let asked = stop_after(&world, &mut alice, stage, &request)?;
        alice.results(&request)?;
        let accepted = stop_after(&world, &mut bob, stage, &accept)?;
        bob.results(&accept)?;
        alice.send(&bob, "there you are", mode.reach_while_away())?;
        assert_eq!(heard(&world.deliver(&alice, &bob)?), ["there you are"], "after a kill at piece {stage}");
        if [asked, accepted] == [Stopped::Ended, Stopped::Ended] {
            ensure!(stage > 5, "the commands ended after {stage} pieces: were they stopped at all?");
            return Ok(());
        }
    }
    Ok(())
}

// C6, T20: what is in the author's outbox arrives once and in order; what is not, not at all.
fn sending_survives_a_kill_at_each_stage(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (mut alice, bob) = world.contacts("alice", "bob")?;
    for stage in stages(mode) {
        let text = format!("number {stage}");
        // Where nothing is stored the other must be there, or the command would have nothing to do.
        let listening = (mode == Mode::Direct).then(|| bob.start(&["listen"])).transpose()?;
        let stopped = stop_after(&world, &mut alice, stage, &["send", "@bob", &text, "--wait", "sent"])?;
        if let Some(listening) = listening {
            listening.kill()?;
        }
        if stage % 2 == 0 {
            // Some of what was written leaves by itself, the rest with the next message.
            world.deliver(&alice, &bob)?;
        }
        if stopped == Stopped::Ended {
            break;
        }
    }
    alice.send(&bob, "the last", mode.reach_while_away())?;
    world.deliver(&alice, &bob)?;
    let (alices, bobs) = (alice.history(&bob)?, bob.history(&alice)?);
    assert_eq!(said(&alices), heard(&bobs));
    ensure!(said(&alices).len() > 5, "only {} messages were written", said(&alices).len());
    Ok(())
}

// C6, T14, T20
fn hearing_survives_a_kill_at_each_stage(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, mut bob) = world.contacts("alice", "bob")?;
    let mut texts = Vec::new();
    for stage in stages(mode) {
        for part in ["first", "second"] {
            let text = format!("{part} of {stage}");
            alice.send(&bob, &text, mode.reach_while_away())?;
            texts.push(text);
        }
        let sending = (mode == Mode::Direct).then(|| alice.start(&["listen"])).transpose()?;
        let stopped = stop_after(&world, &mut bob, stage, &["listen", "--until-level"])?;
        if let Some(sending) = sending {
            sending.kill()?;
        }
        if stopped == Stopped::Ended {
            break;
        }
    }
    world.deliver(&alice, &bob)?;
    assert_eq!(heard(&bob.history(&alice)?), texts);
    world.tell_states(&alice, &bob)?;
    assert_eq!(world.first_open(&alice, &bob)?, None, "what became of this is not known");
    Ok(())
}

// C6, T20
fn a_conversation_survives_a_server_that_is_killed_again_and_again(mode: Mode) -> Result<()> {
    let mut world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    let mut texts = Vec::new();
    for round in 0..4 {
        let text = format!("before {round}");
        alice.send(&bob, &text, mode.reach_while_away())?;
        texts.push(text);
        world.server.kill()?;
        let text = format!("after {round}");
        alice.send(&bob, &text, "queued")?;
        texts.push(text);
        world.server.restart()?;
    }
    world.deliver(&alice, &bob)?;
    assert_eq!(heard(&bob.history(&alice)?), texts);
    Ok(())
}
