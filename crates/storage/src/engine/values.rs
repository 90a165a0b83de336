//! Every layout of RocksDB's values, as described in `docs/storage-format.md`; golden-byte tests hold them.
//!
//! A value that may grow starts with a version byte. Every read is bounds-checked, since bytes on a disk may be damaged.
//! `producers.rs` has those of producers and of aborted transactions.

mod producers;

use std::collections::BTreeMap;

use codec::cursor::{Cursor, Prefix, ReadError};

use super::keys::{read, version_1};
use crate::{
    PartitionNumber, StorageError, TooLarge,
    log::{BatchFamily, CleanedRecord, IntervalRecord, LogStart},
};

/// Value of a `Tag::LogStart` key.
impl LogStart {
    pub(crate) fn encode(self) -> [u8; 16] {
        let mut out = [0; 16];
        out[..8].copy_from_slice(&self.offset.to_be_bytes());
        out[8..].copy_from_slice(&self.position.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read("log start", bytes, |from| {
            Ok(Self { offset: from.i64("offset")?, position: from.u64("position")? })
        })
    }
}

/// Family and position of an extent: value of a `Tag::Extent` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtentRecord {
    /// As a `u32`: the number of the generation, or 0 for the settled family.
    pub(crate) family: BatchFamily,
    /// Bytes that the partition had taken before it.
    pub(crate) position: u64,
}

