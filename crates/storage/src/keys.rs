//! Every key and value layout, as described in `docs/storage-format.md`; golden-byte tests hold them.
//!
//! Integers are big-endian, so that keys sort as their numbers do. A value that may grow starts with a version byte. Every
//! read is bounds-checked, since bytes on a disk may be damaged.

use std::collections::BTreeMap;

use codec::cursor::{Cursor, Prefix, ReadError};
use uuid::Uuid;

use crate::{PartitionNumber, StorageError, TooLarge};

/// The layouts of this file and of the files beside RocksDB. Raise it when an older release could misread something.
pub(crate) const FORMAT: u32 = 2;

/// Name of the column family that holds everything but batches.
pub(crate) const STATE_FAMILY: &str = "state";
/// Name of the column family of [`BatchFamily::Settled`].
pub(crate) const SETTLED_FAMILY: &str = "settled";

/// First byte of a key in the state family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    Node = 2,
    Generation = 3,
    Topic = 4,
    Extent = 5,
    LogStart = 6,
    LeaderEpoch = 7,
    Producer = 8,
    TimeIndex = 9,
    // 10 is kept for the index of aborted transactions.
    Coordinator = 11,
    Cleaned = 12,
    Configs = 13,
}

/// Facts about this node, one key each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NodeKey {
    ClusterId = b'u',
    Epoch = b'e',
    Clean = b'c',
    NextPartition = b'p',
    NextProducerId = b'i',
    /// Time for which the folder was open, in ms: the clock of retention.
    OpenFor = b'o',
    /// Position of the record of the last write group: where a replay begins.
    Journal = b'j',
}

/// A generation's number; its column family is named after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GenerationNumber(pub(crate) u32);

impl GenerationNumber {
    pub(crate) fn family(self) -> String {
        format!("gen-{:08x}", self.0)
    }

    pub(crate) fn of_family(name: &str) -> Option<Self> {
        let digits = name.strip_prefix("gen-").filter(|digits| digits.len() == 8)?;
        u32::from_str_radix(digits, 16).ok().map(Self)
    }
}

/// The family in which an extent lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum BatchFamily {
    /// The settled family: batches that outlived the generation they were written to. Its number is 0; generations count
    /// from 1.
    Settled,
    /// A generation.
    Generation(GenerationNumber),
}

impl BatchFamily {
    pub(crate) fn family(self) -> String {
        match self {
            Self::Settled => SETTLED_FAMILY.into(),
            Self::Generation(number) => number.family(),
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Settled => 0,
            Self::Generation(number) => number.0,
        }
    }

    fn of_number(number: u32) -> Self {
        match number {
            0 => Self::Settled,
            number => Self::Generation(GenerationNumber(number)),
        }
    }
}

/// Key of a batch in a generation: partition ‖ base offset.
pub(crate) fn batch(partition: PartitionNumber, base_offset: i64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&partition.0.to_be_bytes());
    key[8..].copy_from_slice(&base_offset.to_be_bytes());
    key
}

/// The base offset in the key of a batch of `partition`; `None` if the key is another partition's.
pub(crate) fn batch_offset(partition: PartitionNumber, key: &[u8]) -> Option<i64> {
    let (found, offset) = key.split_first_chunk::<8>()?;
    let offset = <[u8; 8]>::try_from(offset).ok()?;
    (u64::from_be_bytes(*found) == partition.0).then(|| i64::from_be_bytes(offset))
}

pub(crate) fn node(key: NodeKey) -> [u8; 2] {
    [Tag::Node as u8, key as u8]
}

pub(crate) fn generation(number: GenerationNumber) -> [u8; 5] {
    let mut key = [Tag::Generation as u8; 5];
    key[1..].copy_from_slice(&number.0.to_be_bytes());
    key
}

pub(crate) fn topic(id: Uuid) -> [u8; 17] {
    let mut key = [Tag::Topic as u8; 17];
    key[1..].copy_from_slice(id.as_bytes());
    key
}

/// Key of a partition's record whose second part is a number.
fn of_partition(tag: Tag, partition: PartitionNumber, number: i64) -> [u8; 17] {
    let mut key = [tag as u8; 17];
    key[1..9].copy_from_slice(&partition.0.to_be_bytes());
    key[9..].copy_from_slice(&number.to_be_bytes());
    key
}

pub(crate) fn extent(partition: PartitionNumber, base_offset: i64) -> [u8; 17] {
    of_partition(Tag::Extent, partition, base_offset)
}

pub(crate) fn leader_epoch(partition: PartitionNumber, epoch: i32) -> [u8; 17] {
    of_partition(Tag::LeaderEpoch, partition, i64::from(epoch))
}

