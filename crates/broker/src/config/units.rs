//! Units in values: `7d` for a key counted in milliseconds, `1GiB` for one counted in bytes.
//!
//! The unit that a key counts in is read off its Kafka name (`.ms`, `.bytes`, …). Plain numbers never come here.

/// The unit of a key's plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    /// Time, of which a plain number counts steps of `step_ms` milliseconds.
    Time {
        step_ms: i64,
    },
    Bytes,
}

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Suffixes in lower case, and their milliseconds.
const TIMES: &[(&str, i64)] =
    &[("ms", 1), ("s", SECOND), ("m", MINUTE), ("min", MINUTE), ("h", HOUR), ("d", DAY)];
/// Suffixes in lower case, and their bytes: powers of 1024 with an `i`, of 1000 without.
const BYTES: &[(&str, i64)] = &[
    ("b", 1),
    ("kib", 1 << 10),
    ("mib", 1 << 20),
    ("gib", 1 << 30),
    ("tib", 1 << 40),
    ("kb", 1000),
    ("mb", 1_000_000),
    ("gb", 1_000_000_000),
    ("tb", 1_000_000_000_000),
];

/// The unit of the key called `name`; `None` for counts, ids and texts.
pub(super) fn of(name: &str) -> Option<Unit> {
    let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
    if ends(&[".ms"]) {
        Some(Unit::Time { step_ms: 1 })
    } else if ends(&[".seconds", ".secs"]) {
        Some(Unit::Time { step_ms: SECOND })
    } else if ends(&[".minutes"]) {
        Some(Unit::Time { step_ms: MINUTE })
    } else if ends(&[".hours"]) {
        Some(Unit::Time { step_ms: HOUR })
    // Kafka counts bytes in `log.cleaner.dedupe.buffer.size` and its like too.
    } else if ends(&[".bytes", ".buffer.size"]) {
        Some(Unit::Bytes)
    } else {
        None
    }
}

impl Unit {
    /// `text` as a plain number of this unit; `None` if it is malformed, too large, or not a whole number of steps.
    pub(super) fn parse(self, text: &str) -> Option<i64> {
        // A sign or a fraction leaves a suffix that no table has: both are refused.
        let digits = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, suffix) = text.split_at_checked(digits)?;
        let (suffixes, step) = match self {
            Unit::Time { step_ms } => (TIMES, step_ms),
            Unit::Bytes => (BYTES, 1),
        };
        let suffix = suffix.trim().to_ascii_lowercase();
        let (_, factor) = suffixes.iter().find(|(known, _)| *known == suffix)?;
        let total = number.parse::<i64>().ok()?.checked_mul(*factor)?;
        // Never rounded: 90s would become one minute without a word.
        (total % step == 0).then_some(total / step)
    }

    /// The notations that are accepted beside a plain number.
    pub(super) fn hint(self) -> &'static str {
        match self {
            Unit::Time { step_ms: 1 } => "milliseconds, or with a unit such as 30s, 12h, 7d",
            Unit::Time { step_ms: SECOND } => "seconds, or with a unit such as 30s, 12h, 7d",
            Unit::Time { step_ms: MINUTE } => "minutes, or with a unit such as 30m, 12h, 7d",
            Unit::Time { .. } => "hours, or with a unit such as 12h, 7d",
            Unit::Bytes => "bytes, or with a unit such as 512KiB, 64MiB, 1GiB",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_and_sizes() {
        let ms = of("log.retention.ms").unwrap();
        assert_eq!(ms.parse("7d"), Some(604_800_000));
        assert_eq!(ms.parse("1500ms"), Some(1500));
        assert_eq!(ms.parse("2 H"), Some(7_200_000));
        assert_eq!(of("log.retention.hours").unwrap().parse("7d"), Some(168));
        assert_eq!(of("offsets.retention.minutes").unwrap().parse("90s"), None, "not whole minutes");
        let bytes = of("log.segment.bytes").unwrap();
        assert_eq!(bytes.parse("1GiB"), Some(1 << 30));
        assert_eq!(bytes.parse("10kb"), Some(10_000));
    }

    #[test]
    fn refuses_what_is_no_quantity() {
        let bytes = of("log.segment.bytes").unwrap();
        for text in
            ["", "GiB", "-1GiB", "1.5GiB", "1 parsec", "7d", "99999999999999999999B", "9000000TiB", "1GiBé"]
        {
            assert_eq!(bytes.parse(text), None, "{text}");
        }
    }

    #[test]
    fn counts_have_no_unit() {
        for name in ["group.max.size", "num.partitions", "max.connections", "flush.messages", "listeners"] {
            assert_eq!(of(name), None, "{name}");
        }
    }
}
