use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::varint::{put_uvarint, put_varlong};

const PREFIXES: [Prefix; 6] =
    [Prefix::U16, Prefix::U32, Prefix::I16, Prefix::I32, Prefix::Compact, Prefix::Zigzag];

/// A length as `prefix` writes it; -1 is null.
fn written(prefix: Prefix, length: i64) -> Vec<u8> {
    let mut out = BytesMut::new();
    match prefix {
        Prefix::U16 => out.extend_from_slice(&u16::try_from(length).unwrap().to_be_bytes()),
        Prefix::U32 => out.extend_from_slice(&u32::try_from(length).unwrap().to_be_bytes()),
        Prefix::I16 => out.extend_from_slice(&i16::try_from(length).unwrap().to_be_bytes()),
        Prefix::I32 => out.extend_from_slice(&i32::try_from(length).unwrap().to_be_bytes()),
        Prefix::Compact => put_uvarint(&mut out, u32::try_from(length + 1).unwrap()),
        Prefix::Zigzag => put_varlong(&mut out, length),
    }
    out.to_vec()
}

#[test]
fn integers_are_big_endian() {
    let bytes: Vec<u8> = (0x81..=0x9e).collect();
    let mut from = Cursor::new(&bytes);
    assert_eq!(from.u8("n"), Ok(0x81));
    assert_eq!(from.i8("n"), Ok(-0x7e));
    assert_eq!(from.u16("n"), Ok(0x8384));
    assert_eq!(from.i16("n"), Ok(0x8586_u16.cast_signed()));
    assert_eq!(from.u32("n"), Ok(0x8788_898a));
    assert_eq!(from.i32("n"), Ok(0x8b8c_8d8e_u32.cast_signed()));
    assert_eq!(from.u64("n"), Ok(0x8f90_9192_9394_9596));
    assert_eq!(from.i64("n"), Ok(0x9798_999a_9b9c_9d9e_u64.cast_signed()));
    assert_eq!(from.end(), Ok(()));
}

#[test]
fn varints_have_the_bytes_that_kafka_writes() {
    // From Kafka's `ByteUtilsTest`: values at which the encoding gets longer.
    for (bytes, value) in [
        (&[0x00][..], 0),
        (&[0x01], -1),
        (&[0x02], 1),
        (&[0x7e], 63),
        (&[0x7f], -64),
        (&[0x80, 0x01], 64),
        (&[0xff, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MIN)),
        (&[0xfe, 0xff, 0xff, 0xff, 0x0f], i64::from(i32::MAX)),
    ] {
        assert_eq!(Cursor::new(bytes).varlong("n"), Ok(value), "{bytes:x?}");
    }
    let mut longest = [0xff; 10];
    longest[9] = 0x01;
    assert_eq!(Cursor::new(&longest).varlong("n"), Ok(i64::MIN));
}

#[test]
fn varints_that_are_too_long_are_invalid() {
    let invalid = ReadError::Invalid { expected: "n", at: 0 };
    for bytes in [[0xff, 0xff, 0xff, 0xff, 0x10], [0x80, 0x80, 0x80, 0x80, 0x80]] {
        assert_eq!(Cursor::new(&bytes).uvarint("n"), Err(invalid));
    }
    for last in [0x02, 0x80] {
        let mut bytes = [0xff; 10];
        bytes[9] = last;
        assert_eq!(Cursor::new(&bytes).varlong("n"), Err(invalid));
    }
}

#[test]
fn reading_past_the_end_names_value_and_byte_and_consumes_nothing() {
    let mut from = Cursor::new(&[1, 2, 3]);
    from.i16("a").unwrap();
    assert_eq!(from.i16("b"), Err(ReadError::Truncated { expected: "b", at: 2, remaining: 1 }));
    assert_eq!(from.take(usize::MAX, "b"), Err(ReadError::Truncated { expected: "b", at: 2, remaining: 1 }));
    assert_eq!((from.position(), from.remaining(), from.is_empty()), (2, 1, false));
    assert_eq!(from.end(), Err(ReadError::Leftover { at: 2, remaining: 1 }));
    assert_eq!(from.take_rest(), [3]);
    assert_eq!((from.end(), from.take_rest()), (Ok(()), &[][..]));
}

