//! Generations: column families that take the appends of all partitions for a while and are then left alone.
//!
//! A partition's extents say in which family an offset lies: in the generation it was appended to or, after most of that was
//! dead and the rest was moved, in the settled family. Creating and dropping a family is not part of a
//! WriteBatch, so the state decides what is true: a family that it does not name is removed at the next start.

use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

use crate::{
    PartitionNumber,
    engine::FoundGenerations,
    log::{BatchFamily, Extent, GenerationNumber, LivingExtents},
    options::saturating_ms,
};

/// The generation that takes appends, and the extents that live in each. Owned by the writer.
#[derive(Debug)]
pub(crate) struct Generations {
    /// Takes appends; the greatest of those that exist, except for a successor that is not in use yet.
    current: GenerationNumber,
    /// When each was created, Unix ms; the current one is among them.
    created_ms: BTreeMap<GenerationNumber, i64>,
    /// Bytes of the current one: at a start the length of its journal, then the operations and bodies of each
    /// group.
    bytes: u64,
    /// A successor was asked for and does not exist yet.
    successor_asked: bool,
    /// Most of the current generation is dead: it is to be sealed, whatever its size and age.
    mostly_dead: bool,
    /// By generation, the current one included.
    extents: LivingExtents,
    /// The greatest number that was given, to a successor as well.
    highest: GenerationNumber,
}

impl Generations {
    /// The generations as a start found them. A successor that was prepared and not used was dropped by that
    /// start.
    pub(crate) fn new(found: FoundGenerations) -> Self {
        let FoundGenerations { current, created_ms, bytes, extents } = found;
        Self {
            current,
            created_ms,
            bytes,
            successor_asked: false,
            mostly_dead: false,
            extents,
            highest: current,
        }
    }

    pub(crate) fn current(&self) -> GenerationNumber {
        self.current
    }

    /// That many bytes were appended to the current generation.
    pub(crate) fn appended(&mut self, bytes: u64) {
        self.bytes += bytes;
    }

    /// When the oldest was created, Unix ms.
    pub(crate) fn oldest_created_ms(&self) -> Option<i64> {
        self.created_ms.first_key_value().map(|(_, created_ms)| *created_ms)
    }

    /// An extent begins. Those in the settled family are not counted: it is never given up.
    pub(crate) fn extent_added(&mut self, partition: PartitionNumber, extent: Extent) {
        if let BatchFamily::Generation(number) = extent.family {
            self.extents.entry(number).or_default().insert((partition, extent.base_offset));
        }
    }

    /// Most of `number` is dead: if it still takes appends, a successor is to replace it soon.
    pub(crate) fn seal_soon(&mut self, number: GenerationNumber) {
        self.mostly_dead |= number == self.current;
    }

    /// The successor that was asked for will not be created; it may be asked for again.
    pub(crate) fn successor_refused(&mut self) {
        self.successor_asked = false;
    }

    /// The number of a successor to prepare, once, when the current generation is full or old. Empty ones do not age.
    pub(crate) fn wanted(&mut self, now_ms: i64, full_bytes: u64, age: Duration) -> Option<GenerationNumber> {
        // By the wall clock. One that was set back makes a generation live longer, which its size still
        // bounds.
        let age_ms = saturating_ms(age);
        let created_ms = self.created_ms.get(&self.current);
        let old = created_ms.is_some_and(|created_ms| now_ms.saturating_sub(*created_ms) >= age_ms);
        let due = self.bytes > 0 && (self.bytes >= full_bytes || old || self.mostly_dead);
        if !due || self.successor_asked {
            return None;
        }
        // A number is not used again, even if its family was never put to use: the next start drops it.
        self.successor_asked = true;
        self.highest = GenerationNumber(self.highest.0 + 1);
        Some(self.highest)
    }

    /// The family of `successor` exists: it takes appends from now on.
    pub(crate) fn roll(&mut self, successor: GenerationNumber, now_ms: i64) {
        self.current = successor;
        self.mostly_dead = false;
        self.extents.entry(successor).or_default();
        self.created_ms.insert(successor, now_ms);
        self.bytes = 0;
        self.successor_asked = false;
    }

    /// Extents are gone; returns the generations in which nothing lives any more.
    pub(crate) fn extents_removed(&mut self, removed: &[(PartitionNumber, Extent)]) -> Vec<GenerationNumber> {
        for (partition, extent) in removed {
            if let BatchFamily::Generation(number) = extent.family
                && let Some(living) = self.extents.get_mut(&number)
            {
                living.remove(&(*partition, extent.base_offset));
            }
        }
        let is_empty = |number| self.extents.get(&number).is_some_and(HashSet::is_empty);
        // The current one may be empty and still takes appends.
        let sealed = self.extents.keys().copied().filter(|number| *number != self.current);
        let mut empty: Vec<_> = sealed.filter(|number| is_empty(*number)).collect();
        empty.sort_unstable();
        for number in &empty {
            self.extents.remove(number);
            self.created_ms.remove(number);
        }
        empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARTITION: PartitionNumber = PartitionNumber(1);
    const HOUR: Duration = Duration::from_secs(3600);

    fn generations() -> Generations {
        let created_ms = BTreeMap::from([(GenerationNumber(4), 0)]);
        let extents = LivingExtents::new();
        Generations::new(FoundGenerations { current: GenerationNumber(4), created_ms, bytes: 0, extents })
    }

    #[test]
    fn a_successor_is_asked_for_once_when_full() {
        let mut generations = generations();
        assert_eq!(generations.wanted(0, 100, HOUR), None);
        generations.appended(100);
        assert_eq!(generations.wanted(0, 100, HOUR), Some(GenerationNumber(5)));
        assert_eq!(generations.wanted(0, 100, HOUR), None);
        generations.roll(GenerationNumber(5), 0);
        assert_eq!((generations.current(), generations.wanted(0, 100, HOUR)), (GenerationNumber(5), None));
    }

    #[test]
    fn age_rolls_a_generation_unless_it_is_empty() {
        let mut generations = generations();
        assert_eq!(generations.wanted(3_600_000, 100, HOUR), None);
        generations.appended(1);
        assert_eq!(generations.wanted(3_599_999, 100, HOUR), None);
        assert!(generations.wanted(3_600_000, 100, HOUR).is_some());
    }

    #[test]
    fn a_generation_without_extents_is_given_up_unless_it_takes_appends() {
        let mut generations = generations();
        let extent = |number| Extent {
            base_offset: 0,
            family: BatchFamily::Generation(GenerationNumber(number)),
            position: 0,
        };
        generations.extent_added(PARTITION, extent(4));
        assert_eq!(generations.oldest_created_ms(), Some(0));
        generations.roll(GenerationNumber(5), 9);
        generations.extent_added(PARTITION, extent(5));
        assert_eq!(
            generations.extents_removed(&[(PARTITION, extent(4)), (PARTITION, extent(5))]),
            [GenerationNumber(4)]
        );
        assert_eq!(generations.oldest_created_ms(), Some(9));
        generations.roll(GenerationNumber(6), 0);
        assert_eq!(generations.extents_removed(&[]), [GenerationNumber(5)]);
    }

    #[test]
    fn a_mostly_dead_generation_is_sealed_before_its_time() {
        let mut generations = generations();
        generations.appended(1);
        generations.seal_soon(GenerationNumber(3));
        assert_eq!(generations.wanted(0, 100, HOUR), None, "that one is sealed already");
        generations.seal_soon(GenerationNumber(4));
        assert_eq!(generations.wanted(0, 100, HOUR), Some(GenerationNumber(5)));
    }
}
