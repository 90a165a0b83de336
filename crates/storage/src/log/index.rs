//! Time index and leader epochs of a partition, and how many bytes lie before an offset.
//!
//! The time index has one entry per interval of about 64 KiB: the greatest timestamp of the log up to the interval's end. As
//! that never falls, the first entry at or above a time names the interval in which the log first reached it. Batch headers
//! and, in one batch, records answer the rest. An entry also tells where the interval ends, in offsets and in bytes, and when
//! its last batch was appended: retention goes by that.

/// Log bytes between two entries of the time index.
const INDEX_INTERVAL_BYTES: u64 = 64 << 10;
/// An interval that gets no more batches is written to the disk at this age: a restart would count it as new.
pub(crate) const INDEX_INTERVAL_AGE_MS: u64 = 3_600_000;

/// Offset and timestamp of a record that was found by its timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampedOffset {
    /// The record's offset.
    pub offset: i64,
    /// Its timestamp, ms.
    pub timestamp_ms: i64,
    /// Leader epoch of its batch.
    pub leader_epoch: i32,
}

/// End of a leader epoch (Kafka's `OffsetForLeaderEpoch`). Both are -1 if the epoch asked for is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    /// The greatest known epoch at or below the one asked for.
    pub leader_epoch: i32,
    /// The first offset that is not of that epoch.
    pub end_offset: i64,
}

impl EpochEndOffset {
    const UNDEFINED: Self = Self { leader_epoch: -1, end_offset: -1 };
}

/// The first offset written in a leader epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EpochStart {
    pub(crate) leader_epoch: i32,
    pub(crate) start_offset: i64,
}

/// As Kafka's `LeaderEpochFileCache.endOffsetFor`: `epochs` rise strictly, the last one is the current one.
pub(crate) fn epoch_end_offset(epochs: &[EpochStart], log_end_offset: i64, asked: i32) -> EpochEndOffset {
    let higher = epochs.partition_point(|epoch| epoch.leader_epoch <= asked);
    let at_most = higher.checked_sub(1).and_then(|index| epochs.get(index));
    match (at_most, epochs.get(higher)) {
        // -1: the client knows no epoch.
        _ if asked < 0 => EpochEndOffset::UNDEFINED,
        (Some(last), None) if last.leader_epoch == asked => {
            EpochEndOffset { leader_epoch: asked, end_offset: log_end_offset }
        }
        // Later than every epoch of this log.
        (_, None) => EpochEndOffset::UNDEFINED,
        // Earlier than every known one: all of it lies before the first.
        (None, Some(next)) => EpochEndOffset { leader_epoch: asked, end_offset: next.start_offset },
        (Some(found), Some(next)) => {
            EpochEndOffset { leader_epoch: found.leader_epoch, end_offset: next.start_offset }
        }
    }
}

/// The open end of a partition's time index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexInterval {
    /// Its first offset …
    pub(crate) start_offset: i64,
    /// … the position of that offset: the bytes that the partition had taken before …
    pub(crate) start_position: u64,
    /// … and its end, which is the end of the log.
    pub(crate) end: IntervalRecord,
    /// Greatest timestamp of the whole log so far; -1 if it has no records.
    pub(crate) max_timestamp: i64,
}

/// A complete interval: its key, `(max timestamp, start offset)`, and its record.
pub(crate) type CompleteInterval = ((i64, i64), IntervalRecord);

impl IndexInterval {
    /// An empty one that starts at `end`.
    pub(crate) fn new(end: IntervalRecord, max_timestamp: i64) -> Self {
        Self { start_offset: end.end_offset, start_position: end.end_position, end, max_timestamp }
    }

    /// Adds a batch that ends before `next_offset`, appended at `appended_ms`; returns the interval if this completes it.
    pub(crate) fn add(
        &mut self,
        bytes: usize,
        max_timestamp: i64,
        next_offset: i64,
        appended_ms: u64,
    ) -> Option<CompleteInterval> {
        let end_position = self.end.end_position + bytes as u64;
        self.end = IntervalRecord { end_offset: next_offset, end_position, appended_ms };
        // Of the whole log: it must never fall, or a search by time would stop too late.
        self.max_timestamp = self.max_timestamp.max(max_timestamp);
        (end_position - self.start_position >= INDEX_INTERVAL_BYTES).then(|| self.complete())
    }

