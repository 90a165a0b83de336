//! Every key and value that is read of the disk, for the fuzz target `storage`; test builds only.
//!
//! Batches and the records of coordinators have layouts of the codec and of the coordinators, and targets of their own.

use std::collections::BTreeMap;

use crate::{
    PartitionNumber, ProducerState, StorageError, TooLarge,
    engine::{ConfigRecord, ExtentRecord, GenerationRecord, TopicRecord, keys},
    log::{AbortedEntry, BatchFamily, CleanedRecord, GenerationNumber, IntervalRecord, LogStart, SpanClass},
};

/// One layout.
struct Layout {
    name: &'static str,
    /// Reads the bytes; panics if what was read reads otherwise once it was written.
    read: fn(&[u8]) -> Result<(), StorageError>,
}

/// A value is written as its layout says, and reads the same then.
fn value<T: PartialEq + std::fmt::Debug, B: AsRef<[u8]>>(
    bytes: &[u8],
    decode: fn(&[u8]) -> Result<T, StorageError>,
    encode: fn(&T) -> Result<B, TooLarge>,
) -> Result<(), StorageError> {
    let value = decode(bytes)?;
    let written = encode(&value).expect("lengths that were read can be written");
    let again = decode(written.as_ref()).expect("what was written is read");
    assert_eq!(again, value, "a value reads otherwise once it was written");
    Ok(())
}

/// A key has one form: what it was read as makes the same bytes.
fn key(bytes: &[u8], made: &[u8]) {
    assert!(bytes.starts_with(made), "{bytes:?} was read as the key {made:?}");
}

const LAYOUTS: &[Layout] = &[
    Layout { name: "topic", read: |bytes| value(bytes, TopicRecord::decode, TopicRecord::encode) },
    Layout {
        name: "topic name",
        read: |bytes| {
            let name = TopicRecord::decode_name(bytes)?;
            // The rest of the record may be unreadable; where it is not, the name is the same.
            if let Ok(whole) = TopicRecord::decode(bytes) {
                assert_eq!(name, whole.name);
            }
            Ok(())
        },
    },
    Layout { name: "configs", read: |bytes| value(bytes, ConfigRecord::decode, ConfigRecord::encode) },
    Layout {
        name: "producer",
        read: |bytes| value(bytes, |bytes| ProducerState::decode(bytes, 0), |state| Ok(state.encode())),
    },
    Layout {
        name: "aborted transaction",
        read: |bytes| value(bytes, |bytes| AbortedEntry::decode(0, bytes), |entry| Ok(entry.encode())),
    },
    Layout { name: "log start", read: |bytes| value(bytes, LogStart::decode, |start| Ok(start.encode())) },
    Layout { name: "extent", read: |bytes| value(bytes, ExtentRecord::decode, |extent| Ok(extent.encode())) },
    Layout { name: "interval", read: |bytes| value(bytes, IntervalRecord::decode, |it| Ok(it.encode())) },
    Layout { name: "cleaned", read: |bytes| value(bytes, CleanedRecord::decode, |it| Ok(it.encode())) },
    Layout { name: "generation", read: |bytes| value(bytes, GenerationRecord::decode, |it| Ok(it.encode())) },
    Layout {
        name: "time index key",
        read: |bytes| {
            let (timestamp, offset) = keys::parse_time_index(bytes)?;
            let partition = keys::parse_partition("time index key", bytes)?;
            let made = keys::time_index(partition, timestamp, offset);
            key(&bytes[1..], &made[1..]);
            Ok(())
        },
    },
    Layout {
        name: "aborted transaction key",
        read: |bytes| {
            let (partition, class, offset) = keys::parse_aborted_by_span(bytes)?;
            key(&bytes[1..], &keys::aborted_by_span(partition, class, offset)[1..]);
            Ok(())
        },
    },
    Layout {
        name: "key of a partition",
        read: |bytes| {
            let (partition, number) = keys::parse_of_partition("key of a partition", bytes)?;
            key(&bytes[1..], &keys::producer(partition, number)[1..]);
            Ok(())
        },
    },
    Layout {
        name: "configs key",
        read: |bytes| {
            let (resource_type, name) = keys::configs_resource(bytes)?;
            if let Ok(made) = keys::configs(resource_type, &name) {
                key(&bytes[1..], &made[1..]);
            }
            Ok(())
        },
    },
    Layout {
        name: "batch key",
        read: |bytes| {
            let partition = PartitionNumber(1);
            if let Some(offset) = keys::batch_offset(partition, bytes) {
                key(bytes, &keys::batch(partition, offset));
            }
            Ok(())
        },
    },
    Layout {
        name: "family",
        read: |bytes| {
            let name = String::from_utf8_lossy(bytes);
            if let Some(number) = GenerationNumber::of_family(&name) {
                assert_eq!(GenerationNumber::of_family(&number.family()), Some(number), "{name}");
            }
            Ok(())
        },
    },
];

/// Reads `bytes` as one of the layouts. Returns its name and what came of it.
///
/// # Errors
/// If they are not of that layout.
///
/// # Panics
/// If what was read reads otherwise once it was written.
pub fn read(choice: u8, bytes: &[u8]) -> (&'static str, Result<(), StorageError>) {
    let layout = &LAYOUTS[usize::from(choice) % LAYOUTS.len()];
    (layout.name, (layout.read)(bytes))
}

/// A sound input for each layout: its choice, then its bytes.
///
/// # Panics
/// If a layout has none.
pub fn samples() -> Vec<Vec<u8>> {
    let configs =
        BTreeMap::from([("retention.ms".to_owned(), "1".to_owned()), (String::new(), String::new())]);
    let partition = PartitionNumber(1);
    let topic = TopicRecord {
        name: "orders".to_owned(),
        created_epoch: 1,
        configs: configs.clone(),
        partitions: vec![partition],
    };
    let topic = topic.encode().expect("it is short");
    let generation = GenerationNumber(7);
    // Version, epoch, two times, transaction, coordinator epoch, and one batch.
    let producer = [&[2, 0, 3][..], &[0; 24], &[0; 4], &[1], &[0; 24]].concat();
    let sample = |name: &str| match name {
        "topic" | "topic name" => topic.clone(),
        "configs" => ConfigRecord { configs: configs.clone() }.encode().expect("it is short"),
        "producer" => producer.clone(),
        // Version, producer, first offset, last stable offset.
        "aborted transaction" => [&[1][..], &[0; 24]].concat(),
        "aborted transaction key" => keys::aborted_by_span(partition, SpanClass(3), 9).to_vec(),
        "log start" => LogStart::default().encode().to_vec(),
        "extent" => {
            ExtentRecord { family: BatchFamily::Generation(generation), position: 1 }.encode().to_vec()
        }
        "interval" => IntervalRecord { end_offset: 1, end_position: 2, appended_ms: 3 }.encode().to_vec(),
        "cleaned" => CleanedRecord::NOTHING.encode().to_vec(),
        "generation" => GenerationRecord { created_ms: 1 }.encode().to_vec(),
        "time index key" => keys::time_index(partition, -1, 1).to_vec(),
        "key of a partition" => keys::producer(partition, 9).to_vec(),
        "configs key" => keys::configs(4, "group").expect("it is short"),
        "batch key" => keys::batch(partition, 9).to_vec(),
        "family" => generation.family().into_bytes(),
        other => panic!("no sample for {other}"),
    };
    (0..).zip(LAYOUTS).map(|(choice, layout)| [&[choice], &sample(layout.name)[..]].concat()).collect()
}
