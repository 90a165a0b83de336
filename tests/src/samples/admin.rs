//! Requests of administrators.

use codec::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use codec::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use codec::messages::delete_topics_request::DeleteTopicState;
use codec::messages::describe_configs_request::DescribeConfigsResource;

use super::*;

/// The assignment contradicts the partition count: refused, so that no topic is made.
pub(super) fn create_topics(_: i16) -> CreateTopicsRequest {
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

pub(super) fn delete_topics(version: i16) -> DeleteTopicsRequest {
    let request = DeleteTopicsRequest::default().with_timeout_ms(1000);
    if version >= 6 {
        return request.with_topics(vec![DeleteTopicState::default().with_name(Some(topic_name("deleted")))]);
    }
    request.with_topic_names(vec![topic_name("deleted")])
}

pub(super) fn describe_configs(_: i16) -> DescribeConfigsRequest {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configuration_keys(Some(vec![text("retention.ms")]));
    DescribeConfigsRequest::default().with_resources(vec![resource]).with_include_synonyms(true)
}

pub(super) fn alter_configs(_: i16) -> AlterConfigsRequest {
    let config = alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")));
    let resource = alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
}

pub(super) fn incremental_alter_configs(_: i16) -> IncrementalAlterConfigsRequest {
    let config = incremental_alter_configs_request::AlterableConfig::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")));
    let resource = incremental_alter_configs_request::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(TOPIC))
        .with_configs(vec![config]);
    IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(true)
}

pub(super) fn create_partitions(_: i16) -> CreatePartitionsRequest {
    let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(0)]);
    let topic = CreatePartitionsTopic::default()
        .with_name(topic_name("widened"))
        .with_count(2)
        .with_assignments(Some(vec![assignment]));
    CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(1000)
}

pub(super) fn elect_leaders(version: i16) -> ElectLeadersRequest {
    let topic = elect_leaders_request::TopicPartitions::default()
        .with_topic(topic_name(TOPIC))
        .with_partitions(vec![0]);
    ElectLeadersRequest::default()
        .with_election_type(i8::from(version >= 1))
        .with_topic_partitions(Some(vec![topic]))
}

pub(super) fn alter_partition_reassignments(_: i16) -> AlterPartitionReassignmentsRequest {
    use alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    let partition = ReassignablePartition::default().with_replicas(Some(vec![BrokerId(1)]));
    let topic = ReassignableTopic::default().with_name(topic_name(TOPIC)).with_partitions(vec![partition]);
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

pub(super) fn describe_acls(_: i16) -> DescribeAclsRequest {
    DescribeAclsRequest::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t")))
        .with_principal_filter(Some(text("User:p")))
        .with_host_filter(Some(text("*")))
        .with_operation(3)
        .with_permission_type(3)
}

pub(super) fn create_acls(_: i16) -> CreateAclsRequest {
    let creation = create_acls_request::AclCreation::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_principal(text("User:p"))
        .with_host(text("*"))
        .with_operation(3)
        .with_permission_type(3);
    CreateAclsRequest::default().with_creations(vec![creation])
}

pub(super) fn delete_acls(_: i16) -> DeleteAclsRequest {
    let filter = delete_acls_request::DeleteAclsFilter::default()
        .with_resource_type_filter(2)
        .with_resource_name_filter(Some(text("t")))
        .with_principal_filter(Some(text("User:p")))
        .with_host_filter(Some(text("*")))
        .with_operation(3)
        .with_permission_type(3);
    DeleteAclsRequest::default().with_filters(vec![filter])
}

pub(super) fn list_partition_reassignments(_: i16) -> ListPartitionReassignmentsRequest {
    let topic = list_partition_reassignments_request::ListPartitionReassignmentsTopics::default()
        .with_name(topic_name(TOPIC))
        .with_partition_indexes(vec![0]);
    ListPartitionReassignmentsRequest::default().with_topics(Some(vec![topic]))
}

pub(super) fn describe_quorum(_: i16) -> DescribeQuorumRequest {
    use describe_quorum_request::{PartitionData, TopicData};
    let topic = TopicData::default()
        .with_topic_name(topic_name("__cluster_metadata"))
        .with_partitions(vec![PartitionData::default()]);
    DescribeQuorumRequest::default().with_topics(vec![topic])
}

pub(super) fn update_features(_: i16) -> UpdateFeaturesRequest {
    let update = update_features_request::FeatureUpdateKey::default()
        .with_feature(text("metadata.version"))
        .with_max_version_level(30);
    UpdateFeaturesRequest::default().with_feature_updates(vec![update])
}

pub(super) fn describe_topic_partitions(_: i16) -> DescribeTopicPartitionsRequest {
    use describe_topic_partitions_request::{Cursor, TopicRequest};
    DescribeTopicPartitionsRequest::default()
        .with_topics(vec![TopicRequest::default().with_name(topic_name(TOPIC))])
        .with_response_partition_limit(2000)
        .with_cursor(Some(Cursor::default().with_topic_name(topic_name(TOPIC))))
}

pub(super) fn describe_user_scram_credentials(_: i16) -> DescribeUserScramCredentialsRequest {
    let user = describe_user_scram_credentials_request::UserName::default().with_name(text("alice"));
    DescribeUserScramCredentialsRequest::default().with_users(Some(vec![user]))
}

pub(super) fn alter_user_scram_credentials(_: i16) -> AlterUserScramCredentialsRequest {
    use alter_user_scram_credentials_request::{ScramCredentialDeletion, ScramCredentialUpsertion};
    let deletion = ScramCredentialDeletion::default().with_name(text("bob")).with_mechanism(1);
    let upsertion = ScramCredentialUpsertion::default()
        .with_name(text("alice"))
        .with_mechanism(2)
        .with_iterations(4096)
        .with_salt(Bytes::from_static(b"salt"))
        .with_salted_password(Bytes::from_static(&[7; 64]));
    AlterUserScramCredentialsRequest::default()
        .with_deletions(vec![deletion])
        .with_upsertions(vec![upsertion])
}

pub(super) fn describe_client_quotas(_: i16) -> DescribeClientQuotasRequest {
    let component = describe_client_quotas_request::ComponentData::default()
        .with_entity_type(text("user"))
        .with_match_type(0)
        .with_match(Some(text("alice")));
    DescribeClientQuotasRequest::default().with_components(vec![component])
}

/// Far more than any test uses.
pub(super) fn alter_client_quotas(_: i16) -> AlterClientQuotasRequest {
    use alter_client_quotas_request::{EntityData, EntryData, OpData};
    let entity = EntityData::default().with_entity_type(text("user")).with_entity_name(Some(text("alice")));
    let set = OpData::default().with_key(text("producer_byte_rate")).with_value(1e15);
    let removal = OpData::default().with_key(text("consumer_byte_rate")).with_remove(true);
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![set, removal]);
    AlterClientQuotasRequest::default().with_entries(vec![entry])
}
