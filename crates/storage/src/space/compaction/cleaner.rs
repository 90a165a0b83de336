//! Indexes the keys of a batch, and removes its superseded records: Kafka's `Cleaner.buildOffsetMap` and `Cleaner.cleanInto`.

use std::{io, sync::Arc};

use bytes::Bytes;
use codec::records::{BatchError, BatchHeader, RecordBatch, RecordView, emptied};
use thiserror::Error;

use super::OffsetMap;

/// How far a batch got into the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indexed {
    /// As a whole.
    Whole,
    /// Up to [`OffsetMap::latest_offset`]: the map is full, the next cleaning goes on from there.
    Full,
}

/// Outcome for a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cleaned {
    /// It stays as it is.
    Keep,
    /// It is removed.
    Remove,
    /// This takes its place, at the same base offset.
    Replace(Bytes),
}

/// A batch that cannot be cleaned; the partition is left alone.
#[derive(Clone, Debug, Error)]
pub(crate) enum CleaningError {
    /// It is not what was once accepted.
    #[error("a stored batch is corrupt: {0}")]
    Corrupt(#[from] BatchError),
    /// Its codec failed.
    #[error("a batch cannot be compressed: {0}")]
    Compression(Arc<io::Error>),
}

/// Rules for all batches of one cleaning.
pub(crate) struct CleaningRules<'a> {
    /// The time, ms; on the same clock as all horizons before.
    pub(crate) now_ms: i64,
    /// `delete.retention.ms` of the topic.
    pub(crate) delete_retention_ms: i64,
    /// Decides if the header of a batch stays that lost all its records. It must where the header holds something that is
    /// nowhere else: the newest sequence or epoch of a live producer, the log's last offset.
    pub(crate) retain_empty: &'a dyn Fn(&BatchHeader) -> bool,
}

/// Adds the keys of the records at and above `from_offset` in a stored batch to the map. Not for batches of aborted
/// transactions: the caller advances the map over those, and, to begin with, over what earlier cleanings indexed.
///
/// Records that cannot be read have no keys; [`clean`] keeps them.
///
/// # Errors
/// If the batch is corrupt.
pub(crate) fn index(batch: &Bytes, from_offset: i64, map: &mut OffsetMap) -> Result<Indexed, CleaningError> {
    let batch = RecordBatch::parse_stored(batch.clone())?;
    // Keys of markers are not keys of users.
    if !batch.header().attributes.is_control()
        && let Ok(opened) = batch.open()
    {
        for record in opened.records().filter(|record| record.offset >= from_offset) {
            if let Some(key) = record.key
                && map.put(key, record.offset).is_err()
            {
                return Ok(Indexed::Full);
            }
            map.advance(record.offset);
        }
    }
    map.advance(batch.header().last_offset());
    Ok(Indexed::Whole)
}

/// Decides over a stored batch, once everything up to [`OffsetMap::latest_offset`] is in the map.
///
/// `discardable` says what only the log knows: of a batch with data, that its transaction was aborted; of a control
/// batch, that none of its transaction's data is left (Kafka's `CleanedTransactionMetadata`).
///
/// Stricter than Kafka: a delete horizon is set only once the whole batch is in the map. Otherwise the time to live of
/// a tombstone would begin while what it deletes can still be read.
///
/// # Errors
/// If the batch is corrupt, or its codec fails.
pub(crate) fn clean(
    batch: &Bytes,
    map: &OffsetMap,
    rules: &CleaningRules<'_>,
    discardable: bool,
) -> Result<Cleaned, CleaningError> {
    let header = BatchHeader::parse(batch)?;
    let Some(latest_offset) = map.latest_offset().filter(|latest| header.base_offset <= *latest) else {
        // It begins after the last offset that was looked at: nothing is known of its keys.
        return Ok(Cleaned::Keep);
    };
    let batch = RecordBatch::parse_stored(batch.clone())?;
    let past_horizon = header.delete_horizon_ms().is_some_and(|horizon_ms| rules.now_ms >= horizon_ms);
    let is_control = header.attributes.is_control();
    // An empty batch was kept for its header by an earlier cleaning, and may go once that is not needed.
    if header.records_count == 0 || (discardable && (!is_control || past_horizon)) {
        return Ok(without_records(&header, rules));
    }
    // Data of its transaction is left, of which only the marker says if it was committed.
    if is_control && !discardable {
        return Ok(Cleaned::Keep);
    }
    // `index` found no keys in it either, so it has removed no other record.
    let Ok(opened) = batch.open() else { return Ok(Cleaned::Keep) };
    let mut deletes = is_control;
    let mut retained = opened.filter(|record| {
        let stays = is_control || is_retained(record, map, latest_offset, past_horizon);
        deletes |= stays && record.value.is_none();
        stays
    });
    if retained.is_empty() {
        return Ok(without_records(&header, rules));
    }
    // The base timestamp of the new header carries it (KIP-534); one that is set stays, or its time would
    // begin anew.
    if deletes && header.delete_horizon_ms().is_none() && header.last_offset() <= latest_offset {
        retained.set_delete_horizon(rules.now_ms.saturating_add(rules.delete_retention_ms));
    }
    if !retained.is_changed() {
        return Ok(Cleaned::Keep);
    }
    retained.build().map(Cleaned::Replace).map_err(|error| CleaningError::Compression(Arc::new(error)))
}

/// Kafka's `Cleaner.shouldRetainRecord`. Records without a key, from before the topic was compacted, go.
fn is_retained(record: &RecordView<'_>, map: &OffsetMap, latest_offset: i64, past_horizon: bool) -> bool {
    if record.offset > latest_offset {
        return true;
    }
    let Some(key) = record.key else { return false };
    let is_latest = map.get(key).is_none_or(|offset| record.offset >= offset);
    // A tombstone outlives what it deletes, for consumers that read the log meanwhile.
    is_latest && (record.value.is_some() || !past_horizon)
}

fn without_records(header: &BatchHeader, rules: &CleaningRules<'_>) -> Cleaned {
    match (rules.retain_empty)(header) {
        false => Cleaned::Remove,
        true if header.records_count == 0 => Cleaned::Keep,
        true => Cleaned::Replace(emptied(header)),
    }
}
