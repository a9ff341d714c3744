//! The erasure code (section 6.4): an object of N chunks becomes 65,536 chunks, any N of which give the object back.
//!
//! A chunk is 16 elements of GF(2^16), big endian. For each of the 16 columns there is one polynomial of degree below N; chunk c carries
//! its values at c. Chunks 0 to N − 1 are the object itself.
//!
//! Invariant: a [`Collector`] holds at most N chunks, of different indices.

use super::field::{add_scaled, invert, multiply};
use crate::codec::{Reader, StoredError, Writer};

/// Bytes of a chunk.
pub(super) const CHUNK_LENGTH: usize = 32;

/// The largest N of the protocol (the encapsulation key's vector).
const CHUNKS_MAX: usize = 36;

pub(super) type Chunk = [u8; CHUNK_LENGTH];

/// Chunk `index` of `object`, whose length is a multiple of 32 of at most 1,152.
pub(super) fn encode(object: &[u8], index: u16) -> Chunk {
    let (chunks, _) = object.as_chunks::<CHUNK_LENGTH>();
    if let Some(chunk) = chunks.get(usize::from(index)) {
        return *chunk;
    }
    let factors = systematic_factors(chunks.len(), index);
    combine(chunks.iter().zip(factors))
}

/// The chunks of one object that have arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collector {
    needed: usize,
    chunks: Vec<(u16, Chunk)>,
}

impl Collector {
    /// For an object of `length` bytes.
    pub(super) fn new(length: usize) -> Self {
        Self { needed: length / CHUNK_LENGTH, chunks: Vec::with_capacity(length / CHUNK_LENGTH) }
    }

    /// Adds a chunk; the first of an index counts. Returns the object once there are enough.
    pub(super) fn add(&mut self, index: u16, chunk: &Chunk) -> Option<Vec<u8>> {
        if self.chunks.len() < self.needed && self.chunks.iter().all(|(present, _)| *present != index) {
            self.chunks.push((index, *chunk));
        }
        (self.chunks.len() == self.needed).then(|| self.decode())
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.u8(u8::try_from(self.chunks.len()).expect("at most 36 chunks"));
        for (index, chunk) in &self.chunks {
            writer.u16(*index);
            writer.bytes(chunk);
        }
    }

    /// Reads an incomplete collection for an object of `length` bytes.
    pub(super) fn read(reader: &mut Reader<'_>, length: usize) -> Result<Self, StoredError> {
        let mut collector = Self::new(length);
        let count = usize::from(reader.u8()?);
        if count >= collector.needed {
            return Err(StoredError::Damaged);
        }
        for _ in 0..count {
            collector.add(reader.u16()?, &reader.array()?);
        }
        if collector.chunks.len() == count { Ok(collector) } else { Err(StoredError::Damaged) }
    }

    fn decode(&self) -> Vec<u8> {
        let weights = self.weights();
        let mut object = Vec::with_capacity(self.needed * CHUNK_LENGTH);
        for position in (0..).take(self.needed) {
            match self.chunks.iter().find(|(index, _)| *index == position) {
                Some((_, chunk)) => object.extend_from_slice(chunk),
                None => object.extend_from_slice(&self.interpolate(&weights, position)),
            }
        }
        object
    }

    /// The chunk at `position`, which is not among those received.
    fn interpolate(&self, weights: &[u16], position: u16) -> Chunk {
        let differences: Vec<u16> = self.chunks.iter().map(|(index, _)| position ^ index).collect();
        let factors = lagrange_factors(&differences, weights);
        combine(self.chunks.iter().map(|(_, chunk)| chunk).zip(factors))
    }

    /// For each received index its weight: the inverse of the product of its differences to the others.
    fn weights(&self) -> Vec<u16> {
        let others = |own: u16| {
            self.chunks.iter().map(move |(index, _)| own ^ index).filter(|difference| *difference != 0)
        };
        self.chunks.iter().map(|(own, _)| invert(others(*own).fold(1, multiply))).collect()
    }
}

/// The Lagrange factors of the points 0 to `count` − 1 for an `index` beyond them.
fn systematic_factors(count: usize, index: u16) -> [u16; CHUNKS_MAX] {
    let weights = match count {
        3 => &const { systematic_weights(3) },
        5 => &const { systematic_weights(5) },
        30 => &const { systematic_weights(30) },
        _ => &const { systematic_weights(36) },
    };
    let mut differences = [0; CHUNKS_MAX];
    differences.iter_mut().zip(0..).for_each(|(difference, point)| *difference = index ^ point);
    lagrange_factors(&differences[..count], weights)
}

const fn systematic_weights(count: u16) -> [u16; CHUNKS_MAX] {
    let mut weights = [0; CHUNKS_MAX];
    let mut own = 0;
    while own < count {
        let mut product = 1;
        let mut other = 0;
        while other < count {
            if other != own {
                product = multiply(product, own ^ other);
            }
            other += 1;
        }
        weights[own as usize] = invert(product);
        own += 1;
    }
    weights
}

/// `weights[i]` times the product of all differences but the i-th, without a division.
fn lagrange_factors(differences: &[u16], weights: &[u16]) -> [u16; CHUNKS_MAX] {
    let mut factors = [0; CHUNKS_MAX];
    let mut product = 1;
    for ((factor, difference), weight) in factors.iter_mut().zip(differences).zip(weights) {
        *factor = multiply(product, *weight);
        product = multiply(product, *difference);
    }
    let mut product = 1;
    for (factor, difference) in factors[..differences.len()].iter_mut().zip(differences).rev() {
        *factor = multiply(*factor, product);
        product = multiply(product, *difference);
    }
    factors
}

/// The sum of chunks times factors, column by column.
fn combine<'a>(terms: impl Iterator<Item = (&'a Chunk, u16)>) -> Chunk {
    let mut sum = [0; CHUNK_LENGTH / 2];
    for (chunk, factor) in terms {
        let (pairs, _) = chunk.as_chunks::<2>();
        let row = std::array::from_fn(|lane| u16::from_be_bytes(pairs[lane]));
        add_scaled(&mut sum, factor, &row);
    }
    let mut chunk = [0; CHUNK_LENGTH];
    for (pair, element) in chunk.chunks_exact_mut(2).zip(sum) {
        pair.copy_from_slice(&element.to_be_bytes());
    }
    chunk
}

#[cfg(test)]
mod tests;
