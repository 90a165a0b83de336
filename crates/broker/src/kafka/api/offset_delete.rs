//! OffsetDelete, key 47: forgets committed offsets of a group, partition by partition (KIP-496).
//!
//! Version 0. Partitions of a topic to which a member of the group subscribes are GROUP_SUBSCRIBED_TO_TOPIC;
//! a group with members that are no consumers is NON_EMPTY_GROUP. An offset that was never committed is no
//! error, a partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION. The offsets that open transactions
//! have for a partition go, too, as in Kafka. Offsets are gone from the disk when it is answered.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use codec::ErrorCode;
use codec::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use codec::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use coordinator::group::GroupId;

use crate::kafka::access::{Access, GROUP, Operation, TOPIC, each, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::group_error_code;

/// See the file's header.
pub(crate) struct OffsetDelete;

impl Api for OffsetDelete {
    type Request = OffsetDeleteRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[whole(GROUP, Operation::Delete), each(TOPIC, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize(GROUP, Operation::Delete, &request.group_id) {
            Ok(permit) => permit,
            Err(code) => {
                return Ok(Reply::Response(OffsetDeleteResponse::default().with_error_code(code.code())));
            }
        };
        let denied: HashMap<String, ErrorCode> = request
            .topics
            .iter()
            .filter_map(|topic| {
                let code = cx.authorize(TOPIC, Operation::Read, &topic.name).err()?;
                Some((topic.name.to_string(), code))
            })
            .collect();
        let catalog = cx.catalog(&permit);
        // The same catalog for both uses: the results are matched with the partitions that existed at the first.
        let exists = |name: &str, index: i32| {
            let allowed = !denied.contains_key(name);
            allowed && catalog.topic(name).is_some_and(|topic| topic.partition(index).is_some())
        };
        let mut wanted: Vec<(Arc<str>, i32)> = Vec::new();
        for topic in &request.topics {
            let name: Arc<str> = Arc::from(topic.name.as_str());
            let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
            wanted.extend(
                indexes.filter(|index| exists(&name, *index)).map(|index| (Arc::clone(&name), index)),
            );
        }
        let group_id = GroupId::from(request.group_id.as_str());
        let results = match cx.groups(&permit).delete_offsets(&group_id, &wanted).await {
            Ok(results) => results,
            Err(error) => {
                let code = group_error_code(error).code();
                return Ok(Reply::Response(OffsetDeleteResponse::default().with_error_code(code)));
            }
        };
        let mut results = results.into_iter();
        let topics = request.topics.iter().map(|topic| {
            let partitions = topic.partitions.iter().map(|partition| {
                let index = partition.partition_index;
                let code = if exists(&topic.name, index) {
                    // The group was asked only for partitions that exist, in this order.
                    results.next().and_then(Result::err).map_or(ErrorCode::None, group_error_code)
                } else {
                    denied.get(topic.name.as_str()).copied().unwrap_or(ErrorCode::UnknownTopicOrPartition)
                };
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(index)
                    .with_error_code(code.code())
            });
            OffsetDeleteResponseTopic::default()
                .with_name(topic.name.clone())
                .with_partitions(partitions.collect())
        });
        let topics = topics.collect();
        Ok(Reply::Response(OffsetDeleteResponse::default().with_topics(topics)))
    }

    fn first_error(response: &OffsetDeleteResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        let codes = partitions.map(|partition| partition.error_code);
        super::first_code([response.error_code].into_iter().chain(codes))
    }
}
