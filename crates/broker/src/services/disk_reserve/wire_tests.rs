//! A disk that fills up, through a socket: what is refused at each step, with which codes, and what never is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use codec::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use codec::messages::create_partitions_request::CreatePartitionsTopic;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use codec::messages::join_group_request::JoinGroupRequestProtocol;
use codec::messages::metadata_request::MetadataRequestTopic;
use codec::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::{
    AlterConfigsRequest, ConsumerGroupHeartbeatRequest, CreatePartitionsRequest, CreateTopicsRequest,
    DeleteGroupsRequest, DeleteRecordsRequest, DeleteTopicsRequest, InitProducerIdRequest, JoinGroupRequest,
    LeaveGroupRequest, MetadataRequest, OffsetCommitRequest, ProduceRequest, StrBytes, TopicName,
};
use codec::records::BatchBuilder;
use storage::DiskSpace;
use tokio::net::TcpStream;

use crate::testing::{Running, SOON};

type Client = crate::testing::Client<TcpStream>;

/// Its reserve is 1 GiB.
const TOTAL: u64 = 100 << 30;
const PLENTY_MIB: u64 = 10 << 10;
const KAFKA_STORAGE_ERROR: i16 = 56;
const REQUEST_TIMED_OUT: i16 = 7;
const LEADER_NOT_AVAILABLE: i16 = 5;
const COORDINATOR_LOAD_IN_PROGRESS: i16 = 14;
const NOT_COORDINATOR: i16 = 16;
const MEMBER_ID_REQUIRED: i16 = 79;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

fn name(name: &str) -> TopicName {
    TopicName(text(name))
}

/// A broker on a disk whose free space is set, in MiB, and a topic `t`.
struct Filling {
    running: Running,
    client: Client,
    free_mib: Arc<AtomicU64>,
}

impl Filling {
    async fn start() -> Self {
        let free_mib = Arc::new(AtomicU64::new(PLENTY_MIB));
        let seen = Arc::clone(&free_mib);
        let space = move || DiskSpace { total: TOTAL, free: seen.load(Ordering::Relaxed) << 20 };
        let running = Running::start_on_disk(Arc::new(move |_| Some(space()))).await;
        let mut client = running.client().await;
        assert_eq!(create(&mut client, 7, "t").await.0, 0);
        Self { running, client, free_mib }
    }

    /// Fills the disk up to that free space, and waits until the broker has seen that.
    async fn leave(&mut self, free_mib: u64, full: f64) {
        self.free_mib.store(free_mib, Ordering::Relaxed);
        let is_seen = async {
            loop {
                let families = self.running.broker.services.disk.families(crate::clock::now());
                let of = families.iter().find(|family| family.name == "ottla_disk_full");
                if of.is_some_and(|family| family.series.iter().any(|(_, value)| *value == full)) {
                    return;
                }
                tokio::time::sleep(super::RETRY_EVERY).await;
            }
        };
        tokio::time::timeout(SOON, is_seen).await.expect("the free space is looked at");
    }
}

/// Code and text of a topic that is to be created.
async fn create(client: &mut Client, version: i16, topic: &str) -> (i16, Option<StrBytes>) {
    let wanted =
        CreatableTopic::default().with_name(name(topic)).with_num_partitions(1).with_replication_factor(1);
    let response = client.call(version, &CreateTopicsRequest::default().with_topics(vec![wanted])).await;
    (response.topics[0].error_code, response.topics[0].error_message.clone())
}

async fn grow(client: &mut Client, count: i32) -> i16 {
    let wanted =
        CreatePartitionsTopic::default().with_name(name("t")).with_count(count).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![wanted]);
    client.call(3, &request).await.results[0].error_code
}

async fn produce(client: &mut Client) -> i16 {
    let records = BatchBuilder::new().record(1, None, Some(b"v")).build();
    let partition = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![partition]);
    let request = ProduceRequest::default().with_acks(-1).with_topic_data(vec![topic]);
    client.call(9, &request).await.responses[0].partition_responses[0].error_code
}

async fn auto_create(client: &mut Client, topic: &str) -> i16 {
    let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request =
        MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(true);
    client.call(12, &request).await.topics[0].error_code
}

async fn commit(client: &mut Client, version: i16, group: &str) -> i16 {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(1);
    let topic = OffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = OffsetCommitRequest::default()
        .with_group_id(text(group).into())
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    client.call(version, &request).await.topics[0].partitions[0].error_code
}

