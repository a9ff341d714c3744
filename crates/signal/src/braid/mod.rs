//! The sparse post-quantum ratchet (sections 6 and 7): gives each message a key that both ML-KEM-768 and the handshake protect.
//!
//! `machine` agrees on new secrets, `epochs` makes message keys of them, `message` is the wire form.
//!
//! Invariants: planning changes nothing and applying cannot fail; a message without this part, or without a key of this ratchet, is
//! refused (no downgrade); the label of our messages never decreases.

mod authenticator;
mod epochs;
mod erasure;
mod field;
mod kem;
mod machine;
mod message;
mod stored;

use epochs::Epochs;
use machine::{Braid, BraidRefusal, Received};
pub(crate) use message::MalformedBraid;
use message::{BraidMessage, VERSION};
use rand_core::CryptoRng;

use crate::{
    chain::{ChainChange, NoKey},
    secret::Secret,
};

/// Which of the two chains of an epoch we send on; fixed by who began the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    InitiatorToResponder,
    ResponderToInitiator,
}

/// Why the post-quantum ratchet refuses a message. Blames the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPqKey {
    /// Absent, malformed, or of a version that cannot be.
    Malformed,
    /// The key was used, is too old or too far ahead, or belongs to an epoch that is gone or not there yet.
    Key(NoKey),
    /// The label is ahead of ours where that cannot be.
    LabelAhead,
    /// A header, key or ciphertext of the braid arrived whole, but its MAC or hash is wrong.
    ForgedObject,
}

impl From<MalformedBraid> for NoPqKey {
    fn from(_: MalformedBraid) -> Self {
        Self::Malformed
    }
}

impl From<BraidRefusal> for NoPqKey {
    fn from(refusal: BraidRefusal) -> Self {
        match refusal {
            BraidRefusal::LabelAhead => Self::LabelAhead,
            BraidRefusal::ForgedObject => Self::ForgedObject,
        }
    }
}

/// The state of one side.
#[derive(Debug)]
pub(crate) struct PqRatchet {
    direction: Direction,
    /// Whether a message of version 1 has arrived; then other versions cannot.
    settled: bool,
    braid: Braid,
    epochs: Epochs,
}

/// What remains to be done once a message has opened.
#[derive(Debug)]
pub(crate) struct PqChange {
    settles: bool,
    received: Option<Received>,
    epoch: u64,
    chain: ChainChange,
}

impl PqRatchet {
    /// The side that began the session.
    pub(crate) fn initiate(authentication_key: &Secret<32>) -> Self {
        let direction = Direction::InitiatorToResponder;
        let epochs = Epochs::new(authentication_key, direction);
        Self { direction, settled: false, braid: Braid::initiate(authentication_key), epochs }
    }

    /// The side that was called.
    pub(crate) fn respond(authentication_key: &Secret<32>) -> Self {
        let direction = Direction::ResponderToInitiator;
        let epochs = Epochs::new(authentication_key, direction);
        Self { direction, settled: false, braid: Braid::respond(authentication_key), epochs }
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.epochs.is_exhausted()
    }

    /// The ratchet's part of the next message, and the message's key.
    pub(crate) fn send(&mut self, rng: &mut dyn CryptoRng) -> (Vec<u8>, Secret<32>) {
        let label = self.braid.label;
        let (payload, produced) = self.braid.send(rng);
        if let Some(secret) = produced {
            self.epochs.add(&secret, self.direction);
        }
        let (index, key) = self.epochs.send(label - 1);
        (BraidMessage { version: VERSION, label, index, payload }.encode(), key)
    }

    /// The key of a received message, and the change that uses it up.
    pub(crate) fn plan(&self, bytes: &[u8], to_self: bool) -> Result<(Secret<32>, PqChange), NoPqKey> {
        let message = BraidMessage::decode(bytes)?;
        // A peer that also speaks something newer says so until it has heard from us; the content is the same.
        if message.version != VERSION && self.settled {
            return Err(NoPqKey::Malformed);
        }
        // Signal's library takes index 0 of label 1 as "no key", at any time, which would let whoever broke the classical ratchet alone
        // forge messages. No honest sender emits it.
        if message.index == 0 {
            return Err(NoPqKey::Key(NoKey::Past));
        }
        let received = self.braid.receive(message.label, &message.payload)?;
        let epoch = message.label - 1;
        let (key, chain) = self.epochs.plan(epoch, message.index, to_self).map_err(NoPqKey::Key)?;
        Ok((key, PqChange { settles: message.version == VERSION, received, epoch, chain }))
    }

    pub(crate) fn apply(&mut self, change: PqChange) {
        self.settled |= change.settles;
        self.epochs.apply(change.epoch, change.chain);
        if let Some(Received { braid, completed }) = change.received {
            if let Some(secret) = completed {
                self.epochs.add(&secret, self.direction);
            }
            self.braid = braid;
        }
    }
}

/// Whether the bytes decode; what they mean must survive encoding.
#[cfg(feature = "hazmat")]
pub(crate) fn round_trip_message(bytes: &[u8]) -> bool {
    let decoded = BraidMessage::decode(bytes);
    decoded
        .inspect(|message| assert_eq!(BraidMessage::decode(&message.encode()).as_ref(), Ok(message)))
        .is_ok()
}

#[cfg(test)]
mod tests;
