//! How one batch becomes part of a write group.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use codec::records;

use super::group::WriteGroup;
use crate::{
    AppendError, AppendResult, Appended, ReadError,
    engine::keys,
    log::{BatchFamily, Extent, OwnedEntry, Verdict, Written},
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
    let OwnedEntry { partition, header, bytes, log_append_time } = entry;
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
    if let Verdict::Duplicate(found) = state.check(header)? {
        let (base_offset, log_append_time_ms) = (found.base_offset, found.log_append_time_ms);
        return Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: true });
    }
    // Not the log end that readers see: that moves only after the write.
    let base_offset = state.next_offset();
    let records = i64::from(header.last_offset_delta) + 1;
    let next_offset = base_offset.checked_add(records).ok_or(AppendError::OffsetsExhausted)?;

    let log_append_time_ms = if log_append_time { group.now_ms } else { -1 };
    let bytes =
        patched(bytes, base_offset, partition.leader_epoch(), log_append_time.then_some(group.now_ms));
    let max_timestamp = if log_append_time { group.now_ms } else { header.max_timestamp };
    let family = BatchFamily::Generation(group.current);
    group.append_batch(partition.number(), base_offset, &bytes);

    // The extent is in the same group as its first batch: a start finds both or neither.
    if state.family != Some(family) {
        let extent = Extent { base_offset, family, position: state.interval.end.end_position };
        group.put_extent(&partition, extent);
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
    state.appended(header, base_offset, next_offset, log_append_time_ms, group.now_ms);
    if header.has_producer_id() {
        // Its state is written once, at the end of the group.
        group.producers.insert((partition.number(), header.producer_id), Arc::clone(&partition));
    }
    group.records += u64::try_from(header.records_count).expect("a parsed batch has no negative count");
    let interval = state.interval;
    let written = Written { base_offset, next_offset, bytes, interval, awaits };
    drop(state);
    group.written.push((partition, written));
    Ok(Appended { base_offset, log_append_time_ms, log_start_offset, duplicate: false })
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
