//! The stored form of the post-quantum ratchet: a part of the session's record, which carries the version.
//!
//! Invariant: every state of the machine round-trips; reading refuses what the machine could never have written.

use super::{
    Direction, PqRatchet,
    authenticator::Authenticator,
    epochs::Epochs,
    erasure::Collector,
    kem::{CIPHERTEXT1_LENGTH, VECTOR_LENGTH},
    machine::{Braid, Encapsulation, HEADER_OBJECT, Outgoing, SECOND_OBJECT, State},
};
use crate::codec::{Reader, StoredError, Writer};

impl PqRatchet {
    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.u8(match self.direction {
            Direction::InitiatorToResponder => 0,
            Direction::ResponderToInitiator => 1,
        });
        writer.u8(u8::from(self.settled));
        writer.u64(self.braid.label);
        self.braid.authenticator.write(writer);
        self.braid.state.write(writer);
        self.epochs.write(writer);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let direction =
            if reader.flag()? { Direction::ResponderToInitiator } else { Direction::InitiatorToResponder };
        let settled = reader.flag()?;
        let label = reader.u64()?;
        let braid = Braid { label, authenticator: Authenticator::read(reader)?, state: State::read(reader)? };
        let epochs = Epochs::read(reader)?;
        let fits = label == braid.state.label_with_newest(epochs.newest());
        if fits && label.checked_sub(1).is_some_and(|epoch| epochs.serves(epoch)) {
            Ok(Self { direction, settled, braid, epochs })
        } else {
            Err(StoredError::Damaged)
        }
    }

    /// Bytes that [`Self::write`] takes, at most.
    pub(crate) fn stored_length(&self) -> usize {
        // The largest state is C2 or C3: header, coins, first ciphertext part, vector with indices.
        74 + 2500 + self.epochs.stored_length()
    }
}

impl State {
    /// The label in this state, if `epoch` is the newest that has keys.
    fn label_with_newest(&self, epoch: u64) -> u64 {
        match self {
            // The ciphertext side has the secret of the epoch in progress.
            Self::SendingFirst { .. }
            | Self::VectorKnown { .. }
            | Self::FirstAcknowledged { .. }
            | Self::SendingSecond { .. } => epoch,
            Self::KeyUnsampled
            | Self::SendingHeader { .. }
            | Self::SendingVector { .. }
            | Self::AcknowledgingFirst { .. }
            | Self::CollectingSecond { .. }
            | Self::CollectingHeader { .. }
            | Self::HeaderKnown { .. } => epoch + 1,
        }
    }

    fn write(&self, writer: &mut Writer) {
        match self {
            Self::KeyUnsampled => writer.u8(0),
            Self::SendingHeader { seed, vector, header } => {
                writer.u8(1);
                writer.bytes(seed.expose());
                writer.bytes(vector.as_slice());
                header.write(writer);
            }
            Self::SendingVector { seed, vector, first } => {
                writer.u8(2);
                writer.bytes(seed.expose());
                vector.write(writer);
                first.write(writer);
            }
            Self::AcknowledgingFirst { seed, vector, first } => {
                writer.u8(3);
                writer.bytes(seed.expose());
                vector.write(writer);
                writer.bytes(first.as_slice());
            }
            Self::CollectingSecond { seed, first, second } => {
                writer.u8(4);
                writer.bytes(seed.expose());
                writer.bytes(first.as_slice());
                second.write(writer);
            }
            Self::CollectingHeader { header } => {
                writer.u8(5);
                header.write(writer);
            }
            Self::HeaderKnown { header } => {
                writer.u8(6);
                writer.bytes(header);
            }
            Self::SendingFirst { encapsulation, first, vector } => {
                writer.u8(7);
                encapsulation.write(writer);
                first.write(writer);
                vector.write(writer);
            }
            Self::VectorKnown { encapsulation, first, vector } => {
                writer.u8(8);
                encapsulation.write(writer);
                first.write(writer);
                writer.bytes(vector.as_slice());
            }
            Self::FirstAcknowledged { encapsulation, first, vector } => {
                writer.u8(9);
                encapsulation.write(writer);
                writer.bytes(first.as_slice());
                vector.write(writer);
            }
            Self::SendingSecond { second } => {
                writer.u8(10);
                second.write(writer);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(match reader.u8()? {
            0 => Self::KeyUnsampled,
            1 => Self::SendingHeader {
                seed: reader.secret()?,
                vector: boxed(reader)?,
                header: Outgoing::read(reader)?,
            },
            2 => Self::SendingVector {
                seed: reader.secret()?,
                vector: Outgoing::read(reader)?,
                first: Collector::read(reader, CIPHERTEXT1_LENGTH)?,
            },
            3 => Self::AcknowledgingFirst {
                seed: reader.secret()?,
                vector: Outgoing::read(reader)?,
                first: boxed(reader)?,
            },
            4 => Self::CollectingSecond {
                seed: reader.secret()?,
                first: boxed(reader)?,
                second: Collector::read(reader, SECOND_OBJECT)?,
            },
            5 => Self::CollectingHeader { header: Collector::read(reader, HEADER_OBJECT)? },
            6 => Self::HeaderKnown { header: reader.array()? },
            7 => Self::SendingFirst {
                encapsulation: Encapsulation::read(reader)?,
                first: Outgoing::read(reader)?,
                vector: Collector::read(reader, VECTOR_LENGTH)?,
            },
            8 => Self::VectorKnown {
                encapsulation: Encapsulation::read(reader)?,
                first: Outgoing::read(reader)?,
                vector: boxed(reader)?,
            },
            9 => Self::FirstAcknowledged {
                encapsulation: Encapsulation::read(reader)?,
                first: boxed(reader)?,
                vector: Collector::read(reader, VECTOR_LENGTH)?,
            },
            10 => Self::SendingSecond { second: Outgoing::read(reader)? },
            _ => return Err(StoredError::Damaged),
        })
    }
}

impl Encapsulation {
    fn write(&self, writer: &mut Writer) {
        writer.bytes(&self.header);
        writer.bytes(self.coins.expose());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        Ok(Self { header: reader.array()?, coins: reader.secret()? })
    }
}

impl<const N: usize> Outgoing<N> {
    fn write(&self, writer: &mut Writer) {
        writer.u16(self.next);
        writer.bytes(self.object.as_slice());
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let next = reader.u16()?;
        Ok(Self { object: boxed(reader)?, next })
    }
}

fn boxed<const N: usize>(reader: &mut Reader<'_>) -> Result<Box<[u8; N]>, StoredError> {
    Ok(Box::new(reader.array()?))
}
