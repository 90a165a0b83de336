//! The stream that records are read from: bytes up to a delimiter, or a number of them, never more than a limit.

use std::io::{self, BufRead, Read as _};

use super::pattern::NumberForm;

/// Longest text or line. Kafka refuses longer requests (`socket.request.max.bytes`).
pub(super) const LIMIT_BYTES: u64 = 100 << 20;

/// Why a record cannot be read; the text says what is wrong with it.
pub(super) type Wrong = String;

/// A stream of bytes.
pub(super) struct Source<R> {
    input: R,
}

fn unreadable(error: &io::Error) -> Wrong {
    format!("it cannot be read: {error}")
}

impl<R: BufRead> Source<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input }
    }

    pub(super) fn is_at_end(&mut self) -> Result<bool, Wrong> {
        Ok(self.input.fill_buf().map_err(|error| unreadable(&error))?.is_empty())
    }

    /// Consumes bytes up to a delimiter. Without the delimiter, the rest; the flag is false if the delimiter was missing.
    pub(super) fn until(&mut self, delimiter: &[u8]) -> Result<(Vec<u8>, bool), Wrong> {
        let (mut bytes, last) = (Vec::new(), delimiter.last().copied());
        while let Some(last) = last {
            let left = (LIMIT_BYTES + 1).saturating_sub(bytes.len() as u64);
            let read = (&mut self.input).take(left).read_until(last, &mut bytes);
            if bytes.ends_with(delimiter) {
                bytes.truncate(bytes.len() - delimiter.len());
                return Ok((bytes, true));
            }
            if bytes.len() as u64 > LIMIT_BYTES {
                return Err(format!("it is longer than {LIMIT_BYTES} bytes"));
            }
            if read.map_err(|error| unreadable(&error))? == 0 {
                break;
            }
        }
        Ok((bytes, false))
    }

    /// Consumes the rest of the stream.
    pub(super) fn rest(&mut self) -> Result<Vec<u8>, Wrong> {
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(LIMIT_BYTES + 1).read_to_end(&mut bytes);
        match read.map_err(|error| unreadable(&error))? as u64 > LIMIT_BYTES {
            true => Err(format!("it is longer than {LIMIT_BYTES} bytes")),
            false => Ok(bytes),
        }
    }

    /// Consumes this many bytes; memory grows with those that arrive.
    pub(super) fn exactly(&mut self, length: u64) -> Result<Vec<u8>, Wrong> {
        if length > LIMIT_BYTES {
            return Err(format!("a length of {length} is more than {LIMIT_BYTES} bytes"));
        }
        let mut bytes = Vec::new();
        let read = (&mut self.input).take(length).read_to_end(&mut bytes);
        match read.map_err(|error| unreadable(&error))? as u64 == length {
            true => Ok(bytes),
            false => Err(format!("the input ends after {} of {length} bytes", bytes.len())),
        }
    }

    /// Consumes a number.
    pub(super) fn number(&mut self, form: NumberForm) -> Result<i64, Wrong> {
        let (length, is_big) = match form {
            NumberForm::Ascii => return self.digits(),
            NumberForm::Big(length) => (length, true),
            NumberForm::Little(length) => (length, false),
        };
        let mut bytes = self.exactly(length as u64)?;
        if !is_big {
            bytes.reverse();
        }
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | i64::from(*byte)))
    }

    fn digits(&mut self) -> Result<i64, Wrong> {
        let mut text = String::new();
        // The longest number has a sign and 19 digits.
        while text.len() < 21 {
            let next = self.input.fill_buf().map_err(|error| unreadable(&error))?.first().copied();
            match next {
                Some(byte) if byte.is_ascii_digit() || (byte == b'-' && text.is_empty()) => {
                    text.push(char::from(byte));
                    self.input.consume(1);
                }
                _ => break,
            }
        }
        text.parse().map_err(|_| format!("{text:?} is no number"))
    }
}
