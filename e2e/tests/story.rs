//! The demo's story, from an empty machine to the last message.

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Mode, Story, World, canary, in_each_mode};

in_each_mode!(
    two_people_meet_and_talk_whatever_happens,
    three_stores_stand_apart_in_a_private_directory,
    no_address_is_stored_nor_logged_above_debug,
);

// C5, C6, E2, T80
fn two_people_meet_and_talk_whatever_happens(mode: Mode) -> Result<()> {
    let (mut story, mut steps) = (Story::default(), Vec::new());
    let told = story.tell(mode, &mut |step| steps.push(step.to_owned()));
    let world = told.with_context(|| format!("after {steps:#?}"))?;
    let tally = story.tally();
    assert_eq!((tally.lost, tally.doubled), (0, 0), "{tally}");
    ensure!(tally.sent >= 10 && steps.len() >= 10, "the story has become short: {tally}, {steps:#?}");

    // The story has searched; here is the same with words of its own, so that it cannot forget to.
    let said = ["the heron has landed", "written in the storm", "the storm is over"].map(str::to_owned);
    canary::expect_none(&world.server.data(), &said)?;
    canary::expect_none(&world.server.logs(), &said)
}

// E1, I1: what a server makes of nothing.
fn three_stores_stand_apart_in_a_private_directory(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let data = world.server.data();
    for store in ["accounts.db", "router.db", "depot.db"] {
        ensure!(data.join(store).is_file(), "{store} is missing");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&data)?.permissions().mode() & 0o777, 0o700);
    }
    Ok(())
}

// A7: whoever reads the server's disk or its usual logs learns nobody's address.
fn no_address_is_stored_nor_logged_above_debug(mode: Mode) -> Result<()> {
    let world = World::new(mode)?;
    let (alice, bob) = world.contacts("alice", "bob")?;
    alice.send(&bob, "where am I?", mode.reach_while_away())?;
    world.deliver(&alice, &bob)?;
    let address = world.server.address().ip().to_string();
    canary::expect_none(&world.server.data(), std::slice::from_ref(&address))?;
    for path in canary::files_with(&world.server.logs(), &address)? {
        let text = std::fs::read_to_string(path)?;
        let is_logged = |line: &&str| line.contains(&address) && !line.contains(" DEBUG ");
        let levels = [" INFO ", " WARN ", " ERROR "];
        let told =
            text.lines().filter(is_logged).find(|line| levels.iter().any(|level| line.contains(level)));
        ensure!(told.is_none(), "{told:?}");
        ensure!(text.contains(" INFO "), "the log has become silent");
    }
    Ok(())
}
