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
fn topics_that_come_grow_and_go_are_noticed() {
    let mut bench = bench();
    let both = |said: &mut HeartbeatRequest| {
        said.topic_names = Some(BTreeSet::from(["t".into(), "u".into()]));
    };
    assert_eq!(assigned(&bench.beat("a", 0, both).unwrap()).len(), 4);
    bench.set_topic("other", 3);
    assert_eq!(bench.beat("a", 2, |_| {}).unwrap().member_epoch, 2, "nobody cares for it");
    bench.set_topic("u", 2);
    let told = bench.beat("a", 2, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told).len()), (3, 6));
    bench.set_topic("t", 5);
    assert_eq!(assigned(&bench.beat("a", 3, |_| {}).unwrap()).len(), 7);
    bench.set_topic("u", 0);
    let told = bench.beat("a", 4, |_| {}).unwrap();
    assert_eq!((told.member_epoch, assigned(&told).len()), (4, 5), "u is to be given up");
    // The broker stops before anybody speaks again: the change is not forgotten.
    let kept = bench.owned(&[0, 1, 2, 3, 4]);
    bench.beat("a", 4, |said| said.owned = Some(kept)).unwrap();
    bench.set_topic("t", 6);
    bench.restart();
    assert_eq!(assigned(&bench.beat("a", 5, |_| {}).unwrap()).len(), 6);
}

#[test]
fn regular_expressions_match_whole_names_and_follow_the_topics() {
    let mut bench = bench();
    bench.set_topic("t1", 1);
    bench.set_topic("xt1", 1);
    let regex = |text: &'static str| {
        move |said: &mut HeartbeatRequest| {
            said.topic_names = None;
            said.topic_regex = Some(text.into());
        }
    };
    assert_eq!(error(bench.beat("a", 0, regex("t("))), GroupError::InvalidRegularExpression);
    assert_eq!(error(bench.beat("a", 0, regex("t)|(x"))), GroupError::InvalidRegularExpression);
    assert_eq!(error(bench.beat("a", 0, regex("(a{1000}){1000}"))), GroupError::InvalidRegularExpression);
    assert!(bench.stored.is_empty(), "refused before anything was stored");
    let told = bench.beat("a", 0, regex("t|t[0-9]")).unwrap();
    let topics: Vec<Uuid> = told.assignment.unwrap().into_keys().collect();
    assert_eq!(topics, [bench.topic("t"), bench.topic("t1")]);
    bench.set_topic("t2", 1);
    bench.restart();
    assert_eq!(assigned(&bench.beat("a", 2, |_| {}).unwrap()).len(), 6);
    let told = bench.beat("a", 3, |said| said.topic_regex = Some("".into())).unwrap();
    assert_eq!(assigned(&told), [0_i32; 0], "nothing is subscribed to any more");
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

impl Bench {
    fn group_assignor(&self) -> Option<&'static str> {
        match self.machine.members() {
            Members::Classic(_) | Members::Streams(_) => None,
            Members::Consumer(group) => Some(group.describe(&self.config).assignor),
        }
    }

    fn commit_in(&mut self, id: &str, epoch: i32, partition: i32) -> Result<(), GroupError> {
        let topic_id = self.topic("t");
        let who = CommitIdentity {
            member_id: MemberId::from(id),
            group_instance_id: None,
            generation: GenerationId(epoch),
        };
        let commit = super::super::offsets::OffsetCommit { topic_id, ..commit("t", partition, 7) };
        self.commit_as(&who, None, vec![commit])?.remove(0)
    }
}

