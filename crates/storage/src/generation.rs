//! Generations: column families that take the appends of all partitions for a while and are then left alone.
//!
//! A partition knows by its extents in which generation an offset lies. Creating and dropping a family is not part of a
//! WriteBatch, so the state decides what is true: a family that it does not name is removed at the next start.

use std::{collections::HashMap, time::Duration};

use crate::keys::GenerationNumber;

/// A partition's offsets from `base_offset`, up to the next extent's, lie in `generation`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) base_offset: i64,
    pub(crate) generation: GenerationNumber,
}

/// Which generation takes appends, and how many extents live in each. Owned by the writer.
#[derive(Debug)]
pub(crate) struct Generations {
    current: GenerationNumber,
    created_ms: i64,
    bytes: u64,
    /// A successor was asked for and is not there yet.
    successor_asked: bool,
    extents: HashMap<GenerationNumber, usize>,
    highest: GenerationNumber,
}

impl Generations {
    pub(crate) fn new(
        current: GenerationNumber,
        created_ms: i64,
        bytes: u64,
        extents: HashMap<GenerationNumber, usize>,
    ) -> Self {
        Self { current, created_ms, bytes, successor_asked: false, extents, highest: current }
    }

    pub(crate) fn current(&self) -> GenerationNumber {
        self.current
    }

    /// The current generation took so many bytes and new extents.
    pub(crate) fn appended(&mut self, bytes: usize, extents: usize) {
        self.bytes += bytes as u64;
        *self.extents.entry(self.current).or_default() += extents;
    }

    /// The successor that was asked for will not come; it may be asked for again.
    pub(crate) fn successor_refused(&mut self) {
        self.successor_asked = false;
    }

    /// The number of a successor to prepare, once, when the current generation is full or old. Empty ones do not age.
    pub(crate) fn wanted(&mut self, now_ms: i64, full_bytes: u64, age: Duration) -> Option<GenerationNumber> {
        let old =
            now_ms.saturating_sub(self.created_ms) >= i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
        let due = self.bytes > 0 && (self.bytes >= full_bytes || old);
        if !due || self.successor_asked {
            return None;
        }
        self.successor_asked = true;
        self.highest = GenerationNumber(self.highest.0 + 1);
        Some(self.highest)
    }

    /// The family of `successor` exists: it takes appends from now on.
    pub(crate) fn roll(&mut self, successor: GenerationNumber, now_ms: i64) {
        self.current = successor;
        self.created_ms = now_ms;
        self.bytes = 0;
        self.successor_asked = false;
    }

    /// Extents are gone; returns the generations in which nothing lives any more.
    pub(crate) fn extents_removed(&mut self, removed: &[Extent]) -> Vec<GenerationNumber> {
        for extent in removed {
            if let Some(count) = self.extents.get_mut(&extent.generation) {
                *count = count.saturating_sub(1);
            }
        }
        let current = self.current;
        let is_empty = |(number, count): &(&GenerationNumber, &usize)| **count == 0 && **number != current;
        let mut empty: Vec<_> = self.extents.iter().filter(is_empty).map(|(number, _)| *number).collect();
        empty.sort_unstable();
        for number in &empty {
            self.extents.remove(number);
        }
        empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn generations() -> Generations {
        Generations::new(GenerationNumber(4), 0, 0, HashMap::new())
    }

    #[test]
    fn a_successor_is_asked_for_once_when_full() {
        let mut generations = generations();
        assert_eq!(generations.wanted(0, 100, HOUR), None);
        generations.appended(100, 0);
        assert_eq!(generations.wanted(0, 100, HOUR), Some(GenerationNumber(5)));
        assert_eq!(generations.wanted(0, 100, HOUR), None);
        generations.roll(GenerationNumber(5), 0);
        assert_eq!((generations.current(), generations.wanted(0, 100, HOUR)), (GenerationNumber(5), None));
    }

    #[test]
    fn age_rolls_a_generation_unless_it_is_empty() {
        let mut generations = generations();
        assert_eq!(generations.wanted(3_600_000, 100, HOUR), None);
        generations.appended(1, 1);
        assert_eq!(generations.wanted(3_599_999, 100, HOUR), None);
        assert!(generations.wanted(3_600_000, 100, HOUR).is_some());
    }

    #[test]
    fn a_generation_without_extents_is_given_up_unless_it_takes_appends() {
        let mut generations = generations();
        generations.appended(10, 1);
        generations.roll(GenerationNumber(5), 0);
        generations.appended(10, 1);
        let extent = |number| Extent { base_offset: 0, generation: GenerationNumber(number) };
        assert_eq!(generations.extents_removed(&[extent(4), extent(5)]), [GenerationNumber(4)]);
        generations.roll(GenerationNumber(6), 0);
        assert_eq!(generations.extents_removed(&[]), [GenerationNumber(5)]);
    }
}
