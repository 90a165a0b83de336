//! Offsets of logs: ListOffsets, asked of the leader of each partition.

use std::collections::BTreeMap;

use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::{ListOffsetsRequest, ListOffsetsResponse};

use super::{Leaders, Partition, by_topic, topic_name};
use crate::failure::Failure;

/// From the first version whose answers are single offsets to the last without tiered storage.
const VERSIONS: (i16, i16) = (1, 8);
/// The first version with an isolation level. An older one would ask for the end of all records.
const ISOLATED_FROM: i16 = 2;

/// The offset that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// Offset of the first record that is kept.
    Start,
    /// Offset of the next record: the high watermark, or the last stable offset for a reader of committed records.
    End,
    /// Offset of the first record from this time on, in ms since 1970; -1 if there is none.
    Time(i64),
}

impl Position {
    fn timestamp(self) -> i64 {
        match self {
            Self::End => -1,
            Self::Start => -2,
            Self::Time(ms) => ms,
        }
    }
}

/// An offset or an error code for each partition.
pub(crate) type Offsets = BTreeMap<Partition, Result<i64, i16>>;

/// Looks up a position in partitions, as a reader of this isolation level sees it: 0, or 1 for committed records alone.
///
/// # Errors
/// A connection fails.
pub(crate) fn offsets(
    leaders: &mut Leaders,
    partitions: &[Partition],
    position: Position,
    isolation_level: i8,
) -> Result<Offsets, Failure> {
    if partitions.is_empty() {
        return Ok(Offsets::new());
    }
    let first = if isolation_level == 0 { VERSIONS.0 } else { ISOLATED_FROM };
    let build = |asked: &[Partition]| request(asked, position, isolation_level);
    leaders.ask(partitions, (first, VERSIONS.1), build, read).whole()
}

fn request(asked: &[Partition], position: Position, isolation_level: i8) -> ListOffsetsRequest {
    let topics = by_topic(asked).into_iter().map(|(topic, indexes)| {
        let partition = |index| {
            ListOffsetsPartition::default().with_partition_index(index).with_timestamp(position.timestamp())
        };
        let partitions = indexes.into_iter().map(partition).collect();
        ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(partitions)
    });
    ListOffsetsRequest::default().with_isolation_level(isolation_level).with_topics(topics.collect())
}

fn read(answer: ListOffsetsResponse) -> Vec<(Partition, Result<i64, i16>)> {
    let mut found = Vec::new();
    for topic in answer.topics {
        for one in topic.partitions {
            let partition = Partition { topic: topic.name.to_string(), index: one.partition_index };
            found.push((partition, if one.error_code == 0 { Ok(one.offset) } else { Err(one.error_code) }));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};

    use super::*;

    #[test]
    fn positions_are_the_times_of_kafka() {
        let partition = Partition { topic: "a".to_owned(), index: 3 };
        let times = [(Position::End, -1), (Position::Start, -2), (Position::Time(1_700), 1_700)];
        for (position, timestamp) in times {
            let request = request(std::slice::from_ref(&partition), position, 1);
            let [topic] = request.topics.as_slice() else { panic!("{request:?}") };
            assert_eq!((topic.name.as_str(), request.isolation_level), ("a", 1));
            let one = topic.partitions.first().unwrap();
            assert_eq!((one.partition_index, one.timestamp), (3, timestamp));
        }
    }

    #[test]
    fn a_partition_has_an_offset_or_an_error() {
        let one = |index, code| {
            ListOffsetsPartitionResponse::default()
                .with_partition_index(index)
                .with_offset(7)
                .with_error_code(code)
        };
        let topic = ListOffsetsTopicResponse::default()
            .with_name(topic_name("a"))
            .with_partitions(vec![one(0, 0), one(1, 29)]);
        let found = read(ListOffsetsResponse::default().with_topics(vec![topic]));
        let key = |index| Partition { topic: "a".to_owned(), index };
        assert_eq!(found, [(key(0), Ok(7)), (key(1), Err(29))]);
    }
}
