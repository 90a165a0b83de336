//! The new position of a group, and the partitions to move, as users write them.

use std::time::Duration;

use crate::client::Partition;
use crate::time;

/// A new position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum To {
    Start,
    End,
    Offset(i64),
    /// Milliseconds since 1970.
    Time(i64),
    /// This long before now.
    Ago(Duration),
    /// From the committed offset.
    By(i64),
}

impl To {
    /// With a time in place of [`To::Ago`]; `now` is since 1970.
    pub(super) fn at(self, now: Duration) -> Self {
        match self {
            Self::Ago(ago) => Self::Time(millis(now.saturating_sub(ago))),
            other => other,
        }
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn to(text: &str) -> Result<To, String> {
    let wrong = || {
        "write start, end, an offset such as 1000, a time such as 2026-11-30T18:00:00Z or @1796061600000, or 90min-ago"
            .to_owned()
    };
    // `+5` would be read as a number, and may be meant as `--by 5`.
    let number =
        |text: &str| text.parse::<i64>().ok().filter(|number| *number >= 0 && !text.starts_with('+'));
    match text {
        "start" => Ok(To::Start),
        "end" => Ok(To::End),
        _ if text.starts_with('@') => text.strip_prefix('@').and_then(number).map(To::Time).ok_or_else(wrong),
        _ => match (text.strip_suffix("ago"), number(text)) {
            (Some(ago), _) => {
                humantime::parse_duration(ago.trim_end_matches(['-', ' '])).map(To::Ago).map_err(|_| wrong())
            }
            (None, Some(offset)) => Ok(To::Offset(offset)),
            (None, None) => time::of_text(text).map(To::Time).ok_or_else(wrong),
        },
    }
}

/// A topic, and the partitions of it that were named; none: all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) topic: String,
    pub(super) partitions: Vec<i32>,
}

impl Chosen {
    /// The partitions that were named.
    pub(super) fn named(&self) -> Vec<Partition> {
        let one = |index: &i32| Partition { topic: self.topic.clone(), index: *index };
        self.partitions.iter().map(one).collect()
    }
}

pub(super) fn chosen(text: &str) -> Result<Chosen, String> {
    let wrong = || "write a topic, or one with partitions, such as orders:0,2".to_owned();
    let (topic, partitions) = match text.split_once(':') {
        None => (text, Vec::new()),
        Some((topic, numbers)) => {
            let numbers = numbers.split(',').map(|number| number.parse().ok().filter(|number| *number >= 0));
            (topic, numbers.collect::<Option<_>>().ok_or_else(wrong)?)
        }
    };
    if topic.is_empty() { Err(wrong()) } else { Ok(Chosen { topic: topic.to_owned(), partitions }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read() {
        for (text, expected) in [
            ("start", To::Start),
            ("end", To::End),
            ("0", To::Offset(0)),
            ("1796061600000", To::Offset(1_796_061_600_000)),
            ("@1796061600000", To::Time(1_796_061_600_000)),
            ("2026-11-30T18:00:00Z", To::Time(1_796_061_600_000)),
            ("2026-11-30 18:00:00", To::Time(1_796_061_600_000)),
            ("2026-11-30T18:00:00.250Z", To::Time(1_796_061_600_250)),
            ("2026-11-30", To::Time(1_795_996_800_000)),
            ("1h30min-ago", To::Ago(Duration::from_secs(5400))),
            ("36h ago", To::Ago(Duration::from_secs(129_600))),
        ] {
            assert_eq!(to(text), Ok(expected), "{text}");
        }
        for text in [
            "",
            "-1",
            "+5",
            "@",
            "@-1",
            "@+x",
            "begin",
            "-ago",
            "x-ago",
            "2026-13-01",
            "99999999999999999999",
        ] {
            assert!(to(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_ago_becomes_a_time() {
        let now = Duration::from_secs(100);
        assert_eq!(To::Ago(Duration::from_secs(40)).at(now), To::Time(60_000));
        assert_eq!(To::Ago(Duration::MAX).at(now), To::Time(0));
        assert_eq!(To::By(-1).at(now), To::By(-1));
    }

    #[test]
    fn partitions_are_read() {
        let chosen = |text: &str| chosen(text).map(|chosen| (chosen.topic, chosen.partitions));
        assert_eq!(chosen("orders"), Ok(("orders".to_owned(), vec![])));
        assert_eq!(chosen("orders:0,12"), Ok(("orders".to_owned(), vec![0, 12])));
        for text in ["", ":1", "orders:", "orders:x", "orders:1,,2", "orders:-1"] {
            assert!(chosen(text).is_err(), "{text}");
        }
    }
}
