//! What a command says: lines for people, or one JSON object a line for scripts.
//!
//! Invariants: standard output holds results only, standard error everything else; whatever others wrote passes
//! [`crate::escape`] on its way to people; a reader that goes away ends the program quietly.

use std::io::{self, Stderr, Stdout, Write as _};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use tacite_client::core::MessageView;
use tacite_client::model::Timestamp;

use crate::escape;
use crate::failure::Failure;

/// Where a command's words go.
#[derive(Debug)]
pub(crate) struct Output {
    json: bool,
    out: Stdout,
    err: Stderr,
}

impl Output {
    /// Standard output and standard error.
    pub(crate) fn new(json: bool) -> Self {
        Self { json, out: io::stdout(), err: io::stderr() }
    }

    /// A result: an object for scripts, a sentence for people (already free of what others wrote, or escaped).
    pub(crate) fn result(&mut self, object: &impl Serialize, sentence: &str) -> io::Result<()> {
        if self.json {
            writeln!(self.out, "{}", escape::json(&serde_json::to_string(object)?))?;
        } else {
            writeln!(self.out, "{sentence}")?;
        }
        self.out.flush()
    }

    /// A message.
    pub(crate) fn message(&mut self, message: &MessageView) -> io::Result<()> {
        let author = if message.outgoing { "you".to_owned() } else { message.peer.to_string() };
        let state = if message.outgoing { format!(" [{}]", message.state) } else { String::new() };
        let text = escape::block(&message.text);
        let sentence = format!("{} {author}{state}: {text}", local_time(message.sent_at));
        self.result(&message_object(message), &sentence)
    }

    /// Something worth knowing that is not a result.
    pub(crate) fn notice(&mut self, notice: &Failure) -> io::Result<()> {
        if self.json {
            writeln!(self.err, "{}", escape::json(&json!({ "notice": notice }).to_string()))
        } else {
            let sentence = escape::line(&notice.sentence);
            writeln!(self.err, "note: {sentence} {}", escape::line(&notice.next_step))
        }
    }

    /// A remark for people; scripts are spared it.
    pub(crate) fn remark(&mut self, sentence: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { writeln!(self.err, "{sentence}") }
    }

    /// Why the command failed. Nothing can be said if standard error is closed.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        let _ = if self.json {
            writeln!(self.err, "{}", escape::json(&json!({ "error": failure }).to_string()))
        } else {
            let code = if failure.code == 0 { String::new() } else { format!(", {}", failure.code) };
            let sentence = escape::line(&failure.sentence);
            let next_step = escape::line(&failure.next_step);
            writeln!(self.err, "error: {sentence}\n{next_step} ({}{code})", failure.word)
        };
    }
}

fn message_object(message: &MessageView) -> Value {
    json!({
        "message_id": message.message_id.to_string(),
        "peer": message.peer.to_string(),
        "outgoing": message.outgoing,
        "text": message.text,
        "sent_at_ms": message.sent_at.as_ms(),
        "state": message.state.as_str(),
    })
}

/// Date and time where this person is, such as `2026-03-01 18:05`.
fn local_time(time: Timestamp) -> String {
    let time = i64::try_from(time.as_ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match time {
        Some(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        None => "at an unknown time".to_owned(),
    }
}
