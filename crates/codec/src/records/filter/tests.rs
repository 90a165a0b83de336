use proptest::prelude::*;

use super::super::{BatchBuilder, Record, RecordBatch, set_log_append_time};
use super::*;

fn builder(compression: Compression) -> BatchBuilder {
    BatchBuilder::new()
        .base_offset(100)
        .partition_leader_epoch(4)
        .compression(compression)
        .producer(7, 2, 50)
        .transactional()
        .record(1000, Some(b"a"), Some(b"1"))
        .record_with_headers(3000, Some(b"b"), None, &[("h", Some(b"x")), ("h", None)])
        .record(2000, None, Some(b"3"))
}

fn parsed(bytes: Bytes) -> RecordBatch {
    RecordBatch::parse_stored(bytes).unwrap()
}

fn records(batch: &RecordBatch) -> Vec<Record> {
    batch.records().unwrap().map(Result::unwrap).collect()
}

#[test]
fn what_stays_is_as_it_was() {
    for codec in Compression::ALL {
        let batch = parsed(builder(codec).build());
        let retained = batch.open().unwrap().filter(|record| record.offset != 101);
        assert!(retained.is_changed() && !retained.is_empty());
        let filtered = parsed(retained.build().unwrap());
        let mut expected = records(&batch);
        expected.remove(1);
        assert_eq!(records(&filtered), expected, "{codec}");
        let expected = BatchHeader {
            batch_length: filtered.header().batch_length,
            crc: filtered.header().crc,
            records_count: 2,
            max_timestamp: 2000,
            ..*batch.header()
        };
        assert_eq!(*filtered.header(), expected);
    }
}

#[test]
fn a_batch_that_loses_nothing_is_not_changed() {
    let batch = parsed(builder(Compression::None).build());
    let retained = batch.open().unwrap().filter(|_| true);
    assert!(!retained.is_changed());
    assert_eq!(retained.build().unwrap(), batch.bytes());
}

#[test]
fn views_show_what_records_hold() {
    let batch = parsed(builder(Compression::Zstd).build());
    let opened = batch.open().unwrap();
    for (view, record) in opened.records().zip(records(&batch)) {
        assert_eq!((view.offset, view.timestamp), (record.offset, record.timestamp));
        assert_eq!((view.key, view.value), (record.key.as_deref(), record.value.as_deref()));
    }
    assert_eq!(opened.records().count(), 3);
}

#[test]
fn a_delete_horizon_leaves_timestamps_alone() {
    for (codec, horizon) in
        [(Compression::None, 9_000_000_000), (Compression::Lz4, 5), (Compression::Gzip, i64::MAX)]
    {
        let batch = parsed(builder(codec).record(i64::MIN, Some(b"c"), None).build());
        assert_eq!(records(&batch)[3].timestamp, i64::MIN);
        let mut retained = batch.open().unwrap().filter(|record| record.offset != 100);
        retained.set_delete_horizon(horizon);
        assert!(retained.is_changed());
        let marked = parsed(retained.build().unwrap());
        assert_eq!(records(&marked), records(&batch)[1..], "{codec}");
        assert_eq!(marked.header().delete_horizon_ms(), Some(horizon));
        assert_eq!(batch.header().delete_horizon_ms(), None);
        assert_eq!(marked.header().attributes.0, batch.header().attributes.0 | 0x40);
        // Cleaned once more, the horizon stays.
        let again = parsed(marked.open().unwrap().filter(|record| record.offset != 101).build().unwrap());
        assert_eq!(records(&again), records(&batch)[2..]);
        assert_eq!(again.header().delete_horizon_ms(), Some(horizon));
    }
}

#[test]
fn the_time_of_the_append_stays() {
    let mut bytes = builder(Compression::None).build().to_vec();
    set_log_append_time(&mut bytes, 7777);
    let mut retained = parsed(bytes.into()).open().unwrap().filter(|record| record.offset == 102);
    retained.set_delete_horizon(10_000);
    let filtered = parsed(retained.build().unwrap());
    assert_eq!(filtered.header().max_timestamp, 7777);
    assert_eq!(records(&filtered)[0].timestamp, 7777);
}

