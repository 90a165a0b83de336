//! The streams protocol, case by case. Whole histories are in `group/streams_history_tests.rs`.

mod offsets;
mod refusals;
mod statuses;

use super::super::{
    GroupConfig, GroupError, Outcome, Refused, StreamsGroupConfig, machine::Members, testing::Bench,
};
use super::*;
use crate::state_machine::{Record, StateMachine};

const SESSION_MS: u64 = 45_000;
const REBALANCE_MS: u32 = 20_000;

impl StreamsGroup {
    /// The records that a restart must find.
    pub(crate) fn stored_records(&self) -> Vec<Record> {
        let mut out = Outcome::default();
        if !self.is_dead {
            out.write(Record::streams_group(&self.id, &self.epochs()));
            let topology = self.topology.iter();
            topology.for_each(|topology| out.write(Record::streams_topology(&self.id, topology)));
            for (id, member) in &self.members {
                out.write(Record::streams_member(&self.id, id, &member.metadata));
                out.write(Record::streams_current(&self.id, id, &member.current));
            }
            self.target
                .iter()
                .for_each(|(id, target)| out.write(Record::streams_target(&self.id, id, target)));
        }
        assert_eq!(out.too_long, None);
        out.records
    }

    /// All of the group that a restart has to bring back.
    pub(crate) fn durable(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let members = self.members.iter();
        let members: Vec<_> =
            members.map(|(id, it)| (id.clone(), it.metadata.clone(), it.current.clone())).collect();
        (
            (self.epochs(), self.topology.clone()),
            (members, self.target.clone()),
            (self.active_holders.clone(), self.standby_holders.clone()),
        )
    }

    /// The target of each member.
    pub(crate) fn targets(&self) -> &BTreeMap<MemberId, TaskLists> {
        &self.target
    }
}

/// Targets at once: no delay, no interval.
pub(crate) fn eager() -> GroupConfig {
    let streams = StreamsGroupConfig {
        initial_rebalance_delay_ms: 0,
        assignment_interval_ms: 0,
        ..StreamsGroupConfig::default()
    };
    GroupConfig { streams, ..GroupConfig::default() }
}

/// One subtopology `0` that reads topic `in`, with state in `log`.
pub(crate) fn word_count() -> SentTopology {
    let log = InternalTopic { name: "log".into(), partitions: 0, replication_factor: 1, configs: Vec::new() };
    let parts = Subtopology {
        source_topics: vec!["in".into()],
        state_changelog_topics: vec![log],
        ..Subtopology::default()
    };
    SentTopology { epoch: 0, subtopologies: vec![("0".into(), parts)], has_source_patterns: false }
}

pub(crate) fn tasks(partitions: &[i32]) -> Tasks {
    let set: BTreeSet<i32> = partitions.iter().copied().collect();
    if set.is_empty() { Tasks::new() } else { Tasks::from([("0".into(), set)]) }
}

pub(crate) fn active(partitions: &[i32]) -> TaskLists {
    TaskLists { active: tasks(partitions), standby: Tasks::new() }
}

/// A bench with `in` and `log` of that many partitions.
pub(crate) fn bench(config: GroupConfig, partitions: i32) -> Bench {
    let mut bench = Bench::with(config);
    bench.set_topic("in", partitions);
    bench.set_topic("log", partitions);
    bench
}

impl Bench {
    /// A heartbeat of a member whose process has its id; `said` changes what it says.
    pub(crate) fn stream(
        &mut self,
        id: &str,
        epoch: i32,
        said: impl FnOnce(&mut HeartbeatRequest),
    ) -> Result<HeartbeatReply, Refused> {
        let mut request = HeartbeatRequest {
            member_id: MemberId::from(id),
            member_epoch: epoch,
            client_id: "client".into(),
            client_host: "/127.0.0.1".into(),
            ..HeartbeatRequest::default()
        };
        if epoch == 0 {
            request.rebalance_timeout_ms = Some(REBALANCE_MS);
            request.topology = Some(word_count());
            request.process_id = Some(id.into());
            (request.active, request.standby, request.warmup) = Default::default();
            let none = Some(Tasks::new());
            (request.active, request.standby, request.warmup) = (none.clone(), none.clone(), none);
        }
        said(&mut request);
        request.validate()?;
        self.on_machine(|machine, env, out| machine.streams_heartbeat(env, &request, out))
    }

