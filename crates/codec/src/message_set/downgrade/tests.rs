//! Batches as message sets, and batches that cannot become one.

use super::*;
use crate::ErrorCode;
use crate::message_set::MessageSet;
use crate::records::BatchBuilder;
use bytes::Buf;

const NOW: i64 = 1_700_000_000_000;

fn batch(compression: Compression) -> BatchBuilder {
    BatchBuilder::new()
        .base_offset(100)
        .record_with_headers(NOW, Some(b"key"), Some(b"value"), &[("trace", Some(b"abc"))])
        .record(NOW + 5, None, None)
        .record(NOW + 2, None, Some(b""))
        .compression(compression)
}

fn downgraded(batch: &Bytes, format: MessageFormat, from: i64) -> Bytes {
    let mut out = BytesMut::new();
    downgrade(batch, format, from, &mut out).unwrap();
    out.freeze()
}

/// The offsets of the outer messages of a set.
fn offsets(mut set: Bytes) -> Vec<i64> {
    let mut offsets = Vec::new();
    while !set.is_empty() {
        offsets.push(set.get_i64());
        let size = set.get_i32() as usize;
        set.advance(size);
    }
    offsets
}

#[test]
fn a_producers_batch_survives_the_way_there_and_back_without_headers() {
    for codec in [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let set = downgraded(&batch(codec).build(), MessageFormat::V1, 0);
        let back = MessageSet::parse(&set).unwrap().to_batch().unwrap();
        let expected = BatchBuilder::new()
            .record(NOW, Some(b"key"), Some(b"value"))
            .record(NOW + 5, None, None)
            .record(NOW + 2, None, Some(b""))
            .compression(codec);
        assert_eq!(back, expected.build(), "{codec}");
    }
}

#[test]
fn uncompressed_batches_begin_with_the_offset_that_was_asked_for() {
    for format in [MessageFormat::V0, MessageFormat::V1] {
        let plain = batch(Compression::None).build();
        assert_eq!(offsets(downgraded(&plain, format, 0)), [100, 101, 102]);
        assert_eq!(offsets(downgraded(&plain, format, 101)), [101, 102]);
        assert!(offsets(downgraded(&plain, format, 103)).is_empty());
        // A wrapper has the offset of its last message and is never cut.
        assert_eq!(offsets(downgraded(&batch(Compression::Gzip).build(), format, 102)), [102]);
    }
}

#[test]
fn the_brokers_time_is_marked_as_such() {
    let stamped = batch(Compression::None).timestamp_type(TimestampType::LogAppendTime).build();
    let set = downgraded(&stamped, MessageFormat::V1, 102);
    assert_eq!(set[17], 0x08);
    assert_eq!(set[18..26], (NOW + 5).to_be_bytes());
    // v0 knows neither the time nor who set it.
    assert_eq!(downgraded(&stamped, MessageFormat::V0, 102)[17], 0);
}

#[test]
fn markers_and_emptied_batches_leave_nothing() {
    let marker = batch(Compression::None).producer(1, 0, 0).control().build();
    assert!(downgraded(&marker, MessageFormat::V1, 0).is_empty());
    assert!(downgraded(&BatchBuilder::new().build(), MessageFormat::V1, 0).is_empty());
}

#[test]
fn zstd_cannot_be_told_to_old_consumers() {
    let mut out = BytesMut::new();
    let refused = downgrade(&batch(Compression::Zstd).build(), MessageFormat::V1, 0, &mut out).unwrap_err();
    assert_eq!(refused.error_code(), ErrorCode::UnsupportedCompressionType);
    assert!(out.is_empty());
}

#[test]
fn broken_batches_are_errors() {
    for codec in Compression::ALL {
        let whole = batch(codec).build();
        for at in 17..whole.len() {
            let mut broken = whole.to_vec();
            broken[at] ^= 1;
            let mut out = BytesMut::new();
            assert!(downgrade(&broken.into(), MessageFormat::V1, 0, &mut out).is_err(), "{codec} byte {at}");
        }
    }
}

#[test]
fn large_batches_are_compressed_in_pieces() {
    let mut large = BatchBuilder::new();
    (0..20_000).for_each(|n: i64| large.push(NOW + n, None, Some(&n.to_be_bytes()), &[]));
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4] {
        let set = downgraded(&large.clone().compression(codec).build(), MessageFormat::V1, 0);
        let back = MessageSet::parse(&set).unwrap().to_batch().unwrap();
        assert_eq!(back, large.clone().compression(codec).build(), "{codec}");
    }
}