pub(crate) fn producer(partition: PartitionNumber, producer_id: i64) -> [u8; 17] {
    of_partition(Tag::Producer, partition, producer_id)
}

/// Timestamps may be negative, so their sign bit is flipped to make them sort.
pub(crate) fn time_index(partition: PartitionNumber, max_timestamp: i64, base_offset: i64) -> [u8; 25] {
    let mut key = [0; 25];
    key[..17].copy_from_slice(&of_partition(Tag::TimeIndex, partition, max_timestamp ^ i64::MIN));
    key[17..].copy_from_slice(&base_offset.to_be_bytes());
    key
}

/// The keys of `partition`'s time index up to and with that of `last`, `(max timestamp, start offset)`, as a range.
pub(crate) fn time_index_through(partition: PartitionNumber, last: (i64, i64)) -> ([u8; 9], [u8; 26]) {
    let mut to = [0; 26];
    to[..25].copy_from_slice(&time_index(partition, last.0, last.1));
    (prefix(Tag::TimeIndex, partition), to)
}

/// `(max timestamp, base offset)` of a time index key of any partition.
pub(crate) fn parse_time_index(key: &[u8]) -> Result<(i64, i64), StorageError> {
    read("time index key", key, |from| {
        from.take(9, "tag and partition")?;
        Ok((from.i64("timestamp")? ^ i64::MIN, from.i64("base offset")?))
    })
}

/// `(partition, number)` of a key made of a tag, a partition and a number.
pub(crate) fn parse_of_partition(
    what: &'static str,
    key: &[u8],
) -> Result<(PartitionNumber, i64), StorageError> {
    read(what, key, |from| {
        from.u8("tag")?;
        Ok((PartitionNumber(from.u64("partition")?), from.i64("number")?))
    })
}

pub(crate) fn coordinator(key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(1 + key.len());
    whole.push(Tag::Coordinator as u8);
    whole.extend_from_slice(key);
    whole
}

/// Key of the configuration of a resource other than a topic: its kind ‖ its name.
pub(crate) fn configs(resource_type: u8, name: &str) -> Result<Vec<u8>, TooLarge> {
    let (what, size, limit) = ("bytes of a resource's name", name.len(), usize::from(u16::MAX));
    if size > limit {
        return Err(TooLarge { what, size, limit });
    }
    let mut key = vec![Tag::Configs as u8, resource_type];
    key.extend_from_slice(name.as_bytes());
    Ok(key)
}

/// The resource of a [`Tag::Configs`] key.
pub(crate) fn configs_resource(key: &[u8]) -> Result<(u8, String), StorageError> {
    read("configs key", key, |from| {
        from.u8("tag")?;
        let resource_type = from.u8("resource type")?;
        let not_utf8 = from.invalid("name");
        let name = str::from_utf8(from.take_rest()).map_err(|_| not_utf8)?;
        Ok((resource_type, name.to_owned()))
    })
}

/// Every record of `partition` under `tag` starts with these bytes.
pub(crate) fn prefix(tag: Tag, partition: PartitionNumber) -> [u8; 9] {
    let mut key = [tag as u8; 9];
    key[1..].copy_from_slice(&partition.0.to_be_bytes());
    key
}

/// The first key after all keys that start with `prefix`.
pub(crate) fn after_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            break;
        }
    }
    key
}

/// A key without its first `length` bytes.
pub(crate) fn rest<'k>(what: &'static str, key: &'k [u8], length: usize) -> Result<&'k [u8], StorageError> {
    key.get(length..).ok_or_else(|| StorageError::corrupt(what, "cut short"))
}

/// Reads the parts of a key or a value.
pub(crate) fn read<T>(
    what: &'static str,
    bytes: &[u8],
    parts: impl FnOnce(&mut Cursor<'_>) -> Result<T, ReadError>,
) -> Result<T, StorageError> {
    parts(&mut Cursor::new(bytes)).map_err(|error| StorageError::corrupt(what, error))
}

/// Reads the version byte of a value; only version 1 is known.
pub(crate) fn version_1(from: &mut Cursor<'_>) -> Result<(), ReadError> {
    let unknown = from.invalid("version");
    if from.u8("version")? == 1 { Ok(()) } else { Err(unknown) }
}

/// The position of a new partition's first batch. Not 0: a cleaning can make batches a little longer, and then moves the
/// positions below them down.
const FIRST_POSITION: u64 = 1 << 62;

/// A partition's log start: value of a [`Tag::LogStart`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LogStart {
    pub(crate) offset: i64,
    /// Bytes that the partition had taken before the interval that holds the offset.
    pub(crate) position: u64,
}

