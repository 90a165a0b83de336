//! Positions in partitions: offsets by number, time, start and end.

use std::collections::BTreeMap;

use super::fetcher::Share;
use super::range::{From, Range, Until};
use super::selection::unreadable;
use crate::client::{self, Leaders, Partition, Position};
use crate::failure::Failure;

/// The shares of a reader, one for each partition. `ends_now`: none goes beyond the present end.
///
/// # Errors
/// A partition ends before the wanted offset, or cannot be asked.
pub(super) fn shares(
    leaders: &mut Leaders,
    partitions: &[Partition],
    range: Range,
    ends_now: bool,
    isolation_level: i8,
) -> Result<Vec<Share>, Failure> {
    let mut at = |position| offsets(leaders, partitions, position, isolation_level);
    let (starts, ends) = (at(Position::Start)?, at(Position::End)?);
    let from = if let From::Time(time) = range.from { at(Position::Time(time))? } else { BTreeMap::new() };
    let until =
        if let Some(Until::Time(time)) = range.until { at(Position::Time(time))? } else { BTreeMap::new() };
    let mut shares = Vec::new();
    for partition in partitions {
        let of = |offsets: &BTreeMap<Partition, i64>| offsets.get(partition).copied();
        let log = Log { start: of(&starts).unwrap_or(0), end: of(&ends).unwrap_or(0) };
        let position = log.position(range.from, of(&from)).ok_or_else(|| {
            let Partition { topic, index } = partition;
            Failure::failed(format!(
                "{topic} partition {index} ends at offset {}; see --offset and -p",
                log.end
            ))
        })?;
        if matches!(range.from, From::Offset(offset) if offset < log.start) {
            let Partition { topic, index } = partition;
            eprintln!("ottla: warning: {topic} partition {index} starts at offset {}", log.start);
        }
        let until = log.until(range.until, of(&until), ends_now);
        let topic_id = leaders.topic_id(&partition.topic);
        shares.push(Share { partition: partition.clone(), topic_id, position, until, lost_since: None });
    }
    Ok(shares)
}

/// The offsets of a partition's log, the end exclusive.
struct Log {
    start: i64,
    end: i64,
}

impl Log {
    /// `None` for an offset after the end. `found` is the offset of the first record from a time on, if there is one.
    fn position(&self, from: From, found: Option<i64>) -> Option<i64> {
        Some(match from {
            From::Start => self.start,
            From::End => self.end,
            From::Offset(offset) if offset > self.end => return None,
            From::Offset(offset) => offset.max(self.start),
            From::AfterStart(count) => self.start.saturating_add(count).min(self.end),
            From::BeforeEnd(count) => self.end.saturating_sub(count).max(self.start),
            From::Time(_) => found.filter(|offset| *offset >= 0).unwrap_or(self.end),
        })
    }

    fn until(&self, until: Option<Until>, found: Option<i64>, ends_now: bool) -> Option<i64> {
        let until = until.map(|until| match until {
            Until::End => self.end,
            Until::Offset(offset) => offset,
            Until::Time(_) => found.filter(|offset| *offset >= 0).unwrap_or(self.end),
        });
        if ends_now { Some(until.map_or(self.end, |until| until.min(self.end))) } else { until }
    }
}

/// The offset of a position in each partition.
///
/// # Errors
/// A partition cannot be asked.
fn offsets(
    leaders: &mut Leaders,
    partitions: &[Partition],
    position: Position,
    isolation_level: i8,
) -> Result<BTreeMap<Partition, i64>, Failure> {
    let answers = client::offsets(leaders, partitions, position, isolation_level)?.into_iter();
    let offset = |(partition, answer): (Partition, Result<i64, i16>)| {
        let doing = || format!("read offsets of {} partition {}", partition.topic, partition.index);
        let offset = answer.map_err(|code| unreadable(&doing(), code))?;
        Ok((partition, offset))
    };
    answers.map(offset).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_stay_within_the_log() {
        let log = Log { start: 10, end: 20 };
        for (from, found, position) in [
            (From::Start, None, Some(10)),
            (From::End, None, Some(20)),
            (From::Offset(3), None, Some(10)),
            (From::Offset(20), None, Some(20)),
            (From::Offset(21), None, None),
            (From::AfterStart(2), None, Some(12)),
            (From::AfterStart(i64::MAX), None, Some(20)),
            (From::BeforeEnd(3), None, Some(17)),
            (From::BeforeEnd(i64::MAX), None, Some(10)),
            (From::Time(5), Some(15), Some(15)),
            (From::Time(5), Some(-1), Some(20)),
        ] {
            assert_eq!(log.position(from, found), position, "{from:?}");
        }
        assert_eq!(log.until(None, None, false), None);
        assert_eq!(log.until(None, None, true), Some(20));
        assert_eq!(log.until(Some(Until::Offset(30)), None, false), Some(30));
        assert_eq!(log.until(Some(Until::Offset(30)), None, true), Some(20));
        assert_eq!(log.until(Some(Until::Time(5)), Some(12), true), Some(12));
        assert_eq!(log.until(Some(Until::Time(5)), Some(-1), false), Some(20));
        assert_eq!(log.until(Some(Until::End), None, false), Some(20));
    }
}
