//! A record by a pattern.

use bytes::Bytes;

use super::Fetched;
use super::pattern::{Number, NumberForm, Pattern, Piece, Text, TextForm};
use crate::base64;
use crate::output::escaped;

/// The texts of a record, or those of one of its headers.
struct Texts<'a> {
    topic: &'a [u8],
    key: Option<&'a Bytes>,
    value: Option<&'a Bytes>,
}

impl Pattern {
    /// Appends a record. Null is written as nothing. `is_terminal`: control characters in texts are escaped, so that none can move its cursor.
    pub(crate) fn write(&self, fetched: &Fetched<'_>, is_terminal: bool, out: &mut Vec<u8>) {
        let texts = Texts {
            topic: fetched.topic.as_bytes(),
            key: fetched.record.key.as_ref(),
            value: fetched.record.value.as_ref(),
        };
        write(&self.pieces, &texts, fetched, is_terminal, out);
    }
}

fn write(pieces: &[Piece], texts: &Texts<'_>, fetched: &Fetched<'_>, is_terminal: bool, out: &mut Vec<u8>) {
    for piece in pieces {
        match piece {
            Piece::Literal(bytes) => out.extend_from_slice(bytes),
            Piece::Text(which, form) => text(texts.of(*which), *form, is_terminal, out),
            Piece::Number(which, form) => number(value(*which, texts, fetched), *form, out),
            Piece::Headers(inner) => {
                for header in &fetched.record.headers {
                    let own = Texts { topic: &[], key: Some(&header.key), value: header.value.as_ref() };
                    write(inner, &own, fetched, is_terminal, out);
                }
            }
        }
    }
}

impl Texts<'_> {
    fn of(&self, text: Text) -> &[u8] {
        let bytes = match text {
            Text::Topic => return self.topic,
            Text::Key => self.key,
            Text::Value => self.value,
        };
        bytes.map_or(&[], |bytes| bytes)
    }
}

fn value(number: Number, texts: &Texts<'_>, fetched: &Fetched<'_>) -> i64 {
    let of_length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    match number {
        Number::Length(text) => of_length(texts.of(text).len()),
        Number::Headers => of_length(fetched.record.headers.len()),
        Number::Partition => fetched.partition.into(),
        Number::Offset => fetched.record.offset,
        Number::Timestamp => fetched.record.timestamp,
        Number::LeaderEpoch => fetched.batch.partition_leader_epoch.into(),
        Number::ProducerId => fetched.batch.producer_id,
        Number::ProducerEpoch => fetched.batch.producer_epoch.into(),
    }
}

fn text(bytes: &[u8], form: TextForm, is_terminal: bool, out: &mut Vec<u8>) {
    match form {
        TextForm::Raw if is_terminal => {
            out.extend_from_slice(escaped(&String::from_utf8_lossy(bytes)).as_bytes());
        }
        TextForm::Raw => out.extend_from_slice(bytes),
        TextForm::Hex => {
            bytes.iter().for_each(|byte| out.extend_from_slice(format!("{byte:02x}").as_bytes()))
        }
        TextForm::Base64 => out.extend_from_slice(base64::encode(bytes).as_bytes()),
    }
}

/// The low bytes of a number that is too large for its form are written, as by rpk.
fn number(value: i64, form: NumberForm, out: &mut Vec<u8>) {
    match form {
        NumberForm::Ascii => out.extend_from_slice(value.to_string().as_bytes()),
        NumberForm::Big(length) => out.extend(value.to_be_bytes().into_iter().skip(8 - length)),
        NumberForm::Little(length) => out.extend(value.to_le_bytes().into_iter().take(length)),
    }
}

#[cfg(test)]
mod tests {
    use codec::records::{BatchBuilder, RecordBatch};

    use super::*;

    fn written(pattern: &str, is_terminal: bool) -> String {
        let headers: [(&str, Option<&[u8]>); 2] = [("a", Some(b"1")), ("b", None)];
        let batch = BatchBuilder::new()
            .base_offset(41)
            .partition_leader_epoch(3)
            .producer(7, 1, 0)
            .record(5, None, None);
        let batch = batch.record_with_headers(1234, Some(b"key"), Some(b"\x1b[2J\xff"), &headers).build();
        let batch = RecordBatch::parse_stored(batch).unwrap();
        let record = batch.records().unwrap().nth(1).unwrap().unwrap();
        let fetched = Fetched { topic: "t", partition: 2, batch: batch.header(), record: &record };
        let mut out = Vec::new();
        Pattern::parse(pattern).unwrap().write(&fetched, is_terminal, &mut out);
        out.escape_ascii().to_string()
    }

    #[test]
    fn every_verb_writes_its_part() {
        let all = "%t %k %v %p %o %d %e %x %y %T %K %V %H %%";
        assert_eq!(written(all, false), r"t key \x1b[2J\xff 2 42 1234 3 7 1 1 3 5 2 %");
        assert_eq!(written("%h{%k=%v;%K%V }", false), "a=1;11 b=;10 ");
        assert_eq!(written("%K{big32}%K{little16}%K{byte}", false), r"\x00\x00\x00\x03\x03\x00\x03");
        assert_eq!(written("%v{hex} %k{base64}", false), "1b5b324aff a2V5");
    }

    #[test]
    fn a_terminal_gets_no_control_characters_of_records() {
        assert!(written("%v\n", true).starts_with("\\\\u{1b}[2J"), "{}", written("%v\n", true));
    }
}
