//! The post-quantum ratchet's key chains (section 6.8): one pair for each epoch, epoch 0 coming from the handshake.
//!
//! Invariants: epochs are consecutive, ascending, never empty; we send on one of them, and never go back; those more than one before
//! it are gone, and of older ones the sending halves are.

use std::collections::VecDeque;

use super::Direction;
use crate::{
    chain::{ChainChange, ChainRules, NoKey, ReceivingChain, SendingChain},
    codec::{Reader, StoredError, Writer},
    kdf::{ZERO_SALT, hkdf, split2, split3},
    limits::{FORWARD_JUMP_MAX, SKIPPED_KEYS_MAX},
    secret::Secret,
    skipped::SkippedKeys,
};

/// At most: the one before our sending epoch, that one, and the newest, which the peer may use already.
const EPOCHS_MAX: usize = 3;

/// Chains of message keys, numbered from 1.
#[derive(Debug)]
pub(super) struct KeyChain;

impl ChainRules for KeyChain {
    const FIRST: u32 = 1;
    // The limit counts from the last index used, not from the next one.
    const JUMP_MAX: u32 = FORWARD_JUMP_MAX - 1;

    fn step(chain: &Secret<32>, counter: u32) -> (Secret<32>, Secret<32>) {
        let (next, key) = split2(&hkdf(
            &ZERO_SALT,
            chain.expose(),
            &[&counter.to_be_bytes(), b"Signal PQ Ratchet V1 Chain Next"],
        ));
        (key, next)
    }

    fn prune(skipped: &mut SkippedKeys, newest: u32) {
        skipped.drop_below(newest.saturating_sub(SKIPPED_KEYS_MAX));
    }
}

/// The chains of all epochs that may still be needed.
#[derive(Debug)]
pub(super) struct Epochs {
    /// Mixed with the next epoch's secret.
    next_root: Secret<32>,
    /// The epoch of the first chain pair.
    oldest: u64,
    /// The epoch that we send on.
    sending: u64,
    chains: VecDeque<ChainPair>,
}

#[derive(Debug)]
struct ChainPair {
    /// Gone in epochs before the one that we send on.
    sending: Option<SendingChain<KeyChain>>,
    receiving: ReceivingChain<KeyChain>,
}

impl Epochs {
    /// Epoch 0, from the handshake's authentication key.
    pub(super) fn new(authentication_key: &Secret<32>, direction: Direction) -> Self {
        let material = hkdf(&ZERO_SALT, authentication_key.expose(), &[b"Signal PQ Ratchet V1 Chain  Start"]);
        let (next_root, pair) = ChainPair::new(&material, direction);
        Self { next_root, oldest: 0, sending: 0, chains: VecDeque::from([pair]) }
    }

    /// Adds the epoch after the newest one.
    pub(super) fn add(&mut self, secret: &Secret<32>, direction: Direction) {
        let material =
            hkdf(self.next_root.expose(), secret.expose(), &[b"Signal PQ Ratchet V1 Chain Add Epoch"]);
        let (next_root, pair) = ChainPair::new(&material, direction);
        self.next_root = next_root;
        self.chains.push_back(pair);
    }

    /// Whether the chain that [`Self::send`] would use has no key left.
    pub(super) fn is_exhausted(&self) -> bool {
        self.chains.iter().any(|pair| pair.sending.as_ref().is_some_and(SendingChain::is_exhausted))
    }

    /// The next index and key for sending in `epoch`, forgetting what that makes obsolete.
    pub(super) fn send(&mut self, epoch: u64) -> (u32, Secret<32>) {
        if epoch > self.sending {
            self.sending = epoch;
            while self.oldest + 1 < epoch {
                self.chains.pop_front();
                self.oldest += 1;
            }
            let older = self.position(epoch).unwrap_or(0);
            self.chains.iter_mut().take(older).for_each(|pair| pair.sending = None);
        }
        let position = self.position(epoch).expect("the label sent is one above an epoch that we have");
        self.chains[position].sending.as_mut().expect("the epoch that we send on has its sending half").take()
    }

    /// The key of a received message, and the change that uses it up. An epoch that we do not have has no keys.
    pub(super) fn plan(
        &self,
        epoch: u64,
        index: u32,
        to_self: bool,
    ) -> Result<(Secret<32>, ChainChange), NoKey> {
        let pair = self.position(epoch).and_then(|position| self.chains.get(position)).ok_or(NoKey::Past)?;
        pair.receiving.plan(index, to_self)
    }

    pub(super) fn apply(&mut self, epoch: u64, change: ChainChange) {
        if let Some(pair) = self.position(epoch).and_then(|position| self.chains.get_mut(position)) {
            pair.receiving.apply(change);
        }
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.next_root.expose());
        writer.u64(self.oldest);
        writer.u64(self.sending);
        writer.u8(u8::try_from(self.chains.len()).expect("a handful of epochs"));
        for pair in &self.chains {
            writer.u8(u8::from(pair.sending.is_some()));
            if let Some(sending) = &pair.sending {
                sending.write(writer);
            }
            pair.receiving.write(writer);
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let (next_root, oldest, sending) = (reader.secret()?, reader.u64()?, reader.u64()?);
        let count = usize::from(reader.u8()?);
        if count > EPOCHS_MAX {
            return Err(StoredError::Damaged);
        }
        let chains = (0..count).map(|_| ChainPair::read(reader)).collect::<Result<VecDeque<_>, _>>()?;
        let epochs = Self { next_root, oldest, sending, chains };
        if epochs.is_consistent() { Ok(epochs) } else { Err(StoredError::Damaged) }
    }

    /// Bytes that [`Self::write`] takes.
    pub(super) fn stored_length(&self) -> usize {
        49 + self.chains.iter().map(|pair| 37 + pair.receiving.stored_length()).sum::<usize>()
    }

    /// Whether [`Self::send`] may be called for `epoch`.
    pub(super) fn serves(&self, epoch: u64) -> bool {
        epoch >= self.sending && self.position(epoch).is_some()
    }

    /// The newest epoch.
    pub(super) fn newest(&self) -> u64 {
        self.oldest + self.chains.len() as u64 - 1
    }

    fn position(&self, epoch: u64) -> Option<usize> {
        let position = usize::try_from(epoch.checked_sub(self.oldest)?).ok()?;
        (position < self.chains.len()).then_some(position)
    }

    /// Numbers do not overflow; the sending epoch and all after it have their sending halves, those before it have not.
    fn is_consistent(&self) -> bool {
        self.oldest < u64::MAX / 2
            && self.position(self.sending).is_some()
            && (self.oldest..)
                .zip(&self.chains)
                .all(|(epoch, pair)| pair.sending.is_some() == (epoch >= self.sending))
    }
}

impl ChainPair {
    /// Splits `next_root ‖ a2b ‖ b2a`.
    fn new(material: &Secret<96>, direction: Direction) -> (Secret<32>, Self) {
        let (next_root, a2b, b2a) = split3(material);
        let (sending, receiving) = match direction {
            Direction::InitiatorToResponder => (a2b, b2a),
            Direction::ResponderToInitiator => (b2a, a2b),
        };
        (
            next_root,
            Self { sending: Some(SendingChain::new(sending)), receiving: ReceivingChain::new(receiving) },
        )
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let sending = if reader.flag()? { Some(SendingChain::read(reader)?) } else { None };
        Ok(Self { sending, receiving: ReceivingChain::read(reader)? })
    }
}

#[cfg(test)]
mod tests;