impl ExtentRecord {
    pub(crate) fn encode(self) -> [u8; 12] {
        let mut out = [0; 12];
        out[..4].copy_from_slice(&self.family.number().to_be_bytes());
        out[4..].copy_from_slice(&self.position.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read("extent", bytes, |from| {
            let family = BatchFamily::of_number(from.u32("generation")?);
            Ok(Self { family, position: from.u64("position")? })
        })
    }
}

/// Value of a `Tag::TimeIndex` key.
impl IntervalRecord {
    pub(crate) fn encode(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.end_offset.to_be_bytes());
        out[8..16].copy_from_slice(&self.end_position.to_be_bytes());
        out[16..].copy_from_slice(&self.appended_ms.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read("time index", bytes, |from| {
            Ok(Self {
                end_offset: from.i64("end offset")?,
                end_position: from.u64("end position")?,
                appended_ms: from.u64("time of the append")?,
            })
        })
    }
}

/// Value of a `Tag::Cleaned` key.
impl CleanedRecord {
    pub(crate) fn encode(self) -> [u8; 24] {
        let mut out = [0; 24];
        out[..8].copy_from_slice(&self.offset.to_be_bytes());
        out[8..16].copy_from_slice(&self.position.to_be_bytes());
        out[16..].copy_from_slice(&self.max_timestamp.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read("cleaned", bytes, |from| {
            Ok(Self {
                offset: from.i64("offset")?,
                position: from.u64("position")?,
                max_timestamp: from.i64("largest timestamp")?,
            })
        })
    }
}

/// A value that is one offset.
pub(crate) fn parse_offset(what: &'static str, value: &[u8]) -> Result<i64, StorageError> {
    read(what, value, |from| from.i64("offset"))
}

/// A length or count in front of what it counts. Larger ones are an error: cut, they would make the whole record unreadable.
fn put_length(out: &mut Vec<u8>, what: &'static str, length: usize) -> Result<(), TooLarge> {
    let limit = usize::from(u16::MAX);
    let length = u16::try_from(length).map_err(|_| TooLarge { what, size: length, limit })?;
    out.extend_from_slice(&length.to_be_bytes());
    Ok(())
}

fn put_string(out: &mut Vec<u8>, what: &'static str, text: &str) -> Result<(), TooLarge> {
    put_length(out, what, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Value of a `Tag::Topic` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    /// At most 65 535 bytes, which the record begins with, so that it can be read alone.
    pub(crate) name: String,
    /// The node's epoch when the topic was created: leader epochs count from here.
    pub(crate) created_epoch: u32,
    /// At most 65 535, names and values of at most 65 535 bytes.
    pub(crate) configs: BTreeMap<String, String>,
    /// By partition index.
    pub(crate) partitions: Vec<PartitionNumber>,
}

impl TopicRecord {
    const WHAT: &'static str = "topic record";

    /// Version 1 of the layout.
    ///
    /// # Errors
    /// A part does not fit its length field. Nothing is cut: a record with a part cut off could not be read
    /// again.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, TooLarge> {
        let mut out = vec![1];
        put_string(&mut out, "bytes of a topic's name", &self.name)?;
        out.extend_from_slice(&self.created_epoch.to_be_bytes());
        put_configs(&mut out, &self.configs)?;
        let (what, size, limit) = ("partitions of a topic", self.partitions.len(), u32::MAX as usize);
        let count = u32::try_from(size).map_err(|_| TooLarge { what, size, limit })?;
        out.extend_from_slice(&count.to_be_bytes());
        for partition in &self.partitions {
            out.extend_from_slice(&partition.0.to_be_bytes());
        }
        Ok(out)
    }

    /// The name alone, from a record of which the rest may be unreadable.
    pub(crate) fn decode_name(bytes: &[u8]) -> Result<String, StorageError> {
        read(Self::WHAT, bytes, Self::name)
    }

    fn name(from: &mut Cursor<'_>) -> Result<String, ReadError> {
        version_1(from)?;
        Ok(from.str(Prefix::U16, "name")?.to_owned())
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read(Self::WHAT, bytes, |from| {
            let name = Self::name(from)?;
            let created_epoch = from.u32("created epoch")?;
            let configs = read_configs(from)?;
            let count = from.count(Prefix::U32, 8, "partitions")?;
            // `count` was compared with the bytes that remain: damage cannot ask for more memory than the
            // record has.
            let mut partitions = Vec::with_capacity(count);
            for _ in 0..count {
                partitions.push(PartitionNumber(from.u64("partition")?));
            }
            // Bytes after the last part mean a layout that this release does not know.
            from.end()?;
            Ok(Self { name, created_epoch, configs, partitions })
        })
    }
}

fn put_configs(out: &mut Vec<u8>, configs: &BTreeMap<String, String>) -> Result<(), TooLarge> {
    put_length(out, "configurations of one resource", configs.len())?;
    // In the order of their names: equal configurations have equal bytes.
    for (key, value) in configs {
        put_string(out, "bytes of a configuration's name", key)?;
        put_string(out, "bytes of a configuration's value", value)?;
    }
    Ok(())
}

fn read_configs(from: &mut Cursor<'_>) -> Result<BTreeMap<String, String>, ReadError> {
    let mut configs = BTreeMap::new();
    // Two lengths each.
    for _ in 0..from.count(Prefix::U16, 4, "configurations")? {
        let key = from.str(Prefix::U16, "name of a configuration")?.to_owned();
        configs.insert(key, from.str(Prefix::U16, "value of a configuration")?.to_owned());
    }
    Ok(configs)
}

/// Value of a `Tag::Configs` key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ConfigRecord {
    pub(crate) configs: BTreeMap<String, String>,
}

impl ConfigRecord {
    const WHAT: &'static str = "configs record";

    pub(crate) fn encode(&self) -> Result<Vec<u8>, TooLarge> {
        let mut out = vec![1];
        put_configs(&mut out, &self.configs)?;
        Ok(out)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read(Self::WHAT, bytes, |from| {
            version_1(from)?;
            let configs = read_configs(from)?;
            from.end()?;
            Ok(Self { configs })
        })
    }
}

/// Value of a `Tag::Generation` key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GenerationRecord {
    /// Unix ms, by the wall clock at its creation.
    pub(crate) created_ms: i64,
}

