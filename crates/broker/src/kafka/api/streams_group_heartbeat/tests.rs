//! Streams groups through a socket: internal topics, tasks, descriptions, lists, offsets and deletion.

use std::time::Duration;

use codec::ErrorCode;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::streams_group_describe_response::DescribedGroup;
use codec::messages::update_features_request::FeatureUpdateKey;
use codec::messages::{
    CreateTopicsRequest, DeleteGroupsRequest, GroupId, ListGroupsRequest, MetadataRequest,
    OffsetCommitRequest, StreamsGroupDescribeRequest, UpdateFeaturesRequest,
};
use tokio::net::TcpStream;

use super::super::incremental_alter_configs::broker_tests::alter_one;
use super::*;
use crate::config::resources::resource_type::{BROKER, GROUP};
use crate::testing::{Running, SOON};

type Client = crate::testing::Client<TcpStream>;

/// Targets at once.
const EAGER: (&str, &str) = ("group.streams.initial.rebalance.delay.ms", "0");

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

fn group() -> codec::messages::GroupId {
    GroupId(text("app"))
}

async fn start(pairs: &[(&'static str, &'static str)]) -> (Running, Client) {
    let running = Running::start(pairs).await.unwrap();
    let mut client = running.client().await;
    let wanted =
        CreatableTopic::default().with_name(name("in")).with_num_partitions(2).with_replication_factor(1);
    let created = client.call(7, &CreateTopicsRequest::default().with_topics(vec![wanted])).await;
    assert_eq!(created.topics[0].error_code, 0);
    (running, client)
}

/// Reads `in`, keeps its state in `app-log` with that cleanup policy.
fn join(cleanup_policy: &str) -> StreamsGroupHeartbeatRequest {
    let config = KeyValue::default().with_key(text("cleanup.policy")).with_value(text(cleanup_policy));
    let log = TopicInfo::default()
        .with_name(name("app-log"))
        .with_replication_factor(-1)
        .with_topic_configs(vec![config]);
    let parts = Subtopology::default()
        .with_subtopology_id(text("0"))
        .with_source_topics(vec![name("in")])
        .with_state_changelog_topics(vec![log]);
    StreamsGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text("a"))
        .with_rebalance_timeout_ms(30_000)
        .with_process_id(Some(text("p")))
        .with_topology(Some(Topology::default().with_subtopologies(vec![parts])))
        .with_active_tasks(Some(Vec::new()))
        .with_standby_tasks(Some(Vec::new()))
        .with_warmup_tasks(Some(Vec::new()))
}

fn beat(epoch: i32) -> StreamsGroupHeartbeatRequest {
    StreamsGroupHeartbeatRequest::default()
        .with_group_id(group())
        .with_member_id(text("a"))
        .with_member_epoch(epoch)
}

fn codes(answer: &StreamsGroupHeartbeatResponse) -> Vec<i8> {
    answer.status.iter().flatten().map(|status| status.status_code).collect()
}

/// Moves `streams.version`; a downgrade is called safe.
async fn set_streams_version(client: &mut Client, level: i16) {
    let update = FeatureUpdateKey::default()
        .with_feature(text("streams.version"))
        .with_max_version_level(level)
        .with_upgrade_type(if level == 0 { 2 } else { 1 });
    let request = UpdateFeaturesRequest::default().with_feature_updates(vec![update]);
    assert_eq!(client.call(2, &request).await.error_code, 0);
}

#[tokio::test]
async fn streams_groups_are_served_while_their_version_is_one() {
    let (_running, mut client) = start(&[EAGER]).await;
    let member = client.call(0, &join("compact")).await;
    assert_eq!(member.error_code, 0);
    set_streams_version(&mut client, 0).await;
    let refused = ErrorCode::UnsupportedVersion.code();
    let beaten = client.call(0, &beat(member.member_epoch)).await;
    assert_eq!((beaten.error_code, beaten.error_message), (refused, None));
    assert_eq!(describe(&mut client).await.error_code, refused);
    set_streams_version(&mut client, 1).await;
    assert_eq!(client.call(0, &beat(member.member_epoch)).await.error_code, 0, "the group is as it was");
    assert_eq!(describe(&mut client).await.error_code, 0);
}

