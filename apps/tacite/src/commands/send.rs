//! `tacite send`.
//!
//! Invariant: once the message is in the outbox, every way on says so; it is sent by a later command if not by this one.

use std::collections::HashSet;
use std::io::{self, BufRead, Read as _};

use tacite_client::core::{
    Event, Intent, LinkStatus, MessageRef, MessageState, MessageView, Outcome, queries,
};
use tacite_client::model::limits::TEXT_BYTES_MAX;
use tacite_client::model::{Handle, MessageId};

use super::{TIME, message, time, within_session};
use crate::arguments::{Common, Send, Wait};
use crate::failure::{Exit, Failure};
use crate::online::Online;
use crate::opening;
use crate::output::Output;

/// Most bytes of all lines that one command sends.
const LINES_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Codes of refusals that are due to this device's not knowing yet: nobody of that name, not a contact.
const NEWS_MAY_HELP: [u16; 2] = [404, 443];

/// `tacite send`
pub(super) fn run(common: &Common, send: &Send, output: &mut Output) -> Result<(), Failure> {
    let texts = texts(send, io::stdin().lock())?;
    let opened = opening::existing(common, "send")?;
    within_session(common, opened, time(common, TIME), output, async |online, output| {
        let reply_to = match send.reply_to {
            Some(id) => Some(message::find(online, &send.to, id).await?.name()),
            None => None,
        };
        let mut message_ids = Vec::with_capacity(texts.len());
        for text in &texts {
            message_ids.push(enqueue(online, output, (&send.to, text, reply_to.as_ref())).await?);
        }
        let reached = wait(online, output, &message_ids, send.wait).await;
        let messages = find(online, &send.to, &message_ids).await?;
        let least = messages.iter().map(|message| message.state).min();
        reached.map_err(|failure| not_lost(failure, least, online.link()))?;
        for message in &messages {
            output.message(message)?;
        }
        Ok(())
    })
}

/// What is to be sent: one text, or with `--lines` one for each line of standard input that is not empty.
fn texts(send: &Send, input: impl BufRead) -> Result<Vec<String>, Failure> {
    let texts = match send.text.as_deref() {
        _ if send.lines => lines_from(input)?,
        Some(text) if text != "-" => vec![text.to_owned()],
        _ => vec![text_from(input)?],
    };
    for text in &texts {
        check(text)?;
    }
    Ok(texts)
}

fn lines_from(source: impl BufRead) -> Result<Vec<String>, Failure> {
    let mut texts = Vec::new();
    // A line of any length must not fill the memory before it is refused.
    let mut source = source.take(LINES_BYTES_MAX + 1);
    let mut line = String::new();
    while source.read_line(&mut line).map_err(|error| unreadable(&error))? > 0 {
        let text = line.trim_end_matches(['\n', '\r']);
        if !text.is_empty() {
            texts.push(text.to_owned());
        }
        line.clear();
    }
    if source.limit() == 0 {
        let sentence = format!("The lines have more than {LINES_BYTES_MAX} bytes.");
        return Err(Failure::usage(sentence, "Give them in parts."));
    }
    if texts.is_empty() {
        return Err(Failure::usage("There is nothing to send.", "Give at least one line."));
    }
    Ok(texts)
}

fn unreadable(error: &io::Error) -> Failure {
    Failure::usage(format!("The text cannot be read: {error}."), "Give UTF-8 text.")
}

fn text_from(source: impl BufRead) -> Result<String, Failure> {
    let mut text = String::new();
    // One more than allowed, so that too much is noticed, and a line end.
    let most = TEXT_BYTES_MAX as u64 + 3;
    source.take(most).read_to_string(&mut text).map_err(|error| unreadable(&error))?;
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
    (to, text, reply_to): (&Handle, &str, Option<&MessageRef>),
) -> Result<MessageId, Failure> {
    let intent = || Intent::SendText { to: to.clone(), text: text.to_owned(), reply_to: reply_to.cloned() };
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

/// Waits until every message has come as far as wanted, or one of them never will.
async fn wait(
    online: &mut Online,
    output: &mut Output,
    message_ids: &[MessageId],
    wait: Wait,
) -> Result<(), Failure> {
    let wanted = match wait {
        Wait::Queued => return Ok(()),
        Wait::Sent => MessageState::Sent,
        Wait::Received => MessageState::Received,
        Wait::Read => MessageState::Read,
    };
    let mut left: HashSet<MessageId> = message_ids.iter().copied().collect();
    while !left.is_empty() {
        online.check_link()?;
        let Event::MessageChanged(message) = online.next(output).await? else { continue };
        if !left.contains(&message.message_id) {
            continue;
        }
        match message.state {
            MessageState::Failed => return Err(refused(online)),
            MessageState::Expired => return Err(expired()),
            state if state >= wanted => left.remove(&message.message_id),
            _ => false,
        };
    }
    Ok(())
}

/// The messages as they stand now, in the order in which they were written; without those that have disappeared since.
async fn find(online: &Online, peer: &Handle, wanted: &[MessageId]) -> Result<Vec<MessageView>, Failure> {
    let (peer, wanted) = (peer.clone(), wanted.to_vec());
    let found = online.session().query(move |tx| {
        let found = wanted.iter().map(|id| queries::message(tx, &peer, *id));
        found.filter_map(Result::transpose).collect()
    });
    Ok(found.await?)
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
fn not_lost(mut failure: Failure, least: Option<MessageState>, link: LinkStatus) -> Failure {
    let place = match least {
        Some(MessageState::Queued) => message::in_outbox(link),
        Some(MessageState::Sent) => "It is on the server and waits for its recipient.",
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
    fn each_line_that_is_not_empty_is_a_text() {
        assert_eq!(lines_from("one\n\ntwo\r\n three".as_bytes()).unwrap(), ["one", "two", " three"]);
        assert!(lines_from("\n\n".as_bytes()).is_err());
        assert!(lines_from(&b"\xFF\n"[..]).is_err());
    }

    #[test]
    fn lines_are_bounded_together() {
        let bytes_max = usize::try_from(LINES_BYTES_MAX).unwrap();
        assert_eq!(lines_from("x".repeat(bytes_max).as_bytes()).unwrap().len(), 1);
        assert!(lines_from("x".repeat(bytes_max + 1).as_bytes()).is_err());
    }

    #[test]
    fn who_is_waited_for_is_told() {
        let told = |state, link| not_lost(Failure::timed_out("Wait.", None), Some(state), link).next_step;
        let away = told(MessageState::Queued, LinkStatus::Level);
        assert_eq!(away, "It is in the outbox and is sent as soon as the other side can be reached. Wait.");
        let offline = told(MessageState::Queued, LinkStatus::Connecting);
        assert_eq!(offline, "It is in the outbox and is sent as soon as the server is reached. Wait.");
        let sent = told(MessageState::Sent, LinkStatus::Level);
        assert_eq!(sent, "It is on the server and waits for its recipient. Wait.");
        assert_eq!(told(MessageState::Failed, LinkStatus::Level), "Wait.");
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
