//! Times as `--to-datetime` and `--by-duration` have them (ISO 8601).

use std::time::Duration;

use crate::time;

/// Milliseconds since 1970 of `YYYY-MM-DDThh:mm:ss.sss`, in UTC unless an offset such as `Z`, `+02`, `+0200` or `+02:00` follows.
///
/// # Errors
/// It is no such time.
pub(super) fn datetime(text: &str) -> Result<i64, String> {
    let wrong = || format!("Unparseable date: \"{}\"", text.escape_debug());
    let (_, clock) = text.split_once('T').ok_or_else(|| {
        "Error parsing timestamp. It does not contain a 'T' according to ISO8601 format".to_owned()
    })?;
    let (local, minutes) = match clock.find(['+', '-']) {
        None => (text.strip_suffix('Z').unwrap_or(text), 0),
        Some(at) => {
            let (_, offset) = clock.split_at(at);
            let local = text.strip_suffix(offset).ok_or_else(wrong)?;
            (local, minutes(offset).ok_or_else(wrong)?)
        }
    };
    let ms = time::of_text(local).ok_or_else(wrong)?;
    Ok(ms - i64::from(minutes) * 60_000)
}

/// An offset from UTC in minutes: a sign, two digits, and two more after an optional colon.
fn minutes(offset: &str) -> Option<i32> {
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let digits: String = offset.chars().skip(1).filter(|letter| *letter != ':').collect();
    let number: i32 =
        Some(&digits).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()?;
    match digits.len() {
        2 => Some(sign * number * 60),
        4 => Some(sign * (number / 100 * 60 + number % 100)),
        _ => None,
    }
}

/// A duration such as `P1DT2H3M4.5S`.
///
/// # Errors
/// It is no such duration.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    parse(text).ok_or_else(|| "Text cannot be parsed to a Duration".to_owned())
}

fn parse(text: &str) -> Option<Duration> {
    let upper = text.to_ascii_uppercase();
    let text = upper.strip_prefix('P')?;
    let (days, clock) = match text.split_once('T') {
        Some((days, clock)) if !clock.is_empty() => (days, clock),
        Some(_) => return None,
        None => (text, ""),
    };
    if days.is_empty() && clock.is_empty() {
        return None;
    }
    let mut ms = 0.0;
    for (mut rest, units) in
        [(days, &[('D', 86_400_000.0)][..]), (clock, &[('H', 3_600_000.0), ('M', 60_000.0), ('S', 1000.0)])]
    {
        for (unit, factor) in units {
            let Some((number, after)) = rest.split_once(*unit) else { continue };
            let is_good = |byte: u8| byte.is_ascii_digit() || (byte == b'.' && *unit == 'S');
            if number.is_empty() || !number.bytes().all(is_good) {
                return None;
            }
            ms += number.parse::<f64>().ok()? * factor;
            rest = after;
        }
        if !rest.is_empty() {
            return None;
        }
    }
    Duration::try_from_secs_f64(ms / 1000.0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc_unless_they_say_otherwise() {
        for text in [
            "1970-01-01T00:00:01.500",
            "1970-01-01T00:00:01.500Z",
            "1970-01-01T02:00:01.500+02:00",
            "1969-12-31T23:00:01.500-01",
        ] {
            // A time before 1970 is none that a record has.
            match text.starts_with("1969") {
                true => assert!(datetime(text).is_err()),
                false => assert_eq!(datetime(text), Ok(1500), "{text}"),
            }
        }
        assert_eq!(datetime("2026-11-30T12:00:00+0130"), datetime("2026-11-30T10:30:00"));
        assert!(datetime("2026-11-30").unwrap_err().contains("does not contain a 'T'"));
        assert_eq!(datetime("2026-11-30Tnoon").unwrap_err(), "Unparseable date: \"2026-11-30Tnoon\"");
    }

    #[test]
    fn durations_are_those_of_iso_8601() {
        let ms = |text: &str| duration(text).map(|found| found.as_millis());
        assert_eq!(ms("PT1H"), Ok(3_600_000));
        assert_eq!(ms("P1DT2H3M4.5S"), Ok(93_784_500));
        assert_eq!(ms("p2d"), Ok(172_800_000));
        for wrong in ["", "P", "PT", "1H", "P1H", "PT1D", "PT1.5H", "PT1M1H", "PT-1H", "PTxS"] {
            assert_eq!(ms(wrong), Err("Text cannot be parsed to a Duration".to_owned()), "{wrong}");
        }
    }
}
