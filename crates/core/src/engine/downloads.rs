//! Split mode: the bodies of messages are fetched from the depot before the messages are opened.
//!
//! Invariants: the messages of one sender are opened in the order in which they were pushed, whichever body comes first; few
//! bodies are fetched at a time; what has no body is not acknowledged, so it comes again with the next link.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tacite_model::limits::UNACKNOWLEDGED_MAX;
use tacite_model::{AccountId, MessageId, MessageName, Timestamp};
use tacite_wire::body;
use tacite_wire::proto::Envelope;

use super::link::backoff_ms;
use super::{Engine, Turn};
use crate::{BodyName, CoreError, Effect, Problem};

/// Bodies fetched at a time.
const FETCHES_MAX: usize = 8;
/// Messages that wait for bodies: more than a server may push unacknowledged.
const WAITING_MAX: usize = 4 * UNACKNOWLEDGED_MAX;
/// Upper bound of the first delay before a body is asked for again, milliseconds.
const RETRY_MS_MIN: u64 = 1000;
/// Upper bound of every such delay, milliseconds.
const RETRY_MS_MAX: u64 = 60_000;

/// Pause before a body that is not there is asked for once more, milliseconds. A server that fell does not hold any more what it
/// pushed; that the link has gone with it is known by then, unless it was the whole machine that fell: then the link is silent.
const MISSING_AGAIN_MS: u64 = 10_000;

/// Messages that were pushed without their bodies, or behind such.
#[derive(Debug, Clone, Default)]
pub(crate) struct Downloads {
    senders: BTreeMap<AccountId, VecDeque<Arrival>>,
    /// Messages whose bodies were not there, asked for twice: not asked for again on this link.
    missing: BTreeSet<(AccountId, MessageId)>,
}

/// A message that was pushed.
#[derive(Debug, Clone)]
struct Arrival {
    message_id: MessageId,
    envelope: Envelope,
    body: Fetch,
    /// The body was not there once.
    was_missing: bool,
}

/// How far the body of a message is.
#[derive(Debug, Clone)]
enum Fetch {
    Wanted { name: BodyName, retry_at: Option<Timestamp>, attempt: u32 },
    UnderWay { name: BodyName, attempt: u32 },
    Here,
}

impl Downloads {
    pub(super) fn forget_link(&mut self) {
        *self = Self::default();
    }

    /// When a body is to be asked for again.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        let retry_at = |arrival: &Arrival| match arrival.body {
            Fetch::Wanted { retry_at, .. } => retry_at,
            Fetch::UnderWay { .. } | Fetch::Here => None,
        };
        self.senders.values().flatten().filter_map(retry_at).min()
    }

    fn count(&self) -> usize {
        self.senders.values().map(VecDeque::len).sum()
    }

    fn find(&mut self, name: BodyName) -> Option<(AccountId, usize, u32)> {
        for (sender_id, arrivals) in &self.senders {
            for (at, arrival) in arrivals.iter().enumerate() {
                match arrival.body {
                    Fetch::UnderWay { name: of, attempt } if of == name => {
                        return Some((*sender_id, at, attempt));
                    }
                    _ => {}
                }
            }
        }
        None
    }
}

impl Engine {
    /// Whether a message must wait: for its body, or for those before it.
    pub(super) fn must_wait_for_body(&self, sender_id: AccountId, envelope: &Envelope) -> bool {
        self.downloads.senders.contains_key(&sender_id) || body_name(envelope).is_some()
    }

    /// Takes in a message that was pushed without its body, or behind such a one.
    pub(super) fn await_body(&mut self, turn: &mut Turn<'_, '_>, name: MessageName, envelope: Envelope) {
        let MessageName { author_id: sender_id, message_id } = name;
        if self.downloads.missing.contains(&(sender_id, message_id)) {
            return;
        }
        let arrivals = self.downloads.senders.entry(sender_id).or_default();
        if arrivals.iter().any(|arrival| arrival.message_id == message_id) {
            return;
        }
        let body = match body_name(&envelope) {
            Some(name) => Fetch::Wanted { name, retry_at: None, attempt: 0 },
            None => Fetch::Here,
        };
        arrivals.push_back(Arrival { message_id, envelope, body, was_missing: false });
        if self.downloads.count() > WAITING_MAX {
            self.distrust_link(turn);
        }
    }

