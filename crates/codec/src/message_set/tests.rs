//! Message sets from producers that are not as they should be. Those that are, written by Kafka's own classes, are in
//! `tests/legacy.rs`.

use proptest::prelude::*;

use super::*;
use crate::ErrorCode;
use crate::records::{RecordBatch, compress};

const NOW: i64 = 1_700_000_000_000;

fn message<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>) -> NewMessage<'a> {
    NewMessage {
        offset: 0,
        timestamp: NOW,
        timestamp_type: TimestampType::CreateTime,
        compression: Compression::None,
        key,
        value,
    }
}

fn set(format: MessageFormat, messages: &[NewMessage<'_>]) -> Bytes {
    let mut out = BytesMut::new();
    messages.iter().for_each(|message| message.write(format, &mut out).unwrap());
    out.freeze()
}

/// A wrapper around `inner`.
fn wrapper(format: MessageFormat, compression: Compression, inner: &[u8]) -> Bytes {
    let mut data = compress(compression, inner).unwrap();
    if (compression, format) == (Compression::Lz4, MessageFormat::V0) {
        data = lz4::with_checksum_of_v0(data);
    }
    set(format, &[NewMessage { compression, ..message(None, Some(&data)) }])
}

fn two(format: MessageFormat) -> Bytes {
    set(format, &[message(Some(b"key"), Some(b"value")), message(None, None)])
}

fn upgraded(set: &Bytes) -> Result<RecordBatch, BatchError> {
    MessageSet::parse(set)?.to_batch().map(|batch| RecordBatch::parse(batch).unwrap())
}

fn code(set: &Bytes) -> ErrorCode {
    upgraded(set).unwrap_err().error_code()
}

const FORMATS: [MessageFormat; 2] = [MessageFormat::V0, MessageFormat::V1];
const CODECS: [Compression; 3] = [Compression::Gzip, Compression::Snappy, Compression::Lz4];

#[test]
fn the_magic_byte_tells_sets_from_batches() {
    assert!(is_message_set(&two(MessageFormat::V0)) && is_message_set(&two(MessageFormat::V1)));
    let batch = BatchBuilder::new().record(1, None, None).build();
    assert!(!is_message_set(&batch) && !is_message_set(&[]) && !is_message_set(&[0; 16]));
}

#[test]
fn a_set_becomes_one_batch_of_the_same_codec() {
    for format in FORMATS {
        for codec in CODECS {
            let batch = upgraded(&wrapper(format, codec, &two(format))).unwrap();
            assert_eq!(batch.header().attributes.compression(), Ok(codec));
            assert_eq!((batch.header().records_count, batch.header().base_offset), (2, 0));
        }
        let batch = upgraded(&two(format)).unwrap();
        assert_eq!(batch.header().attributes.compression(), Ok(Compression::None));
        let timestamp = if format == MessageFormat::V0 { -1 } else { NOW };
        let records: Vec<_> = batch.records().unwrap().map(Result::unwrap).collect();
        assert!(records.iter().all(|record| record.timestamp == timestamp && record.headers.is_empty()));
        assert_eq!(records[0].value.as_deref(), Some(&b"value"[..]));
        assert_eq!((records[1].key.as_ref(), records[1].value.as_ref()), (None, None));
    }
}

#[test]
fn bare_snappy_is_read_too() {
    let data = snap::raw::Encoder::new().compress_vec(&two(MessageFormat::V1)).unwrap();
    let bare = NewMessage { compression: Compression::Snappy, ..message(None, Some(&data)) };
    assert_eq!(upgraded(&set(MessageFormat::V1, &[bare])).unwrap().header().records_count, 2);
}

#[test]
fn a_wrapper_with_the_brokers_time_gives_it_to_all_in_it() {
    let data = compress(Compression::Gzip, &two(MessageFormat::V1)).unwrap();
    let stamped = NewMessage {
        compression: Compression::Gzip,
        timestamp: NOW + 5,
        timestamp_type: TimestampType::LogAppendTime,
        ..message(None, Some(&data))
    };
    let batch = upgraded(&set(MessageFormat::V1, &[stamped])).unwrap();
    assert_eq!(batch.header().attributes.timestamp_type(), TimestampType::LogAppendTime);
    assert!(batch.records().unwrap().all(|record| record.unwrap().timestamp == NOW + 5));
}

#[test]
fn nothing_and_half_a_message_are_refused() {
    assert_eq!(code(&Bytes::new()), ErrorCode::InvalidRecord);
    for format in FORMATS {
        let whole = two(format);
        for cut in 1..whole.len() {
            let first = set(format, &[message(Some(b"key"), Some(b"value"))]).len();
            let refused = upgraded(&whole.slice(..cut));
            assert_eq!(refused.is_ok(), cut == first, "cut at {cut}");
        }
    }
}

#[test]
fn any_flipped_bit_is_noticed() {
    for format in FORMATS {
        let whole = two(format);
        // The offsets are not the producer's to give: eight bytes in front of each message.
        let second = set(format, &[message(Some(b"key"), Some(b"value"))]).len();
        for at in (8..second).chain(second + 8..whole.len()) {
            let mut broken = whole.to_vec();
            broken[at] ^= 1;
            assert!(upgraded(&broken.into()).is_err(), "{format:?} byte {at}");
        }
    }
    let mut broken = two(MessageFormat::V1).to_vec();
    broken[20] ^= 1;
    assert_eq!(code(&broken.into()), ErrorCode::CorruptMessage);
}

#[test]
fn sizes_are_claims() {
    for claim in [i32::MIN, -1, 0, 13] {
        let mut lying = two(MessageFormat::V1).to_vec();
        lying[8..12].copy_from_slice(&claim.to_be_bytes());
        assert_eq!(upgraded(&lying.into()).unwrap_err(), BatchError::Length(claim));
    }
    let mut lying = two(MessageFormat::V1).to_vec();
    lying[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(code(&lying.clone().into()), ErrorCode::InvalidRecord);
    // Within a wrapper, where nothing says how much there is.
    for codec in CODECS {
        assert_eq!(code(&wrapper(MessageFormat::V1, codec, &lying)), ErrorCode::InvalidRecord);
    }
}

/// A message whose fields were changed, its CRC-32 renewed.
fn forged(change: impl Fn(&mut [u8])) -> Bytes {
    let mut one = set(MessageFormat::V1, &[message(Some(b"key"), Some(b"value"))]).to_vec();
    change(&mut one);
    let crc = crc32(&one[16..]);
    one[12..16].copy_from_slice(&crc.to_be_bytes());
    one.into()
}

#[test]
fn lengths_within_a_message_are_claims_too() {
    for claim in [i32::MIN, -2, 4 + 4 + 5 + 1, i32::MAX] {
        let refused = forged(|one| one[26..30].copy_from_slice(&claim.to_be_bytes()));
        assert_eq!(code(&refused), ErrorCode::InvalidRecord, "{claim}");
    }
    // Shorter than it is: then something is left over.
    assert_eq!(
        code(&forged(|one| one[33..37].copy_from_slice(&4i32.to_be_bytes()))),
        ErrorCode::InvalidRecord
    );
}

#[test]
fn formats_and_codecs_that_were_never_there_are_refused() {
    assert_eq!(upgraded(&forged(|one| one[16] = 3)).unwrap_err(), BatchError::Magic(3));
    for codec in 4..8 {
        assert_eq!(code(&forged(|one| one[17] = codec)), ErrorCode::UnsupportedCompressionType);
    }
}

#[test]
fn a_wrapper_is_alone_and_holds_plain_messages_of_its_format() {
    let format = MessageFormat::V1;
    let inner = two(format);
    let one = wrapper(format, Compression::Gzip, &inner);
    let bad = [
        [&one[..], &one[..]].concat().into(),
        [&one[..], &inner[..]].concat().into(),
        [&inner[..], &one[..]].concat().into(),
        [&inner[..], &two(MessageFormat::V0)[..]].concat().into(),
        wrapper(format, Compression::Gzip, &one),
        wrapper(format, Compression::Gzip, &two(MessageFormat::V0)),
        wrapper(format, Compression::Gzip, b""),
        set(format, &[NewMessage { compression: Compression::Gzip, ..message(None, None) }]),
    ];
    for (index, set) in bad.iter().enumerate() {
        assert_eq!(code(set), ErrorCode::InvalidRecord, "{index}");
    }
}

#[test]
fn a_bomb_stops_at_the_limit() {
    // Messages are held, so they stop where a batch that is only walked may go on.
    let zeros = vec![0; 65 << 20];
    let inner = set(MessageFormat::V1, &[message(None, Some(&zeros))]);
    let refused = upgraded(&wrapper(MessageFormat::V1, Compression::Lz4, &inner));
    assert!(matches!(refused, Err(BatchError::TooExpansive { .. })), "{refused:?}");
}

#[test]
fn the_largest_message_is_an_outer_one() {
    let plain = MessageSet::parse(&two(MessageFormat::V1)).unwrap();
    assert_eq!(plain.largest_message_bytes(), 12 + 22 + 8);
    let wrapped = wrapper(MessageFormat::V1, Compression::Gzip, &two(MessageFormat::V1));
    assert_eq!(MessageSet::parse(&wrapped).unwrap().largest_message_bytes(), wrapped.len());
}

proptest! {
    /// Neither noise nor a set with noise in it panics; what passes is a sound batch.
    #[test]
    fn noise_never_panics(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _either = upgraded(&noise.clone().into());
        for format in FORMATS {
            for codec in CODECS {
                let _either = upgraded(&wrapper(format, codec, &noise));
                let raw = NewMessage { compression: codec, ..message(None, Some(&noise)) };
                let _either = upgraded(&set(format, &[raw]));
            }
        }
    }

    #[test]
    fn spoilt_sets_never_panic(
        codec in 0..4u8, format in 0..2usize, at in any::<prop::sample::Index>(), bit in 0..8u8, cut in any::<prop::sample::Index>(),
    ) {
        let (codec, format) = (Compression::from_id(codec).unwrap(), FORMATS[format]);
        let whole = match codec {
            Compression::None => two(format),
            codec => wrapper(format, codec, &two(format)),
        };
        let mut spoilt = whole.to_vec();
        spoilt[at.index(whole.len())] ^= 1 << bit;
        let spoilt = Bytes::from(spoilt);
        let _either = upgraded(&spoilt);
        let _either = upgraded(&spoilt.slice(..cut.index(whole.len())));
        // The same within a wrapper, past its checksum.
        let _either = upgraded(&wrapper(format, Compression::Gzip, &spoilt));
    }
}
