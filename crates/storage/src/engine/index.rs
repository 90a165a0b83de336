//! Look-ups by timestamp in the time index and the batches behind it (see `log/index.rs`).

use std::sync::Arc;

use codec::records::Records;

use crate::{
    Isolation, Partition, ReadError, StorageError, TimestampedOffset,
    engine::{
        cursor::BatchCursor,
        keys,
        rocks::Engine,
        stored_batch::{StoredBatch, StoredEntry},
    },
    log::{IndexInterval, IntervalRecord, LogStart, readable_range},
};

/// The first visible record whose timestamp is at or above `timestamp_ms`.
/// Walks headers from the interval on in which the log first reached that time, and opens only batches whose
/// greatest timestamp is late enough.
pub(crate) fn offset_for_timestamp(
    engine: &Arc<Engine>,
    partition: &Partition,
    timestamp_ms: i64,
    isolation: Isolation,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let interval = partition.interval();
    // The open interval was read first: one that is completed in between is found in the index.
    let indexed = first_interval_reaching(engine, partition, timestamp_ms)?;
    let from = match indexed {
        Some(start_offset) => start_offset,
        // No complete one: the log may have reached that time in the open interval.
        None if interval.max_timestamp >= timestamp_ms => interval.start_offset,
        None => return Ok(None),
    };
    let (start, end) = readable_range(partition, isolation);
    let mut cursor = BatchCursor::new(engine, partition, from.max(start), end);
    // Only the header was read so far.
    find(&mut cursor, |batch| match batch.header.max_timestamp < timestamp_ms {
        true => None,
        false => first_record_reaching(batch, timestamp_ms, start),
    })
}

/// The first answer of `look`, which is asked about each batch. One whose header is damaged is passed over.
fn find<T>(
    cursor: &mut BatchCursor<'_>,
    mut look: impl FnMut(&StoredBatch<'_>) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    loop {
        match cursor.next() {
            Ok(Some(batch)) => {
                if let Some(found) = look(&batch) {
                    return Ok(Some(found));
                }
            }
            Ok(None) => return Ok(None),
            Err(ReadError::Storage(error)) if error.is_damaged_batch() => {}
            Err(error) => return Err(error),
        }
    }
}

/// The first of the visible records that carry the log's greatest timestamp.
/// ListOffsets with timestamp -3 (KIP-734).
pub(crate) fn max_timestamp(
    engine: &Arc<Engine>,
    partition: &Partition,
) -> Result<Option<TimestampedOffset>, ReadError> {
    let (start, end) = readable_range(partition, Isolation::ReadUncommitted);
    let interval = partition.interval();
    if let Some(found) =
        offset_for_timestamp(engine, partition, interval.max_timestamp, Isolation::ReadUncommitted)?
    {
        return Ok(Some(found));
    }
    // The record that carried it is deleted or not visible yet: look at every batch header.
    let mut greatest: Option<i64> = None;
    let mut cursor = BatchCursor::new(engine, partition, start, end);
    find(&mut cursor, |batch| {
        greatest = greatest.max(Some(batch.header.max_timestamp));
        None::<()>
    })?;
    let Some(greatest) = greatest else { return Ok(None) };
    let mut cursor = BatchCursor::new(engine, partition, start, end);
    find(&mut cursor, |batch| match batch.header.max_timestamp == greatest {
        true => first_record_reaching(batch, greatest, start),
        false => None,
    })
}

/// Start offset of the first complete interval at whose end the log had reached that time; `None`: none had.
fn first_interval_reaching(
    engine: &Engine,
    partition: &Partition,
    timestamp_ms: i64,
) -> Result<Option<i64>, StorageError> {
    // Keys begin with the timestamp; offset 0 comes before all others of the same one.
    let from = keys::time_index(partition.number(), timestamp_ms, 0);
    let to = keys::after_prefix(&keys::prefix(keys::Tag::TimeIndex, partition.number()));
    let mut cursor = engine.cursor(&engine.state()?, &from, &to);
    cursor.seek_to_first();
    let found = cursor.key().map(keys::parse_time_index).transpose()?;
    cursor.status()?;
    Ok(found.map(|(_, start_offset)| start_offset))
}

/// Looks into one batch; records below `start` are deleted. A batch whose records cannot be read counts
/// as a whole, from its first offset.
fn first_record_reaching(
    batch: &StoredBatch<'_>,
    timestamp_ms: i64,
    start: i64,
) -> Option<TimestampedOffset> {
    let header = batch.header;
    let found = |offset, timestamp_ms| {
        Some(TimestampedOffset { offset, timestamp_ms, leader_epoch: header.partition_leader_epoch })
    };
    let whole = || found(header.base_offset.max(start), header.max_timestamp);
    let Ok(bytes) = batch.load() else { return whole() };
    let Ok(records) = Records::new(header, &bytes) else { return whole() };
    for record in records {
        let Ok(record) = record else { return whole() };
        if record.timestamp >= timestamp_ms && record.offset >= start {
            return found(record.offset, record.timestamp);
        }
    }
    None
}

/// Rebuilds the open interval from the index and the batches after its last entry. Their append time is not known: `now_ms`
/// counts.
///
/// # Errors
/// The index or RocksDB cannot be read. A damaged batch is logged, and is no error.
pub(crate) fn recover_interval(
    engine: &Arc<Engine>,
    partition: &Partition,
    log_start: LogStart,
    now_ms: u64,
) -> Result<IndexInterval, ReadError> {
    let prefix = keys::prefix(keys::Tag::TimeIndex, partition.number());
    let mut index = engine.cursor(&engine.state()?, &prefix, &keys::after_prefix(&prefix));
    index.seek_to_last();
    let last = match index.item() {
        Some((key, value)) => Some((keys::parse_time_index(key)?.0, IntervalRecord::decode(value)?)),
        None => None,
    };
    // An iterator that met an error looks like one that found nothing.
    index.status().map_err(StorageError::from)?;
    let LogStart { offset, position } = log_start;
    let mut end = IntervalRecord { end_offset: offset, end_position: position, appended_ms: now_ms };
    let mut max_timestamp = partition.interval().max_timestamp;
    if let Some((last_timestamp, last)) = last {
        max_timestamp = max_timestamp.max(last_timestamp);
        // Otherwise the log start lies in what was the open interval, after the last entry.
        if last.end_offset > offset {
            end = last;
        }
    }
    let mut interval = IndexInterval::new(end, max_timestamp);
    let log_end_offset = partition.log_end_offset();
    let mut cursor = BatchCursor::new(engine, partition, interval.start_offset, log_end_offset);
    while let Some(StoredEntry { base_offset, size_bytes, header, .. }) = cursor.next_stored()? {
        let end_position = interval.end.end_position + size_bytes as u64;
        let end_offset = match header {
            Ok(header) => {
                interval.max_timestamp = interval.max_timestamp.max(header.max_timestamp);
                header.next_offset()
            }
            // Its readers lose this batch; the start goes on. Its end is that of the log, or the next batch corrects it.
            Err(error) => {
                let (topic_id, index) = (partition.topic_id(), partition.index());
                tracing::error!(%error, %topic_id, partition = index, base_offset, "a stored batch is damaged");
                log_end_offset
            }
        };
        interval.end = IntervalRecord { end_offset, end_position, appended_ms: now_ms };
    }
    Ok(interval)
}
