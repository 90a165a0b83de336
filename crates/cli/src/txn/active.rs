//! The producers that partitions know: DescribeProducers, asked of the leader of each.

use codec::messages::describe_producers_request::TopicRequest;
use codec::messages::describe_producers_response::ProducerState;
use codec::messages::{DescribeProducersRequest, DescribeProducersResponse};

use crate::client::{Leaders, Partition, by_topic, refused, topic_name};
use crate::failure::Failure;
use crate::output::escaped;

/// A producer of a partition.
#[derive(Debug, Clone)]
pub(super) struct Active {
    pub(super) partition: Partition,
    pub(super) state: ProducerState,
}

impl Active {
    /// The offset of the first record of its open transaction.
    pub(super) fn start(&self) -> Option<i64> {
        Some(self.state.current_txn_start_offset).filter(|start| *start >= 0)
    }
}

/// All producers of these partitions, sorted by partition and id.
///
/// # Errors
/// A connection fails, or a leader refuses.
pub(super) fn producers(leaders: &mut Leaders, partitions: &[Partition]) -> Result<Vec<Active>, Failure> {
    let mut all = Vec::new();
    if partitions.is_empty() {
        return Ok(all);
    }
    for (partition, result) in leaders.ask(partitions, (0, 0), request, read).whole()? {
        let doing = || {
            format!("describe the producers of {} partition {}", escaped(&partition.topic), partition.index)
        };
        let states = result.map_err(|code| refused(&doing(), code, None))?;
        all.extend(states.into_iter().map(|state| Active { partition: partition.clone(), state }));
    }
    all.sort_by(|one, other| {
        (&one.partition, one.state.producer_id).cmp(&(&other.partition, other.state.producer_id))
    });
    Ok(all)
}

fn request(asked: &[Partition]) -> DescribeProducersRequest {
    let topic = |(name, indexes): (&str, Vec<i32>)| {
        TopicRequest::default().with_name(topic_name(name)).with_partition_indexes(indexes)
    };
    DescribeProducersRequest::default().with_topics(by_topic(asked).into_iter().map(topic).collect())
}

fn read(answer: DescribeProducersResponse) -> Vec<(Partition, Result<Vec<ProducerState>, i16>)> {
    let mut found = Vec::new();
    for topic in answer.topics {
        for one in topic.partitions {
            let partition = Partition { topic: topic.name.to_string(), index: one.partition_index };
            let states = if one.error_code == 0 { Ok(one.active_producers) } else { Err(one.error_code) };
            found.push((partition, states));
        }
    }
    found
}

/// The partitions of topics, or of all topics, that have a leader.
///
/// # Errors
/// A topic does not exist, or may not be seen.
pub(super) fn partitions(leaders: &mut Leaders, topics: &[String]) -> Result<Vec<Partition>, Failure> {
    let answer = leaders.refresh((!topics.is_empty()).then_some(topics))?;
    let mut all = Vec::new();
    for topic in answer.topics {
        let Some(name) = topic.name else { continue };
        if topic.error_code != 0 {
            return Err(refused(&format!("describe topic {}", escaped(&name)), topic.error_code, None));
        }
        let of = |index| Partition { topic: name.to_string(), index };
        all.extend(
            topic.partitions.iter().filter(|one| one.leader_id.0 >= 0).map(|one| of(one.partition_index)),
        );
    }
    all.sort();
    Ok(all)
}
