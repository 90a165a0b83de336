//! DescribeTopicPartitions, key 75: topics and their partitions, page by page (KIP-966).
//!
//! Version 0. Topics come in the order of their names; all of them if none is named. An answer holds at most
//! as many partitions as the client and `max.request.partition.size.limit` allow, and a cursor if there are
//! more. Follows Kafka's `DescribeTopicPartitionsRequestHandler` and
//! `KRaftMetadataCache.describeTopicResponse`.
//!
//! Java's admin client asks this API first, and Metadata only where it is missing. Each page is made from the
//! catalog of its moment: a topic that is created between two pages is on the second if its name comes late
//! enough.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_topic_partitions_request::{Cursor as AskedCursor, TopicRequest};
use codec::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use codec::messages::{
    BrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, StrBytes, TopicName,
};
use storage::{Catalog, Located, Topic};

use crate::kafka::access::{Access, Operation, TOPIC, each_or_left_out};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::admin::topics;
use crate::session::authorizer::{Internal, Permit};
use crate::topics::names::is_internal;

/// See the file's header.
pub(crate) struct DescribeTopicPartitions;

impl Api for DescribeTopicPartitions {
    type Request = DescribeTopicPartitionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[each_or_left_out(TOPIC, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        if request.cursor.as_ref().is_some_and(|cursor| points_nowhere(cursor, &request.topics)) {
            return Ok(Reply::Response(refuse_all(request)));
        }
        // At least 1, as in `DescribeTopicPartitionsRequestHandler`: an empty page would lead to itself.
        let limit = request.response_partition_limit.min(cx.config().max_request_partition_size_limit).max(1);
        let limit = usize::try_from(limit).expect("it is at least 1");
        let catalog = cx.catalog(&Permit::internal(Internal::Names));
        let mut page = Page { cx, left: limit, topics: Vec::new(), next: None };
        let (from, cursor) = match &request.cursor {
            Some(cursor) => (cursor.topic_name.as_str(), Some(cursor)),
            None => ("", None),
        };
        if request.topics.is_empty() {
            // The cursor names the topic to go on with. If it was deleted since, the page begins after it.
            let visible = |name: &&str| cx.may(TOPIC, Operation::Describe, name).is_ok();
            let names = catalog.topics().map(|topic| topic.name.as_str()).filter(visible);
            page.fill(&catalog, names.skip_while(|name| *name < from), cursor, false);
        } else {
            let names: BTreeSet<&str> = request.topics.iter().map(|topic| topic.name.as_str()).collect();
            page.fill(&catalog, names.range(from..).copied(), cursor, true);
        }
        let response = DescribeTopicPartitionsResponse::default().with_topics(page.topics);
        Ok(Reply::Response(response.with_next_cursor(page.next)))
    }

    fn first_error(response: &DescribeTopicPartitionsResponse) -> i16 {
        super::first_code(response.topics.iter().map(|topic| topic.error_code))
    }
}

/// Returns true if the cursor has no partition, or not one of the topics that are asked for by name.
fn points_nowhere(cursor: &AskedCursor, named: &[TopicRequest]) -> bool {
    let is_named = || named.iter().any(|topic| topic.name == cursor.topic_name);
    cursor.partition_index < 0 || !(named.is_empty() || is_named())
}

/// The answer to a cursor that points nowhere.
fn refuse_all(request: DescribeTopicPartitionsRequest) -> DescribeTopicPartitionsResponse {
    let refused = request.topics.into_iter().map(|topic| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(topic.name))
            .with_error_code(ErrorCode::InvalidRequest.code())
    });
    DescribeTopicPartitionsResponse::default().with_topics(refused.collect()).with_next_cursor(None)
}

/// A topic without partitions, for the reason in `code`.
fn failed(name: TopicName, code: ErrorCode) -> DescribeTopicPartitionsResponseTopic {
    DescribeTopicPartitionsResponseTopic::default().with_name(Some(name)).with_error_code(code.code())
}

/// An answer being filled.
struct Page<'c> {
    cx: &'c Context,
    /// Partitions that it has room for.
    left: usize,
    /// In the order of their names.
    topics: Vec<DescribeTopicPartitionsResponseTopic>,
    /// The first partition that had no room; `None` while everything fits.
    next: Option<Cursor>,
}

impl Page<'_> {
    /// Takes topics until there is no room; those that do not exist are told of if they were `named`.
    fn fill<'a>(
        &mut self,
        catalog: &Catalog,
        names: impl Iterator<Item = &'a str>,
        cursor: Option<&AskedCursor>,
        named: bool,
    ) {
        for name in names {
            if self.left == 0 {
                self.next = Some(at(name, 0));
                return;
            }
            let start = cursor.filter(|cursor| cursor.topic_name.as_str() == name);
            let start = start.map_or(0, |cursor| cursor.partition_index);
            if named && let Err(code) = self.cx.authorize(TOPIC, Operation::Describe, name) {
                // Before any look at existence: as a missing one, without operations.
                self.topics.push(failed(at(name, 0).topic_name, code));
                continue;
            }
            match catalog.topic(name) {
                // A negative index was refused before (`points_nowhere`).
                Some(topic) => self.topic(topic, start.max(0)),
                None if named => {
                    let missing = failed(at(name, 0).topic_name, ErrorCode::from(&topics::absent(name)));
                    let operations = self.cx.authorized_operations(TOPIC, name);
                    self.topics.push(missing.with_topic_authorized_operations(operations));
                }
                // Cannot occur: names that the client did not send come from this very catalog.
                None => {}
            }
            if self.next.is_some() {
                return;
            }
        }
    }

    /// Takes the partitions of a topic from index `start` on, as many as there is room for.
    fn topic(&mut self, topic: &Topic, start: i32) {
        // Nothing is left for a cursor beyond the end: the topic was deleted and created with fewer partitions since.
        let count = topic.partition_count().cast_signed();
        let room = i32::try_from(self.left).unwrap_or(i32::MAX);
        let taken = start.min(count)..start.saturating_add(room).min(count);
        self.next = (taken.end < count).then(|| at(&topic.name, taken.end));
        self.left -= taken.len();
        let described = DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(at(&topic.name, 0).topic_name))
            .with_topic_id(topic.id)
            .with_is_internal(is_internal(&topic.name))
            .with_partitions(taken.map(|index| partition(topic, index, self.cx.node_id())).collect())
            .with_topic_authorized_operations(self.cx.authorized_operations(TOPIC, &topic.name));
        self.topics.push(described);
    }
}

/// A cursor to a partition of a topic.
fn at(name: &str, partition: i32) -> Cursor {
    let name = TopicName(StrBytes::from_string(name.to_owned()));
    Cursor::default().with_topic_name(name).with_partition_index(partition)
}

/// Wire value for no leader.
const NO_LEADER: BrokerId = BrokerId(-1);

/// Its one replica is in sync, leads unless none does, and leaves no other to be eligible.
fn partition(topic: &Topic, index: i32, node_id: i32) -> DescribeTopicPartitionsResponsePartition {
    let here = || vec![BrokerId(node_id)];
    let answer = DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(index)
        .with_replica_nodes(here())
        .with_isr_nodes(here())
        .with_eligible_leader_replicas(Some(Vec::new()))
        .with_last_known_elr(Some(Vec::new()));
    match topic.partition(index) {
        Some(Located::Here(partition)) => {
            answer.with_leader_id(BrokerId(node_id)).with_leader_epoch(partition.leader_epoch())
        }
        _ => answer.with_error_code(ErrorCode::LeaderNotAvailable.code()).with_leader_id(NO_LEADER),
    }
}

#[cfg(test)]
mod tests;
