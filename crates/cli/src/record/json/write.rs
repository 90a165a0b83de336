//! A record as one line of JSON.

use codec::records::TimestampType;

use super::BASE64;
use crate::base64;
use crate::output::escaped_json;
use crate::record::Fetched;

/// Appends a record and a newline.
pub(crate) fn write(fetched: &Fetched<'_>, out: &mut Vec<u8>) {
    let record = fetched.record;
    out.extend_from_slice(b"{\"topic\":");
    text(fetched.topic, out);
    let numbers =
        [("partition", fetched.partition.into()), ("offset", record.offset), ("timestamp", record.timestamp)];
    for (name, number) in numbers {
        out.extend_from_slice(format!(",\"{name}\":{number}").as_bytes());
    }
    let timestamp_type = match fetched.batch.attributes.timestamp_type() {
        TimestampType::CreateTime => "CreateTime",
        TimestampType::LogAppendTime => "LogAppendTime",
    };
    out.extend_from_slice(format!(",\"timestamp_type\":\"{timestamp_type}\",\"key\":").as_bytes());
    bytes(record.key.as_deref(), out);
    out.extend_from_slice(b",\"value\":");
    bytes(record.value.as_deref(), out);
    out.extend_from_slice(b",\"headers\":[");
    for (at, header) in record.headers.iter().enumerate() {
        out.extend_from_slice(if at == 0 { b"{\"key\":" } else { b",{\"key\":" });
        bytes(Some(&header.key), out);
        out.extend_from_slice(b",\"value\":");
        bytes(header.value.as_deref(), out);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}\n");
}

fn text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(&mut *out, text);
    if let Some(escaped) = out.get(start..).and_then(escaped_json) {
        out.truncate(start);
        out.extend(escaped);
    }
}

fn bytes(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes.map(std::str::from_utf8) {
        None => out.extend_from_slice(b"null"),
        Some(Ok(utf8)) => text(utf8, out),
        Some(Err(_)) => {
            let encoded = base64::encode(bytes.unwrap_or_default());
            out.extend_from_slice(format!("{{\"{BASE64}\":\"{encoded}\"}}").as_bytes());
        }
    }
}