#[test]
fn commits_are_judged_by_member_epoch_and_by_when_a_partition_was_assigned() {
    let mut bench = two();
    assert_eq!(bench.commit_in("a", 3, 0), Ok(()));
    assert_eq!(bench.commit_in("a", 2, 0), Ok(()), "held since epoch 2");
    assert_eq!(bench.commit_in("b", 2, 2), Err(GroupError::StaleMemberEpoch), "held since epoch 3");
    assert_eq!(bench.commit_in("a", 2, 2), Err(GroupError::StaleMemberEpoch), "given up");
    assert_eq!(bench.commit_in("a", 4, 0), Err(GroupError::StaleMemberEpoch));
    assert_eq!(bench.commit_in("c", 3, 0), Err(GroupError::UnknownMemberId));
    assert_eq!(bench.commit_in("", -1, 0), Err(GroupError::UnknownMemberId), "there are members");
    let fetch = |id: Option<&str>, epoch| {
        let id = id.map(MemberId::from);
        bench.machine.validate_offset_fetch(id.as_ref(), epoch)
    };
    assert_eq!(fetch(Some("a"), 3), Ok(()));
    assert_eq!(fetch(Some("a"), 2), Err(GroupError::StaleMemberEpoch));
    assert_eq!(fetch(Some("c"), 2), Err(GroupError::UnknownMemberId));
    assert_eq!(fetch(None, -1), Ok(()));
    for id in ["a", "b"] {
        bench.beat(id, LEAVE_EPOCH, |_| {}).unwrap();
    }
    assert_eq!(bench.commit_in("", -1, 0), Ok(()));
}

#[test]
fn an_empty_group_can_be_deleted_and_leaves_no_record() {
    let mut bench = two();
    bench.commit_in("a", 3, 0).unwrap();
    let delete = |bench: &mut Bench| bench.on_machine(|machine, env, out| machine.delete(env.now, out));
    assert_eq!(delete(&mut bench), Err(GroupError::NonEmptyGroup));
    for id in ["a", "b"] {
        bench.beat(id, LEAVE_EPOCH, |_| {}).unwrap();
    }
    assert_eq!(delete(&mut bench), Ok(()));
    assert!(bench.stored.is_empty(), "{:?}", bench.stored);
    assert!(bench.machine.is_forgettable());
}

#[test]
fn offsets_of_subscribed_topics_stay() {
    let mut bench = two();
    bench.commit_in("a", 3, 0).unwrap();
    let wanted: [(Arc<str>, i32); 2] = [("t".into(), 0), ("u".into(), 0)];
    let results = bench.on_machine(|machine, env, out| machine.delete_offsets(env, &wanted, out)).unwrap();
    assert_eq!(results, [Err(GroupError::GroupSubscribedToTopic), Ok(())]);
    bench.pass(10 * 24 * 3_600_000);
    assert_eq!(bench.group().state(), ConsumerState::Empty, "sessions have ended");
    bench.on_machine(|machine, env, out| machine.expire_offsets(env, out));
    assert_eq!(bench.committed("t", 0), None, "empty for longer than the retention");
    assert!(bench.machine.is_forgettable());
}

/// A subscription to `t`, version 1, owning nothing.
const SUBSCRIPTION: &[u8] = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\x00\x00\x00\x00";

/// Of partitions 0 and 1 of `t`, without user data.
const ASSIGNMENT: &[u8] =
    b"\x00\x01\x00\x00\x00\x01\x00\x01t\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff";

/// A stable classic group of one member, which leads and owns partition 0 and 1 of `t`.
fn classic(bench: &mut Bench) -> MemberId {
    classic_with(bench, ASSIGNMENT)
}

/// As [`classic`], with another assignment.
fn classic_with(bench: &mut Bench, assignment: &'static [u8]) -> MemberId {
    let mut request = bench.request("", None, &[]);
    request.requires_known_member_id = false;
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    bench.pass(6_000);
    let reply = bench.joins.remove(&waiter).unwrap();
    let joined = reply.result.unwrap();
    let request = SyncRequest {
        member_id: reply.member_id.clone(),
        group_instance_id: None,
        generation: joined.generation,
        protocol_type: None,
        protocol: None,
        assignments: [(reply.member_id.clone(), bytes::Bytes::from_static(assignment))].into(),
    };
    let waiter = bench.waiter();
    bench.on_machine(|machine, env, out| machine.sync(env, request, waiter, out));
    bench.syncs.remove(&waiter).unwrap().unwrap();
    reply.member_id
}