    pub(crate) fn stream_join(&mut self, id: &str) -> HeartbeatReply {
        self.stream(id, 0, |_| {}).unwrap()
    }

    /// A heartbeat that says which tasks the member runs.
    pub(crate) fn stream_owning(&mut self, id: &str, epoch: i32, owned: &TaskLists) -> HeartbeatReply {
        let says = |request: &mut HeartbeatRequest| says_it_runs(request, owned);
        self.stream(id, epoch, says).unwrap()
    }

    fn stream_state(&self) -> StreamsState {
        self.machine.streams().state()
    }
}

pub(crate) fn says_it_runs(request: &mut HeartbeatRequest, owned: &TaskLists) {
    request.active = Some(owned.active.clone());
    request.standby = Some(owned.standby.clone());
    request.warmup = Some(Tasks::new());
}

fn codes(reply: &HeartbeatReply) -> Vec<i8> {
    reply.statuses.iter().map(|status| status.code.number()).collect()
}

#[test]
fn the_first_member_gets_all_tasks() {
    let mut bench = bench(eager(), 3);
    let reply = bench.stream_join("a");
    assert_eq!((reply.member_epoch, reply.tasks, reply.statuses), (2, Some(active(&[0, 1, 2])), Vec::new()));
    assert_eq!(bench.stream_state(), StreamsState::Stable);
    // Nothing new: nothing said, nothing written.
    let writes = bench.writes;
    let reply = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!((reply.member_epoch, reply.tasks, bench.writes), (2, None, writes));
}

#[test]
fn a_task_moves_only_after_it_was_given_back() {
    let mut bench = bench(eager(), 3);
    bench.stream_join("a");
    let joined = bench.stream_join("b");
    assert_eq!((joined.member_epoch, joined.tasks), (3, Some(active(&[]))));
    assert_eq!(bench.stream_state(), StreamsState::Reconciling);
    // `a` hears of it, and does not answer yet.
    let asked = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!((asked.member_epoch, asked.tasks), (2, Some(active(&[0, 1]))));
    for _ in 0..3 {
        assert_eq!(bench.stream("a", 2, |_| {}).unwrap().member_epoch, 2);
        assert_eq!(bench.stream("b", 3, |_| {}).unwrap().tasks, None);
        assert_eq!(bench.stream_owning("a", 2, &active(&[0, 1, 2])).member_epoch, 2);
    }
    assert_eq!(bench.stream_owning("a", 2, &active(&[0, 1])).member_epoch, 3);
    let given = bench.stream("b", 3, |_| {}).unwrap();
    assert_eq!((given.member_epoch, given.tasks), (3, Some(active(&[2]))));
    assert_eq!(bench.stream_state(), StreamsState::Stable);
}

#[test]
fn a_member_that_leaves_frees_its_tasks_at_once() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    let gone = bench.stream("a", -1, |_| {}).unwrap();
    assert_eq!((gone.member_epoch, bench.stream_state()), (-1, StreamsState::Empty));
    assert_eq!(bench.stream_join("b").tasks, Some(active(&[0, 1])));
}

#[test]
fn a_silent_member_is_removed_after_its_session() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.pass(SESSION_MS - 1);
    assert_eq!(bench.machine.member_count(), 2);
    bench.stream("b", 3, |_| {}).unwrap();
    bench.pass(1);
    assert_eq!(bench.machine.member_count(), 1);
    // What `a` had goes to `b` with its next heartbeat.
    assert_eq!(bench.stream("b", 3, |_| {}).unwrap().tasks, Some(active(&[0, 1])));
}

