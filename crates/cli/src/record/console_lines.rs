//! Lines of input as Kafka's console producer takes them apart (`LineMessageReader`): headers, key and value of a record, with separators between them.
//!
//! Kafka reads the input as UTF-8 and replaces what is none; here bytes stay as they are.

use std::collections::VecDeque;
use std::io::BufRead;

use regex::bytes::Regex;

use super::source::{Source, Wrong};
use super::{Header, NewRecord};

/// The form of the lines. The default is that of a line which is a value.
#[derive(Debug)]
pub(crate) struct ConsoleLines {
    pub(crate) has_key: bool,
    pub(crate) key_separator: Vec<u8>,
    pub(crate) has_headers: bool,
    /// Between all headers and the key, or the value.
    pub(crate) headers_delimiter: Vec<u8>,
    /// Between one header and the next.
    pub(crate) headers_separator: Regex,
    pub(crate) headers_key_separator: Vec<u8>,
    /// A part without its separator is left out; otherwise it is an error.
    pub(crate) ignores_errors: bool,
    /// A key, a value, headers or the value of a header that equal it are null.
    pub(crate) null_marker: Option<Vec<u8>>,
}

impl ConsoleLines {
    fn record(&self, line: &[u8], number: u64) -> Result<NewRecord, Wrong> {
        let without = |what: &str| -> Wrong {
            let line = String::from_utf8_lossy(line);
            format!("No {what} found on line number {number}: '{}'", line.escape_debug())
        };
        let (headers, rest) = match self.has_headers {
            true => self.part(line, &self.headers_delimiter).ok_or_else(|| without("headers delimiter"))?,
            false => (None, line),
        };
        let (key, value) = match self.has_key {
            true => self.part(rest, &self.key_separator).ok_or_else(|| without("key separator"))?,
            false => (None, rest),
        };
        let headers = headers.filter(|text| !self.is_null(text));
        let headers = headers.map_or(Ok(Vec::new()), |text| self.headers(text, number))?;
        let key = key.and_then(|key| self.unless_null(key));
        Ok(NewRecord { key, value: self.unless_null(value), headers, ..NewRecord::default() })
    }

    /// The part before a separator, and the rest. Without the separator all is the rest, where errors are ignored.
    fn part<'a>(&self, text: &'a [u8], separator: &[u8]) -> Option<(Option<&'a [u8]>, &'a [u8])> {
        match split(text, separator) {
            Some((part, rest)) => Some((Some(part), rest)),
            None => self.ignores_errors.then_some((None, text)),
        }
    }

    fn headers(&self, text: &[u8], number: u64) -> Result<Vec<Header>, Wrong> {
        let mut pairs: Vec<&[u8]> = self.headers_separator.split(text).collect();
        // As Java's `split`: a text without any separator is one pair, also if it is empty.
        if pairs.len() > 1 {
            let kept = pairs.iter().rposition(|pair| !pair.is_empty()).map_or(0, |last| last + 1);
            pairs.truncate(kept);
        }
        pairs.into_iter().map(|pair| self.header(pair, number)).collect()
    }

    fn header(&self, pair: &[u8], number: u64) -> Result<Header, Wrong> {
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let Some((name, value)) = split(pair, &self.headers_key_separator) else {
            let pair = text(pair);
            return match self.ignores_errors {
                true => Ok((pair, None)),
                false => Err(format!(
                    "No header key separator found in pair '{}' on line number {number}",
                    pair.escape_debug()
                )),
            };
        };
        if self.is_null(name) {
            let marker = text(name);
            return Err(format!(
                "Header keys should not be equal to the null marker '{}' as they can't be null",
                marker.escape_debug()
            ));
        }
        Ok((text(name), self.unless_null(value)))
    }

    fn is_null(&self, text: &[u8]) -> bool {
        self.null_marker.as_deref() == Some(text)
    }

    fn unless_null(&self, text: &[u8]) -> Option<Vec<u8>> {
        (!self.is_null(text)).then(|| text.to_vec())
    }
}

/// The text before the first separator, and the text after it. An empty separator is at the beginning.
fn split<'a>(text: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let at = match separator.is_empty() {
        true => 0,
        false => text.windows(separator.len()).position(|window| window == separator)?,
    };
    Some((text.get(..at)?, text.get(at + separator.len()..)?))
}

/// The records of a stream. It ends after an error.
pub(crate) struct ConsoleReader<R> {
    source: Source<R>,
    form: ConsoleLines,
    /// Lines that were read together with the one before.
    waiting: VecDeque<Vec<u8>>,
    /// Number of the line that was read last, from 1 on.
    number: u64,
    has_failed: bool,
}

