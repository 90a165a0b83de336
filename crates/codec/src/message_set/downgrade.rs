//! Record batches made message sets, for consumers that know no batches.
//!
//! As Kafka's `RecordsUtil.downConvert`: markers of transactions and emptied batches are left out, headers are dropped,
//! timestamps too in v0; a compressed batch becomes one wrapper of the same codec, with the offsets of its records. What
//! zstd compressed has no form that such a consumer could read.
//!
//! A batch is decompressed whole, under the limit of what is held; what it becomes is compressed as it is written, so
//! that nothing larger than the batch's own records is ever held.

use std::io;

use bytes::{Bytes, BytesMut};

use super::lz4;
use super::{MessageFormat, NewMessage};
use crate::records::{BatchError, Compression, RecordBatch, RecordView, TimestampType, compressor};

/// Appends to `out` the messages of one stored batch; of an uncompressed one those from `from_offset` on. May append
/// nothing.
///
/// `out` may hold the messages of earlier batches; after an error it may also have some of this one.
///
/// # Errors
/// [`BatchError::Irreducible`] for zstd, which is answered with `UNSUPPORTED_COMPRESSION_TYPE`;
/// otherwise if the batch is not sound, or too expansive to be held.
pub fn downgrade(
    batch: &Bytes,
    format: MessageFormat,
    from_offset: i64,
    out: &mut BytesMut,
) -> Result<(), BatchError> {
    // The checksum once more: each message gets a new one, which would hide damage.
    let batch = RecordBatch::parse_stored(batch.clone())?;
    let attributes = batch.header().attributes;
    // Clients before batches know no control records; Kafka's `RecordsUtil.downConvert` drops them too.
    if attributes.is_control() || batch.header().records_count == 0 {
        return Ok(());
    }
    let codec = attributes.compression()?;
    if codec == Compression::Zstd {
        return Err(BatchError::Irreducible(codec));
    }
    let timestamp_type = attributes.timestamp_type();
    let opened = batch.open()?;
    // A compressed batch is converted whole, as in Kafka: its consumers skip what they did not ask for.
    if codec == Compression::None {
        for record in opened.records().filter(|record| record.offset >= from_offset) {
            message(&record, record.offset, timestamp_type).write(format, out)?;
        }
        return Ok(());
    }
    let (value, last_offset, max_timestamp) = wrapped(opened.records(), format, codec, timestamp_type)?;
    // A wrapper has the offset of its last message and the greatest timestamp in it (KIP-31, KIP-32).
    let wrapper = NewMessage {
        offset: last_offset,
        timestamp: max_timestamp,
        timestamp_type,
        compression: codec,
        key: None,
        value: Some(&value),
    };
    wrapper.write(format, out)
}

/// A record as a plain message. Its headers are lost: the old formats have none.
fn message<'a>(record: &RecordView<'a>, offset: i64, timestamp_type: TimestampType) -> NewMessage<'a> {
    let RecordView { timestamp, key, value, .. } = *record;
    NewMessage { offset, timestamp, timestamp_type, compression: Compression::None, key, value }
}

/// The compressed set of a wrapper, the offset of its last message, and the greatest timestamp in it. In v1 the offsets
/// in it count from the first.
fn wrapped<'a>(
    records: impl Iterator<Item = RecordView<'a>>,
    format: MessageFormat,
    codec: Compression,
    timestamp_type: TimestampType,
) -> Result<(Vec<u8>, i64, i64), BatchError> {
    let failed =
        |error: io::Error| BatchError::Decompression { compression: codec, reason: error.to_string() };
    let mut inner = compressor(codec).map_err(failed)?;
    // One message at a time: together they would be a second copy of the records.
    let mut one = BytesMut::new();
    // Replaced by the first record: a batch without any never comes here.
    let (mut first_offset, mut last_offset, mut max_timestamp) = (None, 0, i64::MIN);
    for record in records {
        let base = *first_offset.get_or_insert(record.offset);
        let offset = match format {
            // Absolute in v0: KIP-31 came with v1.
            MessageFormat::V0 => record.offset,
            MessageFormat::V1 => record.offset.saturating_sub(base),
        };
        one.clear();
        message(&record, offset, timestamp_type).write(format, &mut one)?;
        inner.write_all(&one).map_err(failed)?;
        (last_offset, max_timestamp) = (record.offset, max_timestamp.max(record.timestamp));
    }
    let value = inner.finish().map_err(failed)?;
    let value = match (codec, format) {
        (Compression::Lz4, MessageFormat::V0) => lz4::with_checksum_of_v0(value),
        _ => value,
    };
    Ok((value, last_offset, max_timestamp))
}

#[cfg(test)]
mod tests;
