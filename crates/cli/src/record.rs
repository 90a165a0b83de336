//! Records as `produce` reads them and `consume` writes them: patterns of rpk, lines, JSON.
//!
//! | module | content |
//! | --- | --- |
//! | `pattern` | rpk's `%` verbs, parsed |
//! | `write` | a record by a pattern |
//! | `read` | records out of a stream, by a pattern or by lines |
//! | `source` | the stream: bytes up to a delimiter, with a limit |
//! | `console` | a record as Kafka's console consumer prints it |
//! | `console_lines` | lines as Kafka's console producer reads them |
//! | `json` | a record as a line of JSON, and back |
//!
//! All of it is pure: no network, no clock.

mod console;
mod console_lines;
pub(crate) mod json;
mod pattern;
mod read;
mod source;
mod write;

use codec::records::{BatchHeader, Record};

pub(crate) use console::ConsoleForm;
pub(crate) use console_lines::{ConsoleLines, ConsoleReader};
pub(crate) use pattern::{Pattern, unescape};
pub(crate) use read::{Input, Reader};

/// A header of a record: its name and its value, which may be null.
pub(crate) type Header = (String, Option<Vec<u8>>);

/// A record to produce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NewRecord {
    /// `None`: the topic of the command line.
    pub(crate) topic: Option<String>,
    /// `None`: the partitioner chooses.
    pub(crate) partition: Option<i32>,
    /// In ms since 1970; `None`: the time of sending.
    pub(crate) timestamp: Option<i64>,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<Header>,
}

impl NewRecord {
    /// Bytes of memory that it takes, nearly.
    pub(crate) fn bytes(&self) -> usize {
        let headers: usize = self.headers.iter().map(header_bytes).sum();
        size_of::<Self>() + length(&self.key) + length(&self.value) + headers
    }
}

/// Bytes of memory that a header takes, nearly.
pub(crate) fn header_bytes((name, value): &Header) -> usize {
    size_of::<Header>() + name.len() + length(value)
}

fn length(bytes: &Option<Vec<u8>>) -> usize {
    bytes.as_ref().map_or(0, Vec::len)
}

/// A record that was read from a partition.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fetched<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    /// Of its batch.
    pub(crate) batch: &'a BatchHeader,
    pub(crate) record: &'a Record,
}
