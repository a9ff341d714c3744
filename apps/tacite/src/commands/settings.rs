//! `tacite settings`: what others are let know.
//!
//! Invariant: works without the server; what is switched off stays off until it is switched on.

use serde_json::json;
use tacite_client::core::{Intent, Settings as Shared, queries};

use super::{TIME, time, within_session};
use crate::arguments::{Common, Settings, Switch};
use crate::failure::Failure;
use crate::opening;
use crate::output::Output;

/// `tacite settings`
pub(super) fn run(common: &Common, settings: &Settings, output: &mut Output) -> Result<(), Failure> {
    let mut opened = opening::existing(common, "settings")?;
    let before = queries::settings(&opened.vault.transaction()?)?;
    let wanted = Shared {
        read_receipts: is_on(settings.read_receipts, before.read_receipts),
        presence: is_on(settings.presence, before.presence),
        typing: is_on(settings.typing, before.typing),
    };
    if wanted == before {
        return print(wanted, output);
    }
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        online.perform(Intent::ChangeSettings { settings: wanted }).await?;
        print(wanted, output)
    })
}

fn is_on(switch: Option<Switch>, before: bool) -> bool {
    switch.map_or(before, |switch| matches!(switch, Switch::On))
}

fn print(settings: Shared, output: &mut Output) -> Result<(), Failure> {
    let Shared { read_receipts, presence, typing } = settings;
    let object = json!({ "read_receipts": read_receipts, "presence": presence, "typing": typing });
    let word = |on| if on { "on" } else { "off" };
    let sentence = format!(
        "read receipts: {}\npresence:      {}\ntyping:        {}",
        word(read_receipts),
        word(presence),
        word(typing)
    );
    Ok(output.result(&object, &sentence)?)
}
