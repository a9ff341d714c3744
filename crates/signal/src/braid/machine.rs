//! The braid: two sides agree on a new key by KEM, chunk by chunk, over and over (section 6.7).
//!
//! One side sends its encapsulation key, the other the ciphertext; in the next epoch they change places.
//!
//! Invariants: [`Braid::receive`] leaves its input alone and gives the next state; the secret of an epoch leaves the machine exactly once,
//! on each side.

use rand_core::CryptoRng;

use super::{
    authenticator::{Authenticator, BRAID_MAC_LENGTH, epoch_secret, macs_equal},
    erasure::{Chunk, Collector, encode},
    kem::{
        CIPHERTEXT1_LENGTH, CIPHERTEXT2_LENGTH, HEADER_LENGTH, VECTOR_LENGTH, decapsulate, encapsulate_first,
        encapsulate_second, split_key, vector_belongs,
    },
    message::Payload,
};
use crate::{kdf::hedged, secret::Secret};

/// Header with its MAC, as it is sent.
pub(super) const HEADER_OBJECT: usize = HEADER_LENGTH + BRAID_MAC_LENGTH;
/// Second ciphertext part with its MAC, as it is sent.
pub(super) const SECOND_OBJECT: usize = CIPHERTEXT2_LENGTH + BRAID_MAC_LENGTH;

/// Why the braid refuses a message. Blames the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BraidRefusal {
    /// The label is ahead of ours where that cannot be.
    LabelAhead,
    /// An object arrived whole, but its MAC or hash is wrong.
    ForgedObject,
}

/// An object being sent, and the index of its next chunk.
#[derive(Clone, Debug)]
pub(super) struct Outgoing<const N: usize> {
    pub(super) object: Box<[u8; N]>,
    pub(super) next: u16,
}

/// Where one side stands. The comments give the specification's labels.
#[derive(Clone, Debug)]
pub(super) enum State {
    /// E0: no key pair yet.
    KeyUnsampled,
    /// E1: sending the header.
    SendingHeader { seed: Secret<64>, vector: Box<[u8; VECTOR_LENGTH]>, header: Outgoing<HEADER_OBJECT> },
    /// E2: sending the vector, collecting the first ciphertext part.
    SendingVector { seed: Secret<64>, vector: Outgoing<VECTOR_LENGTH>, first: Collector },
    /// E3: the first ciphertext part is complete, the other side does not know the vector yet.
    AcknowledgingFirst {
        seed: Secret<64>,
        vector: Outgoing<VECTOR_LENGTH>,
        first: Box<[u8; CIPHERTEXT1_LENGTH]>,
    },
    /// E4: collecting the second ciphertext part.
    CollectingSecond { seed: Secret<64>, first: Box<[u8; CIPHERTEXT1_LENGTH]>, second: Collector },
    /// C0: collecting the header.
    CollectingHeader { header: Collector },
    /// C1: the header is known.
    HeaderKnown { header: [u8; HEADER_LENGTH] },
    /// C2: sending the first ciphertext part, collecting the vector.
    SendingFirst { encapsulation: Encapsulation, first: Outgoing<CIPHERTEXT1_LENGTH>, vector: Collector },
    /// C3: the vector is complete, the first ciphertext part not yet acknowledged.
    VectorKnown {
        encapsulation: Encapsulation,
        first: Outgoing<CIPHERTEXT1_LENGTH>,
        vector: Box<[u8; VECTOR_LENGTH]>,
    },
    /// C4: the first ciphertext part is acknowledged, the vector not complete.
    FirstAcknowledged {
        encapsulation: Encapsulation,
        first: Box<[u8; CIPHERTEXT1_LENGTH]>,
        vector: Collector,
    },
    /// C5: sending the second ciphertext part.
    SendingSecond { second: Outgoing<SECOND_OBJECT> },
}

/// What is kept between the halves of an encapsulation.
#[derive(Clone, Debug)]
pub(super) struct Encapsulation {
    pub(super) header: [u8; HEADER_LENGTH],
    pub(super) coins: Secret<32>,
}