#[test]
fn a_member_that_keeps_its_tasks_is_removed_after_its_rebalance_timeout() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    for _ in 0..3 {
        bench.pass(u64::from(REBALANCE_MS) / 4);
        bench.stream("a", 2, |_| {}).unwrap();
        bench.stream("b", 3, |_| {}).unwrap();
    }
    bench.pass(u64::from(REBALANCE_MS) / 4);
    assert_eq!(bench.stream("a", 2, |_| {}).unwrap_err().error, GroupError::UnknownMemberId);
    assert_eq!(bench.stream("b", 3, |_| {}).unwrap().tasks, Some(active(&[0, 1])));
}

#[test]
fn standby_tasks_are_with_another_process() {
    let mut config = eager();
    config.streams.num_standby_replicas = 1;
    let mut bench = bench(config, 2);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    let a = bench.stream_owning("a", 2, &active(&[0])).tasks.unwrap();
    let b = bench.stream("b", 3, |_| {}).unwrap().tasks.unwrap();
    assert_eq!((a.active, a.standby), (tasks(&[0]), tasks(&[1])));
    assert_eq!((b.active, b.standby), (tasks(&[1]), tasks(&[0])));
}

#[test]
fn another_number_of_standby_tasks_makes_a_new_target() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    bench.config.streams.num_standby_replicas = 1;
    let reply = bench.stream("b", 3, |_| {}).unwrap();
    assert_eq!((reply.member_epoch, reply.tasks.unwrap().standby), (4, tasks(&[0])));
}

#[test]
fn members_of_one_process_do_not_share_a_task() {
    // `a` is asked to give up task 1; `b` of the same process has no standby of what `a` runs.
    let mut config = eager();
    config.streams.num_standby_replicas = 1;
    let mut bench = bench(config, 2);
    bench.stream_join("a");
    let reply = bench.stream("b", 0, |request| request.process_id = Some("a".into())).unwrap();
    assert_eq!(reply.tasks, Some(active(&[])));
    bench.stream("a", 2, |_| {}).unwrap();
    bench.stream_owning("a", 2, &active(&[0]));
    let reply = bench.stream("b", 3, |_| {}).unwrap();
    assert_eq!(reply.tasks, Some(active(&[1])), "no standby: the process has both tasks already");
}

#[test]
fn a_lost_answer_is_repeated_to_a_member_that_joins_again() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    let writes = bench.writes;
    let again = bench.stream_join("a");
    assert_eq!((again.member_epoch, again.tasks), (2, Some(active(&[0, 1]))));
    assert_eq!(bench.writes, writes);
}

#[test]
fn the_previous_epoch_is_accepted_with_a_subset_of_the_tasks() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    bench.stream_owning("a", 2, &active(&[0]));
    // The answer with epoch 3 was lost.
    let error = |reply: Result<HeartbeatReply, Refused>| reply.unwrap_err().error;
    assert_eq!(error(bench.stream("a", 2, |_| {})), GroupError::FencedMemberEpoch);
    let more = |request: &mut HeartbeatRequest| says_it_runs(request, &active(&[0, 1]));
    assert_eq!(error(bench.stream("a", 2, more)), GroupError::FencedMemberEpoch);
    assert_eq!(bench.stream_owning("a", 2, &active(&[0])).member_epoch, 3);
}

#[test]
fn a_member_that_did_not_get_its_tasks_is_told_them_again() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    // After an answer that it did not get a client says everything, and its epoch may be the one before.
    let all = |request: &mut HeartbeatRequest| {
        says_it_runs(request, &active(&[0]));
        request.rebalance_timeout_ms = Some(REBALANCE_MS);
    };
    assert_eq!(bench.stream("a", 2, all).unwrap().tasks, Some(active(&[0])));
    assert_eq!(bench.stream("a", 2, all).unwrap().tasks, Some(active(&[0])));
}

