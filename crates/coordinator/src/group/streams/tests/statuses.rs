//! The six statuses, and the states of the group beside them.

use super::*;

/// A subtopology that reads only what it writes itself.
pub(super) fn circle() -> SentTopology {
    let topic = InternalTopic { name: "r".into(), partitions: 0, replication_factor: 0, configs: Vec::new() };
    let parts = Subtopology {
        repartition_source_topics: vec![topic],
        repartition_sink_topics: vec!["r".into()],
        ..Subtopology::default()
    };
    SentTopology { epoch: 0, subtopologies: vec![("0".into(), parts)], has_source_patterns: false }
}

#[test]
fn missing_source_topics_hold_the_tasks_back_until_they_appear() {
    let mut bench = Bench::with(eager());
    let reply = bench.stream_join("a");
    assert_eq!((codes(&reply), reply.tasks), (vec![1], Some(active(&[]))));
    assert_eq!(reply.statuses[0].detail, "Source topics in are missing.");
    assert!(reply.missing_topics.is_empty(), "nothing can be created yet");
    assert_eq!(bench.stream_state(), StreamsState::NotReady);
    bench.set_topic("in", 2);
    let reply = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!(codes(&reply), [3]);
    assert_eq!(reply.missing_topics.len(), 1);
    let log = &reply.missing_topics[0];
    assert_eq!((&*log.name, log.partitions, log.replication_factor), ("log", 2, 1));
    assert_eq!(bench.stream_state(), StreamsState::NotReady);
    bench.set_topic("log", 2);
    let reply = bench.stream("a", reply.member_epoch, |_| {}).unwrap();
    assert_eq!((codes(&reply), reply.tasks), (vec![], Some(active(&[0, 1]))));
    assert_eq!(bench.stream_state(), StreamsState::Stable);
}

#[test]
fn a_topic_that_goes_takes_the_tasks_with_it() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    bench.set_topic("log", 0);
    let reply = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!((codes(&reply), reply.tasks), (vec![3], Some(active(&[]))));
    // Back with another count: it is the operator's to mend.
    bench.set_topic("log", 3);
    let reply = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!(codes(&reply), [2]);
    assert!(reply.missing_topics.is_empty());
}

#[test]
fn topics_of_others_change_nothing() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    let writes = bench.writes;
    bench.set_topic("other", 2);
    assert_eq!(bench.stream("a", 2, |_| {}).unwrap().member_epoch, 2);
    assert_eq!(bench.writes, writes);
}

#[test]
fn more_partitions_are_more_tasks() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    bench.set_topic("in", 2);
    let reply = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!(codes(&reply), [2], "the changelog has too few");
    bench.set_topic("log", 2);
    let reply = bench.stream_owning("a", 2, &active(&[]));
    assert_eq!(reply.tasks, Some(active(&[0, 1])));
}

#[test]
fn the_first_members_wait_for_others() {
    let mut config = eager();
    config.streams.initial_rebalance_delay_ms = 3_000;
    let mut bench = bench(config, 4);
    let reply = bench.stream_join("a");
    assert_eq!((codes(&reply), reply.member_epoch, reply.tasks), (vec![5], 1, Some(active(&[]))));
    assert_eq!(reply.statuses[0].detail, "Assignment delayed due to the configured initial rebalance delay.");
    assert_eq!(bench.stream_state(), StreamsState::Assigning);
    bench.pass(2_000);
    assert_eq!(codes(&bench.stream_join("b")), [5]);
    bench.pass(1_000);
    // One target for both, without a task that moves.
    assert_eq!(bench.stream_state(), StreamsState::Reconciling);
    let reply = bench.stream("a", 1, |_| {}).unwrap();
    assert_eq!((codes(&reply), reply.member_epoch, reply.tasks), (vec![], 3, Some(active(&[0, 2]))));
    assert_eq!(bench.stream("b", 1, |_| {}).unwrap().tasks, Some(active(&[1, 3])));
    // Later ones do not wait.
    assert_eq!(codes(&bench.stream_join("c")), []);
}