impl Default for LogStart {
    fn default() -> Self {
        Self { offset: 0, position: FIRST_POSITION }
    }
}

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

/// Family and position of an extent: value of a [`Tag::Extent`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExtentRecord {
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

/// An interval of a partition's log: value of a [`Tag::TimeIndex`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IntervalRecord {
    /// The first offset after it.
    pub(crate) end_offset: i64,
    /// Bytes that the partition had taken up to its end.
    pub(crate) end_position: u64,
    /// When its last batch was appended, in ms of the folder's time open.
    pub(crate) appended_ms: u64,
}

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

/// The clean part of a compacted log: value of a [`Tag::Cleaned`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CleanedRecord {
    /// The first dirty offset; an interval begins there.
    pub(crate) offset: i64,
    /// Bytes that the partition had taken before it.
    pub(crate) position: u64,
    /// The greatest timestamp of the time index up to that offset.
    pub(crate) max_timestamp: i64,
}

impl CleanedRecord {
    /// Nothing was cleaned.
    pub(crate) const NOTHING: Self = Self { offset: 0, position: 0, max_timestamp: i64::MIN };

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

/// The partition in a key made of a tag and a partition.
pub(crate) fn parse_partition(what: &'static str, key: &[u8]) -> Result<PartitionNumber, StorageError> {
    read(what, key, |from| {
        from.u8("tag")?;
        Ok(PartitionNumber(from.u64("partition")?))
    })
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

/// Value of a [`Tag::Topic`] key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TopicRecord {
    pub(crate) name: String,
    /// The node's epoch when the topic was created: leader epochs count from here.
    pub(crate) created_epoch: u32,
    pub(crate) configs: BTreeMap<String, String>,
    /// By partition index.
    pub(crate) partitions: Vec<PartitionNumber>,
}

impl TopicRecord {
    const WHAT: &'static str = "topic record";

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
            let mut partitions = Vec::with_capacity(count);
            for _ in 0..count {
                partitions.push(PartitionNumber(from.u64("partition")?));
            }
            from.end()?;
            Ok(Self { name, created_epoch, configs, partitions })
        })
    }
}

fn put_configs(out: &mut Vec<u8>, configs: &BTreeMap<String, String>) -> Result<(), TooLarge> {
    put_length(out, "configurations of one resource", configs.len())?;
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

/// Value of a [`Tag::Configs`] key.
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

/// Value of a [`Tag::Generation`] key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GenerationRecord {
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

    const PARTITION: PartitionNumber = PartitionNumber(0x0102);

    #[test]
    fn keys_have_golden_bytes() {
        assert_eq!(batch(PARTITION, 3), [0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(node(NodeKey::Epoch), [2, b'e']);
        assert_eq!(generation(GenerationNumber(7)), [3, 0, 0, 0, 7]);
        assert_eq!(topic(Uuid::from_u128(1)), [4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(extent(PARTITION, 3), [5, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(prefix(Tag::LogStart, PARTITION), [6, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(leader_epoch(PARTITION, 9), [7, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9]);
        assert_eq!(producer(PARTITION, 5), [8, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(
            time_index(PARTITION, 1, 2),
            [9, 0, 0, 0, 0, 0, 0, 1, 2, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]
        );
        assert_eq!(coordinator(b"ab"), [11, b'a', b'b']);
        assert_eq!(configs(4, "ab").unwrap(), [13, 4, b'a', b'b']);
        assert_eq!(configs_resource(&[13, 4]).unwrap(), (4, String::new()));
    }

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
        assert_eq!(super::configs(4, &long(65_536)).unwrap_err().limit, 65_535);
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

    #[test]
    fn time_index_keys_sort_by_signed_timestamp() {
        let keys = [-5, -1, 0, 1, 5].map(|timestamp| time_index(PARTITION, timestamp, 0));
        assert!(keys.is_sorted());
        assert_eq!(parse_time_index(&time_index(PARTITION, -5, 9)).unwrap(), (-5, 9));
    }

    #[test]
    fn the_first_key_after_a_prefix_is_greater_than_all_that_have_it() {
        assert_eq!(after_prefix(&[1, 2]), [1, 3]);
        assert_eq!(after_prefix(&[1, 0xff]), [2]);
    }

    #[test]
    fn a_family_name_leads_back_to_its_generation() {
        let number = GenerationNumber(0xabc);
        assert_eq!(number.family(), "gen-00000abc");
        assert_eq!(GenerationNumber::of_family("gen-00000abc"), Some(number));
        assert_eq!(GenerationNumber::of_family("state"), None);
    }
}
