//! Reads as callers ask for them and are answered, and reads from memory.

use bytes::Bytes;
use thiserror::Error;

use super::tail::TailRead;
use crate::{Partition, StorageError};

/// The records that a reader may see (`isolation.level`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Everything below the high watermark.
    #[default]
    ReadUncommitted,
    /// Everything below the last stable offset.
    ReadCommitted,
}

/// Limits of one read.
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    /// Upper bound of the bytes returned …
    pub max_bytes: usize,
    /// … unless this is set and the first batch alone is larger (KIP-74).
    pub at_least_one: bool,
    /// The records that are visible.
    pub isolation: Isolation,
}

/// An aborted transaction that overlaps the batches read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Its producer.
    pub producer_id: i64,
    /// Its first offset.
    pub first_offset: i64,
}

/// Outcome of a read.
#[derive(Clone, Debug)]
pub struct ReadBatches {
    /// Whole batches in offset order, one or more in each piece; the first holds the offset asked for.
    pub batches: Vec<Bytes>,
    /// Their sizes, added up.
    pub bytes: usize,
    /// The partition's high watermark at the time of the read.
    pub high_watermark: i64,
    /// Its last stable offset.
    pub last_stable_offset: i64,
    /// Its first readable offset.
    pub log_start_offset: i64,
    /// Aborted transactions that overlap the batches, by first offset; empty for [`Isolation::ReadUncommitted`].
    pub aborted: Vec<AbortedTransaction>,
}

/// Failure of a read.
#[derive(Clone, Debug, Error)]
pub enum ReadError {
    /// The offset is deleted or was never written.
    #[error("offset {offset} is outside {log_start_offset}..={log_end_offset}")]
    OffsetOutOfRange {
        /// The offset asked for.
        offset: i64,
        /// The first readable one.
        log_start_offset: i64,
        /// The next one to be written.
        log_end_offset: i64,
    },
    /// The topic was deleted.
    #[error("the partition is deleted")]
    Deleted,
    /// This process does not lead the partition.
    #[error("the partition is not led here")]
    NotLeader,
    /// This process is taking the partition over: it leads it once its new epoch is durable.
    #[error("the partition is being taken over")]
    Unavailable,
    /// The disk failed, or holds damaged data.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The offsets a reader may see: from the first to before the second.
pub(crate) fn readable_range(partition: &Partition, isolation: Isolation) -> (i64, i64) {
    let end = match isolation {
        Isolation::ReadUncommitted => partition.high_watermark(),
        Isolation::ReadCommitted => partition.last_stable_offset(),
    };
    (partition.log_start_offset(), end)
}

/// Reads from memory. `None`: the disk must be asked.
pub(crate) fn read_tail(
    partition: &Partition,
    from: i64,
    limits: ReadLimits,
) -> Option<Result<ReadBatches, ReadError>> {
    let (start, end) = match checked_range(partition, from, limits.isolation) {
        Ok(range) => range,
        Err(error) => return Some(Err(error)),
    };
    // Between the high watermark and the log end there is nothing to see yet, which is no error.
    let TailRead { batches, aborted } = match from >= end {
        true => TailRead { batches: Vec::new(), aborted: Vec::new() },
        false => partition.read_from_tail(from, end, limits)?,
    };
    // The log start is looked at again: a record below it must not be served even if it was deleted in between.
    let moved = partition.log_start_offset() > from && start <= from;
    Some(if moved { Err(out_of_range(partition, from)) } else { Ok(found(partition, batches, aborted)) })
}

/// The offsets a reader may see, if `from` is one at which it may begin.
///
/// # Errors
/// The partition is deleted or not led here, or `from` is below the log start or above the log end.
pub(crate) fn checked_range(
    partition: &Partition,
    from: i64,
    isolation: Isolation,
) -> Result<(i64, i64), ReadError> {
    partition.ensure_led()?;
    let (start, end) = readable_range(partition, isolation);
    if from < start || from > partition.log_end_offset() {
        return Err(out_of_range(partition, from));
    }
    Ok((start, end))
}

fn out_of_range(partition: &Partition, offset: i64) -> ReadError {
    let (log_start_offset, log_end_offset) = (partition.log_start_offset(), partition.log_end_offset());
    ReadError::OffsetOutOfRange { offset, log_start_offset, log_end_offset }
}

/// The answer with these batches. Its watermarks are those of now, which may be above the end of the batches.
pub(crate) fn found(
    partition: &Partition,
    batches: Vec<Bytes>,
    aborted: Vec<AbortedTransaction>,
) -> ReadBatches {
    // In this order, as each of them only rises: none is above the next in the answer.
    let log_start_offset = partition.log_start_offset();
    let last_stable_offset = partition.last_stable_offset();
    let high_watermark = partition.high_watermark();
    ReadBatches {
        bytes: batches.iter().map(Bytes::len).sum(),
        batches,
        high_watermark,
        last_stable_offset,
        log_start_offset,
        aborted,
    }
}