#[test]
fn a_restart_ends_the_initial_delay() {
    let mut config = eager();
    config.streams.initial_rebalance_delay_ms = 3_000;
    let mut bench = bench(config, 1);
    bench.stream_join("a");
    bench.restart();
    assert_eq!(bench.stream("a", 1, |_| {}).unwrap().tasks, Some(active(&[0])));
}

#[test]
fn a_group_that_empties_during_the_delay_gets_no_target() {
    let mut config = eager();
    config.streams.initial_rebalance_delay_ms = 3_000;
    let mut bench = bench(config, 1);
    bench.stream_join("a");
    bench.stream("a", -1, |_| {}).unwrap();
    bench.pass(3_000);
    assert_eq!((bench.stream_state(), bench.machine.streams().targets().len()), (StreamsState::Empty, 0));
    assert_eq!(codes(&bench.stream_join("b")), [5], "and waits again");
}

#[test]
fn targets_follow_each_other_at_the_interval() {
    let mut config = eager();
    config.streams.assignment_interval_ms = 1_000;
    let mut bench = bench(config, 2);
    bench.stream_join("a");
    let reply = bench.stream_join("b");
    assert_eq!((codes(&reply), reply.member_epoch, reply.tasks), (vec![5], 2, Some(active(&[]))));
    assert_eq!(reply.statuses[0].detail, "Assignment delayed due to the configured assignment interval.");
    bench.pass(999);
    assert_eq!(codes(&bench.stream("a", 2, |_| {}).unwrap()), [5]);
    bench.pass(1);
    assert_eq!(bench.stream("b", 2, |_| {}).unwrap().member_epoch, 3);
    assert_eq!(bench.stream("a", 2, |_| {}).unwrap().tasks, Some(active(&[0])));
}

#[test]
fn a_shutdown_is_passed_on_to_all_until_the_group_is_empty() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    bench.stream_join("b");
    let reply = bench.stream("a", 2, |request| request.shutdown_application = true).unwrap();
    assert_eq!(codes(&reply), [4]);
    let reply = bench.stream("b", 3, |_| {}).unwrap();
    assert_eq!(codes(&reply), [4]);
    assert!(reply.statuses[0].detail.starts_with("Streams group member a encountered a fatal error"));
    bench.stream("a", -1, |_| {}).unwrap();
    assert_eq!(codes(&bench.stream("b", 3, |_| {}).unwrap()), [4]);
    bench.stream("b", -1, |_| {}).unwrap();
    assert_eq!(codes(&bench.stream_join("c")), []);
    // Also of a member that leaves with it.
    bench.stream_join("d");
    bench.stream("c", -1, |request| request.shutdown_application = true).unwrap();
    assert_eq!(codes(&bench.stream_join("d")), [4]);
}

#[test]
fn a_shutdown_with_the_first_heartbeat_of_a_group_is_forgotten() {
    let mut bench = bench(eager(), 1);
    let reply = bench.stream("a", 0, |request| request.shutdown_application = true).unwrap();
    assert_eq!(codes(&reply), [4]);
    assert_eq!(codes(&bench.stream("a", 2, |_| {}).unwrap()), [], "as Kafka, of which the rig says so");
}

#[test]
fn an_older_topology_is_told_that_it_is_stale() {
    let mut bench = bench(eager(), 1);
    let of_epoch = |epoch| {
        move |request: &mut HeartbeatRequest| {
            request.topology = Some(SentTopology { epoch, ..word_count() });
        }
    };
    assert_eq!(codes(&bench.stream("a", 0, of_epoch(2)).unwrap()), []);
    let reply = bench.stream("b", 0, of_epoch(1)).unwrap();
    assert_eq!(codes(&reply), [0]);
    assert_eq!(
        reply.statuses[0].detail,
        "The member's topology epoch 1 is behind the group's topology epoch 2."
    );
    // Also with every later heartbeat.
    assert_eq!(codes(&bench.stream("b", reply.member_epoch, |_| {}).unwrap()), [0]);
    assert_eq!(bench.machine.streams().describe().topology_epoch, 2);
}
