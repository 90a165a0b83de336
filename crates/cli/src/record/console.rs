//! A record as Kafka's console consumer prints it (`DefaultMessageFormatter`): the parts that are wanted, with separators between them.

use codec::records::TimestampType;

use super::Fetched;
use crate::output::escaped;

/// The parts and separators of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsoleForm {
    pub(crate) timestamp: bool,
    pub(crate) partition: bool,
    pub(crate) offset: bool,
    /// Parts that Kafka's console consumer has no value for, and says so: NOT_PRESENT.
    pub(crate) delivery: bool,
    pub(crate) epoch: bool,
    pub(crate) headers: bool,
    pub(crate) key: bool,
    pub(crate) value: bool,
    pub(crate) key_separator: Vec<u8>,
    pub(crate) line_separator: Vec<u8>,
    pub(crate) headers_separator: Vec<u8>,
    pub(crate) null: Vec<u8>,
}

impl Default for ConsoleForm {
    fn default() -> Self {
        Self {
            timestamp: false,
            partition: false,
            offset: false,
            delivery: false,
            epoch: false,
            headers: false,
            key: false,
            value: true,
            key_separator: b"\t".to_vec(),
            line_separator: b"\n".to_vec(),
            headers_separator: b",".to_vec(),
            null: b"null".to_vec(),
        }
    }
}

impl ConsoleForm {
    /// Appends a record. `is_terminal`: control characters in its texts are escaped, so that none can move the cursor.
    pub(crate) fn write(&self, fetched: &Fetched<'_>, is_terminal: bool, out: &mut Vec<u8>) {
        let record = fetched.record;
        let text = |bytes: Option<&[u8]>| match bytes {
            None => self.null.clone(),
            Some(bytes) if is_terminal => escaped(&String::from_utf8_lossy(bytes)).into_bytes(),
            Some(bytes) => bytes.to_vec(),
        };
        let timestamp = || match fetched.batch.attributes.timestamp_type() {
            _ if record.timestamp < 0 => "NO_TIMESTAMP".to_owned(),
            TimestampType::CreateTime => format!("CreateTime:{}", record.timestamp),
            TimestampType::LogAppendTime => format!("LogAppendTime:{}", record.timestamp),
        };
        let headers = || match record.headers.is_empty() {
            true => b"NO_HEADERS".to_vec(),
            false => {
                let header = |(key, value): (&[u8], Option<&[u8]>)| {
                    [text(Some(key)), b":".to_vec(), text(value)].concat()
                };
                let each = record.headers.iter().map(|one| header((&one.key, one.value.as_deref())));
                each.collect::<Vec<_>>().join(self.headers_separator.as_slice())
            }
        };
        let parts: Vec<Vec<u8>> = [
            self.timestamp.then(|| timestamp().into_bytes()),
            self.partition.then(|| format!("Partition:{}", fetched.partition).into_bytes()),
            self.offset.then(|| format!("Offset:{}", record.offset).into_bytes()),
            self.delivery.then(|| b"Delivery:NOT_PRESENT".to_vec()),
            self.epoch.then(|| b"Epoch:NOT_PRESENT".to_vec()),
            self.headers.then(headers),
            self.key.then(|| text(record.key.as_deref())),
            self.value.then(|| text(record.value.as_deref())),
        ]
        .into_iter()
        .flatten()
        .collect();
        out.extend(parts.join(self.key_separator.as_slice()));
        // Without a value Kafka ends the line all the same, unless nothing else is printed.
        if !parts.is_empty() {
            out.extend_from_slice(&self.line_separator);
        }
    }
}

#[cfg(test)]
mod tests {
    use codec::records::{BatchBuilder, RecordBatch};

    use super::*;

    fn written(form: &ConsoleForm, is_terminal: bool) -> String {
        let headers: [(&str, Option<&[u8]>); 2] = [("a", Some(b"1")), ("b", None)];
        let batch = BatchBuilder::new().record(5, None, None);
        let batch = batch.record_with_headers(1234, Some(b"key"), Some(b"\x1b[2J"), &headers).build();
        let batch = RecordBatch::parse_stored(batch).unwrap();
        let mut out = Vec::new();
        for record in batch.records().unwrap() {
            let record = record.unwrap();
            let fetched = Fetched { topic: "t", partition: 2, batch: batch.header(), record: &record };
            form.write(&fetched, is_terminal, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn parts_have_kafkas_order_and_names() {
        let plain = ConsoleForm::default();
        assert_eq!(written(&plain, false), "null\n\u{1b}[2J\n");
        assert_eq!(written(&plain, true), "null\n\\u{1b}[2J\n");
        let all = ConsoleForm {
            timestamp: true,
            partition: true,
            offset: true,
            delivery: true,
            epoch: true,
            headers: true,
            key: true,
            key_separator: b"|".to_vec(),
            headers_separator: b";".to_vec(),
            null: b"-".to_vec(),
            ..plain
        };
        assert_eq!(
            written(&all, true),
            "CreateTime:5|Partition:2|Offset:0|Delivery:NOT_PRESENT|Epoch:NOT_PRESENT|NO_HEADERS|-|-\n\
             CreateTime:1234|Partition:2|Offset:1|Delivery:NOT_PRESENT|Epoch:NOT_PRESENT|a:1;b:-|key|\\u{1b}[2J\n"
        );
    }
}
