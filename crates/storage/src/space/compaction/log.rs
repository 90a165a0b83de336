//! Cleans one partition: reads its batches, writes those that stay into the settled family.
//!
//! Readers see edits of settled batches at once, edits of batches in generations after the last step, which changes the
//! extents. That step also rewrites the time index over the batches that stay, and counts their bytes.

use std::sync::Arc;

use codec::records::{BatchError, BatchHeader};

use super::{
    Cleaned, CleaningError, CleaningRules, DirtyInterval, Indexed, LogToClean, LogTransactions, OffsetMap,
    new_index::NewIndex,
};
use crate::{
    Compaction, Partition, ReadError, StorageError,
    engine::{BatchCursor, Engine, KeptBatch, Tag, aborted, keys},
    log::{
        AppendState, BatchFamily, CleanedRecord, CompleteInterval, Extent, INDEX_INTERVAL_AGE_MS,
        IntervalRecord, LogStart,
    },
    space::edits::Edits,
    write::WriteGroup,
};

/// Most memory for the map of keys; more keys take more than one cleaning. Kafka: `log.cleaner.dedupe.buffer.size`, 128 MiB.
const MAP_BYTES: usize = 32 << 20;
/// One step of a cleaning, for the writer.
pub(crate) enum CleaningStep {
    /// New batches, and some that are removed.
    Edit(Arc<Partition>, Edits),
    /// All edits are written.
    Finish(Arc<Partition>, Box<Finish>),
    /// Readers find no batch any more of transactions that were aborted below the end of the cleaning.
    ForgetAborted(Arc<Partition>, CleanedRecord),
}

/// Result of a cleaning.
pub(crate) struct Finish {
    log_start: LogStart,
    cleaned: CleanedRecord,
    /// The new time index below `cleaned.offset`.
    intervals: Vec<CompleteInterval>,
}

/// A partition that is worth cleaning.
pub(crate) struct LogCleaning {
    pub(crate) partition: Arc<Partition>,
    pub(crate) found: LogToClean,
    /// The intervals from the log start to the end of this cleaning: all, and from which on they are dirty.
    intervals: Vec<CompleteInterval>,
    first_dirty: i64,
}

impl LogCleaning {
    /// The cleaning of the partition, if it is dirty enough.
    /// Reads its time index only.
    pub(crate) fn find(
        engine: &Arc<Engine>,
        partition: &Arc<Partition>,
        rules: &Compaction,
        now_ms: u64,
    ) -> Result<Option<Self>, StorageError> {
        let (log_start, cleaned) = (partition.log_start(), partition.cleaned());
        let clean_bytes = cleaned.position.saturating_sub(log_start.position);
        let first_dirty = cleaned.offset.max(log_start.offset);
        let dirty = intervals(engine, partition, (cleaned.max_timestamp, cleaned.offset))?;
        let dirty = dirty_intervals(&dirty, cleaned.position.max(log_start.position));
        let found =
            super::cleanable(clean_bytes, dirty, partition.last_stable_offset(), rules, now_ms as i64);
        let Some(found) = found.filter(|found| found.end_offset > first_dirty) else { return Ok(None) };
        let mut intervals = intervals(engine, partition, (i64::MIN, 0))?;
        intervals.retain(|(_, record)| {
            record.end_offset > log_start.offset && record.end_offset <= found.end_offset
        });
        Ok(Some(Self { partition: Arc::clone(partition), found, intervals, first_dirty }))
    }