    /// Ends the interval here. It must hold something.
    pub(crate) fn complete(&mut self) -> CompleteInterval {
        let complete = ((self.max_timestamp, self.start_offset), self.end);
        // The next one begins where this ends, so that intervals have no gaps.
        *self = Self::new(self.end, self.max_timestamp);
        complete
    }

    /// Ends the interval if it holds something, all of it appended before `before_ms`.
    pub(crate) fn complete_older(&mut self, before_ms: u64) -> Option<CompleteInterval> {
        (!self.is_empty() && self.end.appended_ms < before_ms).then(|| self.complete())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start_offset == self.end.end_offset
    }
}

/// An interval of a partition's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntervalRecord {
    /// The first offset after it.
    pub(crate) end_offset: i64,
    /// Bytes that the partition had taken up to its end.
    pub(crate) end_position: u64,
    /// When its last batch was appended, in ms of the folder's time open.
    pub(crate) appended_ms: u64,
}

/// The clean part of a compacted log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanedRecord {
    /// The first dirty offset; an interval begins there.
    pub(crate) offset: i64,
    /// Bytes that the partition had taken before it.
    pub(crate) position: u64,
    /// The greatest timestamp of the time index up to that offset.
    pub(crate) max_timestamp: i64,
}

impl CleanedRecord {
    /// Nothing was cleaned.
    pub(crate) const NOTHING: Self = Self { offset: 0, position: 0, max_timestamp: i64::MIN };
}

/// The position of a new partition's first batch. Not 0: a cleaning can make batches a little longer, and then moves the
/// positions below them down.
const FIRST_POSITION: u64 = 1 << 62;

/// A partition's log start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogStart {
    pub(crate) offset: i64,
    /// Bytes that the partition had taken before the batch that holds the offset.
    pub(crate) position: u64,
}

impl Default for LogStart {
    fn default() -> Self {
        Self { offset: 0, position: FIRST_POSITION }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCHS: [EpochStart; 2] =
        [EpochStart { leader_epoch: 2, start_offset: 0 }, EpochStart { leader_epoch: 5, start_offset: 10 }];

    fn end_of(asked: i32) -> (i32, i64) {
        let end = epoch_end_offset(&EPOCHS, 20, asked);
        (end.leader_epoch, end.end_offset)
    }

    #[test]
    fn epochs_end_where_kafka_says() {
        assert_eq!(end_of(5), (5, 20), "the current epoch ends at the log's end");
        assert_eq!(end_of(2), (2, 10));
        assert_eq!(end_of(4), (2, 10), "between two known ones");
        assert_eq!(end_of(1), (1, 0), "older than any known one");
        assert_eq!(end_of(6), (-1, -1), "newer than any known one");
        assert_eq!(end_of(-1), (-1, -1));
    }

    const START: IntervalRecord = IntervalRecord { end_offset: 0, end_position: 7, appended_ms: 0 };

    #[test]
    fn an_interval_completes_at_64_kib_with_the_greatest_timestamp_so_far() {
        let mut interval = IndexInterval::new(START, -1);
        let whole = INDEX_INTERVAL_BYTES as usize;
        assert_eq!(interval.add(whole - 1, 50, 4, 1), None);
        let end = IntervalRecord { end_offset: 5, end_position: 7 + INDEX_INTERVAL_BYTES, appended_ms: 2 };
        assert_eq!(interval.add(1, 40, 5, 2), Some(((50, 0), end)));
        let (key, _) = interval.add(whole, 10, 9, 3).unwrap();
        assert_eq!(key, (50, 5), "never falls");
    }

    #[test]
    fn an_interval_completes_when_it_is_old() {
        let mut interval = IndexInterval::new(START, -1);
        assert_eq!(interval.complete_older(100), None, "it is empty");
        interval.add(10, 50, 4, 5);
        assert_eq!(interval.complete_older(5), None);
        let end = IntervalRecord { end_offset: 4, end_position: 17, appended_ms: 5 };
        assert_eq!(interval.complete_older(6), Some(((50, 0), end)));
        assert!(interval.is_empty());
    }
}
