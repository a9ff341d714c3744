//! Whether messages came once and in order.
//!
//! Invariant: a message counts as first once; one that comes after a later one is misordered, one that comes again doubled.

use std::collections::BTreeSet;

/// What came from one sender, numbered from 0.
#[derive(Debug, Default)]
pub struct Tally {
    /// All below came.
    complete: u32,
    /// What came beyond the first gap.
    beyond: BTreeSet<u32>,
    /// Came again.
    pub doubled: u64,
    /// Came for the first time, after a later one.
    pub misordered: u64,
}

impl Tally {
    /// Takes note of a message; tells whether it came for the first time.
    pub fn note(&mut self, number: u32) -> bool {
        if number < self.complete || self.beyond.contains(&number) {
            self.doubled += 1;
            return false;
        }
        if self.beyond.last().is_some_and(|last| *last > number) {
            self.misordered += 1;
        }
        if number == self.complete {
            self.complete += 1;
            while self.beyond.remove(&self.complete) {
                self.complete += 1;
            }
        } else {
            self.beyond.insert(number);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(numbers: &[u32]) -> (usize, u64, u64) {
        let mut tally = Tally::default();
        let first = numbers.iter().filter(|number| tally.note(**number)).count();
        (first, tally.doubled, tally.misordered)
    }

    #[test]
    fn a_gap_is_neither_double_nor_misorder() {
        assert_eq!(tally(&[0, 1, 2, 3]), (4, 0, 0));
        assert_eq!(tally(&[0, 2, 3, 7]), (4, 0, 0));
    }

    #[test]
    fn what_comes_again_is_doubled_wherever_it_stands() {
        assert_eq!(tally(&[0, 0, 1, 3, 3, 1]), (3, 3, 0));
    }

    #[test]
    fn what_comes_after_a_later_one_is_misordered() {
        assert_eq!(tally(&[1, 0, 3, 2, 4, 2]), (5, 1, 2));
    }
}