    /// Cleans. `edits` has none yet. `damaged` is told of each batch that is, which stays; `write` returns once a
    /// step is written. Reads the whole log up to the end of the cleaning, and before that its dirty part.
    ///
    /// # Errors
    /// The partition was deleted, the disk failed, or `write` failed. What was edited by then stays,
    /// and the next cleaning goes over it again.
    pub(crate) fn run(
        mut self,
        engine: &Arc<Engine>,
        rules: &Compaction,
        now_ms: u64,
        mut edits: Edits,
        damaged: &dyn Fn(&StorageError),
        write: &mut dyn FnMut(CleaningStep) -> Result<(), StorageError>,
    ) -> Result<(), ReadError> {
        let map = self.index(engine)?;
        let Some((last, end)) = self.intervals.last().copied() else { return Ok(()) };
        let cleaned =
            CleanedRecord { offset: end.end_offset, position: end.end_position, max_timestamp: last.0 };
        // If the log starts later when the last step is applied, that step does nothing: its counts would be wrong.
        let log_start = self.partition.log_start();
        // Recovery finds the log's end by its last batch, so that one keeps its header.
        let log_end_offset = self.partition.log_end_offset();
        let rules = CleaningRules {
            now_ms: now_ms as i64,
            delete_retention_ms: rules.delete_retention_ms,
            retain_empty: &|header: &BatchHeader| header.next_offset() >= log_end_offset,
        };
        let aborted = aborted::entries(engine, &self.partition, log_start.offset, cleaned.offset)?;
        let mut forgets = !aborted.is_empty();
        let mut transactions = LogTransactions::new(aborted);
        let mut new_index = NewIndex::new(log_start.offset, std::mem::take(&mut self.intervals));
        let partition = &self.partition;
        for (extent, end) in self.partition.extents_with_ends(log_end_offset) {
            let from = extent.base_offset.max(log_start.offset);
            let end = end.min(cleaned.offset);
            if from >= end {
                continue;
            }
            let mut cursor = BatchCursor::in_extent(engine, &self.partition, from, extent, end);
            while let Some(batch) = cursor.next_kept()? {
                // Only then is a batch written that is kept.
                let moves = extent.family != BatchFamily::Settled;
                if let Some(damage) = &batch.damage {
                    damaged(damage);
                    // It stays, and may be part of one of them.
                    forgets = false;
                    new_index.add_damaged(batch.base_offset, &batch.bytes);
                    if moves {
                        edits.keep(partition, batch);
                    }
                } else {
                    let discardable = batch.header.is_some_and(|header| transactions.meets(&header));
                    match super::clean(&batch.bytes, &map, &rules, discardable).map_err(failed)? {
                        Cleaned::Keep => {
                            new_index.add(&batch.bytes).map_err(corrupt)?;
                            if moves {
                                edits.keep(partition, batch);
                            }
                        }
                        Cleaned::Replace(bytes) => {
                            let header = new_index.add(&bytes).map_err(corrupt)?;
                            edits.put(partition, batch.base_offset, Some(header), bytes);
                        }
                        Cleaned::Remove => edits.remove(partition, batch.base_offset),
                    }
                }
                if edits.is_full() {
                    write(CleaningStep::Edit(Arc::clone(partition), edits.take()))?;
                }
            }
        }
        // All of them, before the step that points readers to the settled family.
        if !edits.is_empty() {
            write(CleaningStep::Edit(Arc::clone(partition), edits))?;
        }
        let (log_start, intervals) = new_index.finish(log_start, &cleaned);
        let finish = Box::new(Finish { log_start, cleaned, intervals });
        write(CleaningStep::Finish(Arc::clone(partition), finish))?;
        if forgets {
            write(CleaningStep::ForgetAborted(self.partition, cleaned))?;
        }
        Ok(())
    }

    /// Maps the keys of the dirty part, interval by interval; keys for which there is no room wait for another cleaning.
    fn index(&mut self, engine: &Arc<Engine>) -> Result<OffsetMap, ReadError> {
        let end_offset = self.found.end_offset;
        let records = usize::try_from(end_offset - self.first_dirty).unwrap_or(usize::MAX);
        // Twice the offsets, so that the map is at most half full where it is not capped.
        let wanted = records.saturating_mul(OffsetMap::SLOT_BYTES).saturating_mul(2);
        let mut map = OffsetMap::new(wanted.clamp(1 << 12, MAP_BYTES));
        // The clean part counts as looked at: it has each of its keys once.
        map.advance(self.first_dirty - 1);
        let dirty = self.intervals.partition_point(|(_, record)| record.end_offset <= self.first_dirty);
        let aborted = aborted::entries(engine, &self.partition, self.first_dirty, end_offset)?;
        let mut transactions = LogTransactions::new(aborted);
        let mut cursor = BatchCursor::new(engine, &self.partition, self.first_dirty, end_offset);
        let mut interval = dirty;
        while let Some(KeptBatch { base_offset, bytes, header, damage }) = cursor.next_kept()? {
            while self.intervals.get(interval).is_some_and(|(_, record)| record.end_offset <= base_offset) {
                interval += 1;
            }
            // Its keys are not known: nothing goes because of them.
            if damage.is_some() {
                continue;
            }
            // Its records never were the newest of their keys.
            if let Some(header) = header.filter(|header| transactions.meets(header))
                && !header.attributes.is_control()
            {
                map.advance(header.last_offset());
                continue;
            }
            if super::index(&bytes, self.first_dirty, &mut map).map_err(failed)? == Indexed::Full {
                // The interval in which the map filled up is in it only in part: it stays dirty as a whole.
                self.intervals.truncate(interval);
                if interval == dirty {
                    let partition = self.partition.number().0;
                    tracing::warn!(partition, base_offset, "not compacted: too many keys in too few batches");
                    self.intervals.clear();
                }
                break;
            }
        }
        Ok(map)
    }
}

fn failed(error: CleaningError) -> ReadError {
    ReadError::Storage(StorageError::corrupt("batch", error))
}

fn corrupt(error: BatchError) -> ReadError {
    ReadError::Storage(StorageError::corrupt("batch", error))
}

