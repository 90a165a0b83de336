//! OffsetFetch, key 9: how far groups have read.
//!
//! Versions 0–10:
//! - v0: as Kafka read it from ZooKeeper, what is not committed is UNKNOWN_TOPIC_OR_PARTITION.
//! - v1: what is not committed is -1, as below.
//! - v2: null topics ask for everything; top-level error.
//! - v3: throttle time.
//! - v4: as v3 (KIP-219).
//! - v5: leader epoch (KIP-320).
//! - v6: flexible.
//! - v7: `require_stable` (KIP-447).
//! - v8: several groups (KIP-709).
//! - v9: member id and epoch (KIP-848).
//! - v10: topics by id.
//!
//! From version 1 on what is not committed is -1, without an error, also for a group that does not exist, and
//! for a topic that has been deleted and created again since. Member id and epoch are checked for groups of
//! the consumer protocol, as in Kafka. An offset whose commit is not on the disk yet is waited for: no client
//! sees an offset that a crash could take back.
//!
//! A partition for which a transaction that is open has an offset answers with what was committed before, or,
//! if the request asks for stable offsets, with UNSTABLE_OFFSET_COMMIT and -1: the client asks again. One
//! that asks for all partitions is told those with a committed offset only.

use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use codec::messages::{OffsetFetchRequest, OffsetFetchResponse, StrBytes, TopicName};
use coordinator::group::offsets::{CommittedOffset, Offsets};
use coordinator::group::{GroupError, GroupId, MemberId};
use storage::Catalog;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, each, each_or_left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;

/// See the file's header.
pub(crate) struct OffsetFetch;

impl Api for OffsetFetch {
    type Request = OffsetFetchRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=10;
    const ACCESS: Access =
        Access::Needs(&[each(GROUP, Operation::Describe), each_or_left_out(TOPIC, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let require_stable = request.require_stable;
        if cx.api_version() >= 8 {
            let mut groups = Vec::with_capacity(request.groups.len());
            for asked in request.groups {
                groups.push(fetch(cx, asked, require_stable).await);
            }
            return Ok(Reply::Response(OffsetFetchResponse::default().with_groups(groups)));
        }
        let asked = OffsetFetchRequestGroup::default()
            .with_group_id(request.group_id)
            .with_topics(request.topics.map(|topics| topics.into_iter().map(plural).collect()));
        Ok(Reply::Response(single(fetch(cx, asked, require_stable).await, cx.api_version())))
    }

    fn first_error(response: &OffsetFetchResponse) -> i16 {
        let groups = response.groups.iter().map(|group| group.error_code);
        super::first_code([response.error_code].into_iter().chain(groups))
    }
}

/// From this version on topics are named by id alone.
const TOPIC_IDS_FROM: i16 = 10;
/// Wire value for no committed offset.
const NOT_COMMITTED: i64 = -1;

/// A topic in the layout of version 8, so that one path serves all versions.
fn plural(topic: OffsetFetchRequestTopic) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics::default().with_name(topic.name).with_partition_indexes(topic.partition_indexes)
}

/// The offsets of one group. An error concerns the whole group; it has no topics then.
async fn fetch(
    cx: &Context,
    asked: OffsetFetchRequestGroup,
    require_stable: bool,
) -> OffsetFetchResponseGroup {
    let permit = match cx.authorize(GROUP, Operation::Describe, &asked.group_id) {
        Ok(permit) => permit,
        Err(code) => return refused(asked, code, cx.api_version()),
    };
    let group_id = GroupId::from(asked.group_id.as_str());
    let topics = asked.topics.as_deref();
    let catalog = cx.catalog(&permit);
    let by_id = cx.api_version() >= TOPIC_IDS_FROM;
    let member_id = asked.member_id.as_deref().map(MemberId::from);
    // Before version 9 there is no member id, and every reader is welcome.
    let member = member_id.as_ref().map(|id| (id, asked.member_epoch));
    let read = |offsets: Option<&Offsets>| {
        let view = View { cx, offsets, catalog: &catalog, require_stable };
        match topics {
            Some(topics) if by_id => topics.iter().map(|topic| view.chosen_by_id(topic)).collect(),
            Some(topics) => topics.iter().map(|topic| view.chosen(topic, topic.name.as_str())).collect(),
            None => view.all(),
        }
    };
    let result: Result<Vec<OffsetFetchResponseTopics>, GroupError> =
        cx.groups(&permit).read_offsets(&group_id, member, read).await;
    let answer = OffsetFetchResponseGroup::default().with_group_id(asked.group_id);
    match result {
        Ok(topics) => answer.with_topics(topics),
        Err(error) => answer.with_error_code(group_error_code(error).code()),
    }
}

/// The answer for a group that the client may not describe. Versions 0 and 1 have no error of the group: there it is on each
/// partition.
fn refused(asked: OffsetFetchRequestGroup, code: ErrorCode, version: i16) -> OffsetFetchResponseGroup {
    let topics = asked.topics.filter(|_| version < 2).unwrap_or_default();
    let topic = |topic: OffsetFetchRequestTopics| {
        let partitions = topic.partition_indexes.iter().map(|index| partition(*index, None));
        OffsetFetchResponseTopics::default().with_name(topic.name).with_partitions(partitions.collect())
    };
    OffsetFetchResponseGroup::default()
        .with_group_id(asked.group_id)
        .with_error_code(code.code())
        .with_topics(topics.into_iter().map(topic).collect())
}

/// The offsets of a group as one request may see them.
struct View<'a> {
    cx: &'a Context,
    /// `None` if there is no such group: it has committed nothing.
    offsets: Option<&'a Offsets>,
    catalog: &'a Catalog,
    /// An offset that the end of a transaction may still change is not told (KIP-447).
    require_stable: bool,
}

