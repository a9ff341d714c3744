//! `tacite history`.
//!
//! Invariant: works without the server and changes nothing.

use tacite_client::core::queries;

use crate::arguments::{Common, History};
use crate::failure::{Exit, Failure};
use crate::opening;
use crate::output::Output;

/// `tacite history`
pub(super) fn run(common: &Common, history: &History, output: &mut Output) -> Result<(), Failure> {
    let mut opened = opening::existing(common, "history")?;
    let messages = queries::history(&opened.vault.transaction()?, &history.with, history.limit)?;
    let Some(messages) = messages else {
        return Err(Failure::new(
            Exit::Refused,
            "not-a-contact",
            format!("{} is not among your contacts.", history.with),
            "See `tacite contacts list`.",
        ));
    };
    for message in &messages {
        output.message(message)?;
    }
    Ok(())
}