impl<R: BufRead> ConsoleReader<R> {
    pub(crate) fn new(stream: R, form: ConsoleLines) -> Self {
        Self { source: Source::new(stream), form, waiting: VecDeque::new(), number: 0, has_failed: false }
    }

    /// The next line. As in Java, CR, LF, and both together end one.
    fn line(&mut self) -> Result<Option<Vec<u8>>, Wrong> {
        if let Some(line) = self.waiting.pop_front() {
            return Ok(Some(line));
        }
        if self.source.is_at_end()? {
            return Ok(None);
        }
        let (mut line, _) = self.source.until(b"\n")?;
        if line.ends_with(b"\r") {
            line.pop();
        }
        if line.contains(&b'\r') {
            self.waiting.extend(line.split(|byte| *byte == b'\r').map(<[u8]>::to_vec));
            return Ok(self.waiting.pop_front());
        }
        Ok(Some(line))
    }

    fn read(&mut self) -> Result<Option<NewRecord>, Wrong> {
        self.number += 1;
        self.line()?.map(|line| self.form.record(&line, self.number)).transpose()
    }
}

impl<R: BufRead> Iterator for ConsoleReader<R> {
    type Item = Result<NewRecord, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let read = self.read();
        self.has_failed = read.is_err();
        read.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form() -> ConsoleLines {
        ConsoleLines {
            has_key: true,
            key_separator: b"\t".to_vec(),
            has_headers: true,
            headers_delimiter: b"\t".to_vec(),
            headers_separator: Regex::new(",").unwrap(),
            headers_key_separator: b":".to_vec(),
            ignores_errors: false,
            null_marker: Some(b"NULL".to_vec()),
        }
    }

    fn read(form: ConsoleLines, text: &str) -> Result<Vec<NewRecord>, String> {
        ConsoleReader::new(text.as_bytes(), form).collect()
    }

    fn record(headers: &[(&str, Option<&str>)], key: Option<&str>, value: Option<&str>) -> NewRecord {
        let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
        NewRecord {
            key: bytes(key),
            value: bytes(value),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), bytes(*value))).collect(),
            ..NewRecord::default()
        }
    }

    #[test]
    fn a_line_has_headers_key_and_value() {
        let all = read(form(), "a:1,b:NULL,c:\tk\tv\tw\nNULL\tNULL\tNULL\na:1,,\t\t\n,\t\t\n");
        assert_eq!(
            all.unwrap(),
            [
                record(&[("a", Some("1")), ("b", None), ("c", Some(""))], Some("k"), Some("v\tw")),
                record(&[], None, None),
                record(&[("a", Some("1"))], Some(""), Some("")),
                record(&[], Some(""), Some("")),
            ]
        );
        let plain = ConsoleLines { has_key: false, has_headers: false, null_marker: None, ..form() };
        assert_eq!(read(plain, "NULL\t1\n").unwrap(), [record(&[], None, Some("NULL\t1"))]);
    }

    #[test]
    fn a_missing_separator_is_an_error_that_names_the_line() {
        let of = |text: &str| read(form(), text).unwrap_err();
        assert_eq!(of("a:1\tk\tv\nx"), "No headers delimiter found on line number 2: 'x'");
        assert_eq!(of("a:1\tk"), "No key separator found on line number 1: 'a:1\\tk'");
        assert_eq!(of("a\tk\tv"), "No header key separator found in pair 'a' on line number 1");
        assert!(of("NULL:1\tk\tv").starts_with("Header keys should not be equal to the null marker 'NULL'"));
    }

    #[test]
    fn errors_are_ignored_if_asked() {
        let lenient = || ConsoleLines { ignores_errors: true, ..form() };
        assert_eq!(read(lenient(), "v").unwrap(), [record(&[], None, Some("v"))]);
        assert_eq!(
            read(lenient(), "a,b:1\tv").unwrap(),
            [record(&[("a", None), ("b", Some("1"))], None, Some("v"))]
        );
        // A header cannot have the name null.
        assert!(read(lenient(), "NULL:1\tk\tv").is_err());
    }

    #[test]
    fn lines_end_as_in_java() {
        let plain = || ConsoleLines { has_key: false, has_headers: false, ..form() };
        let values = |text: &str| {
            let all = read(plain(), text).unwrap();
            all.into_iter().map(|one| String::from_utf8(one.value.unwrap()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(values("a\r\nb\rc\n\nd"), ["a", "b", "c", "", "d"]);
        assert_eq!(values("a\r"), ["a"]);
        assert_eq!(values(""), Vec::<String>::new());
    }
}
