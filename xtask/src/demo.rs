//! `cargo xtask demo`: two people meet through a real server, from scratch.
//!
//! The story stands in `tacite_e2e::story`; the tests tell the same one. Invariants: everything takes place in a
//! temporary directory; the last line of stdout says how it ended.

use anyhow::{Result, bail};
use serde_json::json;
use tacite_e2e::{Binaries, Mode, Story};

use crate::Output;
use crate::prerequisites;

/// Builds the programs and tells the story; an error if a step failed or a message was lost or doubled.
pub(crate) fn run(output: Output) -> Result<()> {
    prerequisites::native()?;
    Binaries::build()?;
    let mut story = Story::default();
    let mut steps = 0;
    let told = story.tell(Mode::Inline, &mut |step| {
        steps += 1;
        match output {
            Output::Text => println!("{steps:>2}. {step}"),
            Output::Json => eprintln!("{steps:>2}. {step}"),
        }
    });
    let tally = story.tally();
    let ok = told.is_ok() && tally.is_whole();
    if let Err(error) = told {
        eprintln!("demo: {error:#}");
    }
    match output {
        Output::Text => println!("demo: {}, {tally}", if ok { "ok" } else { "failed" }),
        Output::Json => println!(
            "{}",
            json!({
                "ok": ok,
                "sent": tally.sent,
                "delivered": tally.delivered,
                "lost": tally.lost,
                "doubled": tally.doubled,
            })
        ),
    }
    if !ok {
        bail!("the demo failed after step {steps}");
    }
    Ok(())
}
