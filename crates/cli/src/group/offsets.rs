//! Committed offsets of a group: OffsetFetch (API 9), OffsetCommit (8), OffsetDelete (47).

mod share;

use std::collections::BTreeMap;

use codec::ErrorCode;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use codec::messages::offset_fetch_request::OffsetFetchRequestGroup;
use codec::messages::{
    GroupId, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest, OffsetFetchResponse, StrBytes,
};

pub(crate) use self::share::started;
use crate::client::{Coordinators, Partition, by_topic, refused, topic_name};
use crate::failure::Failure;
use crate::output::escaped;

/// An offset that a group committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub(crate) offset: i64,
    pub(crate) metadata: String,
    /// Leader epoch of the record before it, if the client told.
    pub(crate) leader_epoch: Option<i32>,
}

pub(crate) type Offsets = BTreeMap<Partition, Committed>;

/// First version of OffsetFetch with a list of groups. The version after the last here names topics by their ids.
const SEVERAL_GROUPS: i16 = 8;
const WITH_NAMES: i16 = 9;
/// First version that has null for all topics (Kafka 0.10.2).
const ALL_TOPICS: i16 = 2;

/// All committed offsets of a group; none of a group that does not exist.
///
/// # Errors
/// The coordinator does not answer, or refuses.
pub(crate) fn committed(cluster: &mut Coordinators, group: &str) -> Result<Offsets, Failure> {
    let codes = |answer: &OffsetFetchResponse| {
        let groups = answer.groups.iter().map(|group| group.error_code);
        groups.chain([answer.error_code]).collect::<Vec<_>>()
    };
    let answer = if cluster.serves::<OffsetFetchRequest>(group, SEVERAL_GROUPS)? {
        let all = OffsetFetchRequestGroup::default().with_group_id(group_id(group)).with_topics(None);
        let request = OffsetFetchRequest::default().with_groups(vec![all]);
        cluster.call(group, SEVERAL_GROUPS..=WITH_NAMES, &request, codes)?
    } else {
        let request = OffsetFetchRequest::default().with_group_id(group_id(group)).with_topics(None);
        cluster.call(group, ALL_TOPICS..=SEVERAL_GROUPS - 1, &request, codes)?
    };
    let doing = || format!("read the offsets of group {}", escaped(group));
    if let Some(code) = codes(&answer).into_iter().find(|code| *code != 0) {
        return Err(refused(&doing(), code, None));
    }
    let mut offsets = Offsets::new();
    for (partition, offset, leader_epoch, metadata, code) in flat(answer) {
        if code != 0 {
            return Err(refused(&doing(), code, None));
        }
        // A negative offset is none.
        if offset >= 0 {
            let metadata = metadata.map(|text| text.to_string()).unwrap_or_default();
            offsets.insert(
                partition,
                Committed { offset, metadata, leader_epoch: (leader_epoch >= 0).then_some(leader_epoch) },
            );
        }
    }
    Ok(offsets)
}

/// The partitions of an answer of any version: offset, leader epoch, metadata, error code.
fn flat(answer: OffsetFetchResponse) -> Vec<(Partition, i64, i32, Option<StrBytes>, i16)> {
    let key = |topic: &str, index: i32| Partition { topic: topic.to_owned(), index };
    let mut all = Vec::new();
    for topic in answer.topics {
        all.extend(topic.partitions.into_iter().map(|one| {
            (
                key(&topic.name, one.partition_index),
                one.committed_offset,
                one.committed_leader_epoch,
                one.metadata,
                one.error_code,
            )
        }));
    }
    for topic in answer.groups.into_iter().flat_map(|group| group.topics) {
        all.extend(topic.partitions.into_iter().map(|one| {
            (
                key(&topic.name, one.partition_index),
                one.committed_offset,
                one.committed_leader_epoch,
                one.metadata,
                one.error_code,
            )
        }));
    }
    all
}

/// The error code of each partition; 0 where it was done.
pub(crate) type Results = BTreeMap<Partition, i16>;

