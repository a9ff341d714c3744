//! Split mode: the bodies of messages are fetched before the messages count as received.
//!
//! Invariants, as in the client: the messages of one sender are taken in the order in which they were pushed, whichever body
//! comes first; so many bodies are fetched at a time.

use std::collections::{HashMap, VecDeque};

use anyhow::{Context as _, Result};
use bytes::Bytes;
use tacite_model::MessageId;
use tacite_wire::proto::Envelope;

use super::bodies::{Bodies, Name};

/// Bodies fetched at a time, as in the client.
const FETCHES_MAX: usize = 8;

/// A message that was pushed.
#[derive(Debug)]
struct Arrival {
    message_id: MessageId,
    name: Name,
    sealed: Option<Bytes>,
}

/// A message that is here as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Whole {
    pub(super) sender_id: Bytes,
    pub(super) message_id: MessageId,
    pub(super) sealed: Bytes,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Downloads {
    /// By sender.
    arrivals: HashMap<Bytes, VecDeque<Arrival>>,
    /// Bodies to be fetched, and their senders.
    wanted: VecDeque<(Name, Bytes)>,
    /// Bodies that are being fetched.
    under_way: HashMap<Name, Bytes>,
}

impl Downloads {
    /// A message was pushed without its body.
    pub(super) fn pushed(&mut self, message_id: MessageId, envelope: Envelope) -> Result<()> {
        let name = Name::try_from(&envelope.body_name[..]).context("a name of a body has 32 bytes")?;
        let sender_id = envelope.sender_id;
        self.wanted.push_back((name, sender_id.clone()));
        let arrival = Arrival { message_id, name, sealed: None };
        self.arrivals.entry(sender_id).or_default().push_back(arrival);
        Ok(())
    }

    /// Asks for bodies, as many at a time as allowed.
    pub(super) fn drive(&mut self, bodies: &Bodies) {
        while self.under_way.len() < FETCHES_MAX {
            let Some((name, sender_id)) = self.wanted.pop_front() else { return };
            self.under_way.insert(name, sender_id);
            bodies.fetch(name);
        }
    }

    /// A body is here; what is whole with it, in order.
    pub(super) fn fetched(&mut self, name: Name, sealed: &Bytes) -> Result<Vec<Whole>> {
        let sender_id = self.under_way.remove(&name).context("a body that nobody wanted")?;
        let arrivals = self.arrivals.get_mut(&sender_id).context("a body of nobody")?;
        for arrival in arrivals.iter_mut().filter(|arrival| arrival.name == name) {
            arrival.sealed = Some(sealed.clone());
        }
        let mut whole = Vec::new();
        while let Some(first) = arrivals.pop_front_if(|first| first.sealed.is_some()) {
            let sealed = first.sealed.unwrap_or_default();
            whole.push(Whole { sender_id: sender_id.clone(), message_id: first.message_id, sealed });
        }
        Ok(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_in_the_order_in_which_they_were_pushed() {
        let mut downloads = Downloads::default();
        let id = |number: u8| MessageId::from_bytes([number; 16]);
        for number in 1..=3 {
            let envelope = Envelope {
                sender_id: vec![9; 16].into(),
                body_name: vec![number; 32].into(),
                ..Envelope::default()
            };
            downloads.pushed(id(number), envelope).unwrap();
        }
        for (name, sender_id) in std::mem::take(&mut downloads.wanted) {
            downloads.under_way.insert(name, sender_id);
        }
        let mut fetch = |number: u8| -> Vec<MessageId> {
            let whole = downloads.fetched([number; 32], &vec![number].into()).unwrap();
            whole.into_iter().map(|whole| whole.message_id).collect()
        };
        assert_eq!(fetch(2), []);
        assert_eq!(fetch(1), [id(1), id(2)]);
        assert_eq!(fetch(3), [id(3)]);
        assert!(downloads.fetched([3; 32], &Bytes::new()).is_err());
    }
}