#[test]
fn a_process_takes_a_task_over_only_after_its_other_member_released_the_standby() {
    let mut config = eager();
    config.streams.num_standby_replicas = 1;
    let mut bench = bench(config, 1);
    bench.stream_join("a");
    let in_process_p = |request: &mut HeartbeatRequest| request.process_id = Some("p".into());
    bench.stream("b", 0, in_process_p).unwrap();
    let c = bench.stream("c", 0, in_process_p).unwrap();
    // Of the two in process `p`, `b` has the standby.
    assert_eq!(c.tasks, Some(active(&[])));
    let task = ("0".into(), 0);
    let group = bench.machine.streams();
    assert!(group.is_free_standby(&"b".into(), &task) && !group.is_free_standby(&"c".into(), &task));
    assert!(!group.is_free_active(&"c".into(), &task));
    bench.stream("a", -1, |_| {}).unwrap();
    let group = bench.machine.streams();
    assert!(group.is_free_active(&"b".into(), &task), "its own standby is no obstacle");
    assert!(!group.is_free_active(&"c".into(), &task), "that of another member of its process is");
}

#[test]
fn application_topics_may_have_the_default_replication_factor_of_kafka_streams() {
    let mut bench = Bench::with(eager());
    bench.set_topic("in", 1);
    let defaults = |request: &mut HeartbeatRequest| {
        let topology = request.topology.as_mut().unwrap();
        topology.subtopologies[0].1.state_changelog_topics[0].replication_factor = -1;
    };
    let reply = bench.stream("a", 0, defaults).unwrap();
    assert_eq!(reply.missing_topics[0].replication_factor, -1);
}

#[test]
fn a_member_that_changes_what_it_says_raises_the_epoch() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let reply = bench.stream("a", 2, |request| request.rack_id = Some("r".into())).unwrap();
    assert_eq!(reply.member_epoch, 3);
}

#[test]
fn endpoints_are_told_when_tasks_have_changed() {
    let mut bench = bench(eager(), 2);
    let endpoint = |request: &mut HeartbeatRequest| {
        request.user_endpoint = Some(Endpoint { host: "h".into(), port: 1 });
    };
    let first = bench.stream("a", 0, endpoint).unwrap();
    // Of the step that creates the group the epoch is not kept, as in Kafka.
    assert_eq!((first.endpoint_epoch, first.endpoints.map(|all| all.len())), (0, Some(1)));
    assert_eq!(bench.stream("a", 2, |_| {}).unwrap().endpoints, None);
    let second = bench.stream_join("b");
    assert_eq!((second.endpoint_epoch, second.endpoints), (0, None));
    let asked = bench.stream("a", 2, |_| {}).unwrap();
    assert_eq!(asked.endpoint_epoch, 1);
    let partitions = TopicPartitions::from([("in".into(), BTreeSet::from([0]))]);
    let expected = EndpointPartitions {
        endpoint: Endpoint { host: "h".into(), port: 1 },
        active: partitions,
        standby: TopicPartitions::new(),
    };
    assert_eq!(asked.endpoints, Some(vec![expected.clone()]));
    assert_eq!(bench.stream("b", 3, |_| {}).unwrap().endpoints, Some(vec![expected]));
    assert_eq!(bench.stream("b", 3, |request| request.endpoint_epoch = 1).unwrap().endpoints, None);
    // The one that asks comes last.
    let other = |request: &mut HeartbeatRequest| {
        request.user_endpoint = Some(Endpoint { host: "other".into(), port: 2 });
    };
    let told = bench.stream("0", 0, other).unwrap();
    let hosts: Vec<_> = told.endpoints.iter().flatten().map(|one| one.endpoint.host.to_string()).collect();
    assert_eq!((hosts, told.endpoint_epoch), (vec!["h".to_owned(), "other".to_owned()], 2));
}

