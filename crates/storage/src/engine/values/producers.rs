//! Layouts of the states of producers and of the index of aborted transactions.

use super::super::keys::{read, version_1};
use crate::{
    ProducerState, StorageError,
    log::{AbortedEntry, NO_COORDINATOR, REMEMBERED_BATCHES, RememberedBatch, RememberedBatches},
};

/// On disk: no transaction is open.
const NO_TRANSACTION: i64 = -1;

/// Value of a `Tag::Producer` key.
impl ProducerState {
    /// Version 2 of the layout.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(32 + self.batches.len() * 24);
        out.push(2);
        out.extend_from_slice(&self.producer_epoch.to_be_bytes());
        out.extend_from_slice(&self.last_timestamp_ms.to_be_bytes());
        out.extend_from_slice(&self.last_open_ms.to_be_bytes());
        out.extend_from_slice(&self.current_txn_start_offset.unwrap_or(NO_TRANSACTION).to_be_bytes());
        out.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        out.push(u8::try_from(self.batches.len()).expect("REMEMBERED_BATCHES fits in a byte"));
        for batch in self.batches.iter() {
            out.extend_from_slice(&batch.first_sequence.to_be_bytes());
            out.extend_from_slice(&batch.last_sequence.to_be_bytes());
            out.extend_from_slice(&batch.base_offset.to_be_bytes());
            out.extend_from_slice(&batch.log_append_time_ms.to_be_bytes());
        }
        out
    }

    /// Versions 1 and 2. The first has no time of the folder's clock: `open_ms` counts.
    pub(crate) fn decode(bytes: &[u8], open_ms: u64) -> Result<Self, StorageError> {
        read("producer record", bytes, |from| {
            let unknown = from.invalid("version");
            let is_old = match from.u8("version")? {
                1 => true,
                2 => false,
                _ => return Err(unknown),
            };
            let producer_epoch = from.i16("producer epoch")?;
            let last_timestamp_ms = from.i64("last timestamp")?;
            let last_open_ms = if is_old { open_ms } else { from.u64("last time of the folder")? };
            let transaction = from.i64("start of the transaction")?;
            let coordinator_epoch = if is_old { NO_COORDINATOR } else { from.i32("coordinator epoch")? };
            let too_many = from.invalid("number of batches");
            let count = usize::from(from.u8("number of batches")?);
            // More than was ever written: damage, which must not decide how much memory is taken.
            if count > REMEMBERED_BATCHES {
                return Err(too_many);
            }
            let mut batches = RememberedBatches::default();
            for _ in 0..count {
                batches.push(RememberedBatch {
                    first_sequence: from.i32("first sequence")?,
                    last_sequence: from.i32("last sequence")?,
                    base_offset: from.i64("base offset")?,
                    log_append_time_ms: from.i64("time of the append")?,
                });
            }
            Ok(Self {
                producer_epoch,
                last_timestamp_ms,
                last_open_ms,
                current_txn_start_offset: (transaction != NO_TRANSACTION).then_some(transaction),
                coordinator_epoch,
                batches,
            })
        })
    }
}

/// Value of a `Tag::Aborted` key, which has the offset of the marker.
impl AbortedEntry {
    pub(crate) fn encode(self) -> [u8; 25] {
        let mut out = [1; 25];
        out[1..9].copy_from_slice(&self.producer_id.to_be_bytes());
        out[9..17].copy_from_slice(&self.first_offset.to_be_bytes());
        out[17..].copy_from_slice(&self.last_stable_offset.to_be_bytes());
        out
    }

    pub(crate) fn decode(marker_offset: i64, bytes: &[u8]) -> Result<Self, StorageError> {
        read("aborted transaction", bytes, |from| {
            version_1(from)?;
            Ok(Self {
                producer_id: from.i64("producer id")?,
                first_offset: from.i64("first offset")?,
                marker_offset,
                last_stable_offset: from.i64("last stable offset")?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> ProducerState {
        let (first_sequence, last_sequence) = (0, 1);
        let batch = RememberedBatch { first_sequence, last_sequence, base_offset: 0, log_append_time_ms: -1 };
        let mut batches = RememberedBatches::default();
        batches.push(batch);
        ProducerState {
            producer_epoch: 2,
            last_timestamp_ms: 5,
            last_open_ms: 6,
            current_txn_start_offset: Some(3),
            coordinator_epoch: 7,
            batches,
        }
    }

    const BATCH: [u8; 24] =
        [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];

    #[test]
    fn producer_records_have_golden_bytes_and_no_truncation_passes() {
        let head =
            [2, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 7, 1];
        let golden = [head.as_slice(), &BATCH].concat();
        assert_eq!(state().encode(), golden);
        assert_eq!(ProducerState::decode(&golden, 99).unwrap(), state());
        for length in 0..golden.len() {
            assert!(ProducerState::decode(&golden[..length], 0).is_err(), "{length} bytes");
        }
        let six = [&golden[..31], &[6], golden[32..].repeat(6).as_slice()].concat();
        assert!(ProducerState::decode(&six, 0).is_err(), "more batches than are ever remembered");
        assert!(ProducerState::decode(&[3], 0).is_err(), "another release wrote it");
    }

    #[test]
    fn records_of_earlier_releases_are_read() {
        let head = [1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 3, 1];
        let golden = [head.as_slice(), &BATCH].concat();
        let expected = ProducerState { last_open_ms: 99, coordinator_epoch: -1, ..state() };
        assert_eq!(ProducerState::decode(&golden, 99).unwrap(), expected);
        for length in 0..golden.len() {
            assert!(ProducerState::decode(&golden[..length], 99).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn entries_of_the_aborted_index_have_golden_bytes() {
        let entry = AbortedEntry { producer_id: 1, first_offset: 2, marker_offset: 9, last_stable_offset: 3 };
        let golden = [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(entry.encode(), golden);
        assert_eq!(AbortedEntry::decode(9, &golden).unwrap(), entry);
        for length in 0..golden.len() {
            assert!(AbortedEntry::decode(9, &golden[..length]).is_err(), "{length} bytes");
        }
    }
}
