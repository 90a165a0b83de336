//! The part of a partition that is read: `--offset`, in the forms of rpk.
//!
//! `start`, `end`, `N`, `+N` (after the start), `-N` (before the end), `N:M`, `N:end`; times as `@FROM:TO`, `@FROM`, `@:TO`, or a time alone. Ends are exclusive.

use std::time::Duration;

use crate::time::of_text;

/// The start of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    Start,
    End,
    Offset(i64),
    AfterStart(i64),
    BeforeEnd(i64),
    /// In ms since 1970.
    Time(i64),
}

/// The end of reading; this offset or time is not read any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    End,
    Offset(i64),
    /// In ms since 1970.
    Time(i64),
}

/// A part of each partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) from: From,
    /// `None`: without an end.
    pub(super) until: Option<Until>,
}

impl Range {
    /// # Errors
    /// The text is none of the forms; the error lists them.
    pub(super) fn parse(text: &str, now_ms: i64) -> Result<Self, String> {
        let found = match text.strip_prefix('@') {
            Some(times) => of_times(times, now_ms),
            None => of_offsets(text)
                .or_else(|| of_text(text).map(|time| Self { from: From::Time(time), until: None })),
        };
        found.ok_or_else(|| {
            format!(
                "{text:?} is none of start, end, N, +N, -N, N:M, N:end, :M, :end, a time in UTC such as 2026-11-30T12:00:00Z, \
                 @FROM, @FROM:TO, @:TO (times as before, ms or seconds since 1970, or -1h for an hour ago)"
            )
        })
    }
}

fn of_offsets(text: &str) -> Option<Range> {
    let count =
        |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()));
    let (from, until) = text.split_once(':').unwrap_or((text, ""));
    let from = match (from, from.strip_prefix('+'), from.strip_prefix('-')) {
        ("start", ..) => From::Start,
        ("", ..) if !until.is_empty() => From::Start,
        ("end", ..) => From::End,
        (_, Some(digits), _) => From::AfterStart(count(digits)?),
        (_, _, Some(digits)) => From::BeforeEnd(count(digits)?),
        _ => From::Offset(count(from)?),
    };
    let until = match until {
        "" => None,
        "end" => Some(Until::End),
        digits => Some(Until::Offset(count(digits)?)),
    };
    Some(Range { from, until })
}

/// Times have colons themselves: the one between two is that with a time on both sides.
fn of_times(text: &str, now_ms: i64) -> Option<Range> {
    let colons = text.match_indices(':').map(|(at, _)| at);
    let mut splits = colons.map(|at| (text.get(..at), text.get(at + 1..))).chain([(Some(text), Some(""))]);
    splits.find_map(|(from, until)| {
        let until = match until? {
            "" => None,
            "end" => Some(Until::End),
            until => Some(Until::Time(time(until, now_ms)?)),
        };
        let from = match from? {
            "" if until.is_some() => From::Start,
            from => From::Time(time(from, now_ms)?),
        };
        Some(Range { from, until })
    })
}

/// Milliseconds since 1970 of a time: seconds have at most ten digits.
fn time(text: &str, now_ms: i64) -> Option<i64> {
    if let Some(before) = text.strip_prefix('-') {
        let before: Duration = humantime::parse_duration(before).ok()?;
        return now_ms.checked_sub(i64::try_from(before.as_millis()).ok()?);
    }
    match text.parse::<u64>() {
        Ok(number) if text.len() > 10 => i64::try_from(number).ok(),
        Ok(number) => i64::try_from(number).ok()?.checked_mul(1000),
        Err(_) => of_text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_a_range() {
        let day = 86_400_000;
        for (text, from, until) in [
            ("start", From::Start, None),
            ("end", From::End, None),
            ("7", From::Offset(7), None),
            ("7:", From::Offset(7), None),
            ("+2", From::AfterStart(2), None),
            ("-3", From::BeforeEnd(3), None),
            ("-3:end", From::BeforeEnd(3), Some(Until::End)),
            ("7:9", From::Offset(7), Some(Until::Offset(9))),
            (":end", From::Start, Some(Until::End)),
            ("1970-01-02", From::Time(day), None),
            ("@1970-01-02", From::Time(day), None),
            ("@1970-01-02:", From::Time(day), None),
            ("@1970-01-02:1970-01-03", From::Time(day), Some(Until::Time(2 * day))),
            ("@1970-01-01T00:00:01Z:1970-01-01T00:00:02Z", From::Time(1000), Some(Until::Time(2000))),
            ("@:1970-01-02T00:00:00Z", From::Start, Some(Until::Time(day))),
            ("@1700000000", From::Time(1_700_000_000_000), None),
            ("@1700000000123:end", From::Time(1_700_000_000_123), Some(Until::End)),
            ("@-1h:-1m", From::Time(10 * day - 3_600_000), Some(Until::Time(10 * day - 60_000))),
        ] {
            assert_eq!(Range::parse(text, 10 * day), Ok(Range { from, until }), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in
            ["", ":", "@", "@:", "x", "--1", "+-1", "-", "1:x", "1:2:3", "@x", "@1h", "99999999999999999999"]
        {
            assert!(Range::parse(text, 0).unwrap_err().contains("is none of"), "{text}");
        }
    }
}
