//! A filled request of every API that the broker serves, at every version the codec can write.
//!
//! Filled: every array has an element and every string a letter, so that each length and count can
//! be falsified. An advertised API without a sample fails the registry test.

use crate::admin::{group_id, text, topic_name};
use crate::client::Client;
use crate::history::Id;
use crate::records::{Content, batch};
use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::describe_log_dirs_request::DescribableLogDirTopic;
use codec::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use codec::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::*;
use codec::{Request, Response, frame};
use std::ops::RangeInclusive;
use std::time::Duration;
use uuid::Uuid;

mod admin;
mod groups;
mod transactions;

use admin::*;
use groups::*;
use transactions::*;

/// The topic in the samples. It may exist or not.
pub const TOPIC: &str = "samples";
/// The id of the topic, at versions that name topics by id: no topic has it. [`Sample::answer_about`] sends another.
const TOPIC_ID: Uuid = Uuid::from_u128(0x7b1d_0c5e_94aa_4f3a_8e21_5c90_d3f7_11aa);

/// One API's samples.
pub struct Sample {
    /// The API key.
    pub key: i16,
    /// The API's name.
    pub name: &'static str,
    /// The versions that the codec can write.
    pub versions: RangeInclusive<i16>,
    encode: Box<dyn Fn(i16) -> Result<Bytes> + Send + Sync>,
    decode: fn(i16, Bytes) -> Result<String>,
}

impl Sample {
    fn of<R: Request<Response: std::fmt::Debug>>(build: fn(i16) -> R) -> Sample {
        let encode = move |version| {
            let mut out = BytesMut::new();
            build(version).encode(version, &mut out)?;
            Ok(out.freeze())
        };
        let decode = |version, mut frame: Bytes| {
            frame::parse_response_header(&mut frame, R::KEY, version)?;
            let answer = R::Response::decode(frame, version).context("decoding the answer")?;
            Ok(format!("{answer:?}"))
        };
        Sample { key: R::KEY, name: R::NAME, versions: R::VERSIONS, encode: Box::new(encode), decode }
    }

    /// The body of the sample at this version.
    ///
    /// # Errors
    /// If the codec cannot write it.
    pub fn body(&self, version: i16) -> Result<Bytes> {
        (self.encode)(version).with_context(|| format!("{} v{version}", self.name))
    }

    /// Sends it and checks that an answer comes which parses to its last byte.
    ///
    /// # Errors
    /// If not.
    pub fn exchange(&self, client: &mut Client, version: i16) -> Result<()> {
        self.answer(client, version).map(drop)
    }

    /// As [`Sample::exchange`]; the fields of the answer, as their `Debug` shows them.
    ///
    /// # Errors
    /// If no answer comes that parses.
    pub fn answer(&self, client: &mut Client, version: i16) -> Result<String> {
        self.answer_about(client, version, TOPIC_ID)
    }

    /// As [`Sample::answer`], where the topic is named by this id at versions that have ids.
    ///
    /// # Errors
    /// As there.
    pub fn answer_about(&self, client: &mut Client, version: i16, id: Uuid) -> Result<String> {
        let mut body = self.body(version)?.to_vec();
        // In place: an id has 16 bytes wherever it stands.
        let places = 0..body.len().saturating_sub(TOPIC_ID.as_bytes().len() - 1);
        for at in places {
            let here = &mut body[at..at + TOPIC_ID.as_bytes().len()];
            if here == TOPIC_ID.as_bytes() {
                here.copy_from_slice(id.as_bytes());
            }
        }
        client.send_body(self.key, version, &body)?;
        client.set_patience(Duration::from_secs(10))?;
        let frame = client.receive_frame().with_context(|| format!("{} v{version}: no answer", self.name))?;
        ensure!(frame.len() >= 4, "{} v{version}: an answer of {} bytes", self.name, frame.len());
        (self.decode)(version, frame).with_context(|| format!("{} v{version}", self.name))
    }
}

