//! Sound inputs: the golden bytes that Kafka's own Java classes wrote, and batches of every codec.

use codec::records::{BatchBuilder, Compression};

const GOLDEN: [&str; 3] = [
    include_str!("../../codec/tests/golden/java.txt"),
    include_str!("../../codec/tests/golden/java_legacy.txt"),
    include_str!("../../codec/tests/golden/java_newest.txt"),
];

/// The golden bytes whose name starts with `prefix`.
pub(crate) fn golden(prefix: &str) -> Vec<Vec<u8>> {
    let lines = GOLDEN.iter().flat_map(|text| text.lines());
    lines
        .filter_map(|line| line.split_once(' '))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(unhex)
        .collect()
}

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
        for records in [1, 3, 200] {
            let mut batch = BatchBuilder::new().compression(compression);
            for number in 0..records {
                let value = vec![b'v'; number * 7 % 50];
                let headers: &[(&str, Option<&[u8]>)] = &[("name", Some(b"value")), ("none", None)];
                let key = number.to_string();
                let with = &headers[..number % 3];
                batch.push(1_700_000_000_000 + number as i64, Some(key.as_bytes()), Some(&value), with);
            }
            batch.push(1_700_000_000_000, None, None, &[]);
            all.push(batch.build().to_vec());
        }
    }
    all
}

/// Batches, alone and in a row, and markers of transactions.
pub(crate) fn stored() -> Vec<Vec<u8>> {
    let mut all = batches();
    all.extend(golden("marker."));
    all.push(all.iter().take(5).flatten().copied().collect());
    all
}

/// Golden message sets of both formats.
pub(crate) fn message_sets() -> Vec<Vec<u8>> {
    golden("set.")
}
