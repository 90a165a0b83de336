//! Times of certificates (RFC 5280, 4.1.2.5), which are in UTC and have seconds.

use crate::der::{Reader, Tag};

const UTC_TIME: Tag = Tag(23);
const GENERALIZED_TIME: Tag = Tag(24);

/// Returns true for an element that is a time.
pub(super) fn is_time(tag: Tag) -> bool {
    tag == UTC_TIME || tag == GENERALIZED_TIME
}

/// The next time, as Unix time in seconds; `None` if it is malformed.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<i64> {
    let (tag, text) = reader.element()?;
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = |digits: &[u8]| digits.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => {
            let (year, rest) = digits.split_at(2);
            let year = number(year);
            (if year < 50 { 2000 + year } else { 1900 + year }, rest)
        }
        (GENERALIZED_TIME, 14) => {
            let (year, rest) = digits.split_at(4);
            (number(year), rest)
        }
        _ => return None,
    };
    let mut pairs = rest.chunks(2).map(number);
    let [month, day, hour, minute, second] = std::array::from_fn(|_| pairs.next().unwrap_or_default());
    let is_date = (1..=12).contains(&month) && (1..=31).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(((days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// Days from 1970-01-01 to a date of the Gregorian calendar. Years are counted from March on, so that the day of a leap
/// year is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // 719 468 days lie between March of the year 0 and 1970.
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(tag: u8, text: &str) -> Option<i64> {
        let length = u8::try_from(text.len()).unwrap();
        read(&mut Reader::new(&[&[tag, length], text.as_bytes()].concat()))
    }

    #[test]
    fn times_are_counted_from_1970() {
        for (tag, text, expected) in [
            (23, "700101000000Z", 0),
            (23, "691231235959Z", -1),
            (24, "20000229120000Z", 951_825_600),
            (23, "261130071636Z", 1_796_022_996),
            (24, "20500101000000Z", 2_524_608_000),
            (24, "99991231235959Z", 253_402_300_799),
            (24, "21000301000000Z", 4_107_542_400),
            (24, "00000101000000Z", -62_167_219_200),
        ] {
            assert_eq!(at(tag, text), Some(expected), "{text}");
        }
    }

    #[test]
    fn malformed_times_are_none() {
        for (tag, text) in [
            (23, "700101000000"),
            (23, "7001010000Z"),
            (23, "19700101000000Z"),
            (24, "700101000000Z"),
            (24, "19701301000000Z"),
            (24, "19700132000000Z"),
            (24, "19700101240000Z"),
            (24, "1970010100000xZ"),
            (24, "19700101000000+0100"),
            (12, "700101000000Z"),
        ] {
            assert_eq!(at(tag, text), None, "{text}");
        }
    }
}