    /// Asks for bodies, as many at a time as allowed.
    pub(super) fn drive_downloads(&mut self, turn: &mut Turn<'_, '_>) {
        let is_under_way = |arrival: &&Arrival| matches!(arrival.body, Fetch::UnderWay { .. });
        let under_way = self.downloads.senders.values().flatten().filter(is_under_way).count();
        let mut free = FETCHES_MAX.saturating_sub(under_way);
        for arrival in self.downloads.senders.values_mut().flatten() {
            let Fetch::Wanted { name, retry_at, attempt } = arrival.body else { continue };
            if free == 0 {
                break;
            }
            if retry_at.is_none_or(|at| at <= turn.now) {
                free -= 1;
                arrival.body = Fetch::UnderWay { name, attempt };
                turn.effect(Effect::FetchBody { depot_url: self.link.depot_url.clone(), name });
            }
        }
    }

    /// What came of fetching a body.
    pub(super) fn body_fetched(
        &mut self,
        turn: &mut Turn<'_, '_>,
        name: BodyName,
        result: Result<Option<Vec<u8>>, Problem>,
    ) -> Result<(), CoreError> {
        let Some((sender_id, at, attempt)) = self.downloads.find(name) else { return Ok(()) };
        let Some(arrivals) = self.downloads.senders.get_mut(&sender_id) else { return Ok(()) };
        match result {
            Ok(Some(bytes)) => {
                // What is not padded as it should be cannot be read, and neither can nothing.
                arrivals[at].envelope.sealed = body::unpad(&bytes.into()).unwrap_or_default();
                arrivals[at].body = Fetch::Here;
            }
            Ok(None) if !arrivals[at].was_missing => {
                let retry_at = Some(turn.now.plus_ms(MISSING_AGAIN_MS));
                arrivals[at].was_missing = true;
                arrivals[at].body = Fetch::Wanted { name, retry_at, attempt };
            }
            Ok(None) => {
                if let Some(arrival) = arrivals.remove(at) {
                    self.downloads.missing.insert((sender_id, arrival.message_id));
                    self.tell_body_missing(turn, sender_id)?;
                }
            }
            Err(problem) => {
                let delay_ms = backoff_ms(attempt, RETRY_MS_MIN, RETRY_MS_MAX, turn.rng)
                    .max(problem.retry_after_ms.unwrap_or(0));
                let retry_at = Some(turn.now.plus_ms(delay_ms));
                arrivals[at].body = Fetch::Wanted { name, retry_at, attempt: attempt.saturating_add(1) };
            }
        }
        self.open_those_here(turn, sender_id)
    }

    /// Opens the messages of a sender up to the first whose body is not here.
    fn open_those_here(&mut self, turn: &mut Turn<'_, '_>, sender_id: AccountId) -> Result<(), CoreError> {
        while let Some(arrivals) = self.downloads.senders.get_mut(&sender_id) {
            let Some(first) = arrivals.pop_front_if(|first| matches!(first.body, Fetch::Here)) else {
                if arrivals.is_empty() {
                    self.downloads.senders.remove(&sender_id);
                }
                break;
            };
            let name = MessageName { author_id: sender_id, message_id: first.message_id };
            self.take_in(turn, name, &first.envelope)?;
        }
        Ok(())
    }

    fn tell_body_missing(&mut self, turn: &mut Turn<'_, '_>, sender_id: AccountId) -> Result<(), CoreError> {
        if self.downloads.missing.len() > WAITING_MAX {
            self.distrust_link(turn);
        }
        if let Some(contact) = turn.tx.contact(sender_id)? {
            turn.notice(Problem::body_missing(&contact.handle));
        }
        Ok(())
    }
}

/// Under which name the body of a message waits; `None`: it is within. A name of another length is none that could be asked
/// for: the message cannot be read then.
fn body_name(envelope: &Envelope) -> Option<BodyName> {
    let name = <[u8; 32]>::try_from(envelope.body_name.as_ref()).ok()?;
    envelope.sealed.is_empty().then_some(BodyName(name))
}