async fn describe(client: &mut Client) -> DescribedGroup {
    let request = StreamsGroupDescribeRequest::default().with_group_ids(vec![group()]);
    client.call(0, &request).await.groups.remove(0)
}

/// Sends heartbeats until one brings tasks: a second target comes a second after the first at the earliest.
async fn until_it_has_tasks(client: &mut Client) -> StreamsGroupHeartbeatResponse {
    let told = async {
        loop {
            let told = client.call(0, &beat(2)).await;
            if told.active_tasks.is_some() || told.error_code != 0 {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(SOON, told).await.expect("the target is computed")
}

/// A target after the first one waits for the interval: `app`'s own, or else the broker's of now. Both are changed in turn; an hour
/// passes in no test.
#[tokio::test]
async fn the_assignment_interval_is_the_one_of_now() {
    const HOUR: &str = "3600000";
    const KEY: &str = "group.streams.assignment.interval.ms";
    let most = ("group.streams.max.assignment.interval.ms", HOUR);
    let (running, mut client) = start(&[EAGER, most, (KEY, HOUR)]).await;
    assert_eq!(codes(&client.call(0, &join("compact")).await), [3], "the first target has no tasks");
    assert_eq!(codes(&client.call(0, &beat(2)).await), [5]);
    // A longer one of its own does not end the wait, and a shorter one of the broker does not hold for it.
    let own = |value| ("streams.assignment.interval.ms", value);
    assert_eq!(alter_one(&mut client, (GROUP, "app"), own(Some("3599999"))).await.0, 0);
    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, Some("0"))).await.0, 0);
    assert_eq!(codes(&client.call(0, &beat(2)).await), [5]);
    let running = running.restart(&[EAGER, most, (KEY, HOUR)]).await;
    client = running.client().await;
    assert_eq!(codes(&client.call(0, &beat(2)).await), [5], "also after a restart");
    // Without one of its own it follows the broker's, as that changes.
    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, Some(HOUR))).await.0, 0);
    assert_eq!(alter_one(&mut client, (GROUP, "app"), own(None)).await.0, 0);
    assert_eq!(codes(&client.call(0, &beat(2)).await), [5]);
    assert_eq!(alter_one(&mut client, (BROKER, ""), (KEY, Some("0"))).await.0, 0);
    let told = client.call(0, &beat(2)).await;
    assert_eq!((codes(&told), told.active_tasks.map(|tasks| tasks.len())), (vec![], Some(1)));

    let refused = alter_one(&mut client, (BROKER, ""), (KEY, Some("3600001"))).await;
    assert_eq!(refused.0, ErrorCode::InvalidRequest.code(), "{}", refused.1);
    let refused = alter_one(&mut client, (GROUP, "app"), own(Some("3600001"))).await;
    assert_eq!(refused.0, ErrorCode::InvalidConfig.code(), "{}", refused.1);
}

async fn partitions_of(client: &mut Client, topic: &str) -> usize {
    let answer = client.call(12, &MetadataRequest::default().with_topics(None)).await;
    let found = answer.topics.into_iter().find(|known| known.name.as_ref() == Some(&name(topic)));
    found.map_or(0, |topic| topic.partitions.len())
}

