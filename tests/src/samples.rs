//! A filled request of every API that the broker serves, at every version the codec can write.
//!
//! Filled: every array has an element and every string a letter, so that each length and count can
//! be falsified. An advertised API without a sample fails the registry test.

use std::ops::RangeInclusive;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::{Bytes, BytesMut};
use codec::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use codec::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::describe_log_dirs_request::DescribableLogDirTopic;
use codec::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::leave_group_request::MemberIdentity;
use codec::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::offset_delete_request::{OffsetDeleteRequestPartition, OffsetDeleteRequestTopic};
use codec::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use codec::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::streams_group_heartbeat_request::{Subtopology, Topology};
use codec::messages::sync_group_request::SyncGroupRequestAssignment;
use codec::messages::*;
use codec::{Request, Response, frame};
use uuid::Uuid;

use crate::admin::{group_id, text, topic_name};
use crate::client::Client;
use crate::history::Id;
use crate::records::{Content, batch};

/// The topic in the samples. It may exist or not.
pub const TOPIC: &str = "samples";

/// One API's samples.
pub struct Sample {
    /// The API key.
    pub key: i16,
    /// The API's name.
    pub name: &'static str,
    /// The versions that the codec can write.
    pub versions: RangeInclusive<i16>,
    encode: Box<dyn Fn(i16) -> Result<Bytes> + Send + Sync>,
    check: fn(i16, Bytes) -> Result<()>,
}

impl Sample {
    fn of<R: Request>(build: fn(i16) -> R) -> Sample {
        let encode = move |version| {
            let mut out = BytesMut::new();
            build(version).encode(version, &mut out)?;
            Ok(out.freeze())
        };
        let check = |version, mut frame: Bytes| {
            frame::parse_response_header(&mut frame, R::KEY, version)?;
            R::Response::decode(frame, version).map(|_| ()).context("decoding the answer")
        };
        Sample { key: R::KEY, name: R::NAME, versions: R::VERSIONS, encode: Box::new(encode), check }
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
        client.send_body(self.key, version, &self.body(version)?)?;
        client.set_patience(Duration::from_secs(10))?;
        let frame = client.receive_frame().with_context(|| format!("{} v{version}: no answer", self.name))?;
        ensure!(frame.len() >= 4, "{} v{version}: an answer of {} bytes", self.name, frame.len());
        (self.check)(version, frame).with_context(|| format!("{} v{version}", self.name))
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

fn consumer_group_heartbeat(version: i16) -> ConsumerGroupHeartbeatRequest {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(group_id("modern"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1_000)
        .with_topic_partitions(Some(Vec::new()))
        .with_subscribed_topic_names(Some(vec![topic_name(TOPIC)]));
    if version >= 1 { request.with_subscribed_topic_regex(Some(text("s.*"))) } else { request }
}

fn streams_group_heartbeat() -> StreamsGroupHeartbeatRequest {
    let parts =
        Subtopology::default().with_subtopology_id(text("0")).with_source_topics(vec![topic_name(TOPIC)]);
    StreamsGroupHeartbeatRequest::default()
        .with_group_id(group_id("streams"))
        .with_member_id(text("m"))
        .with_rebalance_timeout_ms(1_000)
        .with_topology(Some(Topology::default().with_subtopologies(vec![parts])))
        .with_active_tasks(Some(Vec::new()))
        .with_standby_tasks(Some(Vec::new()))
        .with_warmup_tasks(Some(Vec::new()))
        .with_process_id(Some(text("p")))
}

fn produce(version: i16) -> ProduceRequest {
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(one_record()));
    let mut topic = TopicProduceData::default().with_partition_data(vec![partition]);
    if version >= 13 {
        topic.topic_id = Uuid::from_u128(1);
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
        (topic.topic_id, forgotten.topic_id) = (Uuid::from_u128(1), Uuid::from_u128(2));
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

fn offset_commit(_: i16) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(1)
        .with_committed_leader_epoch(-1)
        .with_committed_metadata(Some(text("m")));
    let topic =
        OffsetCommitRequestTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(group_id("g"))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic])
}

fn offset_fetch(version: i16) -> OffsetFetchRequest {
    if version >= 8 {
        let topic =
            OffsetFetchRequestTopics::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0]);
        let group =
            OffsetFetchRequestGroup::default().with_group_id(group_id("g")).with_topics(Some(vec![topic]));
        return OffsetFetchRequest::default().with_groups(vec![group]);
    }
    let topic =
        OffsetFetchRequestTopic::default().with_name(topic_name(TOPIC)).with_partition_indexes(vec![0]);
    OffsetFetchRequest::default().with_group_id(group_id("g")).with_topics(Some(vec![topic]))
}