/// Commits offsets, as no member: the coordinator refuses it while the group has any.
///
/// # Errors
/// The coordinator does not answer.
pub(crate) fn commit(
    cluster: &mut Coordinators,
    group: &str,
    offsets: &BTreeMap<Partition, i64>,
) -> Result<Results, Failure> {
    let partitions: Vec<Partition> = offsets.keys().cloned().collect();
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        let partition = |index: &i32| {
            let offset = offsets.get(&Partition { topic: topic.to_owned(), index: *index })?;
            let one = OffsetCommitRequestPartition::default().with_partition_index(*index);
            Some(one.with_committed_offset(*offset).with_committed_metadata(Some(StrBytes::default())))
        };
        OffsetCommitRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(indexes.iter().filter_map(partition).collect())
    };
    let request = OffsetCommitRequest::default()
        .with_group_id(group_id(group))
        .with_topics(by_topic(&partitions).into_iter().map(topic).collect());
    // Topics have their ids in place of names from version 10 on.
    let answer = cluster.call(group, 2..=9, &request, |answer| {
        answer.topics.iter().flat_map(|topic| &topic.partitions).map(|one| one.error_code).collect()
    })?;
    let results = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index, one.error_code))
    });
    Ok(by_partition(&partitions, results))
}

/// Deletes offsets. The coordinator refuses it for topics that members are subscribed to.
///
/// # Errors
/// The coordinator does not answer, or refuses all of it.
pub(crate) fn delete(
    cluster: &mut Coordinators,
    group: &str,
    partitions: &[Partition],
) -> Result<Results, Failure> {
    let doing = || format!("delete offsets of group {}", escaped(group));
    try_delete(cluster, group, partitions)?.map_err(|code| refused(&doing(), code, None))
}

/// As [`delete`]; the inner error is the code by which the coordinator refuses all of it.
///
/// # Errors
/// The coordinator does not answer.
pub(crate) fn try_delete(
    cluster: &mut Coordinators,
    group: &str,
    partitions: &[Partition],
) -> Result<Result<Results, i16>, Failure> {
    let topic = |(topic, indexes): (&str, Vec<i32>)| {
        let partition = |index| OffsetDeleteRequestPartition::default().with_partition_index(index);
        OffsetDeleteRequestTopic::default()
            .with_name(topic_name(topic))
            .with_partitions(indexes.into_iter().map(partition).collect())
    };
    let request = OffsetDeleteRequest::default()
        .with_group_id(group_id(group))
        .with_topics(by_topic(partitions).into_iter().map(topic).collect());
    let answer = cluster.call(group, 0..=0, &request, |answer| vec![answer.error_code])?;
    if answer.error_code != 0 {
        return Ok(Err(answer.error_code));
    }
    let results = answer.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|one| (topic.name.to_string(), one.partition_index, one.error_code))
    });
    Ok(Ok(by_partition(partitions, results)))
}

/// The results of these partitions: an answer may lack some.
fn by_partition(asked: &[Partition], results: impl Iterator<Item = (String, i32, i16)>) -> Results {
    let missing = ErrorCode::UnknownServerError as i16;
    let mut all: Results = asked.iter().map(|partition| (partition.clone(), missing)).collect();
    for (topic, index, code) in results {
        all.entry(Partition { topic, index }).and_modify(|known| *known = code);
    }
    all
}

fn group_id(name: &str) -> GroupId {
    GroupId(StrBytes::from_string(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use codec::messages::offset_fetch_response as fetched;

    use super::*;

    #[test]
    fn offsets_are_read_from_answers_of_both_forms() {
        let one = fetched::OffsetFetchResponsePartition::default().with_committed_offset(7);
        let old = fetched::OffsetFetchResponseTopic::default()
            .with_name(topic_name("a"))
            .with_partitions(vec![one]);
        let old = flat(OffsetFetchResponse::default().with_topics(vec![old]));
        let one = fetched::OffsetFetchResponsePartitions::default().with_committed_offset(7);
        let new = fetched::OffsetFetchResponseTopics::default()
            .with_name(topic_name("a"))
            .with_partitions(vec![one]);
        let new = fetched::OffsetFetchResponseGroup::default().with_topics(vec![new]);
        let new = flat(OffsetFetchResponse::default().with_groups(vec![new]));
        let key = Partition { topic: "a".to_owned(), index: 0 };
        for found in [old, new] {
            assert!(matches!(found.as_slice(), [(partition, 7, _, _, 0)] if *partition == key), "{found:?}");
        }
    }

    #[test]
    fn each_partition_has_its_result() {
        let key = |index| Partition { topic: "a".to_owned(), index };
        let results = [("a", 0, 0), ("a", 1, 25), ("b", 0, 25)];
        let results = results.into_iter().map(|(topic, index, code)| (topic.to_owned(), index, code));
        let found = by_partition(&[key(0), key(1), key(2)], results);
        assert_eq!(found, [(key(0), 0), (key(1), 25), (key(2), -1)].into());
    }
}
