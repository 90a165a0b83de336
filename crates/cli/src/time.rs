//! Times of the command line: `2026-11-30`, `2026-11-30T12:00:00Z`, numbers since 1970.

use std::time::UNIX_EPOCH;

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
}
