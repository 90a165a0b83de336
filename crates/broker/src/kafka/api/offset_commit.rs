//! OffsetCommit, key 8: stores how far a group has read.
//!
//! Versions 0–10:
//! - v0: no members; Kafka kept it in ZooKeeper while there was one, here it is a commit like that of any
//!   consumer without a group.
//! - v1: members; its time of the commit is not looked at.
//! - v2: a retention time of the client's own, until v4.
//! - v3: throttle time.
//! - v4: as v3 (KIP-219).
//! - v5: the broker's retention only (KIP-211).
//! - v6: leader epoch (KIP-320).
//! - v7: static members (KIP-345).
//! - v8: flexible.
//! - v9: the generation may be a member epoch (KIP-848); a member's group that does not exist is
//!   GROUP_ID_NOT_FOUND.
//! - v10: topics by id.
//!
//! Offsets are on the disk when they are acknowledged. A member of the consumer protocol that has moved on to
//! another epoch meanwhile can still commit for partitions that it got by then and holds (KIP-1251).

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::offset_commit_request::OffsetCommitRequestPartition;
use codec::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use codec::messages::{OffsetCommitRequest, OffsetCommitResponse};
use coordinator::group::offsets::OffsetCommit as Commit;
use coordinator::group::requests::CommitIdentity;
use coordinator::group::{GenerationId, GroupError, GroupId, GroupInstanceId, MemberId};
use storage::Topic;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, each, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;
use crate::services::coordinator::group::CommitTerms;
use crate::session::authorizer::{Internal, Permit};

/// See the file's header.
pub(crate) struct OffsetCommit;

/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 10;
/// `OffsetCommitRequest.DEFAULT_RETENTION_TIME`: the broker's.
const DEFAULT_RETENTION: i64 = -1;

impl Api for OffsetCommit {
    type Request = OffsetCommitRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Read), each(TOPIC, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Read, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => {
                let partitions = request.topics.iter().map(|topic| topic.partitions.len()).sum();
                return Ok(Reply::Response(response(&request, vec![Some(code); partitions])));
            }
        };
        let (commits, mut codes) = commits(cx, &request);
        let group_id = GroupId::from(request.group_id.as_str());
        // Nothing to store: nothing for the group to judge either, as in Kafka.
        if !commits.is_empty() {
            let result =
                cx.groups(&permit).commit(&group_id, &terms(&request, cx.api_version()), commits).await;
            fill(&mut codes, result);
        }
        Ok(Reply::Response(response(&request, codes)))
    }

    fn first_error(response: &OffsetCommitResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// The sender and the terms of a commit. `retention_ms` is `None` where the retention of the broker holds.
fn terms(request: &OffsetCommitRequest, version: i16) -> CommitTerms {
    let who = CommitIdentity {
        member_id: MemberId::from(request.member_id.as_str()),
        group_instance_id: request.group_instance_id.as_deref().map(GroupInstanceId::from),
        generation: GenerationId(request.generation_id_or_member_epoch),
    };
    // KIP-211: since version 5 the broker's retention is the only one.
    let retention_ms = Some(request.retention_time_ms).filter(|ms| version <= 4 && *ms != DEFAULT_RETENTION);
    CommitTerms { who, retention_ms, knows_member_epochs: version >= 9 }
}

/// Returns the commits to pass to the coordinator, and a code for every partition of the request in order: `None` where
/// the coordinator will answer.
fn commits(cx: &Context, request: &OffsetCommitRequest) -> (Vec<Commit>, Vec<Option<ErrorCode>>) {
    let catalog = cx.catalog(&Permit::internal(Internal::Names));
    let (mut commits, mut codes) = (Vec::new(), Vec::new());
    for asked in &request.topics {
        let by_id = cx.api_version() >= TOPIC_IDS_FROM;
        let topic = if by_id { catalog.topic_by_id(asked.topic_id) } else { catalog.topic(&asked.name) };
        let known_name = topic.map_or(asked.name.as_str(), |topic| topic.name.as_str());
        // An id without a topic has no name to ask about.
        let denied = (!by_id || topic.is_some())
            .then(|| cx.authorize(TOPIC, Operation::Read, known_name).err())
            .flatten();
        let topic = topic.filter(|_| denied.is_none());
        let name: Arc<str> = topic.map_or_else(Arc::default, |topic| Arc::from(topic.name.as_str()));
        let unknown = if let Some(code) = denied {
            code
        } else if by_id && topic.is_none() {
            ErrorCode::UnknownTopicId
        } else {
            ErrorCode::UnknownTopicOrPartition
        };
        for partition in &asked.partitions {
            let found = topic.filter(|topic| has_partition(topic, partition.partition_index));
            codes.push(found.is_none().then_some(unknown));
            commits.extend(found.map(|topic| commit(&name, topic, partition)));
        }
    }
    (commits, codes)
}

/// Returns true if the topic has a partition of that index, which may be any number.
fn has_partition(topic: &Topic, index: i32) -> bool {
    topic.partition(index).is_some()
}

/// One offset to store. The topic id is stored with it: a topic created anew under the name does not inherit
/// it.
fn commit(name: &Arc<str>, topic: &Topic, partition: &OffsetCommitRequestPartition) -> Commit {
    Commit {
        topic: Arc::clone(name),
        topic_id: topic.id,
        partition: partition.partition_index,
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        // Null and empty are one: an answer to OffsetFetch has no null for it (`OffsetAndMetadata.NO_METADATA`).
        metadata: partition.committed_metadata.as_deref().map(Arc::from).unwrap_or_default(),
    }
}

/// Puts the coordinator's results where they are awaited.
fn fill(codes: &mut [Option<ErrorCode>], result: Result<Vec<Result<(), GroupError>>, GroupError>) {
    let open = codes.iter_mut().filter(|code| code.is_none());
    match result {
        Err(error) => open.for_each(|code| *code = Some(group_error_code(error))),
        Ok(results) => {
            for (code, result) in open.zip(results) {
                *code = result.err().map(group_error_code);
            }
        }
    }
}

/// The answer, topic by topic as they were asked for, with name and id as they came.
fn response(request: &OffsetCommitRequest, codes: Vec<Option<ErrorCode>>) -> OffsetCommitResponse {
    let mut codes = codes.into_iter();
    let mut partition = |index| {
        // One for each partition, in the order of the request. `None` was committed.
        let code = codes.next().flatten().unwrap_or(ErrorCode::None);
        OffsetCommitResponsePartition::default().with_partition_index(index).with_error_code(code.code())
    };
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| partition(asked.partition_index)).collect();
        OffsetCommitResponseTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions)
    });
    let topics = topics.collect();
    OffsetCommitResponse::default().with_topics(topics)
}

#[cfg(test)]
mod tests;
