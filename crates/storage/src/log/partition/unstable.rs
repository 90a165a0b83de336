//! Transactions that hold back the last stable offset: those that are open, and those whose marker is not visible yet.

use std::collections::{BTreeMap, VecDeque};

/// They, as far as their batches were published.
#[derive(Debug, Default)]
pub(super) struct Unstable {
    /// By first offset: the bytes that this process had published before.
    first_offsets: BTreeMap<i64, u64>,
    /// Those that ended: offsets of marker and of first batch, in the order of the markers.
    ended: VecDeque<(i64, i64)>,
}

impl Unstable {
    /// A start found these open: their batches were published by earlier processes.
    pub(super) fn recovered(first_offsets: impl Iterator<Item = i64>) -> Self {
        Self { first_offsets: first_offsets.map(|first| (first, 0)).collect(), ended: VecDeque::new() }
    }

    /// A transaction began with the batch at this offset.
    pub(super) fn begins(&mut self, first_offset: i64, bytes_before: u64) {
        self.first_offsets.insert(first_offset, bytes_before);
    }

    /// The one that began at `first_offset` has its marker, which may be invisible.
    pub(super) fn ends(&mut self, marker_offset: i64, first_offset: i64) {
        self.ended.push_back((marker_offset, first_offset));
    }

    /// The first offset that is not stable, and the bytes published before it. `visible` has both for the high watermark,
    /// which only rises.
    pub(super) fn stable(&mut self, visible: (i64, u64)) -> (i64, u64) {
        let (high_watermark, _) = visible;
        while let Some((_, first_offset)) = self.ended.pop_front_if(|(marker, _)| *marker < high_watermark) {
            self.first_offsets.remove(&first_offset);
        }
        match self.first_offsets.first_key_value() {
            Some((first_offset, bytes)) if *first_offset < high_watermark => (*first_offset, *bytes),
            _ => visible,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_open_transaction_holds_back_all_that_follow() {
        let mut unstable = Unstable::recovered([3].into_iter());
        unstable.begins(7, 40);
        assert_eq!(unstable.stable((9, 60)), (3, 0));
        unstable.ends(9, 3);
        assert_eq!(unstable.stable((9, 60)), (3, 0), "its marker is not visible");
        assert_eq!(unstable.stable((10, 70)), (7, 40));
        unstable.ends(10, 7);
        assert_eq!(unstable.stable((11, 80)), (11, 80));
    }

    #[test]
    fn one_that_is_not_visible_itself_holds_back_nothing_more() {
        let mut unstable = Unstable::default();
        unstable.begins(5, 10);
        assert_eq!(unstable.stable((5, 10)), (5, 10));
        assert_eq!(unstable.stable((4, 8)), (4, 8));
    }
}
