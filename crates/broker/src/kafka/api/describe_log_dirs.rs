//! DescribeLogDirs, key 35: the data folder, and the size of each partition in it.
//!
//! Versions 0–5:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//! - v3: an error code for the whole answer.
//! - v4: the size and free space of the folder's file system (KIP-827).
//! - v5: whether the folder takes no new partitions (KIP-1066), which cannot be asked for here.
//!
//! There is one folder, so an answer has one result; topics that do not exist are left out, as in Kafka. A
//! size is that of the record batches, without what the storage adds to them.

use std::collections::HashSet;
use std::ops::RangeInclusive;
use std::path::Path;

use codec::messages::describe_log_dirs_response::{
    DescribeLogDirsPartition, DescribeLogDirsResult, DescribeLogDirsTopic,
};
use codec::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse, StrBytes, TopicName};
use storage::{DiskSpace, Topic};

use super::{Answer, Api, Reply};
use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::context::Context;

/// Unknown, for the sizes of the file system.
const UNKNOWN: i64 = -1;

/// See the file's header.
pub(super) struct DescribeLogDirs;

impl Api for DescribeLogDirs {
    type Request = DescribeLogDirsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=5;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, request: DescribeLogDirsRequest) -> Answer<Self> {
        let permit = match cx.authorize_cluster(Operation::Describe) {
            Ok(permit) => permit,
            // Before version 3 there is no place for a code: the answer is empty.
            Err(_) if cx.api_version() < 3 => return Ok(Reply::Response(DescribeLogDirsResponse::default())),
            Err(code) => {
                let response = DescribeLogDirsResponse::default().with_error_code(code.code());
                return Ok(Reply::Response(response));
            }
        };
        let folder = log_dir(cx);
        let catalog = cx.catalog(&permit);
        let topics = match &request.topics {
            None => catalog.topics().map(|topic| described(topic, |_| true)).collect(),
            Some(asked) => {
                let found = asked.iter().filter_map(|asked| {
                    let topic = catalog.topic(asked.topic.as_str())?;
                    let wanted: HashSet<i32> = asked.partitions.iter().copied().collect();
                    let described = described(topic, |index| wanted.contains(&index));
                    // As in Kafka, which gathers partitions and not topics.
                    (!described.partitions.is_empty()).then_some(described)
                });
                found.collect()
            }
        };
        let (total, usable) = match DiskSpace::of(Path::new(&folder)) {
            Ok(space) => (bytes(space.total), bytes(space.free)),
            // As Kafka's `UNKNOWN_VOLUME_BYTES`: the sizes are an extra, the partitions are told all the same.
            Err(_) => (UNKNOWN, UNKNOWN),
        };
        let result = DescribeLogDirsResult::default()
            .with_log_dir(StrBytes::from_string(folder))
            .with_topics(topics)
            .with_total_bytes(total)
            .with_usable_bytes(usable);
        Ok(Reply::Response(DescribeLogDirsResponse::default().with_results(vec![result])))
    }

    fn first_error(response: &DescribeLogDirsResponse) -> i16 {
        response.error_code
    }
}

/// The data folder as clients are told it: an absolute path, links not followed. Bytes that are no UTF-8 are
/// replaced, as strings of the protocol are UTF-8.
pub(super) fn log_dir(cx: &Context) -> String {
    let folder = cx.config().data_dir();
    // Fails only where the folder that the process runs in is gone.
    let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    folder.to_string_lossy().into_owned()
}

/// A count for a field of 64 bits with a sign; larger ones become the largest.
fn bytes(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The partitions of a topic whose index is `wanted`, each with the bytes of its batches.
fn described(topic: &Topic, wanted: impl Fn(i32) -> bool) -> DescribeLogDirsTopic {
    let partitions = topic.led_here().filter(|partition| wanted(partition.index())).map(|partition| {
        DescribeLogDirsPartition::default()
            .with_partition_index(partition.index())
            .with_partition_size(bytes(partition.size_bytes()))
    });
    DescribeLogDirsTopic::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_partitions(partitions.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::api::produce::tests::{broker_with, topic_name};
    use codec::messages::describe_log_dirs_request::DescribableLogDirTopic;

    #[tokio::test]
    async fn a_topic_without_any_of_the_partitions_asked_for_is_left_out() {
        let running = broker_with(&[("orders", &[]), ("parcels", &[])]).await;
        let mut client = running.client().await;
        let asked = |name, index| {
            DescribableLogDirTopic::default().with_topic(topic_name(name)).with_partitions(vec![index])
        };
        let request = DescribeLogDirsRequest::default()
            .with_topics(Some(vec![asked("orders", 99), asked("parcels", 0)]));
        let response = client.call(4, &request).await;
        let topics: Vec<_> = response.results[0].topics.iter().map(|topic| topic.name.as_str()).collect();
        assert_eq!(topics, ["parcels"]);
    }
}
