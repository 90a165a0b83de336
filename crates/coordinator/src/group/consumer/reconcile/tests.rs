//! The walk of one member, step by step.

use std::collections::BTreeMap;

use super::*;

const T: Uuid = Uuid::from_u128(1);

fn partitions(indexes: &[i32]) -> TopicPartitions {
    if indexes.is_empty() {
        BTreeMap::new()
    } else {
        BTreeMap::from([(T, indexes.iter().copied().collect())])
    }
}

fn held(indexes: &[i32], epoch: i32) -> EpochPartitions {
    if indexes.is_empty() {
        return BTreeMap::new();
    }
    BTreeMap::from([(T, indexes.iter().map(|index| (*index, epoch)).collect())])
}

/// The next step of a member that subscribes to T, where others hold `taken`.
fn next(current: &Current, (epoch, target): (i32, &[i32]), owned: Option<&[i32]>, taken: &[i32]) -> Current {
    let owned = owned.map(partitions);
    let reconciler = Reconciler {
        target_epoch: epoch,
        target: &partitions(target),
        subscribed: &BTreeSet::from([T]),
        owned: owned.as_ref(),
        is_free: |_, partition| !taken.contains(&partition),
    };
    reconciler.next(current)
}

fn stable(epoch: i32, indexes: &[i32]) -> Current {
    Current { epoch, previous_epoch: epoch - 1, assigned: held(indexes, epoch), ..Current::default() }
}

#[test]
fn takes_what_is_free_in_the_epoch_of_the_target() {
    let after = next(&stable(3, &[0]), (5, &[0, 1]), None, &[]);
    assert_eq!((after.state, after.epoch, after.previous_epoch), (MemberState::Stable, 5, 3));
    assert_eq!(after.assigned, BTreeMap::from([(T, BTreeMap::from([(0, 3), (1, 5)]))]));
}

#[test]
fn keeps_its_epoch_until_it_says_that_it_has_given_up() {
    let revoking = next(&stable(3, &[0, 1]), (5, &[0, 2]), None, &[]);
    assert_eq!((revoking.state, revoking.epoch), (MemberState::Unrevoked, 3));
    assert_eq!((&revoking.assigned, &revoking.revoking), (&held(&[0], 3), &held(&[1], 3)));
    for owned in [None, Some(&[0, 1][..]), Some(&[1][..])] {
        assert_eq!(next(&revoking, (5, &[0, 2]), owned, &[]), revoking, "{owned:?}");
    }
    let after = next(&revoking, (5, &[0, 2]), Some(&[0]), &[]);
    assert_eq!((after.state, after.epoch), (MemberState::Stable, 5));
    assert_eq!(after.assigned, BTreeMap::from([(T, BTreeMap::from([(0, 3), (2, 5)]))]));
    assert_eq!(after.revoking, BTreeMap::new());
}

#[test]
fn an_answer_to_an_earlier_epoch_does_not_count_as_a_revocation() {
    let revoking = next(&stable(3, &[0, 1]), (5, &[0]), None, &[]);
    assert_eq!(revoking.previous_epoch, 3, "2 is not accepted any more");
}

#[test]
fn waits_for_what_others_still_have() {
    let waiting = next(&stable(3, &[0]), (5, &[0, 1, 2]), None, &[2]);
    assert_eq!((waiting.state, waiting.epoch), (MemberState::Unreleased, 5));
    assert_eq!(waiting.assigned, BTreeMap::from([(T, BTreeMap::from([(0, 3), (1, 5)]))]));
    assert_eq!(next(&waiting, (5, &[0, 1, 2]), Some(&[0, 1]), &[2]), waiting);
    let after = next(&waiting, (5, &[0, 1, 2]), Some(&[0, 1]), &[]);
    assert_eq!((after.state, after.previous_epoch), (MemberState::Stable, 3));
    assert!(after.assigned[&T].contains_key(&2));
}

#[test]
fn a_joining_member_that_owns_nothing_gives_nothing_up() {
    let back = Current { assigned: held(&[0, 1], 3), ..Current::default() };
    let after = next(&back, (5, &[0]), Some(&[]), &[]);
    assert_eq!((after.state, after.epoch), (MemberState::Stable, 5));
    assert_eq!(after.assigned, held(&[0], 3));
}

#[test]
fn topics_that_are_no_longer_subscribed_go_at_once() {
    let reconciler = Reconciler {
        target_epoch: 3,
        target: &partitions(&[0]),
        subscribed: &BTreeSet::new(),
        owned: None,
        is_free: |_, _| true,
    };
    let after = reconciler.next(&stable(3, &[0]));
    assert_eq!((after.state, after.revoking), (MemberState::Unrevoked, held(&[0], 3)));
}
