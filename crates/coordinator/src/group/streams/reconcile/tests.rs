//! One member, step by step.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::group::streams::tasks::Tasks;

fn tasks(partitions: &[i32]) -> Tasks {
    let set: BTreeSet<i32> = partitions.iter().copied().collect();
    if set.is_empty() { Tasks::new() } else { Tasks::from([("0".into(), set)]) }
}

fn lists(active: &[i32], standby: &[i32]) -> TaskLists {
    TaskLists { active: tasks(active), standby: tasks(standby) }
}

/// At epoch 3, with these tasks since epoch 2.
fn has(active: &[i32], standby: &[i32]) -> Current {
    let with_epoch = |partition: &i32| (*partition, 2);
    let active: BTreeMap<i32, i32> = active.iter().map(with_epoch).collect();
    let active = if active.is_empty() { BTreeMap::new() } else { BTreeMap::from([("0".into(), active)]) };
    Current {
        epoch: 3,
        previous_epoch: 2,
        assigned: HeldTasks { active, standby: tasks(standby) },
        ..Current::default()
    }
}

/// A step towards `target` at epoch 5, while others hold the tasks `held`.
fn step(current: &Current, target: &TaskLists, owned: Option<&TaskLists>, held: &[i32]) -> Current {
    let is_free = |_: &Arc<str>, partition| !held.contains(&partition);
    Reconciler { target_epoch: 5, target, owned, is_free_active: is_free, is_free_standby: is_free }
        .next(current)
}

fn assigned(current: &Current) -> (MemberState, i32, TaskLists) {
    (current.state, current.epoch, current.assigned.without_epochs())
}

#[test]
fn takes_what_is_free_and_waits_for_the_rest() {
    let next = step(&has(&[0], &[]), &lists(&[0, 1, 2], &[3, 4]), None, &[2, 4]);
    assert_eq!(assigned(&next), (MemberState::Unreleased, 5, lists(&[0, 1], &[3])));
    assert_eq!(next.assigned.active["0"], BTreeMap::from([(0, 2), (1, 5)]), "each with its epoch");
    assert_eq!(next.previous_epoch, 3);
    let then = step(&next, &lists(&[0, 1, 2], &[3, 4]), None, &[]);
    assert_eq!(assigned(&then), (MemberState::Stable, 5, lists(&[0, 1, 2], &[3, 4])));
    assert_eq!(then.previous_epoch, 3, "the answer that named epoch 5 may still be lost");
}

#[test]
fn gives_up_first_and_stays_in_its_epoch_until_it_says_so() {
    let target = lists(&[0, 5], &[]);
    let before = has(&[0, 1], &[2]);
    let asked = step(&before, &target, None, &[]);
    assert_eq!(assigned(&asked), (MemberState::Unrevoked, 3, lists(&[0], &[])));
    assert_eq!(asked.revoking.without_epochs(), lists(&[1], &[2]));
    // Says nothing, or still has one of the two: nothing moves.
    assert_eq!(step(&asked, &target, None, &[]), asked);
    assert_eq!(step(&asked, &target, Some(&lists(&[0, 1], &[])), &[]), asked);
    assert_eq!(step(&asked, &target, Some(&lists(&[0], &[2])), &[]), asked);
    let done = step(&asked, &target, Some(&lists(&[0], &[])), &[]);
    assert_eq!(assigned(&done), (MemberState::Stable, 5, lists(&[0, 5], &[])));
    assert!(done.revoking.is_empty());
}

#[test]
fn is_not_asked_for_what_it_says_it_does_not_have() {
    let next = step(&has(&[0, 1], &[]), &lists(&[0], &[]), Some(&lists(&[0], &[])), &[]);
    assert_eq!(assigned(&next), (MemberState::Stable, 5, lists(&[0], &[])));
}

#[test]
fn a_second_revocation_in_a_row_has_an_epoch_of_its_own() {
    let asked = step(&has(&[0, 1], &[]), &lists(&[0], &[]), None, &[]);
    // Gives up 1; meanwhile the target has taken 0 away, too.
    let again = step(&asked, &lists(&[], &[]), Some(&lists(&[0], &[])), &[]);
    assert_eq!(assigned(&again), (MemberState::Unrevoked, 4, lists(&[], &[])));
    assert_eq!(again.revoking.without_epochs(), lists(&[0], &[]));
    assert_eq!(again.previous_epoch, 3);
}

#[test]
fn a_standby_task_becomes_active_after_it_was_given_up() {
    let target = lists(&[1], &[]);
    let asked = step(&has(&[], &[1]), &target, None, &[]);
    assert_eq!(assigned(&asked), (MemberState::Unrevoked, 3, lists(&[], &[])));
    let done = step(&asked, &target, Some(&lists(&[], &[])), &[]);
    assert_eq!(assigned(&done), (MemberState::Stable, 5, lists(&[1], &[])));
}

#[test]
fn a_member_that_has_its_target_stays() {
    let mut current = has(&[0], &[]);
    current.epoch = 5;
    assert_eq!(step(&current, &lists(&[0], &[]), None, &[]), current);
}
