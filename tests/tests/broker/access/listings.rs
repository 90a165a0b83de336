//! S11: lists and fields that leave out what a client may not see, without a code.

use codec::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use codec::messages::create_topics_request::CreatableTopic;
use codec::messages::offset_fetch_request::OffsetFetchRequestGroup;
use codec::messages::{
    AddPartitionsToTxnRequest, CreateTopicsRequest, DescribeClusterRequest, DescribeTopicPartitionsRequest,
    DescribeTransactionsRequest, InitProducerIdRequest, ListGroupsRequest, ListTransactionsRequest,
    OffsetFetchRequest, TransactionalId,
};

use super::*;

const NAMES: [&str; 2] = ["seen", "hidden"];

/// Topics, groups with offsets of both topics, and open transactions with both topics.
fn fill(administrator: &mut Client) -> Result<()> {
    for name in NAMES {
        admin::create_topic(administrator, name, 1)?;
    }
    for name in NAMES {
        for topic in NAMES {
            admin::commit(administrator, name, topic, 0, 1, "note")?;
        }
        let id = TransactionalId(text(name));
        let begun = administrator.call(
            4,
            &InitProducerIdRequest::default()
                .with_transactional_id(Some(id.clone()))
                .with_transaction_timeout_ms(60_000)
                .with_producer_id((-1).into())
                .with_producer_epoch(-1),
        )?;
        ensure!(begun.error_code == 0, "{begun:?}");
        let topic = |name: &str| {
            AddPartitionsToTxnTopic::default().with_name(admin::topic_name(name)).with_partitions(vec![0])
        };
        let added = administrator.call(
            3,
            &AddPartitionsToTxnRequest::default()
                .with_v3_and_below_transactional_id(id)
                .with_v3_and_below_producer_id(begun.producer_id)
                .with_v3_and_below_producer_epoch(begun.producer_epoch)
                .with_v3_and_below_topics(NAMES.map(topic).to_vec()),
        )?;
        ensure!(!format!("{added:?}").contains("error_code: 2"), "{added:?}");
    }
    Ok(())
}

/// A listing by its name: its answer as text.
type Listing = (&'static str, fn(&mut Client) -> Result<String>);

const LISTINGS: [Listing; 9] = [
    ("Metadata 0", |client| metadata(client, 0)),
    ("Metadata 12", |client| metadata(client, 12)),
    ("DescribeTopicPartitions 0", |client| {
        let request =
            DescribeTopicPartitionsRequest::default().with_response_partition_limit(100).with_cursor(None);
        Ok(format!("{:?}", client.call(0, &request)?))
    }),
    ("ListGroups 0", |client| Ok(format!("{:?}", client.call(0, &ListGroupsRequest::default())?))),
    ("ListGroups 5", |client| Ok(format!("{:?}", client.call(5, &ListGroupsRequest::default())?))),
    ("ListTransactions 1", |client| {
        Ok(format!("{:?}", client.call(1, &ListTransactionsRequest::default())?))
    }),
    ("OffsetFetch 2", |client| {
        let request = OffsetFetchRequest::default().with_group_id(admin::group_id("seen")).with_topics(None);
        Ok(format!("{:?}", client.call(2, &request)?))
    }),
    ("OffsetFetch 9", |client| {
        let group = OffsetFetchRequestGroup::default()
            .with_group_id(admin::group_id("seen"))
            .with_member_id(None)
            .with_member_epoch(-1)
            .with_topics(None);
        let answer = client.call(9, &OffsetFetchRequest::default().with_groups(vec![group]))?;
        Ok(format!("{:?}", answer.groups[0].topics))
    }),
    ("DescribeTransactions 0", |client| {
        let ids = vec![TransactionalId(text("seen"))];
        let answer = client.call(0, &DescribeTransactionsRequest::default().with_transactional_ids(ids))?;
        Ok(format!("{:?}", answer.transaction_states[0].topics))
    }),
];

fn metadata(client: &mut Client, version: i16) -> Result<String> {
    // Version 0 asks for all by an empty list.
    let topics = (version == 0).then(Vec::new);
    Ok(format!("{:?}", client.call(version, &MetadataRequest::default().with_topics(topics))?))
}

#[test]
fn listings_leave_out_what_the_client_may_not_see() -> Result<()> {
    let from = IpAddr::from(Ipv4Addr::new(127, 0, 1, 9));
    let seen = |kind| allow(kind, "seen", DESCRIBE, from);
    let (broker, _folder) = broker_with([TOPIC, GROUP, TXN].map(seen).to_vec())?;
    let mut administrator = Client::connect(broker.address())?;
    fill(&mut administrator)?;
    let mut client = Client::connect_from(from, broker.address())?;
    for (name, listing) in LISTINGS {
        let all = listing(&mut administrator)?;
        ensure!(NAMES.iter().all(|name| all.contains(name)), "{name}, with all permissions: {all}");
        let some = listing(&mut client)?;
        ensure!(some.contains("seen") && !some.contains("hidden"), "{name}: {some}");
    }
    // One permission of the cluster is enough for all groups.
    create(&mut administrator, vec![allow(CLUSTER, "kafka-cluster", DESCRIBE, from)])?;
    let groups = format!("{:?}", client.call(5, &ListGroupsRequest::default())?);
    ensure!(NAMES.iter().all(|name| groups.contains(name)), "{groups}");
    Ok(())
}

#[test]
fn fields_have_no_value_without_the_permission_for_them() -> Result<()> {
    let from = IpAddr::from(Ipv4Addr::new(127, 0, 1, 9));
    let (broker, _folder) = broker_with(vec![allow(TOPIC, "new", CREATE, from)])?;
    let mut administrator = Client::connect(broker.address())?;
    let mut client = Client::connect_from(from, broker.address())?;
    let topic = CreatableTopic::default()
        .with_name(admin::topic_name("new"))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(5_000);
    let created = client.call(7, &request)?.topics.remove(0);
    ensure!((created.error_code, created.topic_config_error_code) == (0, 29), "{created:?}");
    ensure!(created.configs.as_ref().is_none_or(Vec::is_empty), "{created:?}");
    ensure!(created.num_partitions == -1, "{created:?}");

    let cluster = DescribeClusterRequest::default().with_include_cluster_authorized_operations(true);
    let metadata =
        MetadataRequest::default().with_topics(None).with_include_cluster_authorized_operations(true);
    for (client, expected) in [(&mut client, 0), (&mut administrator, 8096)] {
        let found = client.call(1, &cluster)?.cluster_authorized_operations;
        ensure!(found == expected, "DescribeCluster: {found}");
        let found = client.call(9, &metadata)?.cluster_authorized_operations;
        ensure!(found == expected, "Metadata: {found}");
    }
    Ok(())
}
