//! The topics that the regular expression of a consumer group's member finds (ConsumerGroupHeartbeat 1).

use std::time::{Duration, Instant};

use codec::messages::delete_acls_request::DeleteAclsFilter;
use codec::messages::{ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse};

use super::*;

/// A member's heartbeat; with epoch 0 it joins by the expression `data-.*`.
fn beat(
    client: &mut Client,
    epoch: i32,
    owned: Option<Vec<(Uuid, i32)>>,
) -> Result<ConsumerGroupHeartbeatResponse> {
    use codec::messages::consumer_group_heartbeat_request::TopicPartitions;
    let owned = owned.map(|owned| {
        let topic = |(id, index)| TopicPartitions::default().with_topic_id(id).with_partitions(vec![index]);
        owned.into_iter().map(topic).collect()
    });
    let mut request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(admin::group_id("readers"))
        .with_member_id(text("m"))
        .with_member_epoch(epoch)
        .with_rebalance_timeout_ms(if epoch == 0 { 10_000 } else { -1 })
        .with_topic_partitions(owned)
        .with_subscribed_topic_names(None);
    if epoch == 0 {
        request =
            request.with_subscribed_topic_regex(Some(text("data-.*"))).with_topic_partitions(Some(vec![]));
    }
    client.call(1, &request)
}

/// Sends heartbeats, and gives up what is taken away, until the member is told these topics.
fn until_told(client: &mut Client, mut epoch: i32, wanted: &BTreeSet<Uuid>) -> Result<i32> {
    let begun = Instant::now();
    let mut owned = None;
    while begun.elapsed() < Duration::from_secs(10) {
        let told = beat(client, epoch, owned.take())?;
        ensure!(told.error_code == 0, "{told:?}");
        epoch = told.member_epoch;
        if let Some(assignment) = told.assignment {
            let topics: BTreeSet<Uuid> = assignment.topic_partitions.iter().map(|one| one.topic_id).collect();
            if topics == *wanted {
                return Ok(epoch);
            }
            owned = Some(topics.into_iter().map(|id| (id, 0)).collect());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    anyhow::bail!("never told {wanted:?}")
}

#[test]
fn an_expression_finds_what_the_client_may_describe_now() -> Result<()> {
    let from = IpAddr::from(Ipv4Addr::new(127, 0, 1, 9));
    let granted = |name: &str| allow(TOPIC, name, DESCRIBE, from);
    let (broker, _folder) = broker_with(vec![allow(GROUP, "readers", READ, from), granted("data-a")])?;
    let mut administrator = Client::connect(broker.address())?;
    let mut ids = Vec::new();
    for name in ["data-a", "data-b", "other"] {
        admin::create_topic(&mut administrator, name, 1)?;
        ids.push(admin::topic(&mut administrator, name)?.topic_id);
    }
    let mut client = Client::connect_from(from, broker.address())?;
    let only_a = BTreeSet::from([ids[0]]);
    let epoch = until_told(&mut client, 0, &only_a)?;
    // Answered changes govern the next heartbeats, in both directions.
    create(&mut administrator, vec![granted("data-b")])?;
    let epoch = until_told(&mut client, epoch, &BTreeSet::from([ids[0], ids[1]]))?;
    let filter = DeleteAclsFilter::default()
        .with_resource_type_filter(TOPIC)
        .with_resource_name_filter(Some(text("data-b")))
        .with_pattern_type_filter(3)
        .with_principal_filter(None)
        .with_host_filter(None)
        .with_operation(1)
        .with_permission_type(1);
    administrator.call(3, &DeleteAclsRequest::default().with_filters(vec![filter]))?;
    until_told(&mut client, epoch, &only_a)?;
    Ok(())
}
