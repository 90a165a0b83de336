//! The argument of `ottla topic trim --before`: an offset, the end, a time, or an age.

use std::str::FromStr;
use std::time::Duration;

use crate::failure::Failure;
use crate::time;

/// Records before this are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    Offset(i64),
    /// The end of each partition.
    End,
    /// Unix milliseconds: the first record of this time or a later one stays, and all after it.
    Time(i64),
    /// A time that long ago.
    Ago(Duration),
}

impl FromStr for Before {
    type Err = String;

    /// Reads `1000`, `end`, `2026-11-30`, `2026-11-30T08:00:00Z`, `@1796000000000` (Unix milliseconds) or `7d ago`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = || {
            format!(
                "{text:?} is none of: an offset, `end`, a time in UTC such as 2026-11-30T08:00:00Z, 2026-11-30 or @1796000000000 \
                 (milliseconds since 1970), an age such as `7d ago`"
            )
        };
        if text == "end" {
            return Ok(Self::End);
        }
        if let Some(age) = text.strip_suffix("ago") {
            return humantime::parse_duration(age.trim_end_matches(['-', ' ']))
                .map(Self::Ago)
                .map_err(|_| wrong());
        }
        let number = |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0);
        if let Some(ms) = text.strip_prefix('@') {
            return number(ms).map(Self::Time).ok_or_else(wrong);
        }
        match (number(text), time::of_text(text)) {
            (Some(offset), _) => Ok(Self::Offset(offset)),
            (None, Some(ms)) => Ok(Self::Time(ms)),
            (None, None) => Err(wrong()),
        }
    }
}

impl Before {
    /// Unix milliseconds, if it is a time or an age; `now` is since 1970.
    ///
    /// # Errors
    /// The age is longer than that.
    pub(super) fn time_ms(self, now: Duration) -> Result<Option<i64>, Failure> {
        match self {
            Self::Offset(_) | Self::End => Ok(None),
            Self::Time(ms) => Ok(Some(ms)),
            Self::Ago(age) => {
                let since = now.checked_sub(age).and_then(|at| i64::try_from(at.as_millis()).ok());
                since.map(Some).ok_or_else(|| Failure::usage("--before is a time before 1970"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_times_and_ages_are_told_apart() {
        let day = Duration::from_secs(86_400);
        for (text, expected) in [
            ("0", Before::Offset(0)),
            ("1000", Before::Offset(1000)),
            ("end", Before::End),
            ("@1796000000000", Before::Time(1_796_000_000_000)),
            ("2026-11-30T00:53:20Z", Before::Time(1_796_000_000_000)),
            ("2026-11-30 00:53:20", Before::Time(1_796_000_000_000)),
            ("2026-11-30T00:53:20.5Z", Before::Time(1_796_000_000_500)),
            ("2026-11-30", Before::Time(1_795_996_800_000)),
            ("7d ago", Before::Ago(7 * day)),
            ("7d-ago", Before::Ago(7 * day)),
            ("1h 30min ago", Before::Ago(day / 16)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "-1", "7d", "ago", "@-1", "@x", "yesterday", "2026-13-01", "99999999999999999999"] {
            assert!(text.parse::<Before>().is_err(), "{text}");
        }
    }

    #[test]
    fn an_age_is_counted_back_from_now() {
        let now = Duration::from_millis(1_796_000_000_000);
        let ago = |age: Duration| Before::Ago(age).time_ms(now);
        assert_eq!(ago(Duration::from_secs(1)), Ok(Some(1_795_999_999_000)));
        assert!(ago(Duration::from_secs(1 << 40)).is_err());
        assert_eq!(Before::End.time_ms(now), Ok(None));
    }
}
