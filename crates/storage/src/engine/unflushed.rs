//! Changes that RocksDB has in memory only, which are the part of the journal that a replay applies: when a flush of them is due, and
//! when the writer must wait for one. So a replay has a bound, however slow the disk is.

use super::journal::record::JournalPosition;

/// A flush that holds up no writes is due at the limits of the options, at once at this many times of them …
const AT_ONCE: u64 = 2;
/// … and at this many times of them, with what is being flushed, the writer waits for the flush under way.
/// Memory and the reserve of the disk have room for that (`disk.rs`).
const AT_MOST: u64 = 4;

/// When a flush should begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// When that holds up no writes.
    Soon,
    /// Now: a replay would take too long.
    Now,
}

/// Bytes of records of the journal, without their headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RecordBytes {
    /// A replay applies them, into memory.
    pub(crate) operations: u64,
    /// A replay passes over them.
    pub(crate) bodies: u64,
}

impl RecordBytes {
    fn reaches(self, limits: Self, times: u64) -> bool {
        self.operations >= limits.operations.saturating_mul(times)
            || self.bodies >= limits.bodies.saturating_mul(times)
    }

    fn plus(self, other: Self) -> Self {
        Self { operations: self.operations + other.operations, bodies: self.bodies + other.bodies }
    }
}

/// See the module.
pub(super) struct Unflushed {
    /// Of the options.
    limits: RecordBytes,
    /// Written since the last flush began.
    since: RecordBytes,
    /// Written before, if a flush is under way.
    being_flushed: RecordBytes,
    /// That flush makes a replay begin at this record.
    under_way: Option<JournalPosition>,
    /// The record of the last WriteBatch.
    pub(super) last_record: JournalPosition,
    /// A replay begins at this record.
    pub(super) flushed: JournalPosition,
}

impl Unflushed {
    pub(super) fn new(limits: RecordBytes) -> Self {
        Self {
            limits,
            since: RecordBytes::default(),
            being_flushed: RecordBytes::default(),
            under_way: None,
            last_record: JournalPosition::START,
            flushed: JournalPosition::START,
        }
    }

    /// The operations of this record were applied.
    pub(super) fn applied(&mut self, position: JournalPosition, bytes: RecordBytes) {
        self.last_record = position;
        self.since = self.since.plus(bytes);
    }

    /// A replay would read as much, if the process ended now; a little less where RocksDB has flushed and the engine does not know yet.
    pub(super) fn to_replay(&self) -> RecordBytes {
        self.being_flushed.plus(self.since)
    }

    /// A flush is to begin. `retired`: a journal in which nothing lives can be deleted after one.
    pub(super) fn due(&self, retired: bool) -> Option<Due> {
        if self.under_way.is_some() {
            return None;
        }
        if self.since.reaches(self.limits, AT_ONCE) {
            return Some(Due::Now);
        }
        (self.since.reaches(self.limits, 1) || retired).then_some(Due::Soon)
    }

    /// The writer must wait for the flush under way.
    pub(super) fn must_wait(&self) -> bool {
        self.under_way.is_some() && self.is_full()
    }

    /// A replay would be as long as it may be.
    pub(super) fn is_full(&self) -> bool {
        self.to_replay().reaches(self.limits, AT_MOST)
    }

    /// The record up to which a flush is under way.
    pub(super) fn under_way(&self) -> Option<JournalPosition> {
        self.under_way
    }

    /// A flush of everything applied so far has begun.
    pub(super) fn begin(&mut self) {
        self.under_way = Some(self.last_record);
        self.being_flushed = self.to_replay();
        self.since = RecordBytes::default();
    }

    /// The flush up to `upto` has ended. Nothing changes if another thread has noted that, and has perhaps begun the next one.
    pub(super) fn end(&mut self, upto: JournalPosition) {
        if self.under_way == Some(upto) {
            self.under_way = None;
            self.being_flushed = RecordBytes::default();
            // Only now may journals before it be deleted.
            self.flushed = upto;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::GenerationNumber;

    fn at(offset: u64) -> JournalPosition {
        JournalPosition { generation: GenerationNumber(1), offset }
    }

    fn operations(bytes: u64) -> RecordBytes {
        RecordBytes { operations: bytes, bodies: 0 }
    }

    fn unflushed() -> Unflushed {
        Unflushed::new(RecordBytes { operations: 10, bodies: 1000 })
    }

    #[test]
    fn a_flush_is_due_by_operations_or_by_bodies() {
        for bytes in [operations(10), RecordBytes { operations: 0, bodies: 1000 }] {
            let mut unflushed = unflushed();
            assert_eq!((unflushed.due(false), unflushed.due(true)), (None, Some(Due::Soon)));
            unflushed.applied(at(1), bytes);
            assert_eq!(unflushed.due(false), Some(Due::Soon));
            unflushed.applied(at(2), bytes);
            assert_eq!(unflushed.due(false), Some(Due::Now));
            unflushed.begin();
            assert_eq!(unflushed.due(true), None, "one at a time");
        }
    }

    #[test]
    fn what_is_being_flushed_counts_until_the_flush_has_ended() {
        let mut unflushed = unflushed();
        unflushed.applied(at(1), operations(25));
        unflushed.begin();
        assert!(!unflushed.must_wait());
        unflushed.applied(at(2), operations(15));
        assert!(unflushed.must_wait());
        assert_eq!((unflushed.to_replay(), unflushed.flushed), (operations(40), JournalPosition::START));
        unflushed.end(at(1));
        assert!(!unflushed.must_wait());
        assert_eq!((unflushed.to_replay(), unflushed.flushed), (operations(15), at(1)));
    }

    /// Two threads wait for a flush: the writer, if it must, and the one for such work.
    #[test]
    fn the_end_of_a_flush_that_was_noted_before_is_not_taken_for_that_of_the_next_one() {
        let mut unflushed = unflushed();
        unflushed.applied(at(1), operations(25));
        unflushed.begin();
        unflushed.end(at(1));
        unflushed.applied(at(2), operations(25));
        unflushed.begin();
        unflushed.end(at(1));
        assert_eq!((unflushed.under_way(), unflushed.flushed), (Some(at(2)), at(1)));
        assert_eq!(unflushed.to_replay(), operations(25));
    }
}
