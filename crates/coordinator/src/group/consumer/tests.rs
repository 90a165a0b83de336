//! The consumer protocol, case by case. Whole histories are in `group/consumer_history_tests.rs`.

use std::{collections::BTreeSet, sync::Arc};

use super::super::{
    ConsumerGroupConfig, GenerationId, GroupConfig, GroupError, GroupInstanceId, MemberId, Outcome, Refused,
    assignor::TopicPartitions,
    machine::Members,
    requests::{CommitIdentity, LeavingMember, SyncRequest},
    testing::{Bench, commit, protocol},
};
use super::*;
use crate::state_machine::{Record, StateMachine};

mod classic_members;
mod offsets;
mod topics;

const SESSION_MS: u64 = 45_000;
const REBALANCE_MS: u32 = 20_000;

impl ConsumerGroup {
    /// The records that a restart must find.
    pub(crate) fn stored_records(&self) -> Vec<Record> {
        let mut out = Outcome::default();
        if !self.is_dead {
            let mut all = ConsumerGroup {
                target: self.target.clone(),
                members: self.members.clone(),
                ..ConsumerGroup::new(
                    self.id.clone(),
                    Now { monotonic_ms: 0, unix_ms: self.empty_since_ms, open_ms: 0 },
                )
            };
            (all.epoch, all.assignment_epoch, all.metadata_hash) =
                (self.epoch, self.assignment_epoch, self.metadata_hash);
            all.mark_all();
            all.flush(&mut out);
        }
        assert_eq!(out.too_long, None);
        out.records
    }

    /// All of the group that a restart has to bring back.
    pub(crate) fn durable(&self) -> impl PartialEq + std::fmt::Debug + use<> {
        let members = self.members.iter();
        let members: Vec<_> =
            members.map(|(id, it)| (id.clone(), it.subscription.clone(), it.current.clone())).collect();
        (
            (self.epoch, self.assignment_epoch, self.metadata_hash),
            (members, self.target.clone()),
            (self.static_members.clone(), self.holders.clone()),
        )
    }
}

impl Bench {
    /// A member's heartbeat; `said` changes what it says.
    pub(crate) fn beat(
        &mut self,
        id: &str,
        epoch: i32,
        said: impl FnOnce(&mut HeartbeatRequest),
    ) -> Result<HeartbeatReply, Refused> {
        let mut request = HeartbeatRequest {
            member_id: MemberId::from(id),
            member_epoch: epoch,
            fresh: self.fresh(),
            ..HeartbeatRequest::default()
        };
        if epoch == 0 {
            request.rebalance_timeout_ms = Some(REBALANCE_MS);
            request.topic_names = Some(BTreeSet::from(["t".into()]));
            request.owned = Some(TopicPartitions::new());
        }
        said(&mut request);
        self.on_machine(|machine, env, out| machine.consumer_heartbeat(env, &request, out))
    }

    fn group_assignor(&self) -> Option<&'static str> {
        match self.machine.members() {
            Members::Classic(_) | Members::Streams(_) => None,
            Members::Consumer(group) => Some(group.describe(&self.config).assignor),
        }
    }

    fn group(&self) -> &ConsumerGroup {
        self.machine.consumer()
    }

    fn topic(&self, name: &str) -> Uuid {
        self.topics.image.topic(name).unwrap().0
    }

    /// Partitions of `t`.
    pub(crate) fn owned(&self, indexes: &[i32]) -> TopicPartitions {
        if indexes.is_empty() {
            return TopicPartitions::new();
        }
        TopicPartitions::from([(self.topic("t"), indexes.iter().copied().collect())])
    }
}

/// A topic `t` of four partitions.
fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.set_topic("t", 4);
    bench
}

fn assigned(reply: &HeartbeatReply) -> Vec<i32> {
    reply.assignment.as_ref().expect("told its assignment").values().flatten().copied().collect()
}

fn error(result: Result<HeartbeatReply, Refused>) -> GroupError {
    result.expect_err("refused").error
}

/// Members a and b, each with two partitions, all settled at epoch 2.
fn two() -> Bench {
    let mut bench = bench();
    assert_eq!(assigned(&bench.beat("a", 0, |_| {}).unwrap()), [0, 1, 2, 3]);
    bench.beat("b", 0, |_| {}).unwrap();
    let told = bench.beat("a", 2, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (2, vec![0, 1]));
    let kept = bench.owned(&[0, 1]);
    assert_eq!(bench.beat("a", 2, |said| said.owned = Some(kept)).unwrap().member_epoch, 3);
    assert_eq!(assigned(&bench.beat("b", 3, |_| {}).unwrap()), [2, 3]);
    assert_eq!(bench.group().state(), ConsumerState::Stable);
    bench
}

