//! Sound inputs: the golden bytes that Kafka's own Java classes wrote, and batches of every codec.
//!
//! Golden bytes are lines `name hex` in the codec's tests, made by `crates/codec/tools/*.java`; names
//! begin with the kind (`request.`, `batch.`, `set.`). From sound inputs mutation reaches deeper than
//! from noise: checksums, counts and nested lengths are right to begin with.

use codec::records::{BatchBuilder, Compression};

/// Of Kafka 4.3, of 3.9 for what 4.0 dropped, and of 4.4 for what is newer.
const GOLDEN: [&str; 3] = [
    include_str!("../../codec/tests/golden/java.txt"),
    include_str!("../../codec/tests/golden/java_legacy.txt"),
    include_str!("../../codec/tests/golden/java_newest.txt"),
];

/// The golden bytes whose name starts with `prefix`.
/// None if no name does; a target without seeds is found by the driver's test.
pub(crate) fn golden(prefix: &str) -> Vec<Vec<u8>> {
    let lines = GOLDEN.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(unhex)
        .collect()
}

/// The bytes of one line.
///
/// # Panics
/// If it is not hexadecimal: the file is damaged.
fn unhex((name, hex): (&str, &str)) -> Vec<u8> {
    let digit =
        |byte: u8| char::from(byte).to_digit(16).unwrap_or_else(|| panic!("{name} is not hexadecimal"));
    let pairs = hex.as_bytes().chunks_exact(2);
    pairs.map(|pair| (digit(pair[0]) << 4 | digit(pair[1])) as u8).collect()
}

/// Golden requests as frames, with their length before them.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let framed = |frame: Vec<u8>| [&(frame.len() as u32).to_be_bytes()[..], &frame].concat();
    golden("request.").into_iter().map(framed).collect()
}

/// Golden batches, and some of every codec with headers, nulls and many records.
pub(crate) fn batches() -> Vec<Vec<u8>> {
    let mut all = golden("batch.");
    all.extend(golden("down.batch."));
    for compression in Compression::ALL {
        // Of 200 records the later offset deltas take two bytes as varints.
        for records in [1, 3, 200] {
            let mut batch = BatchBuilder::new().compression(compression);
            for number in 0..records {
                let value = vec![b'v'; number * 7 % 50];
                let headers: &[(&str, Option<&[u8]>)] = &[("name", Some(b"value")), ("none", None)];
                let key = number.to_string();
                // No header, one, or two of which one has no value.
                let with = &headers[..number % 3];
                batch.push(1_700_000_000_000 + number as i64, Some(key.as_bytes()), Some(&value), with);
            }
            // A record of nulls, with the timestamp of the first.
            batch.push(1_700_000_000_000, None, None, &[]);
            all.push(batch.build().to_vec());
        }
    }
    all
}

/// Batches, alone and in a row, and markers of transactions.
/// Unlike [`batches`] these may have what no producer sends.
pub(crate) fn stored() -> Vec<Vec<u8>> {
    let mut all = batches();
    all.extend(golden("marker."));
    // The look for the next batch is reached only by several in a row.
    all.push(all.iter().take(5).flatten().copied().collect());
    all
}

/// Golden message sets of both formats.
pub(crate) fn message_sets() -> Vec<Vec<u8>> {
    golden("set.")
}