fn classic_join(bench: &mut Bench, id: &MemberId) -> i32 {
    let mut request = bench.request(id.as_str(), None, &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    bench.joined(waiter).generation.0
}

fn classic_sync(bench: &mut Bench, id: &MemberId, generation: i32) -> Vec<i32> {
    let waiter = bench.send_sync(id, generation, &[]);
    let synced = bench.syncs.remove(&waiter).unwrap().unwrap();
    let read = super::super::consumer_protocol::assignment(&synced.assignment).unwrap();
    read.partitions.into_iter().flat_map(|(_, partitions)| partitions).collect()
}

#[test]
fn a_classic_group_is_upgraded_with_its_members_and_downgraded_when_the_new_ones_are_gone() {
    let mut bench = bench();
    let old = classic(&mut bench);
    let told = bench.beat("new", 0, |_| {}).unwrap();
    assert_eq!(told.member_epoch, 2, "generation 1 goes on as epoch 2");
    assert_eq!(assigned(&told), [2, 3], "what nobody has");
    bench.restart();
    // The classic member learns of it by its next heartbeat, joins, and keeps what it has.
    assert_eq!(bench.heartbeat(&old, 1), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 2);
    assert_eq!(classic_sync(&mut bench, &old, 2), [0, 1]);
    assert_eq!(bench.heartbeat(&old, 2), Ok(()));
    assert_eq!(bench.group().state(), ConsumerState::Stable);
    assert_eq!(bench.commit_in(old.as_str(), 2, 0), Ok(()));
    assert_eq!(bench.commit_in(old.as_str(), 1, 0), Err(GroupError::IllegalGeneration));
    // The last member of the consumer protocol leaves.
    bench.beat("new", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!(bench.machine.classic().member_count(), 1);
    bench.restart();
    assert_eq!(bench.heartbeat(&old, 3), Err(GroupError::RebalanceInProgress), "everybody joins again");
    assert_eq!(classic_join(&mut bench, &old), 4);
}

/// Users saw a group rebalance though the request that caused it was refused.
#[test]
fn a_member_that_is_refused_leaves_its_classic_group_as_it_is() {
    let mut bench = bench();
    let old = classic(&mut bench);
    assert_eq!(error(bench.beat(old.as_str(), 0, |_| {})), GroupError::FencedMemberEpoch);
    assert_eq!(bench.machine.classic().member_count(), 1);
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "no rebalance");
    bench.restart();
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing was written");
}

#[test]
fn an_upgrade_in_the_middle_of_a_rebalance_leaves_members_what_they_still_own() {
    let mut bench = bench();
    let old = classic(&mut bench);
    // It is cooperative, so it keeps 0 and 1 while it joins the next generation, which has no assignments yet.
    let owning = b"\x00\x01\x00\x00\x00\x01\x00\x01t\xff\xff\xff\xff\
        \x00\x00\x00\x01\x00\x01t\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x01";
    let mut request = bench.request(old.as_str(), None, &[]);
    request.protocols = vec![protocol("range", owning)];
    let waiter = bench.send_join(request);
    let generation = bench.joined(waiter).generation.0;
    let told = bench.beat("new", 0, |_| {}).unwrap();
    assert_eq!(assigned(&told), [2, 3]);
    let waiter = bench.send_sync(&old, generation, &[]);
    assert_eq!(bench.assignment(waiter), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), told.member_epoch);
    assert_eq!(classic_sync(&mut bench, &old, told.member_epoch), [0, 1]);
}