#[test]
fn an_emptied_batch_keeps_offsets_and_sequences() {
    let batch = parsed(builder(Compression::Snappy).build());
    let retained = batch.open().unwrap().filter(|_| false);
    assert!(retained.is_empty());
    let bytes = retained.build().unwrap();
    assert_eq!(bytes.len(), BatchHeader::LEN);
    let emptied = parsed(bytes);
    let (before, after) = (batch.header(), emptied.header());
    assert_eq!(after.base_offset, before.base_offset);
    assert_eq!(after.last_offset(), before.last_offset());
    assert_eq!(after.last_sequence(), before.last_sequence());
    assert_eq!((after.producer_id, after.producer_epoch), (7, 2));
    assert_eq!((after.records_count, after.base_timestamp), (0, -1));
    assert_eq!(after.attributes.0, Attributes::TRANSACTIONAL);
    assert_eq!(emptied.open().unwrap().records().count(), 0);
}

/// The rest of a batch compresses better than the whole did, and must not thereby become unreadable.
#[test]
fn what_is_left_may_expand_more_than_what_arrived() {
    let noise: Vec<u8> = (0..600_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let zeros = vec![0; 20 << 20];
    let batch = BatchBuilder::new()
        .compression(Compression::Zstd)
        .record(1, Some(b"noise"), Some(&noise))
        .record(2, Some(b"zeros"), Some(&zeros))
        .build();
    let retained = parsed(batch).open().unwrap().filter(|record| record.key == Some(b"zeros"));
    let left = parsed(retained.build().unwrap());
    assert!(left.size_bytes() < 100_000);
    assert_eq!(left.open().unwrap().records().count(), 1);
    assert_eq!(records(&left).len(), 1);
}

/// The header of `builder(None)`, changed, over the same records.
fn lying(change: impl FnOnce(&mut BatchHeader)) -> RecordBatch {
    let batch = parsed(builder(Compression::None).build());
    let mut header = *batch.header();
    change(&mut header);
    parsed(assemble(&header, &batch.bytes()[BatchHeader::LEN..]).unwrap())
}

#[test]
fn records_that_the_header_does_not_cover_are_refused() {
    lying(|_| {}).open().unwrap();
    lying(|header| header.records_count = 2).open().unwrap_err();
    lying(|header| (header.last_offset_delta, header.records_count) = (3, 4)).open().unwrap_err();
    // Two records, so that the header can be true; the second has offset delta 1.
    let two = BatchBuilder::new().record(1, Some(b"a"), None).record(1, Some(b"b"), None).build();
    let opened = parsed(two).open().unwrap();
    let second = opened.clone().filter(|record| record.offset == 1);
    let header = BatchHeader { last_offset_delta: 0, ..second.header };
    parsed(assemble(&header, &second.records).unwrap()).open().unwrap_err();
    let repeated = [&opened.records[..8], &opened.records[..8]].concat();
    let header = BatchHeader { records_count: 2, ..opened.header };
    parsed(assemble(&header, &repeated).unwrap()).open().unwrap_err();
}

proptest! {
    #[test]
    fn broken_records_are_errors_and_never_panics(
        change in proptest::collection::vec((0usize..60, any::<u8>()), 1..4),
        cut in 0usize..60,
    ) {
        let batch = builder(Compression::None).build();
        let mut records = batch[BatchHeader::LEN..].to_vec();
        for (at, byte) in change {
            if let Some(place) = records.get_mut(at) {
                *place = byte;
            }
        }
        records.truncate(records.len().saturating_sub(cut));
        let header = BatchHeader::parse(&batch).unwrap();
        let batch = parsed(assemble(&header, &records).unwrap());
        if let Ok(opened) = batch.open() {
            let mut retained = opened.filter(|record| record.offset % 2 == 0);
            retained.set_delete_horizon(1);
            parsed(retained.build().unwrap()).open().unwrap();
        }
    }
}
