//! Keys of messages that have not arrived yet.
//!
//! Invariants: counters ascend; removed and outgrown bytes are wiped; the memory is 36 bytes a key.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::{
    codec::{Reader, StoredError, Writer},
    limits::SKIPPED_KEYS_MAX,
    secret::Secret,
};

/// Counter (u32) and key (32 bytes).
const ENTRY: usize = 36;

/// Counters with their keys, flat, so that storing them is one copy.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct SkippedKeys(Zeroizing<Vec<u8>>);

impl SkippedKeys {
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(keys * ENTRY)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len() / ENTRY
    }

    /// Whether every counter is below `bound`.
    pub(crate) fn all_below(&self, bound: u32) -> bool {
        self.len().checked_sub(1).is_none_or(|last| self.counter(last) < bound)
    }

    /// The key of `counter`.
    pub(crate) fn find(&self, counter: u32) -> Option<Secret<32>> {
        let index = self.position(counter).ok()?;
        Some(Secret::copy_of(&self.0[index * ENTRY + 4..(index + 1) * ENTRY]))
    }

    /// Adds a key; `counter` is above all present ones.
    pub(crate) fn push(&mut self, counter: u32, key: &Secret<32>) {
        self.reserve(ENTRY);
        self.0.extend_from_slice(&counter.to_be_bytes());
        self.0.extend_from_slice(key.expose());
    }

    /// Adds keys whose counters are all above the present ones.
    pub(crate) fn append(&mut self, newer: &Self) {
        self.reserve(newer.0.len());
        self.0.extend_from_slice(&newer.0);
    }

    pub(crate) fn remove(&mut self, counter: u32) {
        if let Ok(index) = self.position(counter) {
            self.cut(index * ENTRY, ENTRY);
        }
    }

    /// Keeps the newest `count` keys.
    pub(crate) fn keep_newest(&mut self, count: usize) {
        self.cut(0, self.len().saturating_sub(count) * ENTRY);
    }

    /// Drops the keys of counters below `counter`.
    pub(crate) fn drop_below(&mut self, counter: u32) {
        let index = self.position(counter).unwrap_or_else(|index| index);
        self.cut(0, index * ENTRY);
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        writer.prefixed(&self.0);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, StoredError> {
        let bytes = reader.prefixed()?;
        let keys = Self(Zeroizing::new(bytes.to_vec()));
        let whole = bytes.len() % ENTRY == 0 && keys.len() <= SKIPPED_KEYS_MAX as usize;
        let ascending = (1..keys.len()).all(|index| keys.counter(index - 1) < keys.counter(index));
        if whole && ascending { Ok(keys) } else { Err(StoredError::Damaged) }
    }

    /// Bytes that [`Self::write`] takes.
    pub(crate) fn stored_length(&self) -> usize {
        4 + self.0.len()
    }

    fn counter(&self, index: usize) -> u32 {
        let bytes = self.0[index * ENTRY..].first_chunk().expect("every entry begins with a counter");
        u32::from_be_bytes(*bytes)
    }

    /// Where `counter` is, or where it would have to be.
    fn position(&self, counter: u32) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            match self.counter(middle).cmp(&counter) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// Removes `length` bytes at `start` and wipes what is left behind the new end.
    fn cut(&mut self, start: usize, length: usize) {
        if length == 0 {
            return;
        }
        let end = self.0.len() - length;
        self.0.copy_within(start + length.., start);
        self.0[end..].zeroize();
        self.0.truncate(end);
    }

    /// Makes room without leaving a copy of the keys in freed memory.
    fn reserve(&mut self, additional: usize) {
        let needed = self.0.len() + additional;
        if self.0.capacity() < needed {
            let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two()));
            larger.extend_from_slice(&self.0);
            self.0 = larger;
        }
    }
}

impl fmt::Debug for SkippedKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SkippedKeys({} keys)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::SkippedKeys;
    use crate::{
        codec::{Reader, StoredError, Writer},
        secret::Secret,
    };

    fn keys(counters: &[u32]) -> SkippedKeys {
        let mut keys = SkippedKeys::default();
        for &counter in counters {
            keys.push(counter, &Secret::new([u8::try_from(counter % 251).unwrap(); 32]));
        }
        keys
    }

    fn counters(keys: &SkippedKeys) -> Vec<u32> {
        (0..keys.len()).map(|index| keys.counter(index)).collect()
    }

    #[test]
    fn finds_removes_and_drops() {
        let mut store = keys(&[1, 3, 4, 9]);
        assert_eq!(store.find(4), Some(Secret::new([4; 32])));
        assert_eq!(store.find(2), None);
        store.remove(3);
        store.remove(7);
        assert_eq!(counters(&store), [1, 4, 9]);
        store.append(&keys(&[11, 12]));
        store.drop_below(4);
        assert_eq!(counters(&store), [4, 9, 11, 12]);
        store.keep_newest(2);
        assert_eq!(counters(&store), [11, 12]);
    }

    #[test]
    fn stored_keys_must_ascend_and_be_whole() {
        for (entries, expected) in [
            (vec![1, 2], Ok(())),
            (vec![2, 2], Err(StoredError::Damaged)),
            (vec![3, 2], Err(StoredError::Damaged)),
        ] {
            let mut writer = Writer::with_capacity(8);
            keys(&entries).write(&mut writer);
            let bytes = writer.finish();
            assert_eq!(SkippedKeys::read(&mut Reader::new(&bytes)).map(drop), expected);
        }
        assert!(SkippedKeys::read(&mut Reader::new(&[0, 0, 0, 35, 0])).is_err());
    }
}
