//! Single rules by example, and a model of whole logs that are cleaned again and again.

use bytes::Bytes;
use codec::records::{
    BatchBuilder, BatchHeader, Compression, ControlType, EndTransactionMarker, Record, RecordBatch,
};

use super::*;

mod model;

const NOW: i64 = 1_000_000;
const RETENTION: i64 = 5_000;

fn rules(now_ms: i64, retain_empty: &dyn Fn(&BatchHeader) -> bool) -> CleaningRules<'_> {
    CleaningRules { now_ms, delete_retention_ms: RETENTION, retain_empty }
}

/// A batch at `base_offset` of these keys and values, with timestamps counting up from 100.
fn batch(base_offset: i64, records: &[(Option<&str>, Option<&str>)]) -> Bytes {
    let mut builder =
        BatchBuilder::new().base_offset(base_offset).compression(Compression::Lz4).producer(9, 1, 0);
    for (timestamp, (key, value)) in (100..).zip(records) {
        builder.push(timestamp, key.map(str::as_bytes), value.map(str::as_bytes), &[]);
    }
    builder.build()
}

fn marker(base_offset: i64) -> Bytes {
    let marker = EndTransactionMarker { control_type: ControlType::Commit, coordinator_epoch: 3 };
    let mut bytes = marker.batch(9, 1, 100).to_vec();
    codec::records::set_base_offset(&mut bytes, base_offset);
    bytes.into()
}

fn records(batch: &Bytes) -> Vec<Record> {
    RecordBatch::parse_stored(batch.clone()).unwrap().records().unwrap().map(Result::unwrap).collect()
}

/// A roomy map with these batches in it.
fn map_of(batches: &[&Bytes]) -> OffsetMap {
    let mut map = OffsetMap::new(10_000);
    for batch in batches {
        assert_eq!(index(batch, 0, &mut map).unwrap(), Indexed::Whole);
    }
    map
}

fn cleaned(batch: &Bytes, map: &OffsetMap, now_ms: i64) -> Cleaned {
    clean(batch, map, &rules(now_ms, &|_| false), false).unwrap()
}

fn replaced(cleaned: Cleaned) -> Bytes {
    let Cleaned::Replace(batch) = cleaned else { panic!("{cleaned:?}") };
    batch
}

#[test]
fn only_the_latest_record_of_a_key_stays() {
    let first = batch(0, &[(Some("a"), Some("1")), (Some("b"), Some("2"))]);
    let second = batch(2, &[(Some("a"), Some("3")), (Some("c"), Some("4"))]);
    let third = batch(4, &[(Some("b"), Some("5"))]);
    let map = map_of(&[&first, &second]);
    assert_eq!(map.latest_offset(), Some(3));
    assert_eq!(records(&replaced(cleaned(&first, &map, NOW))), records(&first)[1..]);
    assert_eq!(cleaned(&second, &map, NOW), Cleaned::Keep);
    let map = map_of(&[&first, &second, &third]);
    assert_eq!(cleaned(&first, &map, NOW), Cleaned::Remove);
    assert_eq!(cleaned(&third, &map, NOW), Cleaned::Keep);
}

#[test]
fn what_was_not_indexed_stays() {
    let first =
        batch(0, &[(Some("a"), Some("1")), (Some("b"), None), (None, Some("3")), (Some("a"), Some("4"))]);
    let second = batch(4, &[(None, None), (Some("c"), None)]);
    let mut map = OffsetMap::new(24 * 2);
    assert_eq!(index(&first, 0, &mut map).unwrap(), Indexed::Full);
    // One key has room: the cleaning ends before the second, and nothing after it is removed.
    assert_eq!(map.latest_offset(), Some(0));
    assert_eq!(cleaned(&first, &map, NOW), Cleaned::Keep);
    assert_eq!(cleaned(&second, &map, NOW), Cleaned::Keep);
    // The next cleaning goes on where the last ended.
    let mut map = OffsetMap::new(24 * 2);
    assert_eq!(index(&first, 1, &mut map).unwrap(), Indexed::Full);
    assert_eq!((map.latest_offset(), map.get(b"a"), map.get(b"b")), (Some(2), None, Some(1)));
    // Where nothing was indexed, nothing is removed.
    assert_eq!(cleaned(&first, &OffsetMap::new(100), NOW), Cleaned::Keep);
}

#[test]
fn records_without_a_key_go() {
    let mixed = batch(0, &[(None, Some("1")), (Some("a"), Some("2"))]);
    let map = map_of(&[&mixed]);
    assert_eq!(records(&replaced(cleaned(&mixed, &map, NOW))), records(&mixed)[1..]);
    let keyless = batch(0, &[(None, Some("1"))]);
    assert_eq!(cleaned(&keyless, &map, NOW), Cleaned::Remove);
}

#[test]
fn a_tombstone_goes_once_its_horizon_has_passed() {
    let original = batch(0, &[(Some("a"), Some("1")), (Some("b"), None), (Some("c"), Some("3"))]);
    let map = map_of(&[&original]);
    let marked = replaced(cleaned(&original, &map, NOW));
    assert_eq!(BatchHeader::parse(&marked).unwrap().delete_horizon_ms(), Some(NOW + RETENTION));
    assert_eq!(records(&marked), records(&original));
    // A later cleaning does not move the horizon.
    for now in [NOW + 1, NOW + RETENTION - 1] {
        assert_eq!(cleaned(&marked, &map, now), Cleaned::Keep);
    }
    let left = replaced(cleaned(&marked, &map, NOW + RETENTION));
    let expected = [&records(&original)[..1], &records(&original)[2..]].concat();
    assert_eq!(records(&left), expected);
    assert_eq!(cleaned(&left, &map, NOW + 2 * RETENTION), Cleaned::Keep);
}