impl View<'_> {
    /// The partitions of one topic named by id; each is UNKNOWN_TOPIC_ID if there is no such topic.
    fn chosen_by_id(&self, topic: &OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
        if let Some(found) = self.catalog.topic_by_id(topic.topic_id) {
            return self.chosen(topic, &found.name);
        }
        all_refused(topic, ErrorCode::UnknownTopicId)
    }

    /// The partitions that were asked for of one topic, in their order, with -1 for what is not committed.
    fn chosen(&self, topic: &OffsetFetchRequestTopics, name: &str) -> OffsetFetchResponseTopics {
        if let Err(code) = self.cx.authorize(TOPIC, Operation::Describe, name) {
            return all_refused(topic, code);
        }
        let committed = |index: i32| {
            let committed = self.offsets.and_then(|offsets| offsets.committed(name, index));
            committed.filter(|committed| is_current(committed, name, self.catalog))
        };
        let partitions =
            topic.partition_indexes.iter().map(|index| self.partition(name, *index, committed(*index)));
        OffsetFetchResponseTopics::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    }

    /// Everything that the group has committed, except for topics that were deleted since, or created anew.
    fn all(&self) -> Vec<OffsetFetchResponseTopics> {
        let mut topics: Vec<(&Arc<str>, OffsetFetchResponseTopics)> = Vec::new();
        let offsets = self.offsets.into_iter().flat_map(Offsets::iter);
        let mut asked: Option<(&Arc<str>, bool)> = None;
        for (topic, index, committed) in
            offsets.filter(|(topic, _, committed)| is_current(committed, topic, self.catalog))
        {
            // Once a topic, as they come topic by topic.
            let visible = match asked {
                Some((last, visible)) if last == topic => visible,
                _ => self.cx.may(TOPIC, Operation::Describe, topic).is_ok(),
            };
            asked = Some((topic, visible));
            if !visible {
                continue;
            }
            let partition = self.partition(topic, index, Some(committed));
            // The offsets come topic by topic: the last one is the only one that can be the same.
            match topics.last_mut().filter(|(last, _)| *last == topic) {
                Some((_, same)) => same.partitions.push(partition),
                None => {
                    let name = TopicName(StrBytes::from_string(topic.to_string()));
                    // `is_current` has found the topic.
                    let id = self.catalog.topic(topic).map(|topic| topic.id).unwrap_or_default();
                    let response = OffsetFetchResponseTopics::default().with_name(name).with_topic_id(id);
                    topics.push((topic, response.with_partitions(vec![partition])));
                }
            }
        }
        topics.into_iter().map(|(_, topic)| topic).collect()
    }

    /// One partition. Kafka looks at pending offsets first, whatever is committed (`fetchOffsets`).
    fn partition(
        &self,
        topic: &str,
        index: i32,
        committed: Option<&CommittedOffset>,
    ) -> OffsetFetchResponsePartitions {
        let is_pending = self.offsets.is_some_and(|offsets| offsets.pending().is_pending(topic, index));
        if self.require_stable && is_pending {
            return partition(index, None).with_error_code(ErrorCode::UnstableOffsetCommit.code());
        }
        partition(index, committed)
    }
}

