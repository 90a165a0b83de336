//! Batches being written: a whole one from its header and records, and the fields that a broker changes in a finished one.
//!
//! Base offset and leader epoch lie outside the CRC, so an append changes them without reading the records. The timestamp type and the
//! largest timestamp lie inside it.
//!
//! The functions that change a batch want its only copy, as a mutable slice: batches that readers
//! share are never changed.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};

use super::header::{BatchHeader, LENGTH_BASE, MAGIC_V2, TimestampType, at};

/// The batch of this header and these records, compressed as the header says; length and CRC are put in.
/// The header's own length and CRC are not looked at.
///
/// # Errors
/// If it exceeds 2 GiB.
pub(super) fn assemble(header: &BatchHeader, payload: &[u8]) -> io::Result<Bytes> {
    // Before anything is allocated: the field has a sign, so a batch ends at 2 GiB.
    let length = i32::try_from(BatchHeader::LEN - LENGTH_BASE + payload.len())
        .map_err(|_| io::Error::other("a batch cannot exceed 2 GiB"))?;
    let mut batch = BytesMut::with_capacity(BatchHeader::LEN + payload.len());
    batch.put_i64(header.base_offset);
    batch.put_i32(length);
    batch.put_i32(header.partition_leader_epoch);
    batch.put_i8(MAGIC_V2);
    // The CRC, known once the rest is written.
    batch.put_u32(0);
    batch.put_i16(header.attributes.0);
    batch.put_i32(header.last_offset_delta);
    batch.put_i64(header.base_timestamp);
    batch.put_i64(header.max_timestamp);
    batch.put_i64(header.producer_id);
    batch.put_i16(header.producer_epoch);
    batch.put_i32(header.base_sequence);
    batch.put_i32(header.records_count);
    batch.put_slice(payload);
    let covered = batch.get(at::ATTRIBUTES..).expect("the header was just written");
    let crc = crc_fast::crc32_iscsi(covered);
    put(&mut batch, at::CRC, crc.to_be_bytes());
    Ok(batch.freeze())
}

/// Writes the base offset into a batch; the CRC does not cover it. `batch` must be a whole batch:
/// anything shorter than the header is left alone, here and in the functions below.
/// The offsets of all its records move with it, as theirs count from it.
pub fn set_base_offset(batch: &mut [u8], offset: i64) {
    put(batch, 0, offset.to_be_bytes());
}

/// Writes the leader epoch into a batch; the CRC does not cover it.
/// Kafka too sets it on every append (`LogValidator`).
pub fn set_partition_leader_epoch(batch: &mut [u8], leader_epoch: i32) {
    put(batch, at::PARTITION_LEADER_EPOCH, leader_epoch.to_be_bytes());
}

/// Stamps a batch with the time of its append, which its records then all have, and renews the
/// CRC.
/// Walks the whole batch for that.
pub fn set_log_append_time(batch: &mut [u8], timestamp_ms: i64) {
    set_max_timestamp(batch, TimestampType::LogAppendTime, timestamp_ms);
}

/// Writes timestamp type and largest timestamp, and renews the CRC
/// (`DefaultRecordBatch.setMaxTimestamp`). Nothing is done if both are right already.
pub fn set_max_timestamp(batch: &mut [u8], timestamp_type: TimestampType, timestamp_ms: i64) {
    // Left alone, as promised above: it has no header in which a field could be set.
    let Ok(header) = BatchHeader::parse(batch) else { return };
    let attributes = header.attributes.with_timestamp_type(timestamp_type);
    if attributes == header.attributes && header.max_timestamp == timestamp_ms {
        return;
    }
    put(batch, at::ATTRIBUTES, attributes.0.to_be_bytes());
    put(batch, at::MAX_TIMESTAMP, timestamp_ms.to_be_bytes());
    let covered = batch.get(at::ATTRIBUTES..).expect("its header was parsed");
    let crc = crc_fast::crc32_iscsi(covered);
    put(batch, at::CRC, crc.to_be_bytes());
}

/// Writes a field. Of a batch that is too short for it nothing changes.
fn put<const N: usize>(batch: &mut [u8], at: usize, value: [u8; N]) {
    if let Some(field) = batch.get_mut(at..at + N) {
        field.copy_from_slice(&value);
    }
}
