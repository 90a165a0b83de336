use codec::records::{BatchBuilder, RecordBatch};
use proptest::prelude::*;

use super::*;
use crate::record::Fetched;

/// The lines of these records in a batch.
fn lines(records: &[NewRecord]) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(7);
    for record in records {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
        let timestamp = record.timestamp.unwrap_or(-1);
        builder.push(timestamp, record.key.as_deref(), record.value.as_deref(), &headers);
    }
    let batch = RecordBatch::parse_stored(builder.build()).unwrap();
    let mut out = Vec::new();
    for record in batch.records().unwrap() {
        let record = record.unwrap();
        write(&Fetched { topic: "t", partition: 3, batch: batch.header(), record: &record }, &mut out);
    }
    out
}

#[test]
fn a_line_has_every_field() {
    let record = NewRecord {
        timestamp: Some(1_234),
        value: Some(vec![0, 255]),
        headers: vec![("ä\"".to_owned(), Some(b"1\n".to_vec())), ("b".to_owned(), None)],
        ..NewRecord::default()
    };
    assert_eq!(
        String::from_utf8(lines(&[record])).unwrap(),
        "{\"topic\":\"t\",\"partition\":3,\"offset\":7,\"timestamp\":1234,\"timestamp_type\":\"CreateTime\",\"key\":null,\
         \"value\":{\"base64\":\"AP8=\"},\"headers\":[{\"key\":\"ä\\\"\",\"value\":\"1\\n\"},{\"key\":\"b\",\"value\":null}]}\n"
    );
}

/// Users saw: a record in JSON moved the cursor of the terminal.
#[test]
fn no_control_character_is_written_as_it_is() {
    let text: String = (0..=0x9f).filter_map(char::from_u32).collect();
    let record = NewRecord {
        key: Some(text.clone().into_bytes()),
        value: Some("\u{9b}2J".into()),
        headers: vec![(text.clone(), Some(text.into_bytes()))],
        timestamp: Some(1),
        ..NewRecord::default()
    };
    let line = String::from_utf8(lines(std::slice::from_ref(&record))).unwrap();
    assert!(!line.trim_end().contains(char::is_control), "{line:?}");
    assert!(line.contains("\"value\":\"\\u009b2J\""), "{line}");
    assert_eq!(parse(line.as_bytes()), Ok(NewRecord { topic: Some("t".to_owned()), ..record }));
}

#[test]
fn a_record_has_a_bound_of_headers_and_none_of_commas_in_texts() {
    let with = |headers: usize| {
        let headers = vec!["{\"key\":\"\",\"value\":null}"; headers].join(",");
        parse(format!("{{\"value\":\"v\",\"headers\":[{headers}]}}").as_bytes())
    };
    assert_eq!(with(100_000).unwrap().headers.len(), 100_000);
    assert_eq!(
        with(200_000).unwrap_err(),
        "it has more than 500000 commas, { and [ outside of texts; a header takes three, and one for each part of it in Base64"
    );
    let text = "\\\"{,[".repeat(PARTS);
    assert!(parse(format!("{{\"value\":\"{text}\"}}").as_bytes()).is_ok());
}

#[test]
fn other_lines_are_refused() {
    for (line, reason) in [
        ("{", "no JSON"),
        ("[]", "no JSON object"),
        ("{}", "it has no value"),
        ("{\"value\":1}", "value: it is neither"),
        ("{\"value\":{\"base64\":\"x\"}}", "not Base64"),
        ("{\"value\":{\"base64\":\"Zg==\",\"a\":1}}", "value: it is neither"),
        ("{\"value\":\"\",\"kye\":\"a\"}", "\"kye\" is no field"),
        ("{\"value\":\"\",\"timestamp\":\"a\"}", "timestamp: it is no number"),
        ("{\"value\":\"\",\"headers\":{}}", "headers: it is no list"),
        ("{\"value\":\"\",\"headers\":[{\"key\":\"a\"}]}", "headers: it is no list"),
        ("{\"value\":\"\",\"headers\":[{\"key\":{\"base64\":\"/w==\"},\"value\":null}]}", "only UTF-8"),
    ] {
        let error = parse(line.as_bytes()).unwrap_err();
        assert!(error.contains(reason), "{line}: {error}");
    }
}

fn any_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    prop_oneof![
        Just(None),
        any::<Vec<u8>>().prop_map(Some),
        any::<String>().prop_map(|text| Some(text.into_bytes())),
    ]
}

proptest! {
    #[test]
    fn every_record_comes_back(
        key in any_bytes(),
        value in any_bytes(),
        timestamp in any::<i64>(),
        headers in prop::collection::vec((any::<String>(), any_bytes()), 0..4),
    ) {
        let record = NewRecord { topic: Some("t".to_owned()), partition: None, timestamp: Some(timestamp), key, value, headers };
        let line = lines(std::slice::from_ref(&record));
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert_eq!(parse(&line), Ok(record));
    }
}
