//! AlterReplicaLogDirs, key 34: moves replicas from one data folder to another (KIP-113). There is one
//! folder, and they are in it already.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219).
//! - v2: flexible.
//!
//! A folder that is not this broker's is LOG_DIR_NOT_FOUND, a partition that does not exist
//! UNKNOWN_TOPIC_OR_PARTITION; the rest needs no move. The folder is compared with the name that
//! DescribeLogDirs shows, letter by letter.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use codec::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse, TopicName};

use super::describe_log_dirs::log_dir;
use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct AlterReplicaLogDirs;

impl Api for AlterReplicaLogDirs {
    type Request = AlterReplicaLogDirsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = cx.authorize_cluster(Operation::Alter);
        let (own, catalog) = (log_dir(cx), permit.map(|permit| cx.catalog(&permit)));
        // Of a partition that is named twice the last folder counts, as in Kafka.
        let mut results: BTreeMap<TopicName, BTreeMap<i32, ErrorCode>> = BTreeMap::new();
        for dir in request.dirs {
            for topic in dir.topics {
                let known = catalog.as_ref().map(|catalog| catalog.topic(topic.name.as_str()));
                let error = |index: i32| match known {
                    Err(code) => *code,
                    Ok(_) if dir.path.as_str() != own => ErrorCode::LogDirNotFound,
                    Ok(Some(topic)) if topic.partition(index).is_some() => ErrorCode::None,
                    _ => ErrorCode::UnknownTopicOrPartition,
                };
                for index in topic.partitions {
                    // A partition named twice has one answer, the last one, as in Kafka's map.
                    results.entry(topic.name.clone()).or_default().insert(index, error(index));
                }
            }
        }
        let results = results.into_iter().map(|(name, partitions)| {
            let partitions = partitions.into_iter().map(|(index, error)| {
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(index)
                    .with_error_code(error.code())
            });
            AlterReplicaLogDirTopicResult::default()
                .with_topic_name(name)
                .with_partitions(partitions.collect())
        });
        Ok(Reply::Response(AlterReplicaLogDirsResponse::default().with_results(results.collect())))
    }

    fn first_error(response: &AlterReplicaLogDirsResponse) -> i16 {
        let partitions = response.results.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::alter_replica_log_dirs_request::{AlterReplicaLogDir, AlterReplicaLogDirTopic};
    use codec::messages::{DescribeLogDirsRequest, StrBytes};

    use super::super::produce::tests::{broker_with, topic_name};
    use super::*;

    #[tokio::test]
    async fn partitions_are_where_they_can_be_and_nowhere_else() {
        let running = broker_with(&[("orders", &[])]).await;
        let mut client = running.client().await;
        let own = client.call(5, &DescribeLogDirsRequest::default()).await.results.remove(0).log_dir;
        let asked = |path: &StrBytes| {
            let topic = |name, index| {
                AlterReplicaLogDirTopic::default().with_name(topic_name(name)).with_partitions(vec![index])
            };
            let topics = vec![topic("orders", 0), topic("orders", 7), topic("absent", 0)];
            let dir = AlterReplicaLogDir::default().with_path(path.clone()).with_topics(topics);
            AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])
        };
        for version in 0..=2 {
            for (path, codes) in [(&own, [3, 0, 3]), (&StrBytes::from_static_str("/nowhere"), [57, 57, 57])] {
                let response = client.call(version, &asked(path)).await;
                let told: Vec<(&str, i32, i16)> = response
                    .results
                    .iter()
                    .flat_map(|topic| topic.partitions.iter().map(|one| (topic.topic_name.as_str(), one)))
                    .map(|(name, one)| (name, one.partition_index, one.error_code))
                    .collect();
                let [absent, there, beyond] = codes;
                assert_eq!(told, [("absent", 0, absent), ("orders", 0, there), ("orders", 7, beyond)]);
            }
        }
    }
}
