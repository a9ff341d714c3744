//! `tacite send`.
//!
//! Invariant: once the message is in the outbox, every way on says so; it is sent by a later command if not by this one.

use std::io::{self, Read};

use tacite_client::core::{Event, Intent, LinkStatus, MessageState, MessageView, Outcome, queries};
use tacite_client::model::limits::TEXT_BYTES_MAX;
use tacite_client::model::{Handle, MessageId};

use super::{TIME, time, within_session};
use crate::arguments::{Common, Send, Wait};
use crate::failure::{Exit, Failure};
use crate::online::Online;
use crate::opening;
use crate::output::Output;

/// Newest messages of a conversation among which one just written is looked for.
const LOOK_BACK: u32 = 256;

/// Codes of refusals that are due to this device's not knowing yet: nobody of that name, not a contact.
const NEWS_MAY_HELP: [u16; 2] = [404, 443];

/// `tacite send`
pub(super) fn run(common: &Common, send: &Send, output: &mut Output) -> Result<(), Failure> {
    let text = match send.text.as_deref() {
        Some(text) if text != "-" => text.to_owned(),
        _ => text_from(io::stdin().lock())?,
    };
    check(&text)?;
    let opened = opening::existing(common, "send")?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        let message_id = enqueue(online, output, &send.to, &text).await?;
        let reached = wait(online, output, message_id, send.wait).await;
        let message = find(online, &send.to, message_id).await?;
        reached.map_err(|failure| in_outbox(failure, message.state))?;
        output.message(&message)?;
        Ok(())
    })
}

fn text_from(source: impl Read) -> Result<String, Failure> {
    let mut text = String::new();
    // One more than allowed, so that too much is noticed, and a line end.
    let most = TEXT_BYTES_MAX as u64 + 3;
    source
        .take(most)
        .read_to_string(&mut text)
        .map_err(|error| Failure::usage(format!("The text cannot be read: {error}."), "Give UTF-8 text."))?;
    let end = text.trim_end_matches('\n').len().max(text.len().saturating_sub(1));
    text.truncate(end);
    Ok(text)
}

fn check(text: &str) -> Result<(), Failure> {
    if text.is_empty() {
        return Err(Failure::usage("There is nothing to send.", "Give a text, or pipe one in."));
    }
    if text.len() > TEXT_BYTES_MAX {
        let sentence = format!("The text has more than {TEXT_BYTES_MAX} bytes.");
        return Err(Failure::usage(sentence, "Split it."));
    }
    Ok(())
}

/// Puts the text into the outbox. If this device does not know of the contact, it asks the server for news first: the
/// other side may have accepted meanwhile.
async fn enqueue(
    online: &mut Online,
    output: &mut Output,
    to: &Handle,
    text: &str,
) -> Result<MessageId, Failure> {
    let intent = || Intent::SendText { to: to.clone(), text: text.to_owned() };
    let outcome = match online.perform(intent()).await {
        Err(failure) if NEWS_MAY_HELP.contains(&failure.code) && online.link() != LinkStatus::Level => {
            match online.until_level(output).await {
                Ok(()) => online.perform(intent()).await?,
                Err(unreached) if unreached.exit == Exit::Unreached => return Err(unreached),
                Err(_) => return Err(failure),
            }
        }
        outcome => outcome?,
    };
    match outcome {
        Outcome::Queued { message_id } => Ok(message_id),
        _ => Err(Failure::unexpected()),
    }
}

async fn wait(
    online: &mut Online,
    output: &mut Output,
    message_id: MessageId,
    wait: Wait,
) -> Result<(), Failure> {
    let wanted = match wait {
        Wait::Queued => return Ok(()),
        Wait::Sent => MessageState::Sent,
        Wait::Received => MessageState::Received,
    };
    loop {
        online.check_link()?;
        let event = online.next(output).await?;
        let Event::MessageChanged(message) = event else { continue };
        if message.message_id != message_id {
            continue;
        }
        match message.state {
            MessageState::Failed => return Err(refused(online)),
            MessageState::Expired => return Err(expired()),
            state if state >= wanted => return Ok(()),
            _ => {}
        }
    }
}

async fn find(online: &Online, peer: &Handle, message_id: MessageId) -> Result<MessageView, Failure> {
    let peer = peer.clone();
    let history = online.session().query(move |tx| queries::history(tx, &peer, LOOK_BACK)).await?;
    let mut found = history.unwrap_or_default().into_iter().rev();
    found.find(|message| message.outgoing && message.message_id == message_id).ok_or_else(Failure::unexpected)
}

/// What the server last said is why the message was refused.
fn refused(online: &Online) -> Failure {
    let reason = online.notice().cloned().map(Failure::from);
    reason.unwrap_or_else(|| {
        Failure::new(
            Exit::Refused,
            "message-refused",
            "The server refused the message for good.",
            "Check with `tacite contacts list` whether you are still contacts.",
        )
    })
}

fn expired() -> Failure {
    Failure::new(
        Exit::Refused,
        "message-expired",
        "The message waited on the server as long as allowed and was deleted there.",
        "Send it again.",
    )
}

/// Says of a failure to wait that the message is not lost.
fn in_outbox(mut failure: Failure, state: MessageState) -> Failure {
    let place = match state {
        MessageState::Queued => "The message is in the outbox and is sent as soon as the server is reached.",
        MessageState::Sent => "The message is on the server and waits for its recipient.",
        _ => return failure,
    };
    failure.next_step = format!("{place} {}", failure.next_step);
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_end_of_standard_input_is_not_part_of_the_text() {
        assert_eq!(text_from("hello\n".as_bytes()).unwrap(), "hello");
        assert_eq!(text_from("hello\n\n".as_bytes()).unwrap(), "hello\n");
        assert_eq!(text_from("hello".as_bytes()).unwrap(), "hello");
        assert_eq!(text_from("".as_bytes()).unwrap(), "");
    }

    #[test]
    fn a_text_has_1_to_32768_bytes() {
        assert!(check("").is_err());
        assert!(check(&"x".repeat(TEXT_BYTES_MAX)).is_ok());
        assert!(check(&"x".repeat(TEXT_BYTES_MAX + 1)).is_err());
        let text = "x".repeat(TEXT_BYTES_MAX + 1) + "\n";
        assert_eq!(text_from(text.as_bytes()).unwrap().len(), TEXT_BYTES_MAX + 1);
    }
}