#[test]
fn a_classic_member_joins_a_consumer_group_and_is_given_its_share() {
    let mut bench = bench();
    bench.beat("new", 0, |_| {}).unwrap();
    let request = bench.request("", None, &["range"]);
    let waiter = bench.send_join(request);
    assert_eq!(bench.join_error(waiter), GroupError::InconsistentGroupProtocol, "no subscription");
    let old = MemberId::from("old");
    assert_eq!(classic_join(&mut bench, &old), 3);
    assert_eq!(classic_sync(&mut bench, &old, 3), [0_i32; 0], "new has them all");
    let told = bench.beat("new", 2, |_| {}).unwrap();
    assert_eq!(bench.heartbeat(&old, 3), Ok(()), "nothing to take yet");
    let kept = told.assignment.unwrap();
    bench.beat("new", 2, |said| said.owned = Some(kept)).unwrap();
    assert_eq!(bench.heartbeat(&old, 3), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 3);
    assert_eq!(classic_sync(&mut bench, &old, 3).len(), 2);
    let leaving = [LeavingMember { member_id: old, group_instance_id: None, reason: None }];
    bench.on_machine(|machine, env, out| machine.leave(env, &leaving, out)).unwrap();
    assert_eq!(bench.group().members().len(), 1);
}

/// It joined again for the first one that came free, then for the second, and had two rebalances of its client for one.
#[test]
fn a_classic_member_is_called_once_all_the_partitions_that_it_awaits_are_free() {
    let mut bench = Bench::new();
    bench.set_topic("t", 6);
    bench.beat("a", 0, |_| {}).unwrap();
    bench.beat("b", 0, |_| {}).unwrap();
    // A member asked to give something up says what it keeps.
    let gives_up = |bench: &mut Bench, id: &str, epoch| {
        let kept = bench.beat(id, epoch, |_| {}).unwrap().assignment.unwrap();
        bench.beat(id, epoch, |said| said.owned = Some(kept)).unwrap()
    };
    gives_up(&mut bench, "a", 2);
    assert_eq!(assigned(&bench.beat("b", 3, |_| {}).unwrap()).len(), 3);
    let old = MemberId::from("old");
    assert_eq!(classic_join(&mut bench, &old), 4);
    assert_eq!(classic_sync(&mut bench, &old, 4), [0_i32; 0], "a and b have three each");
    gives_up(&mut bench, "a", 3);
    assert_eq!(bench.heartbeat(&old, 4), Ok(()), "b has not given up its own yet");
    gives_up(&mut bench, "b", 3);
    assert_eq!(bench.heartbeat(&old, 4), Err(GroupError::RebalanceInProgress));
    assert_eq!(classic_join(&mut bench, &old), 4);
    assert_eq!(classic_sync(&mut bench, &old, 4).len(), 2);
}