/// One side of the braid.
#[derive(Clone, Debug)]
pub(super) struct Braid {
    /// The epoch being agreed on, from 1.
    pub(super) label: u64,
    pub(super) authenticator: Authenticator,
    pub(super) state: State,
}

/// The state after a received message, and the secret of the epoch that it completed.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) braid: Braid,
    pub(super) completed: Option<Secret<32>>,
}

impl Braid {
    pub(super) fn initiate(authentication_key: &Secret<32>) -> Self {
        Self { label: 1, authenticator: Authenticator::new(authentication_key), state: State::KeyUnsampled }
    }

    pub(super) fn respond(authentication_key: &Secret<32>) -> Self {
        Self {
            label: 1,
            authenticator: Authenticator::new(authentication_key),
            state: State::collecting_header(),
        }
    }

    /// What the next message carries, and the epoch secret that making it produced.
    pub(super) fn send(&mut self, rng: &mut dyn CryptoRng) -> (Payload, Option<Secret<32>>) {
        let mut produced = None;
        match &self.state {
            State::KeyUnsampled => self.state = self.sample_key(rng),
            State::HeaderKnown { header } => {
                let (state, secret) = self.encapsulate(*header, rng);
                self.authenticator = self.authenticator.updated(self.label, &secret);
                self.state = state;
                produced = Some(secret);
            }
            _ => {}
        }
        (self.state.payload(), produced)
    }

    /// The state after a message with `label`, or nothing if it changes nothing.
    pub(super) fn receive(&self, label: u64, payload: &Payload) -> Result<Option<Received>, BraidRefusal> {
        if label > self.label {
            return match self.state {
                State::SendingSecond { .. } if label == self.label + 1 => Ok(Some(self.to_next_epoch())),
                _ => Err(BraidRefusal::LabelAhead),
            };
        }
        if label < self.label {
            return Ok(None);
        }
        match &self.state {
            State::CollectingSecond { seed, first, second } => {
                self.collect_second(seed, first, second, payload)
            }
            State::CollectingHeader { header } => {
                Ok(self.collect_header(header, payload)?.map(|state| self.with(state)))
            }
            State::SendingFirst { .. } | State::VectorKnown { .. } | State::FirstAcknowledged { .. } => {
                Ok(self.collect_vector(payload)?.map(|state| self.with(state)))
            }
            state => Ok(state.collect_first(payload).map(|state| self.with(state))),
        }
    }

    fn with(&self, state: State) -> Received {
        Received {
            braid: Self { label: self.label, authenticator: self.authenticator.clone(), state },
            completed: None,
        }
    }

    /// C5 → E0: the other side has the secret and announces the next epoch.
    fn to_next_epoch(&self) -> Received {
        let mut received = self.with(State::KeyUnsampled);
        received.braid.label += 1;
        received
    }

    /// E0 → E1.
    fn sample_key(&self, rng: &mut dyn CryptoRng) -> State {
        let seed = hedged(rng, self.authenticator.root(), b"encapsulation key");
        let key = split_key(&seed);
        let mut object = Box::new([0; HEADER_OBJECT]);
        object[..HEADER_LENGTH].copy_from_slice(&key.header);
        object[HEADER_LENGTH..].copy_from_slice(&self.authenticator.header_mac(self.label, &key.header));
        State::SendingHeader { seed, vector: key.vector, header: Outgoing::new(object) }
    }

    /// C1 → C2.
    fn encapsulate(&self, header: [u8; HEADER_LENGTH], rng: &mut dyn CryptoRng) -> (State, Secret<32>) {
        let coins = hedged(rng, self.authenticator.root(), b"encapsulation coins");
        let (first, shared) = encapsulate_first(&header, &coins);
        let state = State::SendingFirst {
            encapsulation: Encapsulation { header, coins },
            first: Outgoing::new(first),
            vector: Collector::new(VECTOR_LENGTH),
        };
        (state, epoch_secret(self.label, &shared))
    }