#[test]
fn the_horizon_waits_until_all_of_the_batch_is_indexed() {
    let original = batch(0, &[(Some("a"), None), (Some("b"), None)]);
    let mut map = OffsetMap::new(24 * 2);
    assert_eq!(index(&original, 0, &mut map).unwrap(), Indexed::Full);
    assert_eq!(cleaned(&original, &map, NOW), Cleaned::Keep);
    assert_eq!(index(&original, 0, &mut OffsetMap::new(24 * 3)).unwrap(), Indexed::Whole);
    let marked = replaced(cleaned(&original, &map_of(&[&original]), NOW));
    assert_eq!(records(&marked), records(&original));
}

#[test]
fn a_superseded_tombstone_goes_at_once() {
    let tombstone = batch(0, &[(Some("a"), None)]);
    let map = map_of(&[&tombstone, &batch(1, &[(Some("a"), Some("2"))])]);
    assert_eq!(cleaned(&tombstone, &map, NOW), Cleaned::Remove);
}

#[test]
fn a_marker_goes_when_its_data_is_gone_and_its_horizon_has_passed() {
    let marker = marker(5);
    let map = map_of(&[&marker]);
    assert_eq!((map.len(), map.latest_offset()), (0, Some(5)));
    let rules_at = |now| rules(now, &|_| false);
    assert_eq!(clean(&marker, &map, &rules_at(NOW), false).unwrap(), Cleaned::Keep);
    let marked = replaced(clean(&marker, &map, &rules_at(NOW), true).unwrap());
    assert_eq!(records(&marked), records(&marker));
    let past = NOW + RETENTION;
    assert_eq!(clean(&marked, &map, &rules_at(past - 1), true).unwrap(), Cleaned::Keep);
    assert_eq!(clean(&marked, &map, &rules_at(past), false).unwrap(), Cleaned::Keep);
    assert_eq!(clean(&marked, &map, &rules_at(past), true).unwrap(), Cleaned::Remove);
    // The marker that tells of a live producer's epoch leaves a trace.
    let emptied = replaced(clean(&marked, &map, &rules(past, &|_| true), true).unwrap());
    assert!(BatchHeader::parse(&emptied).unwrap().attributes.is_control());
    assert_eq!(records(&emptied), []);
}

#[test]
fn aborted_data_goes_whatever_its_keys() {
    let aborted = batch(0, &[(Some("a"), Some("1"))]);
    let mut map = OffsetMap::new(100);
    map.advance(0);
    assert_eq!(clean(&aborted, &map, &rules(NOW, &|_| false), true).unwrap(), Cleaned::Remove);
    assert_eq!(clean(&aborted, &map, &rules(NOW, &|_| false), false).unwrap(), Cleaned::Keep);
}

#[test]
fn the_newest_sequence_of_a_producer_outlives_its_records() {
    let old = batch(0, &[(Some("a"), Some("1")), (Some("a"), Some("2"))]);
    let map = map_of(&[&old, &batch(2, &[(Some("a"), Some("3"))])]);
    let keep_newest = |header: &BatchHeader| (header.producer_id, header.last_sequence()) == (9, 1);
    let emptied = replaced(clean(&old, &map, &rules(NOW, &keep_newest), false).unwrap());
    let header = BatchHeader::parse(&emptied).unwrap();
    assert_eq!((header.last_offset(), header.last_sequence(), header.records_count), (1, 1, 0));
    assert_eq!(clean(&emptied, &map, &rules(NOW, &keep_newest), false).unwrap(), Cleaned::Keep);
    assert_eq!(cleaned(&emptied, &map, NOW), Cleaned::Remove);
}

/// Batches are not decompressed at the append unless the topic is compacted; a topic may become compacted later.
#[test]
fn records_that_cannot_be_read_stay_and_remove_nothing() {
    let older = batch(0, &[(Some("a"), Some("1")), (Some("b"), Some("2"))]);
    let strange = {
        let two = batch(2, &[(Some("a"), Some("3")), (Some("b"), Some("4"))]);
        let header = BatchHeader::parse(&two).unwrap();
        let mut bytes = two.to_vec();
        // One record is claimed less than there are.
        bytes[57..61].copy_from_slice(&1i32.to_be_bytes());
        codec::records::set_max_timestamp(&mut bytes, header.attributes.timestamp_type(), 1);
        Bytes::from(bytes)
    };
    let map = map_of(&[&older, &strange]);
    assert_eq!((map.len(), map.latest_offset()), (2, Some(3)));
    assert_eq!(cleaned(&older, &map, NOW), Cleaned::Keep);
    assert_eq!(cleaned(&strange, &map, NOW), Cleaned::Keep);
}

#[test]
fn a_corrupt_batch_is_an_error_and_not_written_anew() {
    let mut bytes = batch(0, &[(Some("a"), Some("1"))]).to_vec();
    let map = map_of(&[&Bytes::from(bytes.clone())]);
    *bytes.last_mut().unwrap() ^= 1;
    let corrupt = Bytes::from(bytes);
    let rules = rules(NOW, &|_| false);
    assert!(matches!(clean(&corrupt, &map, &rules, false), Err(CleaningError::Corrupt(_))));
    assert!(matches!(index(&corrupt, 0, &mut OffsetMap::new(100)), Err(CleaningError::Corrupt(_))));
    assert!(clean(&corrupt.slice(..40), &map, &rules, false).is_err());
}