#[test]
fn a_classic_member_that_is_told_to_join_again_and_does_not_is_removed() {
    let mut bench = bench();
    let old = classic(&mut bench);
    bench.beat("new", 0, |_| {}).unwrap();
    let mut request = bench.request(old.as_str(), None, &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    request.rebalance_timeout_ms = 8_000;
    let waiter = bench.send_join(request);
    let generation = bench.joined(waiter).generation.0;
    classic_sync(&mut bench, &old, generation);
    bench.beat("newer", 0, |_| {}).unwrap();
    for _ in 0..3 {
        assert_eq!(bench.heartbeat(&old, generation), Err(GroupError::RebalanceInProgress));
        bench.pass(3_000);
    }
    assert_eq!(bench.heartbeat(&old, generation), Err(GroupError::UnknownMemberId));
}

/// `kafka-consumer-groups --remove-members` named a member by its id and was told that there was none.
#[test]
fn an_administrator_removes_members_of_the_consumer_protocol_by_their_ids() {
    let mut bench = two();
    let instance = || Some(GroupInstanceId::from("i"));
    bench.beat("s", 0, |said| said.group_instance_id = instance()).unwrap();
    let leaving = |id: &str, group_instance_id| {
        [LeavingMember { member_id: MemberId::from(id), group_instance_id, reason: None }]
    };
    let mut leave = |id, instance| {
        let leaving = leaving(id, instance);
        let all = bench.on_machine(|machine, env, out| machine.leave(env, &leaving, out)).unwrap();
        (all[0], bench.group().members().len())
    };
    assert_eq!(leave("x", None), (Err(GroupError::UnknownMemberId), 3));
    assert_eq!(leave("a", instance()), (Err(GroupError::FencedInstanceId), 3));
    assert_eq!(leave("b", None), (Ok(()), 2));
    assert_eq!(leave("s", instance()), (Ok(()), 1));
    assert!(bench.group().members().contains_key(&MemberId::from("a")));
}

/// The assignor of such clients keeps state in the assignments, and it was lost without a word.
#[test]
fn a_group_whose_assignments_hold_more_than_partitions_is_not_upgraded() {
    let empty = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00";
    let user_data = b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01x";
    let malformed = b"\x00\x01\x00\x00\x00\x00";
    let upgraded: [(&'static [u8], bool); 5] =
        [(b"", true), (ASSIGNMENT, true), (empty, true), (user_data, false), (malformed, false)];
    for (assignment, upgraded) in upgraded {
        let mut bench = bench();
        let old = classic_with(&mut bench, assignment);
        let joined = bench.beat("new", 0, |_| {}).map_err(|refused| refused.error);
        if upgraded {
            assert!(joined.is_ok(), "{assignment:?}");
        } else {
            assert_eq!(joined, Err(GroupError::GroupIdNotFound), "{assignment:?}");
            assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing has happened to the group");
        }
    }
}

#[test]
fn the_policy_decides_which_way_a_group_may_go() {
    let config = |migration| {
        let consumer = ConsumerGroupConfig { migration, ..ConsumerGroupConfig::default() };
        GroupConfig { consumer, ..GroupConfig::default() }
    };
    use super::super::MigrationPolicy::{Downgrade, Upgrade};
    let mut bench = Bench::with(config(Downgrade));
    bench.set_topic("t", 4);
    let old = classic(&mut bench);
    assert_eq!(error(bench.beat("new", 0, |_| {})), GroupError::GroupIdNotFound);
    assert_eq!(bench.heartbeat(&old, 1), Ok(()), "nothing has happened to the group");
    bench.config = config(Upgrade);
    bench.beat("new", 0, |_| {}).unwrap();
    bench.beat("new", LEAVE_EPOCH, |_| {}).unwrap();
    assert_eq!(bench.group().members().len(), 1, "it stays a consumer group");
}

#[test]
fn a_group_without_members_becomes_what_is_asked_of_it() {
    let mut bench = two();
    bench.commit_in("a", 2, 0).unwrap();
    for id in ["a", "b"] {
        bench.beat(id, LEAVE_EPOCH, |_| {}).unwrap();
    }
    let epoch = bench.group().epoch();
    let old = classic(&mut bench);
    assert_eq!(bench.machine.classic().generation(), GenerationId(epoch + 1));
    bench.leave(&old).unwrap();
    bench.pass(60_000);
    let told = bench.beat("a", 0, |_| {}).unwrap();
    assert!(told.member_epoch > epoch + 1);
    assert_eq!(bench.committed("t", 0), Some(7), "offsets stay");
}

#[test]
fn a_static_member_of_the_old_protocol_is_replaced_by_the_new_one() {
    let mut bench = bench();
    bench.beat("new", 0, |_| {}).unwrap();
    let mut request = bench.request("", Some("i"), &[]);
    request.protocols = vec![protocol("range", SUBSCRIPTION)];
    let waiter = bench.send_join(request);
    let old = bench.joins.remove(&waiter).unwrap().member_id;
    bench.beat("old2", 0, |said| said.group_instance_id = Some(GroupInstanceId::from("i"))).unwrap();
    assert!(!bench.group().members().contains_key(&old));
    assert!(!bench.group().members()[&MemberId::from("old2")].uses_classic_protocol());
}
