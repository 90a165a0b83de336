//! A record as one line of JSON (NDJSON), and back. Null stays null; bytes that are not UTF-8 are `{"base64":"…"}`, so that nothing is lost.
//!
//! `topic`, `partition`, `offset`, `timestamp` (ms), `timestamp_type`, `key`, `value`, `headers` (a list, as names may repeat).

mod write;

use serde_json::Value;

use super::{Header, NewRecord};
use crate::base64;

pub(crate) use write::write;

const BASE64: &str = "base64";
/// Most [`parts`] of a record. Each takes up to 700 bytes of memory while it is read, also one of two letters.
const PARTS: usize = 500_000;

/// Reads a record. `partition`, `offset` and `timestamp_type` are those of where it was, so that they are not used.
///
/// # Errors
/// It is no JSON, lacks a value, or a field has another type; the text names it.
pub(super) fn parse(line: &[u8]) -> Result<NewRecord, String> {
    // Shorter lines have fewer.
    if line.len() > PARTS && parts(line) > PARTS {
        return Err(format!(
            "it has more than {PARTS} commas, {{ and [ outside of texts; a header takes three, and one for each part of it in Base64"
        ));
    }
    let value: Value = serde_json::from_slice(line).map_err(|error| format!("it is no JSON: {error}"))?;
    let Value::Object(fields) = value else { return Err("it is no JSON object".to_owned()) };
    if !fields.contains_key("value") {
        return Err("it has no value; write \"value\":null for a tombstone".to_owned());
    }
    let mut record = NewRecord::default();
    fields.into_iter().try_for_each(|(name, field)| set(&mut record, &name, field))?;
    Ok(record)
}

/// Sets a field of the record.
fn set(record: &mut NewRecord, name: &str, field: Value) -> Result<(), String> {
    match name {
        "topic" => record.topic = Some(field.as_str().ok_or("topic: it is no text")?.to_owned()),
        "timestamp" => {
            let number = field.as_i64().ok_or("timestamp: it is no number of milliseconds")?;
            record.timestamp = Some(number);
        }
        "key" => record.key = unbytes(name, field)?,
        "value" => record.value = unbytes(name, field)?,
        "headers" => record.headers = headers(field)?,
        "partition" | "offset" | "timestamp_type" => {}
        other => {
            let known = "topic, partition, offset, timestamp, timestamp_type, key, value, headers";
            return Err(format!("{other:?} is no field of a record; known are {known}"));
        }
    }
    Ok(())
}

/// Values in a line of JSON, nearly: opening braces and brackets, and commas, that are not in texts.
fn parts(line: &[u8]) -> usize {
    let (mut in_text, mut is_escaped, mut count) = (false, false, 0);
    for byte in line {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = in_text,
            b'"' => in_text = !in_text,
            b'{' | b'[' | b',' if !in_text => count += 1,
            _ => {}
        }
    }
    count
}

/// The bytes of a text, of Base64, or none of null.
fn unbytes(name: &str, value: Value) -> Result<Option<Vec<u8>>, String> {
    let wrong = || format!("{name}: it is neither a text, nor null, nor {{\"{BASE64}\":\"…\"}}");
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.into_bytes())),
        Value::Object(fields) if fields.len() == 1 => {
            let text = fields.get(BASE64).and_then(Value::as_str).ok_or_else(wrong)?;
            let decoded = base64::decode(text);
            Ok(Some(decoded.ok_or_else(|| format!("{name}: it is not Base64 with padding"))?))
        }
        _ => Err(wrong()),
    }
}

fn headers(value: Value) -> Result<Vec<Header>, String> {
    let wrong = "headers: it is no list of {\"key\":…,\"value\":…}";
    let Value::Array(list) = value else { return Err(wrong.to_owned()) };
    let mut headers = Vec::new();
    for header in list {
        let Value::Object(mut header) = header else { return Err(wrong.to_owned()) };
        let mut part = |name: &str| header.remove(name).ok_or(wrong);
        let key = unbytes("key of a header", part("key")?)?.ok_or("key of a header: it is null")?;
        let key = String::from_utf8(key).map_err(|_| "key of a header: only UTF-8 can be produced")?;
        headers.push((key, unbytes("value of a header", part("value")?)?));
    }
    Ok(headers)
}

#[cfg(test)]
mod tests;
