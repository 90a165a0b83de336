//! Control records: what coordinators write into partitions, here the end of a transaction.
//!
//! Layout as Kafka's `ControlRecordType` and `EndTxnMarker`: the key holds a version and a type,
//! the value a version and the coordinator's epoch; newer versions may append fields.
//!
//! Storage writes them when a transaction ends; consumers read them.

use bytes::{BufMut, Bytes, BytesMut};

use super::builder::BatchBuilder;
use super::record::Record;
use crate::cursor::Cursor;

/// The type of a control record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlType {
    /// The transaction was aborted.
    /// Number 0: readers of committed records skip the records of the transaction.
    Abort,
    /// The transaction was committed.
    /// Number 1.
    Commit,
    /// Something of Kafka's Raft quorum, or newer than this crate.
    Other(i16),
}

impl ControlType {
    /// The number in the key.
    fn code(self) -> i16 {
        match self {
            ControlType::Abort => 0,
            ControlType::Commit => 1,
            ControlType::Other(code) => code,
        }
    }

    /// The type of a record in a control batch; `None` if its key does not say.
    /// Further bytes of the key are not looked at.
    pub fn of(record: &Record) -> Option<ControlType> {
        let mut key = Cursor::new(record.key.as_deref()?);
        // Newer versions only append; a negative one is none (Kafka's `ControlRecordType.parseTypeId`).
        key.i16("version").ok().filter(|version| *version >= 0)?;
        Some(match key.i16("type").ok()? {
            0 => ControlType::Abort,
            1 => ControlType::Commit,
            other => ControlType::Other(other),
        })
    }
}

/// The end of a producer's transaction in one partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndTransactionMarker {
    /// Committed or aborted.
    pub control_type: ControlType,
    /// The epoch of the coordinator that decided.
    /// A marker of an older one than the last is from a coordinator that was replaced
    /// (`ProducerAppendInfo.checkCoordinatorEpoch`).
    pub coordinator_epoch: i32,
}

impl EndTransactionMarker {
    /// Reads a record of a control batch; `None` if it is not the end of a transaction.
    /// Also `None` if its value is too short. Further bytes of it are not looked at.
    pub fn parse(record: &Record) -> Option<EndTransactionMarker> {
        let control_type = ControlType::of(record)?;
        if let ControlType::Other(_) = control_type {
            return None;
        }
        let mut value = Cursor::new(record.value.as_deref()?);
        value.i16("version").ok()?;
        let coordinator_epoch = value.i32("coordinator epoch").ok()?;
        Some(EndTransactionMarker { control_type, coordinator_epoch })
    }

    /// The control batch that ends the transaction of this producer, one record long.
    /// Its base offset is 0, until it is appended. `timestamp_ms` is the coordinator's time.
    pub fn batch(&self, producer_id: i64, producer_epoch: i16, timestamp_ms: i64) -> Bytes {
        let mut key = BytesMut::with_capacity(4);
        // The only version of keys; that of values is 0 as well (`EndTxnMarker`).
        key.put_i16(0);
        key.put_i16(self.control_type.code());
        let mut value = BytesMut::with_capacity(6);
        value.put_i16(0);
        value.put_i32(self.coordinator_epoch);
        BatchBuilder::new()
            .transactional()
            .control()
            // Markers have no sequence number: they must not advance that of the producer.
            .producer(producer_id, producer_epoch, -1)
            .record(timestamp_ms, Some(&key), Some(&value))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::super::RecordBatch;
    use super::*;

    fn only_record(batch: Bytes) -> Record {
        let batch = RecordBatch::parse_stored(batch).unwrap();
        assert!(batch.header().attributes.is_control());
        batch.records().unwrap().next().unwrap().unwrap()
    }

    #[test]
    fn markers_round_trip() {
        for control_type in [ControlType::Commit, ControlType::Abort] {
            let marker = EndTransactionMarker { control_type, coordinator_epoch: 12 };
            assert_eq!(EndTransactionMarker::parse(&only_record(marker.batch(7, 3, 100))), Some(marker));
        }
    }

    #[test]
    fn other_control_records_and_short_ones_are_no_markers() {
        let other = EndTransactionMarker { control_type: ControlType::Other(2), coordinator_epoch: 0 };
        let record = only_record(other.batch(7, 3, 100));
        assert_eq!(ControlType::of(&record), Some(ControlType::Other(2)));
        assert_eq!(EndTransactionMarker::parse(&record), None);
        let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 12 };
        let mut record = only_record(marker.batch(7, 3, 100));
        record.value = Some(Bytes::from_static(&[0, 0, 0]));
        assert_eq!(EndTransactionMarker::parse(&record), None);
        record.key = Some(Bytes::from_static(&[0, 0, 0]));
        assert_eq!(ControlType::of(&record), None);
        for (version, expected) in [(0x7f, Some(ControlType::Commit)), (0xff, None), (0x80, None)] {
            record.key = Some(Bytes::from(vec![version, 0, 0, 1]));
            assert_eq!(ControlType::of(&record), expected, "{version:#x}");
        }
    }
}
