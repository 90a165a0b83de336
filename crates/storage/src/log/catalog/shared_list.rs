//! A sorted list whose copies share what did not change.
//!
//! The items lie in chunks of at most [`CHUNK`]. A copy of the list copies one pointer for each chunk, and a change then copies
//! only the chunk that it falls into. So a change with a copy before it costs `n / CHUNK + CHUNK` steps instead of `n`.
//!
//! The list does not know its order: each call brings a function that compares an item with the one that is meant.

use std::{cmp::Ordering, sync::Arc};

/// Most items of a chunk.
const CHUNK: usize = 128;

#[derive(Clone, Debug)]
pub(crate) struct SharedList<T> {
    /// None is empty.
    chunks: Vec<Arc<Vec<T>>>,
    len: usize,
}

impl<T> Default for SharedList<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> SharedList<T> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// The item that is meant; `order` compares an item with it. Two binary searches.
    pub(crate) fn get(&self, order: impl Fn(&T) -> Ordering) -> Option<&T> {
        let chunk = self.chunks.get(self.chunk_of(&order))?;
        chunk.get(chunk.binary_search_by(order).ok()?)
    }

    /// The first chunk whose last item is not less than the one that is meant; it alone can hold it.
    fn chunk_of(&self, order: &impl Fn(&T) -> Ordering) -> usize {
        self.chunks.partition_point(|chunk| chunk.last().is_some_and(|last| order(last) == Ordering::Less))
    }
}

impl<T: Clone> SharedList<T> {
    /// Puts the item at its place, instead of an equal one.
    pub(crate) fn insert(&mut self, item: T, order: impl Fn(&T) -> Ordering) {
        // One that is greater than all others goes into the last chunk.
        let index = self.chunk_of(&order).min(self.chunks.len().saturating_sub(1));
        let Some(chunk) = self.chunks.get_mut(index) else {
            self.chunks.push(Arc::new(vec![item]));
            self.len = 1;
            return;
        };
        let place = match chunk.binary_search_by(order) {
            Ok(equal) => {
                // `make_mut` copies the chunk only if another copy of the list has it.
                if let Some(old) = Arc::make_mut(chunk).get_mut(equal) {
                    *old = item;
                }
                return;
            }
            Err(place) => place,
        };
        self.len += 1;
        if chunk.len() < CHUNK {
            Arc::make_mut(chunk).insert(place, item);
        } else if place == CHUNK {
            // Items that come in order leave full chunks.
            self.chunks.insert(index + 1, Arc::new(vec![item]));
        } else {
            let chunk = Arc::make_mut(chunk);
            chunk.insert(place, item);
            let upper = chunk.split_off(CHUNK / 2);
            self.chunks.insert(index + 1, Arc::new(upper));
        }
    }

    /// Removes the item that is meant, and returns it.
    pub(crate) fn remove(&mut self, order: impl Fn(&T) -> Ordering) -> Option<T> {
        let index = self.chunk_of(&order);
        let chunk = self.chunks.get_mut(index)?;
        let found = chunk.binary_search_by(order).ok()?;
        let removed = Arc::make_mut(chunk).remove(found);
        self.len -= 1;
        self.merge(index);
        Some(removed)
    }

    /// Joins a chunk that became small with its neighbours, so that the number of chunks follows the number of items.
    fn merge(&mut self, index: usize) {
        if self.chunks.get(index).is_some_and(|chunk| chunk.is_empty()) {
            self.chunks.remove(index);
            return;
        }
        self.merge_with_next(index);
        if let Some(previous) = index.checked_sub(1) {
            self.merge_with_next(previous);
        }
    }

    /// Joins two neighbours that together fill at most half a chunk.
    fn merge_with_next(&mut self, index: usize) {
        let sizes = self.chunks.get(index).zip(self.chunks.get(index + 1));
        // Half full, not full: the next item would split a full chunk again.
        if sizes.is_some_and(|(one, next)| one.len() + next.len() <= CHUNK / 2) {
            let next = self.chunks.remove(index + 1);
            if let Some(chunk) = self.chunks.get_mut(index) {
                Arc::make_mut(chunk).extend(next.iter().cloned());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
    };

    use super::*;

    /// Puts and takes out the same numbers here and in a set; the seed only varies their order.
    fn agrees_with_a_set(seed: u64) {
        let (mut list, mut set, mut state) = (SharedList::<u64>::default(), BTreeSet::new(), seed);
        for step in 0..6_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let number = (state >> 33) % 2_000;
            let before = list.clone();
            let removes = (state >> 20) % 8 < if step < 4_000 { 2 } else { 7 };
            if removes {
                assert_eq!(list.remove(|other| other.cmp(&number)).is_some(), set.remove(&number));
            } else {
                list.insert(number, |other| other.cmp(&number));
                set.insert(number);
            }
            assert_eq!(list.get(|other| other.cmp(&number)).is_some(), set.contains(&number));
            assert_eq!(list.len(), set.len());
            assert!(before.iter().is_sorted(), "an older copy stays as it was");
        }
        assert!(list.iter().eq(set.iter()));
        assert!(list.chunks.iter().all(|chunk| !chunk.is_empty() && chunk.len() <= CHUNK));
    }

    #[test]
    fn knows_what_a_set_knows() {
        (1..5).for_each(agrees_with_a_set);
    }

    #[test]
    fn few_chunks_are_left_when_most_items_are_removed() {
        let mut list = SharedList::default();
        (0..10_000).for_each(|number: u32| list.insert(number, |other| other.cmp(&number)));
        assert_eq!(list.chunks.len(), 10_000_usize.div_ceil(CHUNK), "in order they fill their chunks");
        (0..10_000).filter(|number| number % 100 > 0).for_each(|number| {
            list.remove(|other| other.cmp(&number)).unwrap();
        });
        assert!(list.iter().copied().eq((0..10_000).step_by(100)));
        assert!(list.chunks.len() <= 8, "{} chunks", list.chunks.len());
    }

    /// Users saw: 10 000 topics, created one by one, took 25 s.
    #[test]
    fn the_cost_of_changes_grows_with_their_number_not_its_square() {
        struct Counted<'a>(u32, &'a AtomicUsize);
        impl Clone for Counted<'_> {
            fn clone(&self) -> Self {
                self.1.fetch_add(1, Relaxed);
                Self(self.0, self.1)
            }
        }
        let cost = |items: u32| {
            let copied = AtomicUsize::new(0);
            let (mut list, mut published) = (SharedList::default(), SharedList::default());
            let mut pointers = 0;
            for number in 0..items {
                let number = number.wrapping_mul(2_654_435_761);
                list.insert(Counted(number, &copied), |other: &Counted<'_>| other.0.cmp(&number));
                pointers += list.chunks.len();
                published = list.clone();
            }
            assert_eq!(published.len(), items as usize);
            copied.load(Relaxed) + pointers
        };
        let (few, many) = (cost(1_000), cost(4_000));
        assert!(many < 6 * few, "{few} copies for 1 000 items, {many} for 4 000");
        assert!(many < 4_000 * 2 * CHUNK, "{many}");
    }
}
