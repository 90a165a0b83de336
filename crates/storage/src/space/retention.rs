//! Retention: finds the old records that may be deleted, and moves the start of a log.
//!
//! Deletion is logical first: the log start moves, is synced, and nothing below it is served again; what held the records
//! goes afterwards. Retention goes by the time for which the folder was open since a record was appended, never by a
//! wall clock and never by a producer's timestamp, so that neither can delete anything. It deletes whole intervals of
//! the time index (about 64 KiB), where Kafka deletes whole segments.

use std::sync::Arc;

use crate::{
    Partition, ReadError, Retention, StorageError,
    engine::{BatchCursor, Engine, NodeKey, Tag, aborted, keys},
    log::{AppendState, CleanedRecord, IntervalRecord, LogStart},
    write::WriteGroup,
};

/// The records that a caller wants deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteBelow {
    /// All below this offset, which must not be above the high watermark.
    Offset(i64),
    /// All that readers see.
    HighWatermark,
}

/// A move of the start of a partition's log.
#[derive(Clone, Debug)]
pub(crate) struct LogStartMove {
    pub(crate) partition: Arc<Partition>,
    pub(crate) start: LogStart,
    /// The first offset of the batch that holds the log start: what is below it is read no more.
    dead_below: i64,
    /// Key, `(max timestamp, start offset)`, of the last interval that lies wholly below.
    last_dead: Option<(i64, i64)>,
    /// The cleaning that wrote this key: a later one rewrites the index.
    cleaned: CleanedRecord,
}

/// The intervals at the start of a log that may be deleted.
struct Front {
    start: LogStart,
    last_dead: Option<(i64, i64)>,
    cleaned: CleanedRecord,
    /// All complete intervals are among them; the open one is next.
    all: bool,
}

/// Walks the complete intervals from the log start while `dead` says so.
fn walk(
    engine: &Engine,
    partition: &Partition,
    mut dead: impl FnMut(&IntervalRecord) -> bool,
) -> Result<Front, StorageError> {
    // Before the index: if a cleaning rewrites that meanwhile, the move sees that `cleaned` is another.
    let (cleaned, start) = (partition.cleaned(), partition.log_start());
    let mut front = Front { start, last_dead: None, cleaned, all: true };
    let prefix = keys::prefix(Tag::TimeIndex, partition.number());
    let mut cursor = engine.cursor(&engine.state()?, &prefix, &keys::after_prefix(&prefix));
    cursor.seek_to_first();
    while let Some((key, value)) = cursor.item() {
        let record = IntervalRecord::decode(value)?;
        // An interval that an earlier move deleted may still be in the index.
        let gone = record.end_offset <= front.start.offset;
        if !gone && !dead(&record) {
            front.all = false;
            break;
        }
        front.last_dead = Some(keys::parse_time_index(key)?);
        if !gone {
            front.start = LogStart { offset: record.end_offset, position: record.end_position };
        }
        cursor.next();
    }
    cursor.status()?;
    Ok(front)
}

/// The move that deletes what `rules` do not keep any more; `None` if that is nothing.
pub(crate) fn expired(
    engine: &Engine,
    partition: &Arc<Partition>,
    rules: Retention,
    now_ms: u64,
) -> Result<Option<LogStartMove>, StorageError> {
    // Read first: batches that are appended meanwhile are left for the next time.
    let (open, visible) = (partition.interval(), partition.high_watermark());
    let log_end = open.end.end_position;
    let is_dead = |interval: &IntervalRecord| {
        let age = now_ms.saturating_sub(interval.appended_ms);
        // What remains without it must still reach the limit, as for a segment of Kafka.
        let after = log_end.saturating_sub(interval.end_position);
        // Never what consumers could not read yet.
        interval.end_offset <= visible
            && (rules.ms.is_some_and(|limit| age >= limit) || rules.bytes.is_some_and(|limit| after >= limit))
    };
    let mut front = walk(engine, partition, is_dead)?;
    // Nothing complete is left before it, so that the open interval can go as a whole.
    if front.all && is_dead(&open.end) {
        front.start = LogStart { offset: open.end.end_offset, position: log_end };
    }
    let moved = front.start.offset > partition.log_start_offset();
    Ok(moved.then(|| front.to(partition)))
}

