//! The places of a partition's batches: its extents, the start of its log, and the part that was compacted.

use std::sync::atomic::Ordering;

use super::Partition;
use crate::log::{
    extent::Extent,
    index::{CleanedRecord, LogStart},
};

impl Partition {
    /// The extents that may hold offsets from `from` on, in order.
    pub(crate) fn extents_from(&self, from: i64) -> Vec<Extent> {
        let extents = self.extents.read();
        let after = extents.partition_point(|extent| extent.base_offset <= from);
        // The last one that begins at or below `from` holds it.
        extents.iter().skip(after.saturating_sub(1)).copied().collect()
    }

    /// Every extent with the bytes that live in it, in order.
    /// Bytes below the log start are dead; those that compaction removed are not counted, as positions have
    /// moved.
    pub(crate) fn live_extents(&self) -> Vec<(Extent, u64)> {
        let log_start = self.log_start_position.load(Ordering::Acquire);
        let end = self.interval().end.end_position;
        let extents = self.extents.read();
        let ends = extents.iter().skip(1).map(|next| next.position).chain([end]);
        let live =
            |(extent, end): (&Extent, u64)| (*extent, end.saturating_sub(extent.position.max(log_start)));
        extents.iter().zip(ends).map(live).collect()
    }

    /// The extents in which nothing is at or above `offset`, in order.
    pub(crate) fn extents_below(&self, offset: i64, log_end_offset: i64) -> Vec<Extent> {
        let all = self.extents_with_ends(log_end_offset).into_iter();
        all.take_while(|(_, end)| *end <= offset).map(|(extent, _)| extent).collect()
    }

    /// Every extent with the first offset after it, in order.
    pub(crate) fn extents_with_ends(&self, log_end_offset: i64) -> Vec<(Extent, i64)> {
        let extents = self.extents.read();
        let ends = extents.iter().skip(1).map(|next| next.base_offset).chain([log_end_offset]);
        extents.iter().copied().zip(ends).collect()
    }

    pub(crate) fn last_extent(&self) -> Option<Extent> {
        self.extents.read().last().copied()
    }

    pub(crate) fn has_extent(&self, extent: Extent) -> bool {
        self.extents.read().contains(&extent)
    }

    /// The settled family may have batches of it: in an extent of its own, or copies that no extent leads to, as the
    /// settling of theirs did not come to its end.
    pub(crate) fn has_settled(&self) -> bool {
        self.settled.load(Ordering::Relaxed)
    }

    /// The writer puts a batch of it into the settled family.
    pub(crate) fn note_settled(&self) {
        self.settled.store(true, Ordering::Relaxed);
    }

    /// Adds an extent after all others; its base offset is the end of the log.
    pub(crate) fn add_extent(&self, extent: Extent) {
        self.extents.write().push(extent);
    }

    /// Puts `extent` in the place of the one with its base offset; false if there is none any more.
    pub(crate) fn replace_extent(&self, extent: Extent) -> bool {
        let mut extents = self.extents.write();
        // Base offsets do not change when batches move to another family.
        let found = extents.iter_mut().find(|other| other.base_offset == extent.base_offset);
        found.map(|other| *other = extent).is_some()
    }

    /// Nothing below `start` is served from now on. `dead` are the extents that lie wholly below it.
    pub(crate) fn start_at(&self, start: LogStart, dead: &[Extent]) {
        if start.offset > self.log_start_offset() {
            self.start_stable_at(start.offset);
            // Before its batches are removed: a reader looks at the log start again after it has read.
            self.log_start_offset.store(start.offset, Ordering::Release);
            self.log_start_position.store(start.position, Ordering::Release);
            self.tail.lock().purge(start.offset);
        }
        self.extents.write().retain(|extent| !dead.iter().any(|dead| dead.base_offset == extent.base_offset));
    }

    /// The part of the log that is compacted.
    pub(crate) fn cleaned(&self) -> CleanedRecord {
        *self.cleaned.lock()
    }

    /// After a cleaning: the remaining batches lie in these extents, and the log is smaller.
    pub(crate) fn set_cleaned(&self, cleaned: CleanedRecord, start: LogStart, extents: &[Extent]) {
        *self.cleaned.lock() = cleaned;
        // The tail has these batches as they were before.
        self.tail.lock().purge(cleaned.offset);
        self.log_start_position.store(start.position, Ordering::Release);
        let mut all = self.extents.write();
        let after = all.partition_point(|extent| extent.base_offset <= cleaned.offset);
        // With the one that begins just at the first dirty offset: `extents` has it again.
        all.splice(..after, extents.iter().copied());
    }

    /// Offset and position, each as of now: a move may come between the two.
    pub(crate) fn log_start(&self) -> LogStart {
        let position = self.log_start_position.load(Ordering::Acquire);
        LogStart { offset: self.log_start_offset(), position }
    }
}
