//! The Double Ratchet (signal.org/docs/specifications/doubleratchet) in Signal's arrangement (section 5).
//!
//! A message's seed comes from here; the session combines it with the post-quantum ratchet's key.
//!
//! Invariants: at most five receiving chains; planning changes nothing and applying cannot fail (see `chain`).

use rand_core::CryptoRng;

use crate::{
    chain::{ChainChange, ChainRules, NoKey, ReceivingChain, SendingChain},
    codec::{Reader, StoredError, Writer},
    curve::{KeyError, KeyPair, Point, PublicKey},
    kdf::{hkdf, hmac, split2},
    limits::{FORWARD_JUMP_MAX, RECEIVING_CHAINS_MAX, SKIPPED_KEYS_MAX},
    secret::Secret,
    skipped::SkippedKeys,
};

/// Chains of message seeds: HMAC with 1 for the seed, with 2 for the next chain key.
#[derive(Debug)]
pub(crate) struct SeedChain;

impl ChainRules for SeedChain {
    const FIRST: u32 = 0;
    const JUMP_MAX: u32 = FORWARD_JUMP_MAX;

    fn step(chain: &Secret<32>, _counter: u32) -> (Secret<32>, Secret<32>) {
        (hmac(chain.expose(), &[&[1]]), hmac(chain.expose(), &[&[2]]))
    }

    fn prune(skipped: &mut SkippedKeys, _newest: u32) {
        skipped.keep_newest(SKIPPED_KEYS_MAX as usize);
    }
}

/// Why the ratchet has no seed for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoSeed {
    Key(NoKey),
    RatchetKey(KeyError),
}

/// The state of one side.
#[derive(Debug)]
pub(crate) struct DoubleRatchet {
    root: Secret<32>,
    own: KeyPair,
    sending: SendingChain<SeedChain>,
    previous_counter: u32,
    /// Oldest first.
    receiving: Vec<PeerChain>,
}

/// The messages sent under one ratchet key of the peer.
#[derive(Debug)]
struct PeerChain {
    ratchet_key: PublicKey,
    chain: ReceivingChain<SeedChain>,
}

/// What remains to be done once a message has opened.
#[derive(Debug)]
pub(crate) enum RatchetChange {
    /// The message came on the chain with this index.
    Known { index: usize, change: ChainChange },
    /// The message brought a new ratchet key.
    Step(Box<RatchetStep>),
}

#[derive(Debug)]
pub(crate) struct RatchetStep {
    root: Secret<32>,
    own: KeyPair,
    sending: SendingChain<SeedChain>,
    received: PeerChain,
}

impl DoubleRatchet {
    /// The initiator's side: it can send at once, and would read messages under the peer's signed prekey.
    pub(crate) fn initiate(
        root: &Secret<32>,
        chain: Secret<32>,
        signed_prekey: (&PublicKey, &Point),
        rng: &mut dyn CryptoRng,
    ) -> Result<Self, KeyError> {
        let own = KeyPair::generate_hedged(rng, root, b"ratchet key");
        let (root, sending) = root_step(root, &own.private().agree_with(signed_prekey.1)?);
        let receiving = vec![PeerChain { ratchet_key: *signed_prekey.0, chain: ReceivingChain::new(chain) }];
        Ok(Self { root, own, sending: SendingChain::new(sending), previous_counter: 0, receiving })
    }

    /// The responder's side: the first message makes the first step.
    pub(crate) fn respond(root: Secret<32>, chain: Secret<32>, signed_prekey: KeyPair) -> Self {
        Self {
            root,
            own: signed_prekey,
            sending: SendingChain::new(chain),
            previous_counter: 0,
            receiving: Vec::new(),
        }
    }

    pub(crate) fn ratchet_key(&self) -> &PublicKey {
        self.own.public()
    }

    pub(crate) fn previous_counter(&self) -> u32 {
        self.previous_counter
    }

