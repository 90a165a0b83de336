//! Refusals of Kafka 4.3, with its errors and words.

use super::*;

type Change = fn(&mut HeartbeatRequest);

fn refused(epoch: i32, change: Change) -> (GroupError, String) {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let before = (bench.writes, bench.machine.streams().durable());
    let refused = bench.stream("a", epoch, change).unwrap_err();
    assert!(
        before == (bench.writes, bench.machine.streams().durable()),
        "a refused request changed the group"
    );
    (refused.error, refused.message)
}

fn invalid(epoch: i32, change: Change, message: &str) {
    assert_eq!(refused(epoch, change), (GroupError::InvalidRequest, message.to_owned()));
}

#[test]
fn requests_that_contradict_themselves() {
    invalid(2, |request| request.member_id = " ".into(), "MemberId can't be empty.");
    invalid(2, |request| request.rack_id = Some("".into()), "RackId can't be empty.");
    let message = "RebalanceTimeoutMs must be provided in first request.";
    invalid(0, |request| request.rebalance_timeout_ms = None, message);
    invalid(0, |request| request.active = None, "ActiveTasks must be empty when (re-)joining.");
    let message = "StandbyTasks must be empty when (re-)joining.";
    invalid(0, |request| request.standby = Some(tasks(&[0])), message);
    invalid(0, |request| request.warmup = None, "WarmupTasks must be empty when (re-)joining.");
    invalid(0, |request| request.topology = None, "Topology must be non-null when (re-)joining.");
    invalid(-2, |_| {}, "InstanceId can't be null.");
    invalid(-3, |_| {}, "MemberEpoch is -3, but must be greater than or equal to -2.");
    let message = "If one task-type is non-null, all must be non-null.";
    invalid(2, |request| request.active = Some(Tasks::new()), message);
    let message = "Topology can only be provided when (re-)joining.";
    invalid(2, |request| request.topology = Some(word_count()), message);
}

#[test]
fn what_kafka_does_not_support_yet() {
    let message = "Static membership is not yet supported.";
    invalid(0, |request| request.group_instance_id = Some("i".into()), message);
    invalid(2, |request| request.has_task_offsets = true, "TaskOffsets are not supported yet.");
    invalid(2, |request| request.has_task_end_offsets = true, "TaskEndOffsets are not supported yet.");
    invalid(2, |request| request.warmup = Some(tasks(&[0])), "WarmupTasks are not supported yet.");
    let patterns = |request: &mut HeartbeatRequest| {
        request.topology = Some(SentTopology { has_source_patterns: true, ..word_count() });
    };
    invalid(0, patterns, "Regular expressions for source topics are not supported yet.");
    let changed = |request: &mut HeartbeatRequest| {
        request.topology = Some(SentTopology { epoch: 1, ..word_count() });
    };
    invalid(0, changed, "Topology updates are not supported yet.");
}

#[test]
fn topologies_that_cannot_be() {
    let refuse = |change: Change, message: &str| {
        assert_eq!(refused(0, change), (GroupError::StreamsInvalidTopology, message.to_owned()));
    };
    fn parts(request: &mut HeartbeatRequest) -> &mut Subtopology {
        &mut request.topology.as_mut().unwrap().subtopologies[0].1
    }
    let message = "Changelog topic log must have an undefined partition count, but it is set to 3.";
    refuse(|request| parts(request).state_changelog_topics[0].partitions = 3, message);
    let names = |request: &mut HeartbeatRequest| {
        parts(request).repartition_sink_topics = vec!["a b".into(), "..".into()];
    };
    refuse(names, "Topic names ..,a b are not valid topic names.");
    let message =
        "Use of Kafka internal topics __consumer_offsets in a Kafka Streams topology is prohibited.";
    refuse(|request| parts(request).source_topics.push("__consumer_offsets".into()), message);
    let message = "Subtopology 0 has no source topics.";
    refuse(|request| parts(request).source_topics.clear(), message);
    let twice = |request: &mut HeartbeatRequest| {
        let topology = request.topology.as_mut().unwrap();
        topology.subtopologies.push(topology.subtopologies[0].clone());
    };
    refuse(twice, "Subtopology 0 is in the topology twice.");
    let group = |request: &mut HeartbeatRequest| {
        let group = CopartitionGroup { source_topics: vec![1], ..CopartitionGroup::default() };
        parts(request).copartition_groups = vec![group];
    };
    refuse(group, "Subtopology 0 has a copartition group with a topic that it does not read.");
    let message = "Subtopology 0 has an internal topic with a negative number of partitions.";
    let counted = |request: &mut HeartbeatRequest| {
        let topic = parts(request).state_changelog_topics[0].clone();
        parts(request).repartition_source_topics = vec![InternalTopic { partitions: -1, ..topic }];
    };
    refuse(counted, message);
    let negative = |request: &mut HeartbeatRequest| request.topology.as_mut().unwrap().epoch = -1;
    refuse(negative, "Topology epoch must be non-negative.");
    assert_eq!(
        refused(0, |request| request.topology = Some(statuses::circle())).0,
        // The group has another topology, which is looked at first.
        GroupError::InvalidRequest
    );
}

#[test]
fn tasks_that_the_topology_does_not_have() {
    let other = |request: &mut HeartbeatRequest| {
        says_it_runs(request, &TaskLists::default());
        request.active = Some(Tasks::from([("7".into(), BTreeSet::from([0]))]));
    };
    invalid(2, other, "Subtopology 7 does not exist in the topology.");
    let beyond = |request: &mut HeartbeatRequest| says_it_runs(request, &active(&[1]));
    invalid(2, beyond, "Task 1 for subtopology 0 is invalid. Number of tasks for this subtopology: 1");
}

#[test]
fn members_that_are_fenced_or_unknown() {
    assert_eq!(refused(3, |_| {}).0, GroupError::FencedMemberEpoch);
    assert_eq!(refused(1, |_| {}).0, GroupError::FencedMemberEpoch);
    let other = |request: &mut HeartbeatRequest| request.member_id = "b".into();
    let unknown = (GroupError::UnknownMemberId, "Member b is not a member of group g.".to_owned());
    assert_eq!(refused(2, other), unknown);
    assert_eq!(refused(-1, other), unknown);
}

#[test]
fn a_full_group_takes_its_own_members_only() {
    let mut config = eager();
    config.streams.max_size = 1;
    let mut bench = bench(config, 1);
    bench.stream_join("a");
    let refused = bench.stream("b", 0, |_| {}).unwrap_err();
    assert_eq!(refused.error, GroupError::GroupMaxSizeReached);
    assert_eq!(refused.message, "The streams group has reached its maximum capacity of 1 members.");
    bench.stream_join("a");
}

#[test]
fn a_group_that_is_not_there_has_no_members() {
    let mut bench = bench(eager(), 1);
    for epoch in [1, -1] {
        assert_eq!(bench.stream("a", epoch, |_| {}).unwrap_err().error, GroupError::GroupIdNotFound);
    }
    assert!(bench.machine.is_forgettable());
}

#[test]
fn requests_of_the_other_protocols() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let member = MemberId::from("a");
    assert_eq!(bench.heartbeat(&member, 2), Err(GroupError::UnknownMemberId));
    let waiter = bench.send_sync(&member, 2, &[]);
    assert_eq!(bench.assignment(waiter), Err(GroupError::UnknownMemberId));
    let leave = bench.on_machine(|machine, env, out| machine.leave(env, &[], out));
    assert_eq!(leave, Err(GroupError::UnknownMemberId));
    assert_eq!(bench.beat("a", 0, |_| {}).unwrap_err().error, GroupError::GroupIdNotFound);
}
