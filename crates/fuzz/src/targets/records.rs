//! Record batches as they arrive and as they are stored.
//!
//! Rules: a batch that passes the walk on arrival can be read and opened, and what is written of a
//! stored one is a sound batch.

use bytes::{Bytes, BytesMut};
use codec::records::{
    BatchBuilder, BatchError, BatchHeader, Compression, RecordBatch, TimestampType, batches, compress,
    set_max_timestamp, validate_records,
};

use super::{MIB, kind};
use crate::{Target, seeds};

/// A batch that a producer sent. Walking it takes no more memory than a codec needs, whatever comes out of it.
pub(super) const BATCH: Target =
    Target { name: "batch", run: batch, seeds: seeds::batches, memory: |len| 8 * MIB + 4 * len };

/// The records of a sound header, compressed by the codec of the first byte; the second byte is their number less one.
/// So mutation reaches the records under every codec, which it could not through compressed data.
pub(super) const RECORDS: Target =
    Target { name: "records", run: records, seeds: record_seeds, memory: |len| 8 * MIB + 8 * len };

/// Batches in a row as the disk may hold them, read, thinned out and written again.
pub(super) const STORED: Target = Target {
    name: "stored",
    run: stored,
    seeds: seeds::stored,
    // Decompressed whole, up to the limit of what is held, and the same once more while it grows or is written again.
    memory: |len| 200 * MIB + 4 * len,
};

/// The bytes with a length, magic and checksum that fit, so that the code after these checks is reached as well.
fn mended(data: &[u8]) -> Bytes {
    let mut bytes = BytesMut::from(data);
    if let Ok(length) = i32::try_from(bytes.len().saturating_sub(12))
        && bytes.len() >= BatchHeader::LEN
    {
        bytes[8..12].copy_from_slice(&length.to_be_bytes());
        bytes[16] = 2;
        if let Ok(header) = BatchHeader::parse(&bytes) {
            // The checksum is computed when the timestamp changes: once away from its value and back.
            let timestamp_type = header.attributes.timestamp_type();
            for timestamp in [!header.max_timestamp, header.max_timestamp] {
                set_max_timestamp(&mut bytes, timestamp_type, timestamp);
            }
        }
    }
    bytes.freeze()
}

/// Checks a batch as a Produce request does, and corrects its header.
fn batch(data: &[u8]) -> String {
    for bytes in [Bytes::copy_from_slice(data), mended(data)] {
        let batch = match RecordBatch::parse(bytes) {
            Ok(batch) => batch,
            // The faults that `mended` puts right: the second round gets past them.
            Err(BatchError::Crc { .. } | BatchError::Length(_) | BatchError::Truncated { .. }) => continue,
            Err(error) => return kind(&error),
        };
        let mut seen = 0;
        let walked = validate_records(&batch, |record| {
            assert_eq!(record.index, seen, "records are counted");
            seen += 1;
        });
        let max_timestamp = match walked {
            Ok(max_timestamp) => max_timestamp,
            Err(error) => return kind(&error),
        };
        assert_eq!(seen, batch.header().records_count, "a sound batch has as many records as it says");
        let codec = batch.header().attributes.compression().expect("a sound batch has a codec");
        let corrected = batch.with_max_timestamp(TimestampType::CreateTime, max_timestamp);
        let parsed = RecordBatch::parse(corrected.bytes().clone());
        assert_eq!(parsed.as_ref(), Ok(&corrected), "a corrected batch is sound");
        return format!("sound {codec}");
    }
    "not a batch".to_owned()
}

/// Walks, reads and opens the records of the input.
fn records(data: &[u8]) -> String {
    let Some(([codec, count], records)) = data.split_first_chunk::<2>() else {
        return "no choice".to_owned();
    };
    let codec = Compression::ALL[usize::from(*codec) % Compression::ALL.len()];
    // As many records as the header is to claim; only the header of this batch is used.
    let mut header = BatchBuilder::new().compression(codec);
    for _ in 0..=*count {
        header.push(0, None, None, &[]);
    }
    let mut bytes = header.build().to_vec();
    bytes.truncate(BatchHeader::LEN);
    bytes.extend(compress(codec, records).expect("memory for the codec"));
    let batch = match RecordBatch::parse(mended(&bytes)) {
        Ok(batch) => batch,
        Err(error) => panic!("a sound header: {error}"),
    };
    let walked = validate_records(&batch, |_| ());
    // Whatever the walk says: reading must not panic either.
    let read = batch.records().map(|records| records.filter(Result::is_ok).count());
    match walked {
        Err(error) => kind(&error),
        Ok(_) => {
            assert_eq!(read, Ok(usize::from(*count) + 1), "what was found sound can be read");
            batch.open().expect("what was found sound can be opened");
            format!("sound {codec}")
        }
    }
}

/// The records of the uncompressed seeds, once for each codec.
fn record_seeds() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for batch in seeds::batches() {
        let (Ok(header), Some(records)) = (BatchHeader::parse(&batch), batch.get(BatchHeader::LEN..)) else {
            continue;
        };
        if header.attributes.compression() == Ok(Compression::None) {
            let count = (header.records_count - 1).to_be_bytes()[3];
            all.extend((0..5).map(|codec| [&[codec, count], records].concat()));
        }
    }
    all
}

/// Opens each sound batch, takes records out of it and writes it again.
fn stored(data: &[u8]) -> String {
    let mut outcome = "not a batch";
    for bytes in [Bytes::copy_from_slice(data), mended(data)] {
        for found in batches(&bytes) {
            let parsed = found.and_then(|(_, bytes)| RecordBatch::parse_stored(bytes));
            let batch = match parsed {
                Ok(batch) => batch,
                Err(BatchError::Crc { .. }) => continue,
                Err(error) => return kind(&error),
            };
            let opened = match batch.open() {
                Ok(opened) => opened,
                Err(error) => return kind(&error),
            };
            let views = opened.records().count();
            assert_eq!(
                views as i64,
                i64::from(batch.header().records_count),
                "an opened batch shows its records"
            );
            let records = batch.records().expect("what can be opened can be read");
            assert_eq!(records.filter(Result::is_ok).count(), views, "what can be opened can be read");
            let mut odd = false;
            let mut kept = opened.filter(|_| {
                // Every second record goes, as in a compaction, so that the rest has gaps in its offsets.
                odd = !odd;
                odd
            });
            // Writes every record anew, with other timestamp deltas.
            kept.set_delete_horizon(batch.header().max_timestamp);
            let written = kept.build().expect("what was read can be written");
            RecordBatch::parse_stored(written).expect("what was written is a batch");
            outcome = "opened";
        }
    }
    outcome.to_owned()
}
