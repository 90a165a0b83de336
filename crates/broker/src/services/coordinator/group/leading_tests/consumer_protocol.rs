//! Groups of the consumer protocol (KIP-848) while their shard moves.

use std::collections::BTreeSet;

use codec::messages::consumer_group_heartbeat_request::TopicPartitions;
use codec::messages::{
    ConsumerGroupDescribeRequest, ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse,
};
use uuid::Uuid;

use super::*;

/// A member as its client knows it.
#[derive(Debug, Default)]
struct Member {
    id: &'static str,
    epoch: i32,
    topic: Uuid,
    /// Partitions of `t` that it holds.
    owned: BTreeSet<i32>,
}

impl Member {
    fn new(id: &'static str) -> Self {
        Self { id, ..Self::default() }
    }

    fn request(&self, epoch: i32) -> ConsumerGroupHeartbeatRequest {
        let owned = TopicPartitions::default()
            .with_topic_id(self.topic)
            .with_partitions(self.owned.iter().copied().collect());
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(group("g"))
            .with_member_id(text(self.id))
            .with_member_epoch(epoch)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
            .with_topic_partitions(Some(if self.owned.is_empty() { Vec::new() } else { vec![owned] }))
    }

    /// A heartbeat. The member does as it is told: it is in that epoch, and holds these partitions.
    async fn beat(&mut self, client: &mut Client) -> i16 {
        let told = client.call(1, &self.request(self.epoch)).await;
        if told.error_code == 0 {
            self.obey(&told);
        }
        told.error_code
    }

    fn obey(&mut self, told: &ConsumerGroupHeartbeatResponse) {
        assert!(told.member_epoch >= self.epoch, "{told:?}");
        self.epoch = told.member_epoch;
        if let Some(assignment) = &told.assignment {
            self.owned.clear();
            for topic in &assignment.topic_partitions {
                self.topic = topic.topic_id;
                self.owned.extend(&topic.partitions);
            }
        }
    }

    async fn leave(&mut self, client: &mut Client) {
        assert_eq!(client.call(1, &self.request(-1)).await.error_code, 0);
        *self = Self::new(self.id);
    }

    /// The code of a commit for partition 0.
    async fn commit(&self, client: &mut Client, offset: i64) -> i16 {
        let request = one_offset("g", offset)
            .with_generation_id_or_member_epoch(self.epoch)
            .with_member_id(text(self.id));
        commit(client, 9, request).await[0]
    }
}

async fn describe_code(client: &mut Client) -> i16 {
    let request = ConsumerGroupDescribeRequest::default().with_group_ids(vec![group("g")]);
    client.call(0, &request).await.groups[0].error_code
}

/// No two members hold the same partition.
fn assert_apart(members: &[Member]) {
    let mut held = BTreeSet::new();
    for partition in members.iter().flat_map(|member| &member.owned) {
        assert!(held.insert(partition), "partition {partition} is held twice: {members:?}");
    }
}

/// Heartbeats of all, until the members of the group hold all partitions in one epoch.
async fn settle(client: &mut Client, members: &mut [Member]) {
    for _ in 0..10 {
        for index in 0..members.len() {
            if members[index].epoch > 0 {
                assert_eq!(members[index].beat(client).await, 0);
                assert_apart(members);
            }
        }
    }
    let epochs: BTreeSet<i32> =
        members.iter().map(|member| member.epoch).filter(|epoch| *epoch > 0).collect();
    let held: usize = members.iter().map(|member| member.owned.len()).sum();
    assert!(epochs.len() <= 1 && held == 3 * epochs.len(), "{members:?}");
}

#[tokio::test]
async fn a_rebalance_goes_on_after_a_take_over_and_no_partition_is_held_twice() {
    let (running, mut client) = start().await;
    let (mut first, mut second) = (Member::new("first"), Member::new("second"));
    assert_eq!(first.beat(&mut client).await, 0);
    assert_eq!(first.owned.len(), 3);
    assert_eq!(first.commit(&mut client, 5).await, 0);
    // It waits for partitions that the first one has to give up.
    assert_eq!(second.beat(&mut client).await, 0);
    assert!(second.owned.is_empty() && second.epoch > first.epoch);

    lead(&running, false).await;
    assert_eq!(first.beat(&mut client).await, NOT_COORDINATOR);
    assert_eq!(client.call(1, &second.request(-1)).await.error_code, NOT_COORDINATOR, "it cannot leave");
    assert_eq!(Member::new("third").beat(&mut client).await, NOT_COORDINATOR);
    assert_eq!(first.commit(&mut client, 6).await, NOT_COORDINATOR);
    assert_eq!(describe_code(&mut client).await, NOT_COORDINATOR);

    lead(&running, true).await;
    until_loaded(&mut client, "g").await;
    assert_eq!(second.beat(&mut client).await, 0, "it is a member still");
    assert!(second.owned.is_empty(), "the first one has not given up anything");
    assert_eq!(first.commit(&mut client, 7).await, 0, "in the epoch that it had");
    let mut members = [first, second];
    settle(&mut client, &mut members).await;
    assert!(members.iter().all(|member| !member.owned.is_empty()), "{members:?}");
    assert_eq!(fetch(&mut client, 8, "g", None).await[0].2, 7);
    assert_eq!(describe_code(&mut client).await, 0);
}

#[tokio::test]
async fn members_come_and_go_while_the_shard_moves() {
    let (running, mut client) = start().await;
    let mut members = ["a", "b", "c", "d"].map(Member::new);
    // Any sequence does, as long as it is the same in every run.
    let mut random = 1_u64;
    for step in 0..300 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let drawn = usize::try_from(random >> 40).unwrap();
        let index = drawn % members.len();
        match drawn / members.len() % 10 {
            0 if members[index].epoch > 0 => members[index].leave(&mut client).await,
            1 | 2 => {
                lead(&running, false).await;
                assert_eq!(members[index].beat(&mut client).await, NOT_COORDINATOR);
                lead(&running, true).await;
                let code = members[index].beat(&mut client).await;
                assert!(matches!(code, 0 | LOADING), "{code}");
                until_loaded(&mut client, "g").await;
            }
            _ => assert_eq!(members[index].beat(&mut client).await, 0, "step {step}: {members:?}"),
        }
        assert_apart(&members);
    }
    settle(&mut client, &mut members).await;
}