async fn commit(client: &mut Client, version: i16, epoch: i32) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_partition_index(1).with_committed_offset(5);
    let topic = OffsetCommitRequestTopic::default().with_name(name("in")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(group())
        .with_member_id(text("a"))
        .with_generation_id_or_member_epoch(epoch)
        .with_topics(vec![topic]);
    client.call(version, &request).await.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn an_application_gets_its_topics_and_tasks_and_goes() {
    let (running, mut client) = start(&[EAGER]).await;
    let joined = client.call(0, &join("compact")).await;
    assert_eq!((joined.error_code, joined.member_epoch, joined.heartbeat_interval_ms), (0, 2, 5_000));
    assert_eq!((codes(&joined), joined.active_tasks.map(|tasks| tasks.len())), (vec![3], Some(0)));
    assert_eq!(partitions_of(&mut client, "app-log").await, 2, "created before the answer");
    let told = until_it_has_tasks(&mut client).await;
    let tasks = vec![TaskIds::default().with_subtopology_id(text("0")).with_partitions(vec![0, 1])];
    assert_eq!((codes(&told), told.active_tasks), (vec![], Some(tasks.clone())));
    assert_eq!((told.standby_tasks, told.warmup_tasks), (Some(Vec::new()), Some(Vec::new())));
    let epoch = told.member_epoch;

    let described = describe(&mut client).await;
    assert_eq!((&*described.group_state, described.group_epoch, described.error_code), ("Stable", epoch, 0));
    let parts = &described.topology.unwrap().subtopologies.unwrap()[0];
    assert_eq!((&parts.source_topics, parts.state_changelog_topics[0].partitions), (&vec![name("in")], 2));
    assert_eq!(described.members[0].assignment.active_tasks, tasks);
    let listed = client.call(5, &ListGroupsRequest::default()).await.groups;
    assert_eq!((&*listed[0].group_type, &*listed[0].protocol_type), ("streams", "streams"));

    assert_eq!(commit(&mut client, 9, epoch).await, 0);
    assert_eq!(commit(&mut client, 9, epoch + 1).await, ErrorCode::StaleMemberEpoch.code());
    assert_eq!(commit(&mut client, 8, epoch).await, ErrorCode::UnsupportedVersion.code());

    // All of it is there after a restart, with the offset.
    let running = running.restart(&[EAGER]).await;
    let mut client = running.client().await;
    assert_eq!(client.call(0, &beat(epoch)).await.member_epoch, epoch);
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![group()]);
    let not_empty = client.call(2, &delete).await.results[0].error_code;
    assert_eq!(not_empty, ErrorCode::NonEmptyGroup.code());
    let left = client.call(0, &beat(-1)).await;
    assert_eq!((left.error_code, left.member_epoch, left.heartbeat_interval_ms), (0, -1, 0));
    assert_eq!(&*describe(&mut client).await.group_state, "Empty");
    assert_eq!(client.call(2, &delete).await.results[0].error_code, 0);
    assert_eq!(describe(&mut client).await.error_code, ErrorCode::GroupIdNotFound.code());
}

#[tokio::test]
async fn a_topic_that_cannot_be_created_is_named_with_the_reason() {
    let (_running, mut client) = start(&[EAGER]).await;
    let joined = client.call(0, &join("sometimes")).await;
    assert_eq!((joined.error_code, codes(&joined)), (0, vec![3]));
    let detail = joined.status.unwrap()[0].status_detail.to_string();
    assert!(
        detail.starts_with("Internal topics are missing: app-log; Creation failed: app-log ("),
        "{detail}"
    );
    assert_eq!(&*describe(&mut client).await.group_state, "NotReady");
}

#[tokio::test]
async fn the_first_target_waits_for_other_members() {
    let (_running, mut client) = start(&[]).await;
    let joined = client.call(0, &join("compact")).await;
    assert_eq!((codes(&joined), joined.member_epoch), (vec![5, 3], 1));
}

#[tokio::test]
async fn refusals_have_codes_and_words_and_create_no_group() {
    let (_running, mut client) = start(&[EAGER]).await;
    let refused = client.call(0, &join("compact").with_instance_id(Some(text("i")))).await;
    assert_eq!(refused.error_code, ErrorCode::InvalidRequest.code());
    assert_eq!(refused.error_message.as_deref(), Some("Static membership is not yet supported."));
    assert_eq!(refused.status, Some(Vec::new()), "as Kafka: a list without entries, not null");
    let mut fixed = join("compact");
    let topology = fixed.topology.as_mut().unwrap();
    topology.subtopologies[0].state_changelog_topics[0].partitions = 3;
    assert_eq!(client.call(0, &fixed).await.error_code, ErrorCode::StreamsInvalidTopology.code());
    let unknown = client.call(0, &beat(3)).await;
    assert_eq!(unknown.error_code, ErrorCode::GroupIdNotFound.code());
    assert_eq!(unknown.error_message.as_deref(), Some("Streams group app not found."));
    assert!(client.call(5, &ListGroupsRequest::default()).await.groups.is_empty());
}