#[test]
fn a_part_ends_where_it_ends_and_counts_on() {
    let mut whole = Cursor::new(&[1, 2, 3, 4]);
    whole.u8("a").unwrap();
    let mut part = whole.part(2, "part").unwrap();
    assert_eq!((part.position(), part.remaining(), whole.position()), (1, 2, 3));
    assert_eq!(part.u16("b"), Ok(0x0203));
    assert_eq!(part.u8("c"), Err(ReadError::Truncated { expected: "c", at: 3, remaining: 0 }));
    assert_eq!(whole.u8("d"), Ok(4));
    assert!(whole.part(1, "part").is_err());
}

#[test]
fn a_start_beyond_the_end_is_an_error() {
    assert_eq!(Cursor::starting_at(&[1, 2], 1, "n").and_then(|mut from| from.u8("n")), Ok(2));
    let error = ReadError::Truncated { expected: "n", at: 0, remaining: 2 };
    assert_eq!(Cursor::starting_at(&[1, 2], 3, "n").unwrap_err(), error);
}

#[test]
fn claims_larger_than_what_remains_are_refused() {
    for prefix in PREFIXES {
        for (claimed, min_bytes) in [(4, 1), (2, 2), (1, 4), (32767, 1)] {
            let mut bytes = written(prefix, claimed);
            bytes.extend_from_slice(b"abc");
            let error = ReadError::Claim { expected: "n", at: 0, claimed, remaining: 3 };
            assert_eq!(Cursor::new(&bytes).count(prefix, min_bytes, "n"), Err(error), "{prefix:?}");
        }
    }
    let largest = [0xff, 0xff, 0xff, 0xff, 0x0f];
    for prefix in [Prefix::U16, Prefix::U32, Prefix::Compact, Prefix::Zigzag] {
        assert!(Cursor::new(&largest).nullable_bytes(prefix, "n").is_err(), "{prefix:?}");
    }
}

#[test]
fn a_count_of_things_without_a_size_is_bounded_by_bytes() {
    assert!(Cursor::new(&[0, 3, 1, 2]).count(Prefix::U16, 0, "n").is_err());
    assert_eq!(Cursor::new(&[0, 2, 1, 2]).count(Prefix::U16, 0, "n"), Ok(2));
}

#[test]
fn null_is_minus_one_and_only_where_it_may_be() {
    for prefix in [Prefix::I16, Prefix::I32, Prefix::Compact, Prefix::Zigzag] {
        let bytes = written(prefix, -1);
        assert_eq!(Cursor::new(&bytes).nullable_bytes(prefix, "n"), Ok(None));
        assert_eq!(Cursor::new(&bytes).nullable_str(prefix, "n"), Ok(None));
        let error = ReadError::Claim { expected: "n", at: 0, claimed: -1, remaining: 0 };
        assert_eq!(Cursor::new(&bytes).bytes(prefix, "n"), Err(error));
        assert_eq!(Cursor::new(&bytes).str(prefix, "n"), Err(error));
    }
    for prefix in [Prefix::I16, Prefix::I32, Prefix::Zigzag] {
        assert!(Cursor::new(&written(prefix, -2)).nullable_bytes(prefix, "n").is_err(), "{prefix:?}");
    }
}

#[test]
fn text_that_is_not_utf8_is_invalid() {
    let error = ReadError::Invalid { expected: "name", at: 1 };
    let from = |bytes| Cursor::starting_at(bytes, 1, "front").unwrap();
    assert_eq!(from(&[0, 0, 1, 0xff]).str(Prefix::U16, "name"), Err(error));
    assert_eq!(from(&[0, 0, 1, 0xff]).nullable_str(Prefix::I16, "name"), Err(error));
}