/// The complete intervals from the one with this key on.
fn intervals(
    engine: &Engine,
    partition: &Partition,
    from: (i64, i64),
) -> Result<Vec<CompleteInterval>, StorageError> {
    let number = partition.number();
    let to = keys::after_prefix(&keys::prefix(Tag::TimeIndex, number));
    let mut cursor = engine.cursor(&engine.state()?, &keys::time_index(number, from.0, from.1), &to);
    cursor.seek_to_first();
    let mut intervals = Vec::new();
    while let Some((key, value)) = cursor.item() {
        intervals.push((keys::parse_time_index(key)?, IntervalRecord::decode(value)?));
        cursor.next();
    }
    cursor.status()?;
    Ok(intervals)
}

fn dirty_intervals(intervals: &[CompleteInterval], start_position: u64) -> Vec<DirtyInterval> {
    let (mut position, mut appended_ms) = (start_position, 0);
    let dirty = intervals.iter().filter(|(_, record)| record.end_position > start_position);
    dirty
        .map(|(_, record)| {
            let interval = DirtyInterval {
                end_offset: record.end_offset,
                bytes: record.end_position.saturating_sub(position),
                // Only the time of the last append is stored; this is an estimate.
                first_append_ms: record.appended_ms.saturating_sub(INDEX_INTERVAL_AGE_MS).max(appended_ms)
                    as i64,
                last_append_ms: record.appended_ms as i64,
            };
            (position, appended_ms) = (record.end_position, record.appended_ms);
            interval
        })
        .collect()
}

/// Notes that batches of the log are edited: from the first edit on it may have gaps, and `ottla inspect` must know.
pub(crate) fn note_edits(group: &mut WriteGroup<'_>, partition: &Partition) {
    let cleaned = partition.cleaned();
    if cleaned == CleanedRecord::NOTHING && !partition.is_deleted() {
        group.put_state(keys::prefix(Tag::Cleaned, partition.number()), cleaned.encode());
    }
}

/// Removes the entries of the aborted index whose batches were cleaned away. In a group of its own, after readers were pointed to the
/// new extents: one that still holds the old batches sees that it has to read again (ADR 13).
pub(crate) fn forget_aborted(group: &mut WriteGroup<'_>, partition: &Partition, cleaned: CleanedRecord) {
    // The last step did nothing if the log start had moved.
    if partition.is_deleted() || partition.cleaned() != cleaned {
        return;
    }
    partition.forget_aborted();
    for (from, to) in aborted::below(partition, cleaned.offset) {
        group.delete_state_range(&from, &to);
    }
}

impl Finish {
    pub(crate) fn apply(self, group: &mut WriteGroup<'_>, partition: Arc<Partition>) {
        let Self { log_start, cleaned, intervals } = self;
        let mut state = partition.append.lock();
        if partition.is_deleted() || state.log_start.offset != log_start.offset {
            // The log begins later now, which makes the counts wrong: the next cleaning finds this one's work done.
            return;
        }
        state.log_start = log_start;
        let extents = change_extents(group, &partition, &mut state, &cleaned);
        drop(state);
        let number = partition.number();
        group.put_state(keys::prefix(Tag::LogStart, number), log_start.encode());
        group.put_state(keys::prefix(Tag::Cleaned, number), cleaned.encode());
        let from = keys::prefix(Tag::TimeIndex, number);
        // The key has the offset too, since the first dirty interval may have the same timestamp.
        let to = keys::time_index(number, cleaned.max_timestamp, cleaned.offset);
        group.delete_state_range(&from, &to);
        for interval in intervals {
            group.put_interval(number, interval);
        }
        group.after_write.push(Box::new(move |written| {
            if written.is_ok() {
                partition.set_cleaned(cleaned, log_start, &extents);
            }
        }));
    }
}

/// One settled extent replaces all below the first dirty offset; returns it, and the rest of one that reaches further.
fn change_extents(
    group: &mut WriteGroup<'_>,
    partition: &Partition,
    state: &mut AppendState,
    cleaned: &CleanedRecord,
) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut reaches_end = true;
    for (extent, end) in partition.extents_with_ends(state.next_offset()) {
        reaches_end = end <= cleaned.offset;
        if extent.base_offset >= cleaned.offset {
            // A batch that begins just there is kept by its own extent.
            if extent.base_offset == cleaned.offset {
                extents.push(extent);
            }
            continue;
        }
        if extents.is_empty() {
            let clean = Extent { family: BatchFamily::Settled, position: state.log_start.position, ..extent };
            extents.push(clean);
        }
        group.delete_state(keys::extent(partition.number(), extent.base_offset));
        group.extents_removed.push((partition.number(), extent));
        if end > cleaned.offset {
            extents.push(Extent { base_offset: cleaned.offset, position: cleaned.position, ..extent });
        }
    }
    for extent in &extents {
        group.put_extent(partition, *extent);
    }
    if reaches_end {
        // The next append begins an extent of its own.
        state.family = extents.last().map(|extent| extent.family);
    }
    extents
}
