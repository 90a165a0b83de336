//! Times of the command line: `2026-11-30`, `2026-11-30T12:00:00Z`, numbers since 1970; periods such as `7d`.

use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970 of a date or a date and time, in UTC (RFC 3339). The `T` may be a blank, and the `Z` may be missing.
pub(crate) fn of_text(text: &str) -> Option<i64> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    let time = humantime::parse_rfc3339_weak(&whole).ok()?;
    i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// The timestamp for `--timestamp`: milliseconds since 1970, or a date and time.
///
/// # Errors
/// It is neither; the text says what is served.
pub(crate) fn timestamp(text: &str) -> Result<i64, String> {
    text.parse().ok().or_else(|| of_text(text)).ok_or_else(|| {
        format!("{text:?} is neither milliseconds since 1970 nor a time in UTC such as 2026-11-30T12:00:00Z")
    })
}

/// A period such as 7d, 90min or 500ms; a bare number is milliseconds, as in Kafka.
///
/// # Errors
/// It is none, or zero; the text says what is served.
pub(crate) fn period(text: &str) -> Result<Duration, String> {
    let period = text.parse().map(Duration::from_millis).or_else(|_| humantime::parse_duration(text));
    let fits = |period: &Duration| i64::try_from(period.as_millis()).is_ok() && !period.is_zero();
    period.ok().filter(fits).ok_or_else(|| "write a time such as 7d, 1h or 60000 (milliseconds)".to_owned())
}

/// Unix milliseconds as a date in UTC.
pub(crate) fn date(ms: i64) -> String {
    let at =
        u64::try_from(ms).ok().and_then(|ms| std::time::UNIX_EPOCH.checked_add(Duration::from_millis(ms)));
    // Dates after the year 9999 have no such text.
    let at = at.filter(|_| ms < 253_402_300_800_000);
    at.map_or_else(|| ms.to_string(), |at| humantime::format_rfc3339_seconds(at).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_times_and_numbers_are_timestamps() {
        assert_eq!(timestamp("1234"), Ok(1234));
        assert_eq!(timestamp("-1"), Ok(-1));
        assert_eq!(timestamp("1970-01-02"), Ok(86_400_000));
        assert_eq!(timestamp("1970-01-01T00:00:01.5Z"), Ok(1_500));
        assert_eq!(timestamp("1970-01-01 00:00:01"), Ok(1_000));
        for wrong in ["", "now", "1970-13-01", "1970-01-01T00:00:01+02:00", "12:00"] {
            assert!(timestamp(wrong).unwrap_err().contains("in UTC such as"), "{wrong}");
        }
    }

    #[test]
    fn periods_are_read_and_dates_are_written() {
        for (text, expected) in [("60000", 60_000), ("7d", 604_800_000), ("1h", 3_600_000)] {
            assert_eq!(period(text), Ok(Duration::from_millis(expected)));
        }
        for text in ["", "0", "-1", "x", "1e9", "99999999999999999999"] {
            assert!(period(text).is_err(), "{text}");
        }
        assert_eq!(date(1_796_000_000_000), "2026-11-30T00:53:20Z");
        assert_eq!(date(i64::MAX), i64::MAX.to_string());
        assert_eq!(date(-1), "-1");
    }
}
