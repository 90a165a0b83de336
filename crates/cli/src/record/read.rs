//! Records out of a stream: by a pattern, by lines, or by lines of JSON.
//!
//! A text ends before the literal that follows it in the pattern, or has the length that `%T`, `%K` or `%V` said before it. The literal at the very
//! end of the input may be missing.

use std::io::BufRead;

use super::pattern::{Number, NumberForm, Pattern, Piece, Text};
use super::source::{Source, Wrong};
use super::{NewRecord, json};

mod check;
mod piece;

use piece::Taken;

/// The form of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Input {
    /// A line is a value, or a key and a value around a separator.
    Lines {
        separator: Option<Vec<u8>>,
    },
    Pattern(Pattern),
    /// As `consume -o json` writes them.
    Json,
}

impl Input {
    /// # Errors
    /// Records could not be told apart by the pattern; the text says why.
    pub(crate) fn of(pattern: Pattern) -> Result<Self, String> {
        check::readable(&pattern.pieces)?;
        Ok(Self::Pattern(pattern))
    }
}

/// The records of a stream. It ends after an error.
pub(crate) struct Reader<R> {
    source: Source<R>,
    input: Input,
    /// Number of the record that is read, from 1 on.
    count: u64,
    has_failed: bool,
}

impl<R: BufRead> Reader<R> {
    pub(crate) fn new(stream: R, input: Input) -> Self {
        Self { source: Source::new(stream), input, count: 0, has_failed: false }
    }

    fn read(&mut self) -> Result<Option<NewRecord>, Wrong> {
        loop {
            self.count += 1;
            if self.source.is_at_end()? {
                return Ok(None);
            }
            return match &self.input {
                Input::Lines { separator } => line(&mut self.source, separator.as_deref()).map(Some),
                Input::Pattern(pattern) => {
                    let mut taken = Taken::default();
                    taken.pieces(&pattern.pieces, &mut self.source)?;
                    Ok(Some(taken.record))
                }
                Input::Json => match self.source.until(b"\n")?.0 {
                    blank if blank.trim_ascii().is_empty() => continue,
                    text => json::parse(&text).map(Some),
                },
            };
        }
    }
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = Result<NewRecord, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_failed {
            return None;
        }
        let read = self.read().map_err(|wrong| {
            self.has_failed = true;
            let thing = if matches!(self.input, Input::Pattern(_)) { "record" } else { "line" };
            format!("{thing} {} of the input: {wrong}", self.count)
        });
        read.transpose()
    }
}

fn line<R: BufRead>(source: &mut Source<R>, separator: Option<&[u8]>) -> Result<NewRecord, Wrong> {
    let (mut key, (mut value, _)) = (None, source.until(b"\n")?);
    if let Some(separator) = separator {
        let found = value.windows(separator.len().max(1)).position(|window| window == separator);
        let at = found
            .ok_or_else(|| format!("it has no {} between key and value (-K)", separator.escape_ascii()))?;
        let rest = value.split_off(at + separator.len());
        value.truncate(at);
        key = Some(std::mem::replace(&mut value, rest));
    }
    Ok(NewRecord { key, value: Some(value), ..NewRecord::default() })
}

#[cfg(test)]
mod tests;