fn find_coordinator(version: i16) -> FindCoordinatorRequest {
    if version >= 4 {
        return FindCoordinatorRequest::default().with_coordinator_keys(vec![text("g")]);
    }
    FindCoordinatorRequest::default().with_key(text("g"))
}

/// A group of its own for each version, so that no request waits for another member.
fn join_group(version: i16) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"m"));
    JoinGroupRequest::default()
        .with_group_id(group_id(&format!("join-{version}")))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(if version >= 1 { 100 } else { -1 })
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

fn heartbeat(_: i16) -> HeartbeatRequest {
    HeartbeatRequest::default().with_group_id(group_id("g")).with_generation_id(1).with_member_id(text("m"))
}

fn leave_group(version: i16) -> LeaveGroupRequest {
    let request = LeaveGroupRequest::default().with_group_id(group_id("g"));
    if version >= 3 {
        return request.with_members(vec![MemberIdentity::default().with_member_id(text("m"))]);
    }
    request.with_member_id(text("m"))
}

fn sync_group(version: i16) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(text("m"))
        .with_assignment(Bytes::from_static(b"a"));
    let request = SyncGroupRequest::default()
        .with_group_id(group_id("g"))
        .with_generation_id(1)
        .with_member_id(text("m"))
        .with_assignments(vec![assignment]);
    if version >= 5 {
        return request.with_protocol_type(Some(text("consumer"))).with_protocol_name(Some(text("range")));
    }
    request
}

fn list_groups(version: i16) -> ListGroupsRequest {
    let request = ListGroupsRequest::default();
    let request = if version >= 4 { request.with_states_filter(vec![text("Stable")]) } else { request };
    if version >= 5 { request.with_types_filter(vec![text("classic")]) } else { request }
}

fn api_versions(version: i16) -> ApiVersionsRequest {
    if version < 3 {
        return ApiVersionsRequest::default();
    }
    ApiVersionsRequest::default()
        .with_client_software_name(text("tests"))
        .with_client_software_version(text("1.0"))
}

/// The assignment contradicts the partition count: refused, so that no topic is made.
fn create_topics(_: i16) -> CreateTopicsRequest {
    let assignment = CreatableReplicaAssignment::default().with_broker_ids(vec![BrokerId(0)]);
    let config =
        CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("1000")));
    let topic = CreatableTopic::default()
        .with_name(topic_name("created"))
        .with_num_partitions(1)
        .with_replication_factor(1)
        .with_assignments(vec![assignment])
        .with_configs(vec![config]);
    CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)
}

fn delete_topics(version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(1000);
    if version >= 6 {
        return request.with_topics(vec![DeleteTopicState::default().with_name(Some(topic_name("deleted")))]);
    }
    request.with_topic_names(vec![topic_name("deleted")])
}

fn delete_records(_: i16) -> DeleteRecordsRequest {
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(0);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)
}

fn transactional_id() -> TransactionalId {
    TransactionalId(text("payments"))
}

fn add_partitions_to_txn(version: i16) -> AddPartitionsToTxnRequest {
    let topic = add_partitions_to_txn_request::AddPartitionsToTxnTopic::default()
        .with_name(topic_name(TOPIC))
        .with_partitions(vec![0]);
    if version >= 4 {
        let transaction = add_partitions_to_txn_request::AddPartitionsToTxnTransaction::default()
            .with_transactional_id(transactional_id())
            .with_topics(vec![topic]);
        return AddPartitionsToTxnRequest::default().with_transactions(vec![transaction]);
    }
    AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(transactional_id())
        .with_v3_and_below_topics(vec![topic])
}