    /// C0: collects the header; complete → C1.
    fn collect_header(&self, header: &Collector, payload: &Payload) -> Result<Option<State>, BraidRefusal> {
        let Payload::Header(index, chunk) = payload else { return Ok(None) };
        let mut header = header.clone();
        let Some(object) = header.add(*index, chunk) else {
            return Ok(Some(State::CollectingHeader { header }));
        };
        let (header, mac) = cut::<HEADER_LENGTH>(&object);
        if macs_equal(&self.authenticator.header_mac(self.label, &header), mac) {
            Ok(Some(State::HeaderKnown { header }))
        } else {
            Err(BraidRefusal::ForgedObject)
        }
    }

    /// C2, C3, C4: collects the vector and the acknowledgement; both → C5.
    fn collect_vector(&self, payload: &Payload) -> Result<Option<State>, BraidRefusal> {
        let (chunk, acknowledged) = match payload {
            Payload::Vector(index, chunk) => (Some((*index, chunk)), false),
            Payload::VectorAcknowledging(index, chunk) => (Some((*index, chunk)), true),
            Payload::Acknowledging => (None, true),
            _ => return Ok(None),
        };
        match &self.state {
            State::SendingFirst { encapsulation, first, vector } => {
                let Some((index, chunk)) = chunk else { return Ok(None) };
                let mut vector = vector.clone();
                let state = match (vector.add(index, chunk), acknowledged) {
                    (Some(object), true) => self.complete(encapsulation, &first.object, &whole(&object))?,
                    (Some(object), false) => {
                        let vector = Box::new(whole(&object));
                        // Needed only later, but a forged vector is refused with the message that completes it.
                        encapsulation.check(&vector)?;
                        State::VectorKnown {
                            encapsulation: encapsulation.clone(),
                            first: first.clone(),
                            vector,
                        }
                    }
                    (None, true) => State::FirstAcknowledged {
                        encapsulation: encapsulation.clone(),
                        first: first.object.clone(),
                        vector,
                    },
                    (None, false) => State::SendingFirst {
                        encapsulation: encapsulation.clone(),
                        first: first.clone(),
                        vector,
                    },
                };
                Ok(Some(state))
            }
            State::VectorKnown { encapsulation, first, vector } if acknowledged => {
                self.complete(encapsulation, &first.object, vector).map(Some)
            }
            State::FirstAcknowledged { encapsulation, first, vector } => {
                let Some((index, chunk)) = chunk else { return Ok(None) };
                let mut vector = vector.clone();
                match vector.add(index, chunk) {
                    Some(object) => self.complete(encapsulation, first, &whole(&object)).map(Some),
                    None => Ok(Some(State::FirstAcknowledged {
                        encapsulation: encapsulation.clone(),
                        first: first.clone(),
                        vector,
                    })),
                }
            }
            _ => Ok(None),
        }
    }

    /// → C5: the second ciphertext part and its MAC.
    fn complete(
        &self,
        encapsulation: &Encapsulation,
        first: &[u8; CIPHERTEXT1_LENGTH],
        vector: &[u8; VECTOR_LENGTH],
    ) -> Result<State, BraidRefusal> {
        encapsulation.check(vector)?;
        let second = encapsulate_second(&encapsulation.header, &encapsulation.coins, vector);
        let mut object = Box::new([0; SECOND_OBJECT]);
        object[..CIPHERTEXT2_LENGTH].copy_from_slice(&second);
        object[CIPHERTEXT2_LENGTH..]
            .copy_from_slice(&self.authenticator.ciphertext_mac(self.label, first, &second));
        Ok(State::SendingSecond { second: Outgoing::new(object) })
    }

