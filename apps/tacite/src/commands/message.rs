//! `tacite react`, `edit`, `delete` and `timer`: what a person does with messages that are written already.
//!
//! Invariant: a change is made on this device at once; the command ends when the other side's server has it, or says that it
//! waits in the outbox.

use serde_json::{Value, json};
use tacite_client::core::{Expiry, ExpiryStart, Intent, LinkStatus, MessageView, queries};
use tacite_client::model::limits::DAY_MS;
use tacite_client::model::{Handle, MessageId};

use super::{TIME, time, within_session};
use crate::arguments::{Common, Delete, Edit, React, Timer, TimerStart};
use crate::failure::{Exit, Failure};
use crate::online::Online;
use crate::opening;
use crate::output::{Output, expiry_object};

/// `tacite react`
pub(super) fn react(common: &Common, react: &React, output: &mut Output) -> Result<(), Failure> {
    let emoji = if react.remove { "" } else { react.emoji.as_deref().unwrap_or_default() };
    change(common, "react", (&react.with, react.message), output, |message| Intent::React {
        message: message.name(),
        emoji: emoji.to_owned(),
    })
}

/// `tacite edit`
pub(super) fn edit(common: &Common, edit: &Edit, output: &mut Output) -> Result<(), Failure> {
    change(common, "edit", (&edit.with, edit.message), output, |message| Intent::Edit {
        to: message.peer.clone(),
        message_id: message.message_id,
        text: edit.text.clone(),
    })
}

/// `tacite delete`
pub(super) fn delete(common: &Common, delete: &Delete, output: &mut Output) -> Result<(), Failure> {
    change(common, "delete", (&delete.with, delete.message), output, |message| Intent::Delete {
        to: message.peer.clone(),
        message_id: message.message_id,
    })
}

/// `tacite timer`
pub(super) fn timer(common: &Common, timer: &Timer, output: &mut Output) -> Result<(), Failure> {
    let wanted = timer.after.as_deref().map(|after| expiry(after, timer.from)).transpose()?;
    let mut opened = opening::existing(common, "timer")?;
    let Some(wanted) = wanted else {
        let current = queries::timer(&opened.vault.transaction()?, &timer.with)?;
        return print_timer(&timer.with, current.ok_or_else(|| not_a_contact(&timer.with))?, output);
    };
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        online.perform(Intent::SetTimer { with: timer.with.clone(), timer: wanted }).await?;
        until_sent(online, output).await?;
        print_timer(&timer.with, wanted, output)
    })
}

/// The message of this id in a conversation, whoever wrote it.
pub(super) async fn find(online: &Online, with: &Handle, id: MessageId) -> Result<MessageView, Failure> {
    let peer = with.clone();
    let found = online.session().query(move |tx| queries::message(tx, &peer, id)).await?;
    found.ok_or_else(|| {
        let sentence = format!("There is no message {id} with {with}.");
        Failure::new(Exit::Refused, "message-unknown", sentence, "See `tacite --json history` for ids.")
    })
}

/// Waits until nothing is in the outbox any more.
pub(super) async fn until_sent(online: &mut Online, output: &mut Output) -> Result<(), Failure> {
    loop {
        let queued = online.session().query(|tx| queries::status(tx)).await?.queued;
        if queued == 0 {
            return Ok(());
        }
        let waited = match online.check_link() {
            Ok(()) => online.next(output).await.map(drop),
            Err(failure) => Err(failure),
        };
        waited.map_err(|mut failure| {
            failure.next_step = format!("{} {}", in_outbox(online.link()), failure.next_step);
            failure
        })?;
    }
}

/// What a person is told of a message that has not left: who is waited for.
pub(super) const fn in_outbox(link: LinkStatus) -> &'static str {
    match link {
        // The server is there and takes nothing for somebody who is away: direct mode.
        LinkStatus::Level => "It is in the outbox and is sent as soon as the other side can be reached.",
        _ => "It is in the outbox and is sent as soon as the server is reached.",
    }
}

/// Looks a message up, carries out what is wanted with it, and prints it as it is then.
fn change(
    common: &Common,
    command: &str,
    (with, id): (&Handle, MessageId),
    output: &mut Output,
    intent: impl Fn(&MessageView) -> Intent,
) -> Result<(), Failure> {
    let opened = opening::existing(common, command)?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        let message = find(online, with, id).await?;
        online.perform(intent(&message)).await?;
        until_sent(online, output).await?;
        Ok(output.message(&find(online, with, id).await?)?)
    })
}

fn print_timer(with: &Handle, timer: Option<Expiry>, output: &mut Output) -> Result<(), Failure> {
    let object = json!({ "with": with.to_string(), "timer": timer.map_or(Value::Null, expiry_object) });
    let sentence = match timer {
        None => format!("Messages with {with} stay."),
        Some(expiry) => format!("Messages with {with} disappear {}.", crate::output::expiry_words(expiry)),
    };
    Ok(output.result(&object, &sentence)?)
}

/// `off`, or a number with `s`, `m`, `h` or `d`.
fn expiry(after: &str, from: TimerStart) -> Result<Option<Expiry>, Failure> {
    if after == "off" {
        return Ok(None);
    }
    let start = match from {
        TimerStart::Read => ExpiryStart::Read,
        TimerStart::Receipt => ExpiryStart::Receipt,
    };
    let parsed = || {
        let (number, unit) = after.split_at_checked(after.len().checked_sub(1)?)?;
        let unit_ms = match unit {
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            _ => return None,
        };
        Expiry::new(number.parse::<u64>().ok()?.checked_mul(unit_ms)?, start)
    };
    parsed().map(Some).ok_or_else(|| {
        let sentence = format!("`{after}` is not a time after which messages can disappear.");
        Failure::usage(sentence, "Say off, or a number with s, m, h or d, such as 1h; at most 366d.")
    })
}

fn not_a_contact(handle: &Handle) -> Failure {
    let sentence = format!("{handle} is not among your contacts.");
    Failure::new(Exit::Refused, "not-a-contact", sentence, "See `tacite contacts list`.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        let ms = |after| expiry(after, TimerStart::Read).unwrap().map(|expiry| expiry.after_ms);
        assert_eq!(ms("off"), None);
        assert_eq!(
            [ms("90s"), ms("5m"), ms("1h"), ms("7d")],
            [90_000, 300_000, 3_600_000, 7 * DAY_MS].map(Some)
        );
        assert_eq!(ms("366d"), Some(366 * DAY_MS));
        for wrong in ["", "h", "1", "0s", "367d", "-1h", "1w", "1 h", "é", "99999999999999999999d"] {
            assert!(expiry(wrong, TimerStart::Read).is_err(), "{wrong}");
        }
    }
}
