//! One record, piece by piece.

use std::io::BufRead;

use super::super::pattern::TextForm;
use super::super::source::{LIMIT_BYTES, Source, Wrong};
use super::{NewRecord, Number, Piece, Text};
use crate::base64;
use crate::record::header_bytes;

/// A record in the making.
#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) record: NewRecord,
    topic_length: Option<u64>,
    key_length: Option<u64>,
    value_length: Option<u64>,
    headers: u64,
}

impl Taken {
    /// Reads all pieces of a record.
    pub(super) fn pieces<R: BufRead>(
        &mut self,
        pieces: &[Piece],
        source: &mut Source<R>,
    ) -> Result<(), Wrong> {
        let mut pieces = pieces.iter().peekable();
        while let Some(piece) = pieces.next() {
            match piece {
                Piece::Literal(bytes) => {
                    let may_be_missing = pieces.peek().is_none() && source.is_at_end()?;
                    if !may_be_missing {
                        literal(bytes, source)?;
                    }
                }
                Piece::Number(number, form) => {
                    let found = source.number(*form)?;
                    self.number(*number, found)?;
                }
                Piece::Text(text, form) => {
                    let bytes = match (self.length(*text), pieces.peek()) {
                        (Some(length), _) => source.exactly(form.length(length))?,
                        (None, Some(Piece::Literal(end))) => {
                            pieces.next();
                            delimited(end, pieces.peek().is_none(), source)?
                        }
                        (None, _) => source.rest()?,
                    };
                    self.text(*text, form.decode(bytes)?)?;
                }
                Piece::Headers(inner) => self.headers(inner, source)?,
            }
        }
        Ok(())
    }

    fn headers<R: BufRead>(&mut self, inner: &[Piece], source: &mut Source<R>) -> Result<(), Wrong> {
        let mut bytes = 0;
        for _ in 0..self.headers {
            if source.is_at_end()? {
                return Err(format!("it has fewer than {} headers", self.headers));
            }
            let mut taken = Self::default();
            taken.pieces(inner, source)?;
            let name = String::from_utf8(taken.record.key.unwrap_or_default());
            let name = name.map_err(|_| "the name of a header is not UTF-8".to_owned())?;
            let header = (name, taken.record.value);
            bytes += header_bytes(&header) as u64;
            if bytes > LIMIT_BYTES {
                return Err(format!("its headers take more than {LIMIT_BYTES} bytes"));
            }
            self.record.headers.push(header);
        }
        Ok(())
    }

    fn length(&self, text: Text) -> Option<u64> {
        match text {
            Text::Topic => self.topic_length,
            Text::Key => self.key_length,
            Text::Value => self.value_length,
        }
    }

    fn text(&mut self, text: Text, bytes: Vec<u8>) -> Result<(), Wrong> {
        match text {
            Text::Topic => {
                let topic = String::from_utf8(bytes).map_err(|_| "its topic is not UTF-8".to_owned())?;
                self.record.topic = Some(topic);
            }
            Text::Key => self.record.key = Some(bytes),
            Text::Value => self.record.value = Some(bytes),
        }
        Ok(())
    }

    /// Numbers that a producer cannot set, such as the offset, are read and not used.
    fn number(&mut self, number: Number, found: i64) -> Result<(), Wrong> {
        let count = || u64::try_from(found).map_err(|_| format!("{found} is no length or number of headers"));
        match number {
            Number::Length(Text::Topic) => self.topic_length = Some(count()?),
            Number::Length(Text::Key) => self.key_length = Some(count()?),
            Number::Length(Text::Value) => self.value_length = Some(count()?),
            Number::Headers => self.headers = count()?,
            Number::Timestamp => self.record.timestamp = Some(found),
            Number::Partition => {
                let partition = i32::try_from(found).ok().filter(|partition| *partition >= 0);
                self.record.partition = Some(partition.ok_or_else(|| format!("{found} is no partition"))?);
            }
            Number::Offset | Number::LeaderEpoch | Number::ProducerId | Number::ProducerEpoch => {}
        }
        Ok(())
    }
}

impl TextForm {
    /// The length of a text in this form, of one that has `bytes` bytes.
    fn length(self, bytes: u64) -> u64 {
        match self {
            Self::Raw => bytes,
            Self::Hex => bytes.saturating_mul(2),
            Self::Base64 => bytes.div_ceil(3).saturating_mul(4),
        }
    }

    fn decode(self, text: Vec<u8>) -> Result<Vec<u8>, Wrong> {
        match self {
            Self::Raw => Ok(text),
            Self::Hex => unhex(&text).ok_or_else(|| "a text is not pairs of hexadecimal digits".to_owned()),
            Self::Base64 => {
                let decoded = std::str::from_utf8(&text).ok().and_then(base64::decode);
                decoded.ok_or_else(|| "a text is not Base64 with padding".to_owned())
            }
        }
    }
}

fn unhex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut pairs = text.chunks_exact(2);
    let bytes = pairs.by_ref().map(|pair| match pair {
        [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
        _ => None,
    });
    let bytes = bytes.collect::<Option<Vec<u8>>>();
    bytes.filter(|_| text.len().is_multiple_of(2))
}

fn literal<R: BufRead>(expected: &[u8], source: &mut Source<R>) -> Result<(), Wrong> {
    let found = source.exactly(expected.len() as u64)?;
    match found == expected {
        true => Ok(()),
        false => Err(format!("expected {:?}, found {:?}", readable(expected), readable(&found))),
    }
}

fn delimited<R: BufRead>(end: &[u8], is_last: bool, source: &mut Source<R>) -> Result<Vec<u8>, Wrong> {
    match source.until(end)? {
        (_, false) if !is_last => Err(format!("the input ends before {:?}", readable(end))),
        (bytes, _) => Ok(bytes),
    }
}

fn readable(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
