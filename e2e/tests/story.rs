//! The demo's story, from an empty machine to the last message.

use anyhow::{Context as _, Result, ensure};
use tacite_e2e::{Story, World, canary};

// C5, C6, E2, T80
#[test]
fn two_people_meet_and_talk_whatever_happens() -> Result<()> {
    let (mut story, mut steps) = (Story::default(), Vec::new());
    let told = story.tell(&mut |step| steps.push(step.to_owned()));
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
#[test]
fn three_stores_stand_apart_in_a_private_directory() -> Result<()> {
    let world = World::new()?;
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