/// The move that lets the log begin at `offset` (DeleteRecords), which lies between the log start and the high watermark.
pub(crate) fn move_to(
    engine: &Arc<Engine>,
    partition: &Arc<Partition>,
    offset: i64,
) -> Result<LogStartMove, ReadError> {
    let end = partition.interval().end;
    let front = walk(engine, partition, |interval| interval.end_offset <= offset)?;
    let mut moved = front.to(partition);
    let mut cursor = BatchCursor::new(engine, partition, moved.start.offset, end.end_offset);
    while let Some(batch) = cursor.next_stored()? {
        // Of a damaged one the end is not known: it goes with its first offset.
        let next_offset =
            batch.header.map_or(batch.base_offset.saturating_add(1), |found| found.next_offset());
        if next_offset > offset {
            moved.dead_below = batch.base_offset.min(offset);
            break;
        }
        // A position is that of a whole batch: of the one that holds the offset.
        moved.start.position += batch.size_bytes as u64;
        moved.dead_below = next_offset.min(offset);
    }
    moved.start.offset = offset;
    Ok(moved)
}

impl Front {
    fn to(&self, partition: &Arc<Partition>) -> LogStartMove {
        let Self { start, last_dead, .. } = *self;
        let (dead_below, cleaned) = (start.offset, self.cleaned);
        LogStartMove { partition: Arc::clone(partition), start, dead_below, last_dead, cleaned }
    }
}

/// Adds the move to the group; readers see it once it is on the disk. Returns where the log begins then, which is later
/// than asked for if another move came first.
pub(crate) fn move_log_start(group: &mut WriteGroup<'_>, wanted: &LogStartMove) -> i64 {
    let LogStartMove { partition, start, dead_below, last_dead, cleaned } = wanted;
    let number = partition.number();
    let mut state = partition.append.lock();
    if start.offset <= state.log_start.offset || partition.is_deleted() {
        return state.log_start.offset;
    }
    // A cleaning that came in between has moved positions; the log start must not go back.
    let position = start.position.max(state.log_start.position);
    let start = LogStart { offset: start.offset, position };
    state.log_start = start;
    group.put_state(keys::prefix(Tag::LogStart, number), start.encode());
    // After a cleaning the keys are others': what is dead in the index stays, and the next walk passes over
    // it.
    if let Some(last) = last_dead.filter(|_| *cleaned == partition.cleaned()) {
        let (from, to) = keys::time_index_through(number, last);
        group.delete_state_range(&from, &to);
    }
    let dead = partition.extents_below(start.offset, state.next_offset());
    for extent in &dead {
        group.delete_state(keys::extent(number, extent.base_offset));
        group.extents_removed.push((number, *extent));
    }
    if dead.last().map(|extent| extent.base_offset)
        == partition.last_extent().map(|extent| extent.base_offset)
    {
        // The newest extent goes: the next append must begin one, in whatever generation takes appends then.
        state.family = None;
    }
    // Batches in a generation go with the generation, but copies of them may lie in the settled family already.
    if partition.has_settled() {
        group.delete_settled(number, *dead_below);
    }
    let partition = Arc::clone(partition);
    let publish = move |durable: Result<(), StorageError>| {
        if durable.is_ok() {
            partition.start_at(start, &dead);
        }
    };
    // After the sync: a reader that saw the new start must not see the old one again after a power failure.
    group.after_sync.push(Box::new(publish));
    start.offset
}

/// Removes the entries of the aborted index whose markers readers cannot reach any more. Not with the move of the log start, which they
/// see later.
fn forget_aborted(group: &mut WriteGroup<'_>, partition: &Partition, state: &mut AppendState) {
    let start = partition.log_start_offset();
    if partition.has_aborted() && state.aborted_from < start {
        state.aborted_from = start;
        for (from, to) in aborted::below(partition, start) {
            group.delete_state_range(&from, &to);
        }
    }
}

/// Ends the open intervals of these partitions, if what lies in them was appended before this time, ms of the folder's time open.
pub(crate) fn complete_intervals(group: &mut WriteGroup<'_>, partitions: &[Arc<Partition>], before_ms: u64) {
    for partition in partitions.iter().filter(|partition| !partition.is_deleted()) {
        let mut state = partition.append.lock();
        if let Some(complete) = state.interval.complete_older(before_ms) {
            group.put_interval(partition.number(), complete);
            group.intervals.push(Arc::clone(partition));
        }
        forget_aborted(group, partition, &mut state);
    }
    // With every search: a crash loses no more of the clock than the time since the last one (ADR 3).
    group.put_state(keys::node(NodeKey::OpenFor), group.open_ms.to_be_bytes());
}