#[test]
fn tagged_fields_are_skipped_within_bounds() {
    let bytes = [2, 0, 1, 0xaa, 5, 0, 0x77];
    let mut from = Cursor::new(&bytes);
    from.skip_tagged_fields().unwrap();
    assert_eq!(from.remaining(), 1);
    for cut in 0..6 {
        assert!(Cursor::new(&bytes[..cut]).skip_tagged_fields().is_err());
    }
    let endless = [0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0];
    assert!(matches!(Cursor::new(&endless).skip_tagged_fields(), Err(ReadError::Truncated { at: 7, .. })));
    let oversized = [1, 0, 9, 1];
    assert!(matches!(Cursor::new(&oversized).skip_tagged_fields(), Err(ReadError::Truncated { at: 3, .. })));
}

/// Reads one of everything.
fn everything(bytes: &[u8]) -> Result<(), ReadError> {
    let mut from = Cursor::new(bytes);
    from.u8("u8")?;
    from.i8("i8")?;
    from.u16("u16")?;
    from.i16("i16")?;
    from.u32("u32")?;
    from.i32("i32")?;
    from.u64("u64")?;
    from.i64("i64")?;
    from.uvarint("uvarint")?;
    from.varlong("varlong")?;
    for prefix in PREFIXES {
        from.bytes(prefix, "bytes")?;
        from.nullable_bytes(prefix, "nullable bytes")?;
        from.str(prefix, "text")?;
        for _ in 0..from.count(prefix, 2, "count")? {
            from.u16("element")?;
        }
    }
    from.array::<3>("array")?;
    from.skip_tagged_fields()?;
    from.part(2, "part")?.u16("in part")?;
    from.end()
}

fn one_of_everything() -> Vec<u8> {
    let mut bytes = vec![7; 1 + 1 + 2 + 2 + 4 + 4 + 8 + 8];
    bytes.extend_from_slice(&[0x80, 1, 0x80, 1]);
    for prefix in PREFIXES {
        for text in ["ab", "", "é", "pair"] {
            let counted = if text == "pair" { 2 } else { text.len() };
            bytes.extend_from_slice(&written(prefix, i64::try_from(counted).unwrap()));
            bytes.extend_from_slice(text.as_bytes());
        }
    }
    bytes.extend_from_slice(&[1, 2, 3, 1, 9, 1, 0xaa, 5, 5]);
    bytes
}

#[test]
fn any_truncation_is_an_error() {
    let whole = one_of_everything();
    assert_eq!(everything(&whole), Ok(()));
    for cut in 0..whole.len() {
        assert!(everything(&whole[..cut]).is_err(), "cut at {cut}");
    }
}

proptest! {
    #[test]
    fn varints_read_what_was_written(small: u32, large: i64) {
        let mut out = BytesMut::new();
        put_uvarint(&mut out, small);
        put_varlong(&mut out, large);
        let mut from = Cursor::new(&out);
        prop_assert_eq!(from.uvarint("n"), Ok(small));
        prop_assert_eq!(from.varlong("n"), Ok(large));
        prop_assert_eq!(from.end(), Ok(()));
    }

    #[test]
    fn arbitrary_bytes_never_panic_and_never_yield_more_than_they_are(
        bytes in proptest::collection::vec(any::<u8>(), 0..64),
        mut at in 0..=64usize,
    ) {
        let _ = everything(&bytes);
        at = at.min(bytes.len());
        for prefix in PREFIXES {
            let mut from = Cursor::starting_at(&bytes, at, "front").unwrap();
            if let Ok(Some(count)) = from.nullable_count(prefix, 3, "n") {
                prop_assert!(count * 3 <= from.remaining());
            }
            prop_assert!(from.position() + from.remaining() == bytes.len());
        }
    }

    #[test]
    fn one_flipped_byte_never_panics(at in 0..one_of_everything().len(), byte: u8) {
        let mut bytes = one_of_everything();
        bytes[at] = byte;
        let _ = everything(&bytes);
    }
}
