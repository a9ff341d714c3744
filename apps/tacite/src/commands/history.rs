//! `tacite history`.
//!
//! Invariant: works without the server; what should have disappeared by now is erased first and not shown.

use tacite_client::core::{erase_expired, queries};
use tacite_client::{SessionError, clock};

use crate::arguments::{Common, History};
use crate::failure::{Exit, Failure};
use crate::opening;
use crate::output::Output;

/// `tacite history`
pub(super) fn run(common: &Common, history: &History, output: &mut Output) -> Result<(), Failure> {
    let mut opened = opening::existing(common, "history")?;
    let transaction = opened.vault.transaction()?;
    erase_expired(&transaction, clock::now()).map_err(SessionError::from)?;
    let messages = queries::history(&transaction, &history.with, history.limit)?;
    transaction.commit()?;
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
