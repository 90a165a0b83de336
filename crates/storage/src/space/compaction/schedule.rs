//! Chooses the logs to clean, and the end of each cleaning: Kafka's `LogCleanerManager.cleanableOffsets` and
//! `grabFilthiestCompactedLog`.
//!
//! Times are those of the appends, on the clock that counts the time the folder was open. Kafka uses the records' own
//! timestamps; here a client's timestamps neither hurry nor delay the cleaning of other clients' records.

use crate::Compaction;

/// A piece of the dirty part of a log, as large as the caller likes: it is cleaned as a whole or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DirtyInterval {
    /// Offset that follows it.
    pub(crate) end_offset: i64,
    /// Bytes of its batches.
    pub(crate) bytes: u64,
    /// When its first batch was appended, ms.
    pub(crate) first_append_ms: i64,
    /// When its last batch was appended, ms.
    pub(crate) last_append_ms: i64,
}

/// A log to be cleaned; of several the one with the greatest ratio comes first.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct LogToClean {
    /// End of this cleaning, exclusive.
    pub(crate) end_offset: i64,
    /// The part of the log, up to there, that is dirty: 0 to 1.
    pub(crate) dirty_ratio: f64,
    /// A record waits for longer than `max.compaction.lag.ms`.
    pub(crate) overdue: bool,
}

/// The cleaning, if any, of a log that has `clean_bytes` before its first dirty offset and `dirty` from there
/// on, in order of offsets. Nothing at or above `last_stable_offset` is cleaned: its transactions are open, or it is
/// not safe on the disk yet.
pub(crate) fn cleanable(
    clean_bytes: u64,
    dirty: impl IntoIterator<Item = DirtyInterval>,
    last_stable_offset: i64,
    config: &Compaction,
    now_ms: i64,
) -> Option<LogToClean> {
    let youngest_ms = match config.min_compaction_lag_ms {
        lag_ms if lag_ms > 0 => now_ms.saturating_sub(lag_ms),
        _ => i64::MAX,
    };
    let due_ms = now_ms.saturating_sub(config.max_compaction_lag_ms.max(0));
    let (mut end_offset, mut dirty_bytes, mut overdue) = (None, 0u64, false);
    for interval in dirty {
        if interval.end_offset > last_stable_offset || interval.last_append_ms > youngest_ms {
            // A cleaning has no gaps: what follows waits as well.
            break;
        }
        end_offset = Some(interval.end_offset);
        dirty_bytes = dirty_bytes.saturating_add(interval.bytes);
        overdue |= interval.first_append_ms < due_ms;
    }
    let end_offset = end_offset.filter(|_| dirty_bytes > 0)?;
    let dirty_ratio = dirty_bytes as f64 / clean_bytes.saturating_add(dirty_bytes) as f64;
    // Greater, not equal, as in Kafka.
    let wanted = overdue || dirty_ratio > config.min_cleanable_dirty_ratio;
    wanted.then_some(LogToClean { end_offset, dirty_ratio, overdue })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: Compaction = Compaction {
        min_cleanable_dirty_ratio: 0.5,
        min_compaction_lag_ms: 0,
        max_compaction_lag_ms: i64::MAX,
        delete_retention_ms: 0,
    };

    /// Intervals of 10 offsets and 100 bytes, appended at these times.
    fn intervals(appended_ms: &[i64]) -> Vec<DirtyInterval> {
        let interval = |(index, time): (i64, i64)| DirtyInterval {
            end_offset: 10 + 10 * index,
            bytes: 100,
            first_append_ms: time,
            last_append_ms: time + 5,
        };
        (0..).zip(appended_ms.iter().copied()).map(interval).collect()
    }

    fn end(clean_bytes: u64, appended_ms: &[i64], last_stable: i64, config: Compaction) -> Option<i64> {
        cleanable(clean_bytes, intervals(appended_ms), last_stable, &config, 1000).map(|log| log.end_offset)
    }

    #[test]
    fn the_dirty_part_has_to_exceed_its_ratio() {
        assert_eq!(end(200, &[1, 2], 100, CONFIG), None);
        assert_eq!(end(199, &[1, 2], 100, CONFIG), Some(20));
        assert_eq!(end(0, &[], 100, CONFIG), None);
        let log = cleanable(100, intervals(&[1, 2, 3]), 100, &CONFIG, 1000).unwrap();
        assert_eq!(log, LogToClean { end_offset: 30, dirty_ratio: 0.75, overdue: false });
        let always = Compaction { min_cleanable_dirty_ratio: 0.0, ..CONFIG };
        assert_eq!(end(u64::MAX / 2, &[1], 100, always), Some(10));
        assert_eq!(end(5, &[], 100, always), None);
    }

    #[test]
    fn open_transactions_end_what_is_cleanable() {
        assert_eq!(end(0, &[1, 2, 3], 30, CONFIG), Some(30));
        assert_eq!(end(0, &[1, 2, 3], 29, CONFIG), Some(20));
        assert_eq!(end(0, &[1, 2, 3], 5, CONFIG), None);
        // What cannot be cleaned does not count as dirty either.
        assert_eq!(end(150, &[1, 2, 3], 10, CONFIG), None);
    }

    #[test]
    fn young_records_and_all_after_them_wait() {
        let config = Compaction { min_compaction_lag_ms: 100, ..CONFIG };
        assert_eq!(end(0, &[1, 895, 1], 100, config), Some(30));
        assert_eq!(end(0, &[1, 896, 1], 100, config), Some(10));
        assert_eq!(end(0, &[1, 5000, 1], 100, config), Some(10));
        assert_eq!(end(0, &[1, 5000, 1], 100, CONFIG), Some(30));
    }

    #[test]
    fn a_record_older_than_the_greatest_lag_is_due_at_once() {
        let config = Compaction { max_compaction_lag_ms: 100, ..CONFIG };
        assert_eq!(end(9000, &[900], 100, config), None);
        assert_eq!(end(9000, &[899], 100, config), Some(10));
        assert!(cleanable(0, intervals(&[899]), 100, &config, 1000).unwrap().overdue);
        // Due, but nothing of it may be cleaned yet.
        assert_eq!(end(9000, &[899], 0, config), None);
    }

    #[test]
    fn extreme_times_and_sizes_do_not_overflow() {
        let lags = Compaction { min_compaction_lag_ms: i64::MAX, max_compaction_lag_ms: 0, ..CONFIG };
        let interval = DirtyInterval {
            end_offset: 1,
            bytes: u64::MAX,
            first_append_ms: i64::MIN,
            last_append_ms: i64::MIN,
        };
        assert!(cleanable(u64::MAX, [interval, interval], 1, &lags, i64::MIN).is_some());
        assert!(cleanable(u64::MAX, [interval, interval], 1, &lags, i64::MAX).is_some());
    }
}
