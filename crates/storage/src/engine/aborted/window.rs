//! The aborted transactions around a read, kept for the next reads of a consumer that catches up: an index has many classes, and a look
//! into each costs as much as the read of some batches.

use crate::{
    AbortedTransaction,
    log::{AbortedEntry, AbortedScan},
};

/// Reads as long as this one that a window has entries of.
const READS: i64 = 16;
/// Most entries that are met for a window: where a read has many itself, others cost little beside them.
pub(super) const ENTRIES: usize = 128;

/// All aborted transactions that overlap some offsets of a partition.
#[derive(Debug)]
pub(crate) struct AbortedWindow {
    from: i64,
    until: i64,
    /// By first offset.
    entries: Vec<AbortedEntry>,
    /// [`Partition::aborted_forgotten`](crate::Partition::aborted_forgotten) before they were read.
    forgotten: u64,
}

impl AbortedWindow {
    pub(super) fn new(from: i64, until: i64, scan: AbortedScan, forgotten: u64) -> Self {
        Self { from, until, entries: scan.entries(), forgotten }
    }

    #[cfg(test)]
    pub(super) fn offsets(&self) -> std::ops::Range<i64> {
        self.from..self.until
    }

    /// The end of a window for a read of these offsets. It has no offset at or above `end`, below which all transactions have ended.
    pub(super) fn end(from: i64, until: i64, end: i64) -> i64 {
        until.saturating_add((until - from).saturating_mul(READS)).min(end).max(until)
    }

    /// Those that overlap the offsets from `from` to before `until`. `None` if the window does not reach so far, or entries were removed
    /// since it was read.
    pub(super) fn overlapping(
        &self,
        from: i64,
        until: i64,
        forgotten: u64,
    ) -> Option<Vec<AbortedTransaction>> {
        if from < self.from || until > self.until || forgotten != self.forgotten {
            return None;
        }
        let overlaps = |entry: &&AbortedEntry| entry.marker_offset >= from && entry.first_offset < until;
        Some(self.entries.iter().filter(overlaps).map(AbortedTransaction::from).collect())
    }
}