/// The refusal of each partition of a topic, named as the request named it.
fn all_refused(topic: &OffsetFetchRequestTopics, code: ErrorCode) -> OffsetFetchResponseTopics {
    let refused = |index: &i32| partition(*index, None).with_error_code(code.code());
    OffsetFetchResponseTopics::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
        .with_partitions(topic.partition_indexes.iter().map(refused).collect())
}

/// Returns true if the topic of that name is the one for which the offset was committed, neither deleted since nor
/// created anew.
fn is_current(committed: &CommittedOffset, topic: &str, catalog: &Catalog) -> bool {
    catalog.topic(topic).is_some_and(|topic| committed.is_of_topic(topic.id))
}

/// One partition, or none committed: -1 as offset and epoch, with empty metadata.
fn partition(index: i32, committed: Option<&CommittedOffset>) -> OffsetFetchResponsePartitions {
    let answer = OffsetFetchResponsePartitions::default().with_partition_index(index);
    let Some(committed) = committed else {
        return answer
            .with_committed_offset(NOT_COMMITTED)
            .with_committed_leader_epoch(-1)
            // `OffsetFetchResponse.NO_METADATA`: empty, not null.
            .with_metadata(Some(StrBytes::default()));
    };
    answer
        .with_committed_offset(committed.offset)
        .with_committed_leader_epoch(committed.leader_epoch)
        .with_metadata(Some(StrBytes::from_string(committed.metadata.to_string())))
}

/// The form before version 8, for one group. Versions 0 and 1 have no top-level error: there it is on every partition.
fn single(group: OffsetFetchResponseGroup, version: i16) -> OffsetFetchResponse {
    let group_code = group.error_code;
    let partition = |partition: OffsetFetchResponsePartitions| {
        // A refusal has no offset either.
        let is_missing = group_code == 0
            && partition.error_code == ErrorCode::None.code()
            && partition.committed_offset == NOT_COMMITTED;
        let error_code = match version {
            // What ZooKeeper did not have was an error; consumers of that age start anew on it.
            0 if is_missing => ErrorCode::UnknownTopicOrPartition.code(),
            _ if group_code == 0 => partition.error_code,
            _ => group_code,
        };
        OffsetFetchResponsePartition::default()
            .with_partition_index(partition.partition_index)
            .with_committed_offset(partition.committed_offset)
            .with_committed_leader_epoch(partition.committed_leader_epoch)
            .with_metadata(partition.metadata)
            .with_error_code(error_code)
    };
    let topics = group.topics.into_iter().map(|topic| {
        OffsetFetchResponseTopic::default()
            .with_name(topic.name)
            .with_partitions(topic.partitions.into_iter().map(partition).collect())
    });
    let response = OffsetFetchResponse::default().with_topics(topics.collect());
    if version >= 2 { response.with_error_code(group_code) } else { response }
}