/// A sample of every API.
pub fn all() -> Vec<Sample> {
    vec![
        Sample::of(produce),
        Sample::of(fetch),
        Sample::of(list_offsets),
        Sample::of(metadata),
        Sample::of(offset_commit),
        Sample::of(offset_fetch),
        Sample::of(find_coordinator),
        Sample::of(join_group),
        Sample::of(heartbeat),
        Sample::of(leave_group),
        Sample::of(sync_group),
        Sample::of(|_| DescribeGroupsRequest::default().with_groups(vec![group_id("g")])),
        Sample::of(list_groups),
        Sample::of(|_| SaslHandshakeRequest::default().with_mechanism(text("PLAIN"))),
        Sample::of(|_| SaslAuthenticateRequest::default().with_auth_bytes(Bytes::from_static(b"\0u\0p"))),
        Sample::of(api_versions),
        Sample::of(create_topics),
        Sample::of(delete_topics),
        Sample::of(delete_records),
        Sample::of(init_producer_id),
        Sample::of(add_partitions_to_txn),
        Sample::of(|_| {
            AddOffsetsToTxnRequest::default()
                .with_transactional_id(transactional_id())
                .with_group_id(group_id("g"))
        }),
        Sample::of(|_| EndTxnRequest::default().with_transactional_id(transactional_id())),
        Sample::of(write_txn_markers),
        Sample::of(txn_offset_commit),
        Sample::of(|_| {
            DescribeTransactionsRequest::default().with_transactional_ids(vec![transactional_id()])
        }),
        Sample::of(list_transactions),
        Sample::of(offset_for_leader_epoch),
        Sample::of(describe_acls),
        Sample::of(create_acls),
        Sample::of(delete_acls),
        Sample::of(describe_configs),
        Sample::of(alter_configs),
        Sample::of(|_| {
            let topic = alter_replica_log_dirs_request::AlterReplicaLogDirTopic::default()
                .with_name(topic_name(TOPIC))
                .with_partitions(vec![0]);
            let dir = alter_replica_log_dirs_request::AlterReplicaLogDir::default()
                .with_path(text("/data"))
                .with_topics(vec![topic]);
            AlterReplicaLogDirsRequest::default().with_dirs(vec![dir])
        }),
        Sample::of(|_| {
            let topic =
                DescribableLogDirTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![0]);
            DescribeLogDirsRequest::default().with_topics(Some(vec![topic]))
        }),
        Sample::of(create_partitions),
        Sample::of(|_| CreateDelegationTokenRequest::default().with_max_lifetime_ms(-1)),
        Sample::of(|_| RenewDelegationTokenRequest::default().with_hmac(Bytes::from_static(b"token"))),
        Sample::of(|_| ExpireDelegationTokenRequest::default().with_hmac(Bytes::from_static(b"token"))),
        Sample::of(|_| DescribeDelegationTokenRequest::default()),
        Sample::of(|_| DeleteGroupsRequest::default().with_groups_names(vec![group_id("g")])),
        Sample::of(incremental_alter_configs),
        Sample::of(|_| {
            let partitions = vec![OffsetDeleteRequestPartition::default().with_partition_index(0)];
            let topic =
                OffsetDeleteRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(partitions);
            OffsetDeleteRequest::default().with_group_id(group_id("g")).with_topics(vec![topic])
        }),
        Sample::of(|version| {
            DescribeClusterRequest::default().with_endpoint_type(1).with_include_fenced_brokers(version >= 2)
        }),
        Sample::of(consumer_group_heartbeat),
        Sample::of(|_| ConsumerGroupDescribeRequest::default().with_group_ids(vec![group_id("modern")])),
        Sample::of(elect_leaders),
        Sample::of(alter_partition_reassignments),
        Sample::of(list_partition_reassignments),
        Sample::of(describe_user_scram_credentials),
        Sample::of(describe_client_quotas),
        Sample::of(alter_client_quotas),
        Sample::of(alter_user_scram_credentials),
        Sample::of(describe_quorum),
        Sample::of(update_features),
        Sample::of(describe_producers),
        Sample::of(|_| UnregisterBrokerRequest::default().with_broker_id(BrokerId(7))),
        Sample::of(|version| {
            let kinds = if version >= 1 { vec![2] } else { Vec::new() };
            ListConfigResourcesRequest::default().with_resource_types(kinds)
        }),
        Sample::of(describe_topic_partitions),
        Sample::of(|_| {
            GetTelemetrySubscriptionsRequest::default().with_client_instance_id(Uuid::from_u128(1))
        }),
        Sample::of(|_| PushTelemetryRequest::default().with_client_instance_id(Uuid::from_u128(1))),
        Sample::of(|_| streams_group_heartbeat()),
        Sample::of(|_| StreamsGroupDescribeRequest::default().with_group_ids(vec![group_id("streams")])),
    ]
}

/// One record, in a batch.
pub fn one_record() -> Bytes {
    batch(&[Content::of(Id { producer: 0, sequence: 7 })], None).freeze()
}

fn produce(version: i16) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(one_record()));
    let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
    if version >= 13 {
        topic.topic_id = TOPIC_ID;
    } else {
        topic.name = topic_name(TOPIC);
    }
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![topic])
}

fn fetch(version: i16) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_current_leader_epoch(-1)
        .with_fetch_offset(0)
        .with_partition_max_bytes(1000);
    let mut topic = FetchTopic::default().with_partitions(vec![partition]);
    let mut forgotten = ForgottenTopic::default().with_partitions(vec![0]);
    if version >= 13 {
        (topic.topic_id, forgotten.topic_id) = (TOPIC_ID, Uuid::from_u128(2));
    } else {
        (topic.topic, forgotten.topic) = (topic_name(TOPIC), topic_name("forgotten"));
    }
    let request = FetchRequest::default()
        .with_max_wait_ms(10)
        .with_min_bytes(1)
        .with_max_bytes(1000)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let request = if version >= 7 { request.with_forgotten_topics_data(vec![forgotten]) } else { request };
    if version >= 11 { request.with_rack_id(text("rack")) } else { request }
}

fn list_offsets(_: i16) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_current_leader_epoch(-1).with_timestamp(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

fn metadata(_: i16) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(topic_name(TOPIC)));
    MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true)
}

fn api_versions(version: i16) -> ApiVersionsRequest {
    if version < 3 {
        return ApiVersionsRequest::default();
    }
    ApiVersionsRequest::default()
        .with_client_software_name(text("tests"))
        .with_client_software_version(text("1.0"))
}

fn delete_records(_: i16) -> DeleteRecordsRequest {
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(0);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)
}

fn offset_for_leader_epoch(_: i16) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(0);
    let topic =
        OffsetForLeaderTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sample_can_be_written_at_every_version() {
        for sample in all() {
            for version in sample.versions.clone() {
                assert!(sample.body(version).is_ok(), "{:?}", sample.body(version));
            }
        }
    }
}