    pub(crate) fn is_exhausted(&self) -> bool {
        self.sending.is_exhausted()
    }

    /// The counter and the seed of the next message to send.
    pub(crate) fn send(&mut self) -> (u32, Secret<32>) {
        self.sending.take()
    }

    /// The seed of a received message, and the change that uses it up.
    pub(crate) fn plan(
        &self,
        ratchet_key: &PublicKey,
        counter: u32,
        to_self: bool,
        rng: &mut dyn CryptoRng,
    ) -> Result<(Secret<32>, RatchetChange), NoSeed> {
        if let Some(index) = self.receiving.iter().position(|peer| peer.ratchet_key == *ratchet_key) {
            let (seed, change) = self.receiving[index].chain.plan(counter, to_self).map_err(NoSeed::Key)?;
            return Ok((seed, RatchetChange::Known { index, change }));
        }
        let point = Point::checked(ratchet_key).map_err(NoSeed::RatchetKey)?;
        let agree = |pair: &KeyPair| pair.private().agree_with(&point).map_err(NoSeed::RatchetKey);
        let (root, receiving) = root_step(&self.root, &agree(&self.own)?);
        let mut chain = ReceivingChain::new(receiving);
        let (seed, change) = chain.plan(counter, to_self).map_err(NoSeed::Key)?;
        chain.apply(change);
        let own = KeyPair::generate_hedged(rng, &root, b"ratchet key");
        let (root, sending) = root_step(&root, &agree(&own)?);
        let received = PeerChain { ratchet_key: *ratchet_key, chain };
        let step = RatchetStep { root, own, sending: SendingChain::new(sending), received };
        Ok((seed, RatchetChange::Step(Box::new(step))))
    }

    pub(crate) fn apply(&mut self, change: RatchetChange) {
        match change {
            RatchetChange::Known { index, change } => self.receiving[index].chain.apply(change),
            RatchetChange::Step(step) => {
                let RatchetStep { root, own, sending, received } = *step;
                // One less than the published document has it, as in Signal's library; nobody reads it.
                self.previous_counter = self.sending.taken().saturating_sub(1);
                self.root = root;
                self.own = own;
                self.sending = sending;
                self.receiving.push(received);
                if self.receiving.len() > RECEIVING_CHAINS_MAX {
                    self.receiving.remove(0);
                }
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.bytes(self.root.expose());
        self.own.write(writer);
        self.sending.write(writer);
        writer.u32(self.previous_counter);
        writer.u8(u8::try_from(self.receiving.len()).expect("at most five chains"));
        for peer in &self.receiving {
            writer.bytes(peer.ratchet_key.u_coordinate());
            peer.chain.write(writer);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let root = reader.secret()?;
        let own = KeyPair::read(reader)?;
        let sending = SendingChain::read(reader)?;
        let previous_counter = reader.u32()?;
        let count = usize::from(reader.u8()?);
        if count > RECEIVING_CHAINS_MAX {
            return Err(StoredError::Damaged);
        }
        let receiving = (0..count).map(|_| PeerChain::read(reader)).collect::<Result<_, _>>()?;
        Ok(Self { root, own, sending, previous_counter, receiving })
    }

    /// Bytes that [`Self::write`] takes.
    pub(crate) fn stored_length(&self) -> usize {
        137 + self.receiving.iter().map(|peer| 32 + peer.chain.stored_length()).sum::<usize>()
    }
}

impl PeerChain {
    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(Self {
            ratchet_key: PublicKey::from_u_coordinate(reader.array()?),
            chain: ReceivingChain::read(reader)?,
        })
    }
}

/// The next root key and a new chain key from an agreement.
fn root_step(root: &Secret<32>, agreement: &Secret<32>) -> (Secret<32>, Secret<32>) {
    split2(&hkdf(root.expose(), agreement.expose(), &[b"WhisperRatchet"]))
}

#[cfg(test)]
mod tests;