fn write_txn_markers(version: i16) -> WriteTxnMarkersRequest {
    let topic = write_txn_markers_request::WritableTxnMarkerTopic::default()
        .with_name(topic_name("missing"))
        .with_partition_indexes(vec![0]);
    let marker = write_txn_markers_request::WritableTxnMarker::default()
        .with_producer_id(ProducerId(1))
        .with_transaction_version(if version >= 2 { 2 } else { 0 })
        .with_topics(vec![topic]);
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

fn txn_offset_commit(version: i16) -> TxnOffsetCommitRequest {
    let partition = txn_offset_commit_request::TxnOffsetCommitRequestPartition::default()
        .with_committed_metadata(Some(text("note")));
    let topic = txn_offset_commit_request::TxnOffsetCommitRequestTopic::default()
        .with_name(topic_name(if version >= 6 { "" } else { TOPIC }))
        .with_partitions(vec![partition]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(transactional_id())
        .with_group_id(group_id("g"))
        .with_topics(vec![topic]);
    if version >= 3 {
        request.with_member_id(text("m")).with_group_instance_id(Some(text("i")))
    } else {
        request
    }
}

fn list_transactions(version: i16) -> ListTransactionsRequest {
    ListTransactionsRequest::default()
        .with_state_filters(vec![text("Ongoing")])
        .with_producer_id_filters(vec![ProducerId(1)])
        .with_duration_filter(if version >= 1 { 1 } else { -1 })
        .with_transactional_id_pattern((version >= 2).then(|| text("p.*")))
}

fn init_producer_id(_: i16) -> InitProducerIdRequest {
    InitProducerIdRequest::default().with_transactional_id(None).with_transaction_timeout_ms(1000)
}

fn offset_for_leader_epoch(_: i16) -> OffsetForLeaderEpochRequest {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(0);
    let topic =
        OffsetForLeaderTopic::default().with_topic(topic_name(TOPIC)).with_partitions(vec![partition]);
    OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![topic])
}

fn describe_configs(_: i16) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configuration_keys(Some(vec![text("retention.ms")]));
    DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true)
}

fn alter_configs(_: i16) -> AlterConfigsRequest {
    let config = alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
}

fn incremental_alter_configs(_: i16) -> IncrementalAlterConfigsRequest {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
}

fn create_partitions(_: i16) -> CreatePartitionsRequest {
    let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(0)]);
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name("widened"))
        .with_count(2)
        .with_assignments(Some(vec![assignment]));
    CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)
}

fn elect_leaders(version: i16) -> ElectLeadersRequest {
    let topic = elect_leaders_request::TopicPartitions::default()
        .with_topic(topic_name(TOPIC))
        .with_partitions(vec![0]);
    ElectLeadersRequest::default()
        .with_election_type(i8::from(version >= 1))
        .with_topic_partitions(Some(vec![topic]))
}

fn alter_partition_reassignments(_: i16) -> AlterPartitionReassignmentsRequest {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let partition = ReassignablePartition::default().with_replicas(Some(vec![BrokerId(1)]));
    let topic = ReassignableTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

fn describe_acls(_: i16) -> DescribeAclsRequest {
    DescribeAclsRequest::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t")))
        .with_principal_filter(Some(text("User:p")))
        .with_host_filter(Some(text("*")))
        .with_operation(3)
        .with_permission_type(3)
}

fn create_acls(_: i16) -> CreateAclsRequest {
    let creation = create_acls_request::AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_principal(text("User:p"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    CreateAclsRequest::default().with_creations(vec![creation])
}

fn delete_acls(_: i16) -> DeleteAclsRequest {
    let filter = delete_acls_request::DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t")))
        .with_principal_filter(Some(text("User:p")))
        .with_host_filter(Some(text("*")))
        .with_operation(3)
        .with_permission_type(3);
    DeleteAclsRequest::default().with_filters(vec![filter])
}

fn list_partition_reassignments(_: i16) -> ListPartitionReassignmentsRequest {
    let topic = list_partition_reassignments_request::ListPartitionReassignmentsTopics::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic]))
}

fn describe_quorum(_: i16) -> DescribeQuorumRequest {
    use describe_quorum_request::{PartitionData, TopicData};
    let topic = TopicData::default()
        .with_topic_name(topic_name("__cluster_metadata"))
        .with_partitions(vec![PartitionData::default()]);
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

fn update_features(_: i16) -> UpdateFeaturesRequest {
    let update = update_features_request::FeatureUpdateKey::default()
        .with_feature(text("metadata.version"))
        .with_max_version_level(30);
    UpdateFeaturesRequest::default().with_feature_updates(vec![update])
}

fn describe_producers(_: i16) -> DescribeProducersRequest {
    let topic = describe_producers_request::TopicRequest::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    DescribeProducersRequest::default().with_topics(vec![topic])
}

fn describe_topic_partitions(_: i16) -> DescribeTopicPartitionsRequest {
    use describe_topic_partitions_request::{Cursor, TopicRequest};
    DescribeTopicPartitionsRequest::default()
        .with_topics(vec![TopicRequest::default().with_name(topic_name(TOPIC))])
        .with_response_partition_limit(2000)
        .with_cursor(Some(Cursor::default().with_topic_name(topic_name(TOPIC))))
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