    /// E4: collects the second ciphertext part; complete → C0 of the next epoch.
    fn collect_second(
        &self,
        seed: &Secret<64>,
        first: &[u8; CIPHERTEXT1_LENGTH],
        second: &Collector,
        payload: &Payload,
    ) -> Result<Option<Received>, BraidRefusal> {
        let Payload::SecondCiphertext(index, chunk) = payload else { return Ok(None) };
        let mut second = second.clone();
        let Some(object) = second.add(*index, chunk) else {
            return Ok(Some(self.with(State::CollectingSecond {
                seed: seed.clone(),
                first: Box::new(*first),
                second,
            })));
        };
        let (second, mac) = cut::<CIPHERTEXT2_LENGTH>(&object);
        let secret = epoch_secret(self.label, &decapsulate(seed, first, &second));
        let authenticator = self.authenticator.updated(self.label, &secret);
        if !macs_equal(&authenticator.ciphertext_mac(self.label, first, &second), mac) {
            return Err(BraidRefusal::ForgedObject);
        }
        let braid = Self { label: self.label + 1, authenticator, state: State::collecting_header() };
        Ok(Some(Received { braid, completed: Some(secret) }))
    }
}

impl State {
    fn collecting_header() -> Self {
        Self::CollectingHeader { header: Collector::new(HEADER_OBJECT) }
    }

    /// What a message carries in this state; a chunk is used up.
    fn payload(&mut self) -> Payload {
        match self {
            Self::SendingHeader { header, .. } => header.take(Payload::Header),
            Self::SendingVector { vector, .. } => vector.take(Payload::Vector),
            Self::AcknowledgingFirst { vector, .. } => vector.take(Payload::VectorAcknowledging),
            Self::CollectingSecond { .. } => Payload::Acknowledging,
            Self::SendingFirst { first, .. } | Self::VectorKnown { first, .. } => {
                first.take(Payload::FirstCiphertext)
            }
            Self::SendingSecond { second } => second.take(Payload::SecondCiphertext),
            Self::KeyUnsampled
            | Self::CollectingHeader { .. }
            | Self::HeaderKnown { .. }
            | Self::FirstAcknowledged { .. } => Payload::Nothing,
        }
    }

    /// E1, E2, E3: collects the first ciphertext part, and begins with the second.
    fn collect_first(&self, payload: &Payload) -> Option<Self> {
        match (self, payload) {
            (Self::SendingHeader { seed, vector, .. }, Payload::FirstCiphertext(index, chunk)) => {
                let mut first = Collector::new(CIPHERTEXT1_LENGTH);
                first.add(*index, chunk);
                Some(Self::SendingVector { seed: seed.clone(), vector: Outgoing::new(vector.clone()), first })
            }
            (Self::SendingVector { seed, vector, first }, Payload::FirstCiphertext(index, chunk)) => {
                let (seed, vector, mut first) = (seed.clone(), vector.clone(), first.clone());
                Some(match first.add(*index, chunk) {
                    Some(object) => {
                        Self::AcknowledgingFirst { seed, vector, first: Box::new(whole(&object)) }
                    }
                    None => Self::SendingVector { seed, vector, first },
                })
            }
            (Self::AcknowledgingFirst { seed, first, .. }, Payload::SecondCiphertext(index, chunk)) => {
                let mut second = Collector::new(SECOND_OBJECT);
                second.add(*index, chunk);
                Some(Self::CollectingSecond { seed: seed.clone(), first: first.clone(), second })
            }
            _ => None,
        }
    }
}

impl Encapsulation {
    /// Whether the vector is the one announced.
    fn check(&self, vector: &[u8; VECTOR_LENGTH]) -> Result<(), BraidRefusal> {
        if vector_belongs(&self.header, vector) { Ok(()) } else { Err(BraidRefusal::ForgedObject) }
    }
}

impl<const N: usize> Outgoing<N> {
    pub(super) fn new(object: Box<[u8; N]>) -> Self {
        Self { object, next: 0 }
    }

    fn take(&mut self, payload: fn(u16, Chunk) -> Payload) -> Payload {
        let index = self.next;
        self.next = index.wrapping_add(1);
        payload(index, encode(self.object.as_slice(), index))
    }
}

/// An object as an array; collectors give exactly the length that they were made for.
fn whole<const N: usize>(object: &[u8]) -> [u8; N] {
    object.try_into().expect("a collector gives the length that it was made for")
}

/// An object's first `N` bytes and its MAC.
fn cut<const N: usize>(object: &[u8]) -> ([u8; N], &[u8]) {
    let (head, mac) = object.split_at(N);
    (whole(head), mac)
}

#[cfg(test)]
mod tests;