#[test]
fn the_first_member_gets_everything_at_once() {
    let mut bench = bench();
    let told = bench.beat("a", 0, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (2, vec![0, 1, 2, 3]));
    assert_eq!(bench.group().state(), ConsumerState::Stable);
    assert_eq!(bench.beat("a", 2, |_| {}).unwrap().assignment, None, "nothing has changed");
}

#[test]
fn a_partition_moves_only_after_it_was_given_up() {
    let mut bench = bench();
    bench.beat("a", 0, |_| {}).unwrap();
    let told = bench.beat("b", 0, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (3, vec![]), "a has them all");
    assert_eq!(bench.group().state(), ConsumerState::Reconciling);
    let told = bench.beat("a", 2, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (2, vec![0, 1]));
    assert_eq!(bench.beat("b", 3, |_| {}).unwrap().assignment, None, "a has not given them up yet");
    let described = bench.group().describe(&GroupConfig::default()).members.remove(0);
    assert_eq!(
        (described.assigned, described.target),
        (bench.owned(&[0, 1]), bench.owned(&[0, 1])),
        "as Kafka shows a"
    );
    let all = bench.owned(&[0, 1, 2, 3]);
    assert_eq!(bench.beat("a", 2, |said| said.owned = Some(all)).unwrap().member_epoch, 2);
    assert_eq!(bench.beat("b", 3, |_| {}).unwrap().assignment, None);
    let kept = bench.owned(&[0, 1]);
    assert_eq!(bench.beat("a", 2, |said| said.owned = Some(kept)).unwrap().member_epoch, 3);
    assert_eq!(assigned(&bench.beat("b", 3, |_| {}).unwrap()), [2, 3]);
    assert_eq!(bench.group().state(), ConsumerState::Stable);
}

#[test]
fn epochs_that_are_not_the_members_are_fenced() {
    let mut bench = two();
    assert_eq!(error(bench.beat("a", 4, |_| {})), GroupError::FencedMemberEpoch);
    assert_eq!(error(bench.beat("a", 2, |_| {})), GroupError::FencedMemberEpoch);
    assert_eq!(error(bench.beat("c", 3, |_| {})), GroupError::UnknownMemberId);
    // The answer with the new epoch was lost: the last one counts while the member has nothing else.
    let (kept, more) = (bench.owned(&[0, 1]), bench.owned(&[0, 1, 2]));
    assert_eq!(bench.beat("a", 2, |said| said.owned = Some(kept)).unwrap().member_epoch, 3);
    assert_eq!(error(bench.beat("a", 2, |said| said.owned = Some(more))), GroupError::FencedMemberEpoch);
}

