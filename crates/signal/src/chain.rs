//! Symmetric-key chains: one key for each message, in order or not.
//!
//! A chain gives the keys of counters `FIRST`, `FIRST + 1`, …; the Double Ratchet and the post-quantum ratchet differ only in the
//! derivation and in two small rules, which [`ChainRules`] names.
//!
//! Invariants: a key is given once; looking up ([`ReceivingChain::plan`]) changes nothing, [`ReceivingChain::apply`] cannot fail, so a
//! message that turns out to be forged leaves no trace; at most 2,000 keys are stored.

use std::marker::PhantomData;

use crate::{
    codec::{Reader, StoredError, Writer},
    limits::{SELF_FORWARD_JUMP_MAX, SKIPPED_KEYS_MAX},
    secret::Secret,
    skipped::SkippedKeys,
};

/// How one kind of chain works.
pub(crate) trait ChainRules {
    /// Counter of the first key.
    const FIRST: u32;
    /// How far beyond the next counter a message may be.
    const JUMP_MAX: u32;
    /// The key of `counter` and the chain key after it.
    fn step(chain: &Secret<32>, counter: u32) -> (Secret<32>, Secret<32>);
    /// Drops stored keys that became too old when the chain passed `newest`.
    fn prune(skipped: &mut SkippedKeys, newest: u32);
}

/// Why a chain has no key for a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The key was used before, or is too old.
    Past,
    /// The counter is too far ahead.
    TooFarAhead,
}

/// A chain that gives keys in order.
#[derive(Debug)]
pub(crate) struct SendingChain<R> {
    key: Secret<32>,
    next: u32,
    rules: PhantomData<R>,
}

impl<R: ChainRules> SendingChain<R> {
    pub(crate) fn new(key: Secret<32>) -> Self {
        Self { key, next: R::FIRST, rules: PhantomData }
    }

    /// How many keys were taken.
    pub(crate) fn taken(&self) -> u32 {
        self.next - R::FIRST
    }

    /// Whether all counters are used up; 2^32 messages without an answer.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.next == u32::MAX
    }

    /// The next counter and its key; the caller asked [`Self::is_exhausted`] before.
    pub(crate) fn take(&mut self) -> (u32, Secret<32>) {
        let counter = self.next;
        let (key, next) = R::step(&self.key, counter);
        self.key = next;
        self.next += 1;
        (counter, key)
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.key.expose());
        writer.u32(self.next);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let chain = Self { key: reader.secret()?, next: reader.u32()?, rules: PhantomData };
        if chain.next < R::FIRST { Err(StoredError::Damaged) } else { Ok(chain) }
    }
}

impl<R> Clone for SendingChain<R> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), next: self.next, rules: PhantomData }
    }
}

/// A chain that gives keys in any order.
#[derive(Debug)]
pub(crate) struct ReceivingChain<R> {
    key: Secret<32>,
    next: u32,
    skipped: SkippedKeys,
    rules: PhantomData<R>,
}

/// What remains to be done to a chain once its key has opened a message.
#[derive(Debug)]
pub(crate) enum ChainChange {
    /// Forget the stored key of this counter.
    Forget(u32),
    /// Go on to `next`, storing the keys in between.
    Advance { key: Secret<32>, next: u32, skipped: SkippedKeys },
}

impl<R: ChainRules> ReceivingChain<R> {
    pub(crate) fn new(key: Secret<32>) -> Self {
        Self { key, next: R::FIRST, skipped: SkippedKeys::default(), rules: PhantomData }
    }

    /// The key of `counter` and the change that uses it up. `to_self` lifts the limit on jumps, see [`SELF_FORWARD_JUMP_MAX`].
    pub(crate) fn plan(&self, counter: u32, to_self: bool) -> Result<(Secret<32>, ChainChange), NoKey> {
        if counter < self.next {
            let key = self.skipped.find(counter).ok_or(NoKey::Past)?;
            return Ok((key, ChainChange::Forget(counter)));
        }
        let jump_max = if to_self { SELF_FORWARD_JUMP_MAX } else { R::JUMP_MAX };
        if counter - self.next > jump_max || counter == u32::MAX {
            return Err(NoKey::TooFarAhead);
        }
        let mut skipped = SkippedKeys::with_capacity((counter - self.next).min(SKIPPED_KEYS_MAX) as usize);
        let mut chain = self.key.clone();
        for passed in self.next..counter {
            let (key, next) = R::step(&chain, passed);
            if counter - passed <= SKIPPED_KEYS_MAX {
                skipped.push(passed, &key);
            }
            chain = next;
        }
        let (key, chain) = R::step(&chain, counter);
        Ok((key, ChainChange::Advance { key: chain, next: counter + 1, skipped }))
    }

    pub(crate) fn apply(&mut self, change: ChainChange) {
        match change {
            ChainChange::Forget(counter) => self.skipped.remove(counter),
            ChainChange::Advance { key, next, skipped } => {
                self.key = key;
                self.next = next;
                self.skipped.append(&skipped);
                R::prune(&mut self.skipped, next - 1);
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.key.expose());
        writer.u32(self.next);
        self.skipped.write(writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let chain = Self {
            key: reader.secret()?,
            next: reader.u32()?,
            skipped: SkippedKeys::read(reader)?,
            rules: PhantomData,
        };
        if chain.next < R::FIRST || !chain.skipped.all_below(chain.next) {
            Err(StoredError::Damaged)
        } else {
            Ok(chain)
        }
    }

    /// Bytes that [`Self::write`] takes.
    pub(crate) fn stored_length(&self) -> usize {
        36 + self.skipped.stored_length()
    }
}

impl<R> Clone for ReceivingChain<R> {
    fn clone(&self) -> Self {
        Self { key: self.key.clone(), next: self.next, skipped: self.skipped.clone(), rules: PhantomData }
    }
}

#[cfg(test)]
mod tests;
