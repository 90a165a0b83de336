//! How one batch, or one marker, becomes part of a write group.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use codec::records::{self, BatchHeader, ControlType, EndTransactionMarker};

use super::group::WriteGroup;
use crate::{
    AppendError, AppendResult, Appended, MarkerError, Partition, ReadError, TransactionMarker,
    engine::keys,
    log::{AppendState, BatchFamily, Extent, Moment, OwnedEntry, TransactionStep, Verdict, Written},
};

/// Gives the batch its offset and adds all its changes to the group.
///
/// `awaits`: the group whose sync makes the batch visible; `None`: none. Returns the batch's place, or that
/// of its first copy if the producer sent it again; both hold only once the group is as safe as the request
/// asks.
///
/// # Errors
/// The batch is refused, and nothing of it is in the group or in the state of the partition.
pub(crate) fn append(group: &mut WriteGroup<'_>, entry: OwnedEntry, awaits: Option<u64>) -> AppendResult {
    let OwnedEntry { partition, header, bytes, log_append_time, begins_at_zero } = entry;
    let header = &header;
    let log_start_offset = partition.log_start_offset();
    // Held until the offset is taken: cleaning and retention change the same state, and a take-over begins an epoch.
    let mut state = partition.append.lock();
    // Deleted, perhaps by a command of this very group, or given up: of what was queued, all that is not written yet is refused.
    partition.ensure_led().map_err(|error| match error {
        ReadError::NotLeader => AppendError::NotLeader,
        ReadError::Unavailable => AppendError::Unavailable,
        _ => AppendError::PartitionDeleted,
    })?;
    if let Verdict::Duplicate(found) = state.check(header, begins_at_zero)? {
        let (base_offset, log_append_time_ms) = (found.base_offset, found.log_append_time_ms);
        return Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: true });
    }
    // Not the log end that readers see: that moves only after the write.
    let base_offset = state.next_offset();
    let records = i64::from(header.last_offset_delta) + 1;
    let next_offset = base_offset.checked_add(records).ok_or(AppendError::OffsetsExhausted)?;
    let bytes = add_batch(group, &partition, &mut state, header, next_offset, bytes, log_append_time);
    let log_append_time_ms = if log_append_time { group.now_ms } else { -1 };
    let step = state.appended(header, base_offset, next_offset, log_append_time_ms, moment(group));
    if header.has_producer_id() {
        // Its state is written once, at the end of the group.
        group.producers.insert((partition.number(), header.producer_id), Arc::clone(&partition));
        partition.note_producers(&state);
    }
    group.records += u64::try_from(header.records_count).expect("a parsed batch has no negative count");
    let interval = state.interval;
    drop(state);
    group.written.push((partition, Written { base_offset, next_offset, bytes, interval, awaits, step }));
    Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: false })
}

/// Gives the marker an offset, and adds it to the group with the state of its producer and, if it aborts a transaction, an entry of the
/// aborted index. Returns the offset. `awaits`: as for [`append`].
///
/// The caller has checked that the shard is led, once for all markers of an end: none may be refused alone for that.
///
/// # Errors
/// The marker is refused, and nothing of it is in the group or in the state of the partition.
pub(crate) fn append_marker(
    group: &mut WriteGroup<'_>,
    marker: &TransactionMarker,
    awaits: Option<u64>,
) -> Result<i64, MarkerError> {
    let TransactionMarker { partition, producer_id, producer_epoch, commit, .. } = marker;
    let mut state = partition.append.lock();
    if partition.is_deleted() {
        return Err(MarkerError::PartitionDeleted);
    }
    let coordinator_epoch = state.check_marker(marker)?;
    let offset = state.next_offset();
    let next_offset = offset.checked_add(1).ok_or(MarkerError::OffsetsExhausted)?;
    let control_type = if *commit { ControlType::Commit } else { ControlType::Abort };
    let record = EndTransactionMarker { control_type, coordinator_epoch };
    let bytes = record.batch(*producer_id, *producer_epoch, group.now_ms);
    let header = BatchHeader::parse(&bytes).expect("a batch that was just built");
    let bytes = BytesMut::from(bytes.as_ref());
    let bytes = add_batch(group, partition, &mut state, &header, next_offset, bytes, marker.log_append_time);
    let step = state.ended(marker, offset, moment(group));
    if let TransactionStep::Ends { aborted: Some(entry), .. } = step {
        let class = entry.class();
        partition.note_aborted(class);
        group.put_state(keys::aborted_by_span(partition.number(), class, offset), entry.encode());
    }
    group.producers.insert((partition.number(), *producer_id), Arc::clone(partition));
    partition.note_producers(&state);
    let interval = state.interval;
    drop(state);
    let written = Written { base_offset: offset, next_offset, bytes, interval, awaits, step };
    group.written.push((Arc::clone(partition), written));
    Ok(offset)
}

fn moment(group: &WriteGroup<'_>) -> Moment {
    Moment { now_ms: group.now_ms, open_ms: group.open_ms }
}

/// Adds a batch at the end of the log to the group, with the extent and the leader epoch that it begins and the interval of the time
/// index that it completes. Returns the batch as it is stored.
fn add_batch(
    group: &mut WriteGroup<'_>,
    partition: &Partition,
    state: &mut AppendState,
    header: &BatchHeader,
    next_offset: i64,
    bytes: BytesMut,
    log_append_time: bool,
) -> Bytes {
    let base_offset = state.next_offset();
    let bytes =
        patched(bytes, base_offset, partition.leader_epoch(), log_append_time.then_some(group.now_ms));
    let max_timestamp = if log_append_time { group.now_ms } else { header.max_timestamp };
    let family = BatchFamily::Generation(group.current);
    group.append_batch(partition.number(), base_offset, &bytes);

    // The extent is in the same group as its first batch: a start finds both or neither.
    if state.family != Some(family) {
        let extent = Extent { base_offset, family, position: state.interval.end.end_position };
        group.put_extent(partition, extent);
        // Readers may see it before the group is written: their reads end at the log end, which moves after
        // the write.
        partition.add_extent(extent);
        state.family = Some(family);
    }
    // With the first batch of the epoch: one in which nothing was written leaves no record.
    if !state.epoch_recorded {
        group.put_state(
            keys::leader_epoch(partition.number(), partition.leader_epoch()),
            base_offset.to_be_bytes(),
        );
        state.epoch_recorded = true;
    }
    // By the clock of retention, never by the timestamps of records: a producer with a wrong clock deletes
    // nothing (ADR 3).
    if let Some(complete) = state.interval.add(bytes.len(), max_timestamp, next_offset, group.open_ms) {
        group.put_interval(partition.number(), complete);
    }
    bytes
}

/// The batch with the fields that the broker sets.
/// Offset and leader epoch lie before what the batch's CRC-32C covers; a log append time makes it be computed
/// anew.
fn patched(
    mut bytes: BytesMut,
    base_offset: i64,
    leader_epoch: i32,
    log_append_time_ms: Option<i64>,
) -> Bytes {
    records::set_base_offset(&mut bytes, base_offset);
    records::set_partition_leader_epoch(&mut bytes, leader_epoch);
    if let Some(timestamp_ms) = log_append_time_ms {
        records::set_log_append_time(&mut bytes, timestamp_ms);
    }
    bytes.freeze()
}