#[test]
fn who_leaves_leaves_its_partitions_to_the_others() {
    let mut bench = two();
    let told = bench.beat("b", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!((told.member_epoch, told.assignment), (LEAVE_EPOCH, None));
    assert_eq!(bench.group().state(), ConsumerState::Assigning);
    let told = bench.beat("a", 3, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (4, vec![0, 1, 2, 3]));
    bench.beat("a", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!(bench.group().state(), ConsumerState::Empty);
    assert_eq!(error(bench.beat("a", LEAVE_EPOCH, |_| {})), GroupError::UnknownMemberId);
}

#[test]
fn who_is_silent_is_removed_when_its_session_ends() {
    let mut bench = two();
    bench.pass(SESSION_MS - 1);
    bench.beat("a", 3, |_| {}).unwrap();
    assert_eq!(bench.group().members().len(), 2);
    bench.pass(1);
    assert_eq!(bench.group().members().len(), 1);
    assert_eq!(error(bench.beat("b", 3, |_| {})), GroupError::UnknownMemberId);
    assert_eq!(assigned(&bench.beat("a", 3, |_| {}).unwrap()), [0, 1, 2, 3]);
}

#[test]
fn who_does_not_give_up_in_time_is_removed() {
    let mut bench = bench();
    bench.beat("a", 0, |_| {}).unwrap();
    bench.beat("b", 0, |_| {}).unwrap();
    bench.beat("a", 2, |_| {}).unwrap();
    for _ in 0..2 {
        bench.pass(u64::from(REBALANCE_MS) / 2 - 1);
        // It lives, but says nothing of what it owns.
        bench.beat("a", 2, |_| {}).unwrap();
        bench.beat("b", 3, |_| {}).unwrap();
    }
    bench.pass(2);
    assert_eq!(error(bench.beat("a", 2, |_| {})), GroupError::UnknownMemberId);
    assert_eq!(assigned(&bench.beat("b", 3, |_| {}).unwrap()), [0, 1, 2, 3]);
}

#[test]
fn a_static_member_comes_back_to_its_partitions_without_a_rebalance() {
    let mut bench = bench();
    let instance = |said: &mut HeartbeatRequest| said.group_instance_id = Some(GroupInstanceId::from("i"));
    bench.beat("a", 0, instance).unwrap();
    assert_eq!(error(bench.beat("a2", 0, instance)), GroupError::UnreleasedInstanceId);
    assert_eq!(error(bench.beat("a2", 2, instance)), GroupError::FencedInstanceId);
    assert_eq!(error(bench.beat("a2", LEAVE_STATIC_EPOCH, instance)), GroupError::FencedInstanceId);
    let told = bench.beat("a", LEAVE_STATIC_EPOCH, instance).unwrap();
    assert_eq!(told.member_epoch, LEAVE_STATIC_EPOCH);
    bench.pass(SESSION_MS - 1);
    bench.restart();
    let told = bench.beat("a2", 0, instance).unwrap();
    assert_eq!((told.member_epoch, assigned(&told)), (2, vec![0, 1, 2, 3]), "the epoch is the same");
    assert_eq!(error(bench.beat("a", 2, |_| {})), GroupError::UnknownMemberId);
    assert_eq!(
        error(bench.beat("b", 2, |said| {
            said.group_instance_id = Some(GroupInstanceId::from("j"));
        })),
        GroupError::UnknownMemberId
    );
    bench.beat("a2", LEAVE_STATIC_EPOCH, instance).unwrap();
    bench.pass(SESSION_MS);
    assert_eq!(bench.group().state(), ConsumerState::Empty, "it did not come back");
}

/// As Kafka's `getOrMaybeSubscribeStaticConsumerGroupMember`, which lets a member that joins take an instance id that
/// is free.
#[test]
fn a_member_may_join_again_under_another_instance_id_and_no_longer_holds_the_first() {
    let mut bench = bench();
    let named = |name: &'static str| {
        move |said: &mut HeartbeatRequest| said.group_instance_id = Some(GroupInstanceId::from(name))
    };
    bench.beat("a", 0, |_| {}).unwrap();
    assert_eq!(error(bench.beat("a", 2, named("i"))), GroupError::UnknownMemberId, "only by joining");
    for name in ["i", "j"] {
        let told = bench.beat("a", 0, named(name)).unwrap();
        assert_eq!((told.member_epoch, assigned(&told)), (2, vec![0, 1, 2, 3]), "nothing moves");
    }
    assert_eq!(error(bench.beat("a", 2, named("i"))), GroupError::UnknownMemberId);
    assert_eq!(error(bench.beat("b", 0, named("j"))), GroupError::UnreleasedInstanceId);
    bench.beat("b", 0, named("i")).expect("the first one is free");
    assert_eq!(bench.group().members().len(), 2);
}

#[test]
fn requests_that_contradict_themselves_are_refused() {
    let assignors = ConsumerGroupConfig::default().assignors;
    let joining = HeartbeatRequest {
        member_id: MemberId::from("a"),
        rebalance_timeout_ms: Some(1),
        topic_names: Some(BTreeSet::new()),
        owned: Some(TopicPartitions::new()),
        ..HeartbeatRequest::default()
    };
    assert_eq!(joining.validate(&assignors, true), Ok(()));
    let refused = |change: fn(&mut HeartbeatRequest)| {
        let mut request = joining.clone();
        change(&mut request);
        request.validate(&assignors, true).expect_err("refused").error
    };
    for change in [
        (|said| said.member_id = MemberId::none()) as fn(&mut HeartbeatRequest),
        |said| said.group_instance_id = Some(GroupInstanceId::from("")),
        |said| said.rack_id = Some("".into()),
        |said| said.rebalance_timeout_ms = None,
        |said| said.owned = None,
        |said| drop(said.owned.as_mut().unwrap().insert(Uuid::nil(), BTreeSet::from([0]))),
        |said| said.topic_names = None,
        |said| said.member_epoch = LEAVE_STATIC_EPOCH,
        |said| said.member_epoch = -3,
    ] {
        assert_eq!(refused(change), GroupError::InvalidRequest);
    }
    assert_eq!(refused(|said| said.server_assignor = Some("sticky".into())), GroupError::UnsupportedAssignor);
}

#[test]
fn a_full_group_takes_nobody_else_in() {
    let mut bench = bench();
    bench.config.consumer.max_size = 1;
    bench.beat("a", 0, |_| {}).unwrap();
    assert_eq!(error(bench.beat("b", 0, |_| {})), GroupError::GroupMaxSizeReached);
    bench.beat("a", 2, |_| {}).unwrap();
}

#[test]
fn the_assignor_that_most_ask_for_is_used() {
    let mut bench = bench();
    assert_eq!(bench.group_assignor(), None);
    bench.beat("a", 0, |said| said.server_assignor = Some("range".into())).unwrap();
    assert_eq!(bench.group_assignor(), Some("range"));
    bench.beat("b", 0, |said| said.server_assignor = Some("uniform".into())).unwrap();
    assert_eq!(bench.group_assignor(), Some("uniform"), "of equals the first that is configured");
}
