//! One function for each command: read the body, apply the rules of one part, answer.
//!
//! Invariant: handlers hold no rules of their own beyond reading and answering; those stand in accounts, router and depot.

pub(crate) mod accounts;
pub(crate) mod contacts;
pub(crate) mod hello;
pub(crate) mod keys;
pub(crate) mod messages;
pub(crate) mod presence;
pub(crate) mod sync;
pub(crate) mod uploads;

use tacite_model::Timestamp;
use tacite_wire::{Code, Frame, Header, Status};

use crate::dispatch::Handled;

/// `Envelope.message_type` of a direct message.
pub(crate) const DIRECT_MESSAGE: u32 = 1;

/// The answer that ends a command well.
fn finished(to: &Header, now: Timestamp, body: &impl prost::Message) -> Handled {
    Ok(Some(Frame::answer(to, Status::FINISHED, Code::DONE, now, body)?))
}

/// The answer after which another step is wanted.
fn in_progress(to: &Header, now: Timestamp, body: &impl prost::Message) -> Handled {
    Ok(Some(Frame::answer(to, Status::IN_PROGRESS, Code::TAKEN, now, body)?))
}
