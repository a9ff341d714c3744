//! What a command says: lines for people, or one JSON object a line for scripts.
//!
//! Invariants: standard output holds results only, standard error everything else; whatever others wrote passes
//! [`crate::escape`] on its way to people; a reader that goes away ends the program quietly.

use std::io::{self, Stderr, Stdout, Write as _};

use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::{Value, json};
use tacite_client::core::{Expiry, ExpiryStart, MessageKind, MessageView, ReactionView};
use tacite_client::model::Timestamp;
use tacite_client::model::limits::DAY_MS;

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
        self.result(&message_object(message), &message_words(message))
    }

    /// Something that happened: an object with its name under `event`.
    pub(crate) fn event(&mut self, event: &str, mut object: Value, sentence: &str) -> io::Result<()> {
        object["event"] = json!(event);
        self.result(&object, sentence)
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

/// A message for scripts.
pub(crate) fn message_object(message: &MessageView) -> Value {
    let reaction = |reaction: &ReactionView| json!({ "own": reaction.own, "emoji": reaction.emoji });
    json!({
        "message_id": message.message_id.to_string(),
        "peer": message.peer.to_string(),
        "outgoing": message.outgoing,
        "kind": message.kind.as_str(),
        "text": message.text,
        "sent_at_ms": message.sent_at.as_ms(),
        "state": message.state.as_str(),
        "reply_to": message.reply_to.as_ref().map(|name| name.message_id.to_string()),
        "reactions": message.reactions.iter().map(reaction).collect::<Vec<_>>(),
        "edits": message.edits,
        "deleted": message.deleted,
        "expiry": message.expiry.map(expiry_object),
        "expires_at_ms": message.expires_at.map(Timestamp::as_ms),
    })
}

/// How messages disappear, for scripts.
pub(crate) fn expiry_object(expiry: Expiry) -> Value {
    let start = match expiry.start {
        ExpiryStart::Read => "read",
        ExpiryStart::Receipt => "receipt",
    };
    json!({ "after_ms": expiry.after_ms, "start": start })
}

/// How messages disappear, such as `1 h after they are read`.
pub(crate) fn expiry_words(expiry: Expiry) -> String {
    let units = [(DAY_MS, "d"), (3_600_000, "h"), (60_000, "min"), (1000, "s"), (1, "ms")];
    let unit = units.into_iter().find(|(unit_ms, _)| expiry.after_ms.is_multiple_of(*unit_ms));
    let (unit_ms, unit) = unit.unwrap_or((1, "ms"));
    let start = match expiry.start {
        ExpiryStart::Read => "they are read",
        ExpiryStart::Receipt => "they are received",
    };
    format!("{} {unit} after {start}", expiry.after_ms / unit_ms)
}

/// A message for people.
fn message_words(message: &MessageView) -> String {
    let author = if message.outgoing { "you".to_owned() } else { message.peer.to_string() };
    let state = if message.outgoing { format!(" [{}]", message.state) } else { String::new() };
    let reply = if message.reply_to.is_some() { " (a reply)" } else { "" };
    let edited = if message.edits > 0 { " (edited)" } else { "" };
    let said = match (message.kind, message.deleted) {
        (_, true) => "(deleted)".to_owned(),
        (MessageKind::Timer, _) => match message.expiry {
            None => "(from now on messages stay)".to_owned(),
            Some(expiry) => format!("(from now on messages disappear {})", expiry_words(expiry)),
        },
        (MessageKind::Text, _) => escape::block(&message.text),
    };
    let mut words = format!("{} {author}{state}{reply}{edited}: {said}", local_time(message.sent_at));
    for reaction in &message.reactions {
        let who = if reaction.own { "you".to_owned() } else { message.peer.to_string() };
        words = format!("{words}\n    {who}: {}", escape::line(&reaction.emoji));
    }
    words
}

/// Date and time where this person is, such as `2026-03-01 18:05`.
fn local_time(time: Timestamp) -> String {
    let time = i64::try_from(time.as_ms()).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match time {
        Some(time) => time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string(),
        None => "at an unknown time".to_owned(),
    }
}