/// JoinGroup of a client that has that id, empty for none, and maybe an instance id.
async fn join_as(
    client: &mut Client,
    version: i16,
    group: &str,
    member: &StrBytes,
    instance: Option<&str>,
) -> (i16, StrBytes) {
    let range = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::new());
    let request = JoinGroupRequest::default()
        .with_group_id(text(group).into())
        .with_member_id(member.clone())
        .with_group_instance_id(instance.map(text))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![range]);
    let response = client.call(version, &request).await;
    (response.error_code, response.member_id)
}

async fn join(client: &mut Client) -> i16 {
    join_as(client, 9, "classic", &StrBytes::default(), None).await.0
}

/// Code and epoch of a member's heartbeat.
async fn beat(client: &mut Client, member: &str, epoch: i32) -> (i16, i32) {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(text("new").into())
        .with_member_id(text(member))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(60_000)
        .with_subscribed_topic_names(Some(vec![name("t")]))
        .with_topic_partitions(Some(Vec::new()));
    let response = client.call(1, &request).await;
    (response.error_code, response.member_epoch)
}

async fn configure(client: &mut Client, version: i16, key: &str, validate_only: bool) -> i16 {
    configure_all(client, version, &[key], validate_only).await
}

async fn configure_all(client: &mut Client, version: i16, keys: &[&str], validate_only: bool) -> i16 {
    let config =
        |key: &&str| AlterableConfig::default().with_name(text(key)).with_value(Some(text("90000000")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configs(keys.iter().map(config).collect());
    let request =
        AlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(validate_only);
    client.call(version, &request).await.responses[0].error_code
}

async fn allocate(client: &mut Client) -> i16 {
    client.call(4, &InitProducerIdRequest::default().with_transactional_id(None)).await.error_code
}

#[tokio::test]
async fn below_the_reserve_records_are_refused_and_nothing_else() {
    let mut disk = Filling::start().await;
    disk.leave(1024, 1.0).await;
    let client = &mut disk.client;
    assert_eq!(produce(client).await, KAFKA_STORAGE_ERROR);
    assert_eq!((create(client, 7, "new").await.0, grow(client, 2).await), (0, 0));
    assert_eq!((auto_create(client, "auto").await, commit(client, 8, "g").await), (0, 0));
    assert_eq!((configure(client, 2, "segment.ms", false).await, allocate(client).await), (0, 0));
    disk.leave(PLENTY_MIB, 0.0).await;
    assert_eq!(produce(&mut disk.client).await, 0);
}

#[tokio::test]
async fn below_a_half_topics_and_partitions_are_refused_too() {
    let mut disk = Filling::start().await;
    disk.leave(512, 2.0).await;
    let client = &mut disk.client;
    assert_eq!(produce(client).await, KAFKA_STORAGE_ERROR);
    let (code, why) = create(client, 7, "new").await;
    assert_eq!(code, KAFKA_STORAGE_ERROR);
    assert!(why.is_some_and(|why| why.contains("disk is almost full")));
    assert_eq!(
        create(client, 2, "new").await.0,
        REQUEST_TIMED_OUT,
        "an older client does not know the other code"
    );
    assert_eq!(create(client, 7, "t").await.0, 36, "what is wrong with the request comes first");
    assert_eq!(grow(client, 2).await, KAFKA_STORAGE_ERROR);
    assert_eq!(auto_create(client, "auto").await, LEADER_NOT_AVAILABLE);
    assert_eq!((commit(client, 8, "g").await, configure(client, 2, "segment.ms", false).await), (0, 0));
    disk.leave(PLENTY_MIB, 0.0).await;
    assert_eq!((create(&mut disk.client, 7, "new").await.0, grow(&mut disk.client, 2).await), (0, 0));
}

#[tokio::test]
async fn below_a_quarter_commits_joins_and_configurations_are_refused_too() {
    let mut disk = Filling::start().await;
    let (joined, epoch) = beat(&mut disk.client, "member", 0).await;
    assert_eq!((joined, commit(&mut disk.client, 8, "g").await), (0, 0));
    disk.leave(200, 3.0).await;
    let client = &mut disk.client;
    for version in [0, 2, 8] {
        assert_eq!(commit(client, version, "g").await, COORDINATOR_LOAD_IN_PROGRESS);
    }
    assert_eq!(join(client).await, COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(beat(client, "second", 0).await.0, COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(allocate(client).await, COORDINATOR_LOAD_IN_PROGRESS);
    assert_eq!(configure(client, 2, "segment.ms", false).await, KAFKA_STORAGE_ERROR);
    assert_eq!(configure(client, 0, "segment.ms", false).await, REQUEST_TIMED_OUT);
    assert_eq!(configure(client, 2, "segment.ms", true).await, 0, "it is only validated");
    assert_eq!(beat(client, "member", epoch).await, (0, epoch), "a member stays");
    disk.leave(PLENTY_MIB, 0.0).await;
    let client = &mut disk.client;
    assert_eq!((commit(client, 8, "g").await, join(client).await), (0, 79), "it gets its member id");
    assert_eq!((allocate(client).await, configure(client, 2, "segment.ms", false).await), (0, 0));
}

#[tokio::test]
async fn what_frees_space_is_served_on_a_full_disk() {
    let mut disk = Filling::start().await;
    let client = &mut disk.client;
    let (_, epoch) = beat(client, "member", 0).await;
    assert_eq!((produce(client).await, commit(client, 8, "g").await, epoch > 0), (0, 0, true));
    disk.leave(0, 3.0).await;
    let client = &mut disk.client;
    for key in ["retention.ms", "retention.bytes"] {
        assert_eq!(configure(client, 2, key, false).await, 0, "{key}");
    }
    // AlterConfigs takes back what it does not name.
    assert_eq!(configure_all(client, 2, &["segment.ms", "retention.ms"], false).await, 0);
    assert_eq!(configure_all(client, 2, &[], false).await, KAFKA_STORAGE_ERROR, "it is not about retention");
    assert_eq!(beat(client, "member", -1).await, (0, -1), "a member leaves");
    let partition = DeleteRecordsPartition::default().with_partition_index(0).with_offset(1);
    let topic = DeleteRecordsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let deleted = client.call(2, &DeleteRecordsRequest::default().with_topics(vec![topic])).await;
    assert_eq!(deleted.topics[0].partitions[0].error_code, 0);
    let groups = ["g", "new"].map(|group| text(group).into()).to_vec();
    let deleted = client.call(2, &DeleteGroupsRequest::default().with_groups_names(groups)).await;
    assert!(deleted.results.iter().all(|result| result.error_code == 0), "{deleted:?}");
    let deleted = client.call(5, &DeleteTopicsRequest::default().with_topic_names(vec![name("t")])).await;
    assert_eq!(deleted.responses[0].error_code, 0);
}

#[tokio::test]
async fn members_join_again_and_leave_on_a_full_disk() {
    let (mut disk, none) = (Filling::start().await, StrBytes::default());
    let client = &mut disk.client;
    let (code, member) = join_as(client, 3, "classic", &none, None).await;
    assert_eq!((code, join_as(client, 5, "static", &none, Some("instance")).await.0), (0, 0));
    let (code, pending) = join_as(client, 9, "pending", &none, None).await;
    assert_eq!(code, MEMBER_ID_REQUIRED);
    let (_, epoch) = beat(client, "member", 0).await;
    disk.leave(0, 3.0).await;
    let client = &mut disk.client;
    assert_eq!(join_as(client, 9, "classic", &member, None).await, (0, member.clone()));
    assert_eq!(join_as(client, 5, "static", &none, Some("instance")).await.0, 0, "it was started anew");
    assert_eq!(beat(client, "member", 0).await, (0, epoch), "it lost the answer to its join");
    for (group, id) in [("classic", &none), ("static", &none), ("pending", &pending)] {
        assert_eq!(join_as(client, 9, group, id, None).await.0, COORDINATOR_LOAD_IN_PROGRESS, "{group}");
    }
    let leave = LeaveGroupRequest::default().with_group_id(text("classic").into()).with_member_id(member);
    assert_eq!(client.call(2, &leave).await.error_code, 0);
    disk.leave(PLENTY_MIB, 0.0).await;
    assert_eq!(join_as(&mut disk.client, 9, "pending", &pending, None).await, (0, pending.clone()));
}

#[tokio::test]
async fn a_group_that_is_not_here_is_refused_as_such_on_a_full_disk() {
    let mut disk = Filling::start().await;
    let shard = disk.running.broker.services.io.storage().shard();
    let (sender, resigned) = tokio::sync::oneshot::channel();
    shard.lead(false, Box::new(move |outcome| drop(sender.send(outcome))));
    resigned.await.unwrap().unwrap();
    disk.leave(0, 3.0).await;
    let client = &mut disk.client;
    let codes = [join(client).await, commit(client, 8, "g").await, beat(client, "member", 0).await.0];
    assert_eq!(codes, [NOT_COORDINATOR; 3]);
}
