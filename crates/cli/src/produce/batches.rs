//! Batches in the making, one for each partition.

use std::collections::BTreeMap;

use bytes::Bytes;
use codec::records::{BatchBuilder, BatchHeader, Compression};

use crate::client::Partition;
use crate::record::NewRecord;

/// Longest batch, before compression; a longer record has a batch of its own. Brokers accept it by default (`message.max.bytes`).
const BATCH_BYTES: usize = 1 << 20;
/// Most bytes of all batches.
const TOTAL_BYTES: usize = 16 << 20;
/// Longest record: a batch of 2 GiB cannot be built.
const RECORD_BYTES: usize = 1 << 30;
/// Bytes of a record's lengths and numbers at most, without its headers'.
const OVERHEAD_BYTES: usize = 40;

/// A batch that is ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Batch {
    pub(super) bytes: Bytes,
    pub(super) count: usize,
}

/// The batches that are not sent yet.
pub(super) struct Batches {
    compression: Compression,
    builders: BTreeMap<Partition, BatchBuilder>,
    bytes: usize,
}

impl Batches {
    pub(super) fn new(compression: Compression) -> Self {
        Self { compression, builders: BTreeMap::new(), bytes: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.builders.is_empty()
    }

    /// True if a record of this many bytes needs the batches to be sent first.
    pub(super) fn is_full(&self, partition: &Partition, bytes: usize) -> bool {
        let held = self.builders.get(partition).map_or(0, BatchBuilder::records_bytes);
        (held > 0 && held + bytes + BatchHeader::LEN > BATCH_BYTES) || self.bytes >= TOTAL_BYTES
    }

    /// Adds a record to the batch of its partition. `bytes` is its [`size`], `now` its timestamp if it has none.
    pub(super) fn add(&mut self, partition: Partition, record: &NewRecord, bytes: usize, now: i64) {
        let compression = self.compression;
        let new = || BatchBuilder::new().compression(compression);
        let builder = self.builders.entry(partition).or_insert_with(new);
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let timestamp = record.timestamp.unwrap_or(now);
        builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
        self.bytes += bytes;
    }

    /// Takes all batches, to be sent.
    pub(super) fn take(&mut self) -> BTreeMap<Partition, Batch> {
        self.bytes = 0;
        let batch = |builder: BatchBuilder| Batch { count: builder.len(), bytes: builder.build() };
        std::mem::take(&mut self.builders)
            .into_iter()
            .map(|(partition, builder)| (partition, batch(builder)))
            .collect()
    }
}

/// Bytes that a record takes in a batch, at most.
///
/// # Errors
/// It is too long for any batch.
pub(super) fn size(record: &NewRecord) -> Result<usize, String> {
    let length = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
    let headers: usize =
        record.headers.iter().map(|(name, value)| name.len() + length(value) + OVERHEAD_BYTES / 2).sum();
    let bytes = length(&record.key) + length(&record.value) + headers + OVERHEAD_BYTES;
    if bytes > RECORD_BYTES { Err(format!("a record of {bytes} bytes is too long")) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use codec::records::RecordBatch;

    use super::*;

    fn partition(index: i32) -> Partition {
        Partition { topic: "t".to_owned(), index }
    }

    #[test]
    fn a_batch_ends_before_it_is_longer_than_a_mebibyte() {
        let record = NewRecord { value: Some(vec![7; 1000]), ..NewRecord::default() };
        let bytes = size(&record).unwrap();
        let mut batches = Batches::new(Compression::None);
        while !batches.is_full(&partition(1), bytes) {
            batches.add(partition(1), &record, bytes, 5);
        }
        assert!(!batches.is_full(&partition(2), bytes));
        let taken = batches.take();
        assert!(batches.is_empty());
        let batch = &taken[&partition(1)];
        assert!(
            (1 << 20) - 2_000 < batch.bytes.len() && batch.bytes.len() <= 1 << 20,
            "{}",
            batch.bytes.len()
        );
        let parsed = RecordBatch::parse(batch.bytes.clone()).unwrap();
        assert_eq!(parsed.records().unwrap().count(), batch.count);
    }

    #[test]
    fn a_long_record_has_a_batch_of_its_own() {
        let record = NewRecord { value: Some(vec![7; 3 << 20]), ..NewRecord::default() };
        let bytes = size(&record).unwrap();
        let mut batches = Batches::new(Compression::Lz4);
        assert!(!batches.is_full(&partition(0), bytes));
        batches.add(partition(0), &record, bytes, 5);
        assert!(batches.is_full(&partition(0), bytes));
        assert!(batches.take()[&partition(0)].bytes.len() < 1 << 20);
    }

    #[test]
    fn a_record_keeps_its_timestamp_or_gets_that_of_now() {
        let mut batches = Batches::new(Compression::None);
        for timestamp in [Some(7), None] {
            let record = NewRecord { timestamp, ..NewRecord::default() };
            batches.add(partition(0), &record, size(&record).unwrap(), 5);
        }
        let taken = batches.take();
        let batch = RecordBatch::parse(taken[&partition(0)].bytes.clone()).unwrap();
        let times: Vec<i64> = batch.records().unwrap().map(|record| record.unwrap().timestamp).collect();
        assert_eq!(times, [7, 5]);
    }

    #[test]
    fn all_batches_together_have_a_bound_too() {
        let record = NewRecord { value: Some(vec![7; BATCH_BYTES / 2]), ..NewRecord::default() };
        let bytes = size(&record).unwrap();
        let mut batches = Batches::new(Compression::None);
        for again in ["at first", "after they were taken"] {
            let full = (0..1000).find(|index| {
                let is_full = batches.is_full(&partition(*index), bytes);
                if !is_full {
                    batches.add(partition(*index), &record, bytes, 5);
                }
                is_full
            });
            assert_eq!(full, i32::try_from(TOTAL_BYTES.div_ceil(bytes)).ok(), "{again}");
            batches.take();
        }
    }
}
