//! First offsets and ends of topics.

use std::collections::BTreeMap;

use super::select::Topic;
use crate::client::{Leaders, Partition, Position, offsets};
use crate::failure::Failure;

/// First offset and end of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: i64,
    pub(super) end: i64,
}

impl Range {
    /// The number of its offsets. It has fewer records if it is compacted, or has transactions.
    pub(super) fn records(self) -> i64 {
        self.end.saturating_sub(self.first).max(0)
    }
}

/// First offsets and ends by partition, or the error code.
pub(super) type Ranges = BTreeMap<Partition, Result<Range, i16>>;

/// Asks for first offset and end of each partition of these topics.
///
/// # Errors
/// A connection fails.
pub(super) fn ranges(leaders: &mut Leaders, topics: &[Topic]) -> Result<Ranges, Failure> {
    let partitions: Vec<Partition> = topics.iter().flat_map(Topic::keys).collect();
    let firsts = offsets(leaders, &partitions, Position::Start, 0)?;
    let mut ends = offsets(leaders, &partitions, Position::End, 0)?;
    let range = |(partition, first): (Partition, Result<i64, i16>)| {
        let end = ends.remove(&partition)?;
        Some((partition, first.and_then(|first| Ok(Range { first, end: end? }))))
    };
    Ok(firsts.into_iter().filter_map(range).collect())
}

#[cfg(test)]
mod tests {
    use codec::Request as _;
    use codec::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
    use codec::messages::{ListOffsetsRequest, ListOffsetsResponse, MetadataRequest};

    use super::*;
    use crate::client::fake;

    const APIS: &[(i16, i16)] = &[(MetadataRequest::KEY, 12), (ListOffsetsRequest::KEY, 8)];

    #[test]
    fn a_range_has_a_first_offset_and_an_end() {
        let address = fake::start(APIS, |asked| {
            let metadata = fake::metadata(asked.port, "t", &[1, 1], 0);
            let Some(request) = asked.of::<ListOffsetsRequest>() else { return asked.answer(&metadata) };
            let topic = request.topics.first()?;
            let answers = topic.partitions.iter().map(|one| {
                let offset = if one.timestamp == -2 { 3 } else { 10 };
                // The end of the second is refused.
                let code = if (one.timestamp, one.partition_index) == (-1, 1) { 29 } else { 0 };
                let answer =
                    ListOffsetsPartitionResponse::default().with_partition_index(one.partition_index);
                answer.with_offset(offset).with_error_code(code)
            });
            let answers = answers.collect();
            let topic = ListOffsetsTopicResponse::default().with_name(topic.name.clone());
            let answer = ListOffsetsResponse::default().with_topics(vec![topic.with_partitions(answers)]);
            asked.answer(&answer)
        });
        let mut leaders = fake::leaders(&address);
        let answer = leaders.refresh(Some(&["t".to_owned()])).unwrap();
        let topics: Vec<Topic> = answer.topics.into_iter().filter_map(Topic::of).collect();
        let found = ranges(&mut leaders, &topics).unwrap();
        let key = |index| Partition { topic: "t".to_owned(), index };
        assert_eq!(found, [(key(0), Ok(Range { first: 3, end: 10 })), (key(1), Err(29))].into());
        assert_eq!(Range { first: 3, end: 10 }.records(), 7);
    }
}
