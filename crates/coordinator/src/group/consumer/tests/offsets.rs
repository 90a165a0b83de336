//! Offsets of a consumer group, and its deletion.

use super::*;
use crate::group::offsets::OffsetCommit;

impl Bench {
    pub(super) fn commit_in(&mut self, id: &str, epoch: i32, partition: i32) -> Result<(), GroupError> {
        let topic_id = self.topic("t");
        let who = CommitIdentity {
            member_id: MemberId::from(id),
            group_instance_id: None,
            generation: GenerationId(epoch),
        };
        let commit = OffsetCommit { topic_id, ..commit("t", partition, 7) };
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

/// One partition that the member got later refuses the whole OffsetCommit (`CommitPartitionValidator`): the others were
/// stored before.
#[test]
fn a_commit_with_one_stale_partition_stores_none() {
    let mut bench = two();
    let topic_id = bench.topics.image.topic("t").unwrap().0;
    let who = CommitIdentity { member_id: "a".into(), group_instance_id: None, generation: GenerationId(2) };
    let sent = |partition| OffsetCommit { topic_id, ..commit("t", partition, 7) };
    assert_eq!(bench.commit_as(&who, None, vec![sent(0), sent(2)]), Err(GroupError::StaleMemberEpoch));
    assert_eq!(bench.committed("t", 0), None, "all or none");
    // A note that is too long concerns its partition alone, and is looked at first.
    let noted = OffsetCommit { metadata: "x".repeat(5000).into(), ..sent(2) };
    let results = bench.commit_as(&who, None, vec![sent(0), noted]);
    assert_eq!(results, Ok(vec![Ok(()), Err(GroupError::OffsetMetadataTooLarge)]));
    assert_eq!(bench.committed("t", 0), Some(7));
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