#[test]
fn a_restart_forgets_nothing_that_members_rely_on() {
    let mut bench = bench(eager(), 3);
    bench.stream_join("a");
    bench.stream_join("b");
    bench.stream("a", 2, |_| {}).unwrap();
    bench.restart();
    assert_eq!(bench.stream_state(), StreamsState::Reconciling);
    // Still being revoked: `b` does not get it.
    assert_eq!(bench.stream("b", 3, |_| {}).unwrap().tasks, None);
    assert_eq!(bench.stream_owning("a", 2, &active(&[0, 1])).member_epoch, 3);
    assert_eq!(bench.stream("b", 3, |_| {}).unwrap().tasks, Some(active(&[2])));
    // The clocks go on.
    bench.restart();
    bench.pass(SESSION_MS);
    assert_eq!(bench.stream_state(), StreamsState::Empty);
}

#[test]
fn an_empty_classic_group_becomes_a_streams_group_and_back() {
    let mut bench = bench(eager(), 1);
    let (member, waiter) = bench.join_new();
    bench.pass(6_000);
    bench.joined(waiter);
    let refused = bench.stream("a", 0, |_| {}).unwrap_err();
    assert_eq!(
        (refused.error, &*refused.message),
        (GroupError::GroupIdNotFound, "Group g is not a streams group.")
    );
    bench.leave(&member).unwrap();
    // A refused join leaves the classic group as it is.
    let other = |request: &mut HeartbeatRequest| request.topology = Some(statuses::circle());
    assert_eq!(bench.stream("a", 0, other).unwrap_err().error, GroupError::StreamsInvalidTopology);
    assert!(matches!(bench.machine.members(), Members::Classic(_)));
    bench.stream_join("a");
    assert_eq!(bench.stream_state(), StreamsState::Stable);
    assert!(bench.stored.keys().all(|key| (11..=15).contains(&key[0])), "{:?}", bench.stored);
    // A classic member cannot join it while it has members, and can when it has none.
    let request = bench.request("", None, &["range"]);
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InconsistentGroupProtocol);
    bench.stream("a", -1, |_| {}).unwrap();
    let (_, waiter) = bench.join_new();
    bench.pass(6_000);
    bench.joined(waiter);
    assert!(bench.stored.keys().all(|key| key[0] == 1), "{:?}", bench.stored);
}

#[test]
fn a_description_shows_members_tasks_and_counts() {
    let mut bench = bench(eager(), 2);
    bench.stream_join("a");
    let described = bench.machine.streams().describe();
    assert_eq!((described.state, described.epoch, described.assignment_epoch), (StreamsState::Stable, 2, 2));
    assert_eq!(described.topology_epoch, 0);
    let parts = &described.subtopologies[0];
    assert_eq!((&*parts.id, &parts.source_topics[..]), ("0", &["in".into()][..]));
    assert_eq!(parts.state_changelog_topics[0].partitions, 2);
    let member = &described.members[0];
    assert_eq!((&member.assigned, &member.target), (&active(&[0, 1]), &active(&[0, 1])));
    assert_eq!((member.member_epoch, &*member.metadata.process_id), (2, "a"));
    // After a restart, before the first heartbeat: as it was sent.
    bench.restart();
    let described = bench.machine.streams().describe();
    assert_eq!(described.subtopologies[0].state_changelog_topics[0].partitions, 0);
}

#[test]
fn an_empty_group_without_offsets_is_deleted_with_all_its_records() {
    let mut bench = bench(eager(), 1);
    bench.stream_join("a");
    let delete = |bench: &mut Bench| {
        let now = bench.now();
        bench.on_machine(|machine, _, out| machine.delete(now, out))
    };
    assert_eq!(delete(&mut bench), Err(GroupError::NonEmptyGroup));
    bench.stream("a", -1, |_| {}).unwrap();
    assert_eq!(delete(&mut bench), Ok(()));
    assert!(bench.stored.is_empty() && bench.machine.is_forgettable());
    assert_eq!(delete(&mut bench), Err(GroupError::GroupIdNotFound));
}