impl GenerationRecord {
    pub(crate) fn encode(self) -> [u8; 9] {
        let mut out = [1; 9];
        out[1..].copy_from_slice(&self.created_ms.to_be_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, StorageError> {
        read("generation record", bytes, |from| {
            version_1(from)?;
            Ok(Self { created_ms: from.i64("time of creation")? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::GenerationNumber;

    #[test]
    fn records_have_golden_bytes() {
        let record = TopicRecord {
            name: "t".into(),
            created_epoch: 2,
            configs: BTreeMap::from([("k".into(), "v".into())]),
            partitions: vec![PartitionNumber(4)],
        };
        let golden =
            [1, 0, 1, b't', 0, 0, 0, 2, 0, 1, 0, 1, b'k', 0, 1, b'v', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4];
        assert_eq!(record.encode().unwrap(), golden);
        assert_eq!(TopicRecord::decode(&golden).unwrap(), record);
        let record = ConfigRecord { configs: BTreeMap::from([("k".into(), "v".into())]) };
        let golden = [1, 0, 1, 0, 1, b'k', 0, 1, b'v'];
        assert_eq!(record.encode().unwrap(), golden);
        assert_eq!(ConfigRecord::decode(&golden).unwrap(), record);
        for bad in [&golden[..8], &[golden.as_slice(), &[0]].concat(), &[2, 0, 0]] {
            assert!(ConfigRecord::decode(bad).is_err(), "{bad:?}");
        }
        let start = LogStart { offset: 3, position: 0x0102 };
        assert_eq!(start.encode(), [0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(LogStart::decode(&start.encode()).unwrap(), start);
        for (family, number) in [(BatchFamily::Settled, 0), (BatchFamily::Generation(GenerationNumber(7)), 7)]
        {
            let extent = ExtentRecord { family, position: 9 };
            assert_eq!(extent.encode(), [0, 0, 0, number, 0, 0, 0, 0, 0, 0, 0, 9]);
            assert_eq!(ExtentRecord::decode(&extent.encode()).unwrap(), extent);
        }
        let interval = IntervalRecord { end_offset: 1, end_position: 2, appended_ms: 3 };
        let golden = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3];
        assert_eq!(interval.encode(), golden);
        assert_eq!(IntervalRecord::decode(&golden).unwrap(), interval);
        let cleaned = CleanedRecord { offset: 1, position: 2, max_timestamp: -1 };
        let golden = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 255, 255, 255, 255, 255, 255, 255, 255];
        assert_eq!(cleaned.encode(), golden);
        assert_eq!(CleanedRecord::decode(&golden).unwrap(), cleaned);
        let generation = GenerationRecord { created_ms: 5 };
        assert_eq!(generation.encode(), [1, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(GenerationRecord::decode(&generation.encode()).unwrap(), generation);
    }

    #[test]
    fn every_truncation_of_a_topic_record_is_an_error() {
        let whole = TopicRecord {
            name: "topic".into(),
            created_epoch: 0,
            configs: BTreeMap::from([("key".into(), "value".into())]),
            partitions: vec![PartitionNumber(1), PartitionNumber(2)],
        };
        let whole = whole.encode().unwrap();
        for length in 0..whole.len() {
            assert!(TopicRecord::decode(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_a_layout_cannot_hold_is_refused() {
        let long = |length: usize| "x".repeat(length);
        let configs = |name: String, value: String| ConfigRecord { configs: BTreeMap::from([(name, value)]) };
        let whole = configs(long(65_535), long(65_535));
        assert_eq!(ConfigRecord::decode(&whole.encode().unwrap()).unwrap(), whole);
        let refused = configs("k".into(), long(65_536)).encode().unwrap_err();
        assert_eq!(
            refused.to_string(),
            "65536 bytes of a configuration's value cannot be stored: the most is 65535"
        );
        assert_eq!(configs(long(65_536), "v".into()).encode().unwrap_err().size, 65_536);
        let many = (0..65_536).map(|number| (number.to_string(), String::new())).collect();
        assert_eq!(
            ConfigRecord { configs: many }.encode().unwrap_err().what,
            "configurations of one resource"
        );
        let topic = |name, configs| TopicRecord { name, created_epoch: 0, configs, partitions: Vec::new() };
        assert_eq!(topic(long(65_536), BTreeMap::new()).encode().unwrap_err().size, 65_536);
        let too_long = BTreeMap::from([("k".to_owned(), long(65_536))]);
        assert_eq!(topic("t".into(), too_long).encode().unwrap_err().size, 65_536);
    }

    #[test]
    fn a_damaged_topic_record_still_names_its_topic() {
        let record = TopicRecord {
            name: "topic".into(),
            created_epoch: 0,
            configs: BTreeMap::from([("key".into(), "value".into())]),
            partitions: vec![PartitionNumber(1)],
        };
        let whole = record.encode().unwrap();
        assert_eq!(TopicRecord::decode_name(&whole[..8]).unwrap(), "topic");
        assert!(TopicRecord::decode_name(&whole[..7]).is_err());
    }
}
