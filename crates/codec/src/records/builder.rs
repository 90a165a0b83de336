//! Writes record batches, as producers do: for tests, tools and what the broker writes itself.
//!
//! Nothing is checked: a test may build a batch that no broker accepts. Records are kept uncompressed
//! until the end.

use bytes::{BufMut, Bytes, BytesMut};

use super::compression::{Compression, compress};
use super::header::{Attributes, BatchHeader, TimestampType};
use super::patch::assemble;
use crate::varint::put_varlong;

/// A batch in the making. Records get the offsets 0, 1, 2, … from the base offset.
#[derive(Debug, Clone)]
pub struct BatchBuilder {
    base_offset: i64,
    partition_leader_epoch: i32,
    attributes: i16,
    compression: Compression,
    producer_id: i64,
    producer_epoch: i16,
    base_sequence: i32,
    /// The timestamp of the first record.
    base_timestamp: Option<i64>,
    /// -1 until a record has a later one.
    max_timestamp: i64,
    count: i32,
    /// The records so far, uncompressed.
    records: BytesMut,
}

impl BatchBuilder {
    /// A batch without producer id, compression or records.
    ///
    /// All its other fields are at the values that mean none, as a producer sends them.
    pub fn new() -> Self {
        BatchBuilder {
            base_offset: 0,
            partition_leader_epoch: -1,
            attributes: 0,
            compression: Compression::None,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            base_timestamp: None,
            max_timestamp: -1,
            count: 0,
            records: BytesMut::new(),
        }
    }

    /// The offset of its first record; producers leave it at 0.
    pub fn base_offset(mut self, offset: i64) -> Self {
        self.base_offset = offset;
        self
    }

    /// The leader epoch; producers leave it at -1.
    pub fn partition_leader_epoch(mut self, leader_epoch: i32) -> Self {
        self.partition_leader_epoch = leader_epoch;
        self
    }

    /// How the records are compressed.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The idempotent producer, its epoch, and the sequence number of the first record.
    /// Without this call all three are -1.
    pub fn producer(mut self, producer_id: i64, producer_epoch: i16, base_sequence: i32) -> Self {
        self.producer_id = producer_id;
        self.producer_epoch = producer_epoch;
        self.base_sequence = base_sequence;
        self
    }

    /// Marks it as part of a transaction.
    pub fn transactional(mut self) -> Self {
        self.attributes |= Attributes::TRANSACTIONAL;
        self
    }

    /// Marks it as a control batch.
    /// Clients may not send one: see [`Attributes::is_control`].
    pub fn control(mut self) -> Self {
        self.attributes |= Attributes::CONTROL;
        self
    }

    /// Sets the origin of the timestamps.
    /// The timestamps themselves do not change: with `LogAppendTime` readers take the batch's largest
    /// for every record.
    pub fn timestamp_type(mut self, timestamp_type: TimestampType) -> Self {
        match timestamp_type {
            TimestampType::CreateTime => self.attributes &= !Attributes::LOG_APPEND_TIME,
            TimestampType::LogAppendTime => self.attributes |= Attributes::LOG_APPEND_TIME,
        }
        self
    }

    /// Appends a record without headers.
    /// The timestamp is in ms; a value of `None` is a tombstone.
    pub fn record(self, timestamp_ms: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> Self {
        self.record_with_headers(timestamp_ms, key, value, &[])
    }

    /// Appends a record.
    pub fn record_with_headers(
        mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) -> Self {
        self.push(timestamp_ms, key, value, headers);
        self
    }

    /// Appends a record, for loops.
    /// The first one's timestamp becomes the batch's base.
    pub fn push(
        &mut self,
        timestamp_ms: i64,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, Option<&[u8]>)],
    ) {
        let base_timestamp = *self.base_timestamp.get_or_insert(timestamp_ms);
        self.max_timestamp = self.max_timestamp.max(timestamp_ms);
        // Apart, as its length comes before it.
        let mut record = BytesMut::new();
        // The attributes of a record: no bit of them has a meaning in format v2.
        record.put_i8(0);
        // Wraps like Java's difference, and `Layout::timestamp` wraps back.
        put_varlong(&mut record, timestamp_ms.wrapping_sub(base_timestamp));
        put_varlong(&mut record, self.count.into());
        put_nullable(&mut record, key);
        put_nullable(&mut record, value);
        put_varlong(&mut record, headers.len() as i64);
        for (name, value) in headers {
            put_nullable(&mut record, Some(name.as_bytes()));
            put_nullable(&mut record, *value);
        }
        // The length of a record does not count itself.
        put_varlong(&mut self.records, record.len() as i64);
        self.records.extend_from_slice(&record);
        self.count += 1;
    }

    /// Records so far.
    pub fn len(&self) -> usize {
        usize::try_from(self.count).expect("a count from zero upwards")
    }

    /// Bytes of the records so far, before compression.
    pub fn records_bytes(&self) -> usize {
        self.records.len()
    }

    /// True if it has no records yet.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The batch. Without records it is one that compaction has emptied.
    /// The largest timestamp is that of its records, whatever the timestamp type.
    ///
    /// # Panics
    /// If the batch exceeds 2 GiB, or the codec runs out of memory.
    pub fn build(self) -> Bytes {
        let payload =
            compress(self.compression, &self.records).expect("codecs do not fail when writing to memory");
        let header = BatchHeader {
            base_offset: self.base_offset,
            batch_length: 0,
            partition_leader_epoch: self.partition_leader_epoch,
            crc: 0,
            attributes: Attributes(self.attributes | self.compression as i16),
            last_offset_delta: (self.count - 1).max(0),
            base_timestamp: self.base_timestamp.unwrap_or(-1),
            max_timestamp: self.max_timestamp,
            producer_id: self.producer_id,
            producer_epoch: self.producer_epoch,
            base_sequence: self.base_sequence,
            records_count: self.count,
        };
        assemble(&header, &payload).expect("a batch is below 2 GiB")
    }
}

impl Default for BatchBuilder {
    fn default() -> Self {
        BatchBuilder::new()
    }
}

/// Bytes after their length as a zigzag varint; -1 is null.
fn put_nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        None => put_varlong(out, -1),
        Some(bytes) => {
            put_varlong(out, bytes.len() as i64);
            out.put_slice(bytes);
        }
    }
}
