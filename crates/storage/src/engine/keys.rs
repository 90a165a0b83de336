//! Every layout of RocksDB's keys, as described in `docs/storage-format.md`; golden-byte tests hold them.
//!
//! Integers are big-endian, so that keys sort as their numbers do. Every read is
//! bounds-checked, since bytes on a disk may be damaged.

mod by_span;
mod families;

use codec::cursor::{Cursor, ReadError};
use uuid::Uuid;

pub(crate) use by_span::{aborted_by_span, aborted_class, parse_aborted_by_span};
pub(crate) use families::{SETTLED_FAMILY, STATE_FAMILY};

use super::file_name::SettledNumber;
use crate::{PartitionNumber, StorageError, TooLarge, log::GenerationNumber};

/// The layouts of this file and of the files beside RocksDB. Raise it when an older release could misread something.
pub(crate) const FORMAT: u32 = 3;

/// The oldest format whose records this release reads: what came since are records of other tags.
pub(crate) const OLDEST_FORMAT: u32 = 2;

/// First byte of a key in the state family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Tag {
    /// A fact about the node: see [`NodeKey`].
    Node = 2,
    /// A generation that exists, by its number. A family without such a record is removed at the start.
    Generation = 3,
    /// A topic, by its id.
    Topic = 4,
    /// An extent, by partition and base offset.
    Extent = 5,
    /// The log start of a partition; absent: 0.
    LogStart = 6,
    /// The first offset of a leader epoch, by partition and epoch.
    LeaderEpoch = 7,
    /// The state of an idempotent producer, by partition and producer id.
    Producer = 8,
    /// An interval of the time index, by partition, timestamp and start offset.
    TimeIndex = 9,
    /// An aborted transaction, by partition and the offset of its marker. Not written any more: [`Tag::AbortedBySpan`].
    Aborted = 10,
    /// A record of a coordinator, which owns the rest of the key.
    Coordinator = 11,
    /// The end of the clean part of a compacted log; absent: no cleaning has begun.
    Cleaned = 12,
    /// The configuration of another resource than a topic, by type and name.
    Configs = 13,
    /// A settled file that may have living batches, by its number. A file without such a record is deleted at the
    /// start.
    SettledFile = 14,
    /// An aborted transaction, by partition, class of its span, and the offset of its marker.
    AbortedBySpan = 15,
    /// An access control entry, all of which is in the key.
    Acl = 16,
    /// A user's credential, by mechanism and name.
    Credential = 17,
    /// Random bytes that are made once for the folder, by purpose.
    Secret = 18,
    /// A client quota, by its owner and its name.
    Quota = 19,
    /// A delegation token, by its id.
    DelegationToken = 20,
}

/// Facts about this node, one key each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum NodeKey {
    /// 22 characters. A folder without it is new.
    ClusterId = b'u',
    /// `u64`: raised by every unclean start and every take-over.
    Epoch = b'e',
    /// Present only after a clean stop, until the next start.
    Clean = b'c',
    /// `u64`: no partition ever had this number or a greater one.
    NextPartition = b'p',
    /// `u64`: the first producer id after all blocks that were reserved.
    NextProducerId = b'i',
    /// Time for which the folder was open, in ms: the clock of retention.
    OpenFor = b'o',
    /// Position of the record of the last write group: where a replay begins.
    Journal = b'j',
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
    numbered(Tag::Generation, number.0)
}

pub(crate) fn settled_file(number: SettledNumber) -> [u8; 5] {
    numbered(Tag::SettledFile, number.0)
}

fn numbered(tag: Tag, number: u32) -> [u8; 5] {
    let mut key = [tag as u8; 5];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

/// The number in the key of a generation or a settled file.
pub(crate) fn parse_number(what: &'static str, key: &[u8]) -> Result<u32, StorageError> {
    read(what, key, |from| {
        from.u8("tag")?;
        from.u32("number")
    })
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

pub(crate) fn aborted(partition: PartitionNumber, marker_offset: i64) -> [u8; 17] {
    of_partition(Tag::Aborted, partition, marker_offset)
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
    // One byte longer than the last key, hence the first key after it.
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
        // A byte of 0xff has no successor: the one before it is raised.
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
/// A value of another version is from another release: it is an error, never guessed at.
pub(crate) fn version_1(from: &mut Cursor<'_>) -> Result<(), ReadError> {
    let unknown = from.invalid("version");
    if from.u8("version")? == 1 { Ok(()) } else { Err(unknown) }
}

/// The partition in a key made of a tag and a partition.
pub(crate) fn parse_partition(what: &'static str, key: &[u8]) -> Result<PartitionNumber, StorageError> {
    read(what, key, |from| {
        from.u8("tag")?;
        Ok(PartitionNumber(from.u64("partition")?))
    })
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
        assert_eq!(aborted(PARTITION, 5), [10, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(
            time_index(PARTITION, 1, 2),
            [9, 0, 0, 0, 0, 0, 0, 1, 2, 0x80, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2]
        );
        assert_eq!(coordinator(b"ab"), [11, b'a', b'b']);
        assert_eq!(configs(4, "ab").unwrap(), [13, 4, b'a', b'b']);
        assert_eq!(configs_resource(&[13, 4]).unwrap(), (4, String::new()));
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
    fn a_name_that_is_too_long_for_a_key_is_refused() {
        assert_eq!(configs(4, &"x".repeat(65_536)).unwrap_err().limit, 65_535);
    }
}
