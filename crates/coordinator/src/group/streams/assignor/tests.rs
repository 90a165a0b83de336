//! Assignments, case by case and for thousands of random groups.

use super::*;
use crate::group::history_tests::Random;
use crate::group::streams::tasks::{Tasks, contains};

/// Members by id, each with its process.
fn spec(
    members: &[(&str, &str)],
    subtopologies: &[(&str, i32, bool)],
    standby_replicas: u32,
) -> AssignmentSpec {
    let member = |(id, process): &(&str, &str)| {
        (MemberId::from(*id), MemberSpec { process_id: Arc::from(*process), previous: TaskLists::default() })
    };
    let parts = |(id, tasks, is_stateful): &(&str, i32, bool)| {
        (Arc::from(*id), SubtopologySpec { tasks: *tasks, is_stateful: *is_stateful })
    };
    AssignmentSpec {
        members: members.iter().map(member).collect(),
        subtopologies: subtopologies.iter().map(parts).collect(),
        standby_replicas,
    }
}

fn count(tasks: &Tasks) -> usize {
    tasks.values().map(BTreeSet::len).sum()
}

fn active(target: &BTreeMap<MemberId, TaskLists>, id: &str) -> Vec<TaskId> {
    each(&target[id].active).collect()
}

fn task(subtopology: &str, partition: i32) -> TaskId {
    (subtopology.into(), partition)
}

/// Computes once more, with what was computed as the last target.
fn again(spec: &mut AssignmentSpec, target: &BTreeMap<MemberId, TaskLists>) {
    for (id, member) in &mut spec.members {
        member.previous = target.get(id).cloned().unwrap_or_default();
    }
}

#[test]
fn the_first_assignment_spreads_over_processes() {
    let spec = spec(&[("a", "p"), ("b", "p"), ("c", "q")], &[("0", 2, false)], 0);
    let target = assign(&spec);
    // One for each process before a process gets a second.
    assert_eq!(active(&target, "a"), [task("0", 0)]);
    assert_eq!(active(&target, "c"), [task("0", 1)]);
    assert!(active(&target, "b").is_empty());
}

#[test]
fn tasks_stay_with_their_owner_as_far_as_its_share_goes() {
    let mut spec = spec(&[("a", "p")], &[("0", 5, false)], 0);
    let target = assign(&spec);
    again(&mut spec, &target);
    spec.members.insert("b".into(), MemberSpec { process_id: "q".into(), ..MemberSpec::default() });
    let target = assign(&spec);
    assert_eq!(active(&target, "a"), [task("0", 0), task("0", 1), task("0", 2)]);
    assert_eq!(active(&target, "b"), [task("0", 3), task("0", 4)]);
}

#[test]
fn a_task_goes_to_its_standby_when_its_owner_is_gone() {
    let mut spec = spec(&[("a", "p"), ("b", "q"), ("c", "r")], &[("0", 1, true)], 1);
    let target = assign(&spec);
    let standby = target.iter().find(|(_, lists)| !lists.standby.is_empty()).unwrap().0.clone();
    assert_eq!(active(&target, "a"), [task("0", 0)]);
    again(&mut spec, &target);
    spec.members.remove("a");
    let target = assign(&spec);
    assert_eq!(active(&target, standby.as_str()), [task("0", 0)]);
    let other = target.iter().find(|(id, _)| **id != standby).unwrap().1;
    assert!(contains(&other.standby, "0", 0), "and the other one has the standby now");
}

#[test]
fn an_owner_that_loses_a_task_keeps_its_state_as_a_standby() {
    // `a` had both; one goes to `b`, who came later, and stays with `a` as a standby.
    let mut spec = spec(&[("a", "p")], &[("0", 2, true)], 1);
    let target = assign(&spec);
    again(&mut spec, &target);
    spec.members.insert("b".into(), MemberSpec { process_id: "q".into(), ..MemberSpec::default() });
    let target = assign(&spec);
    assert_eq!(active(&target, "b"), [task("0", 1)]);
    assert!(contains(&target["a"].standby, "0", 1));
    assert!(contains(&target["b"].standby, "0", 0));
}

#[test]
fn a_process_has_a_task_once_even_if_replicas_are_missing_then() {
    let spec = spec(&[("a", "p"), ("b", "p")], &[("0", 3, true), ("1", 2, false)], 1);
    let target = assign(&spec);
    assert!(target.values().all(|lists| lists.standby.is_empty()));
    assert_eq!(target.values().map(|lists| count(&lists.active)).sum::<usize>(), 5);
}

#[test]
fn subtopologies_without_state_have_no_standbys() {
    let spec = spec(&[("a", "p"), ("b", "q")], &[("0", 2, true), ("1", 2, false)], 1);
    let target = assign(&spec);
    let standby: Vec<TaskId> = target.values().flat_map(|lists| each(&lists.standby)).collect();
    assert_eq!(standby.iter().map(|(subtopology, _)| &**subtopology).collect::<Vec<_>>(), ["0", "0"]);
}

#[test]
fn a_group_without_members_has_no_target() {
    assert!(assign(&spec(&[], &[("0", 2, true)], 1)).is_empty());
}

#[test]
fn the_least_loaded_member_is_taken_whatever_its_process_has() {
    // Kafka takes process `p` here, whose members have 1 on average as `q` has, and gives `c` a third task.
    let mut spec = spec(&[("a", "p"), ("b", "p"), ("c", "q")], &[("0", 6, false)], 0);
    let previous = |tasks: &[i32]| TaskLists {
        active: Tasks::from([("0".into(), tasks.iter().copied().collect())]),
        ..TaskLists::default()
    };
    spec.members.get_mut("a").unwrap().previous = previous(&[0, 1]);
    spec.members.get_mut("c").unwrap().previous = previous(&[2]);
    let target = assign(&spec);
    assert!(target.values().all(|lists| count(&lists.active) == 2), "{target:?}");
}

/// Every task once as active, balanced within one; standbys in other processes, as many as there can be.
fn check(spec: &AssignmentSpec, target: &BTreeMap<MemberId, TaskLists>) {
    assert!(target.keys().eq(spec.members.keys()));
    let mut holders: BTreeMap<TaskId, BTreeSet<&str>> = BTreeMap::new();
    let mut owned = BTreeSet::new();
    for (id, lists) in target {
        for task in each(&lists.active) {
            assert!(owned.insert(task), "two owners");
        }
        for task in each(&lists.active).chain(each(&lists.standby)) {
            let is_new = holders.entry(task).or_default().insert(&spec.members[id].process_id);
            assert!(is_new, "twice in one process");
        }
    }
    let all = spec.subtopologies.iter().flat_map(|(id, parts)| {
        (0..parts.tasks).map(move |task| ((Arc::clone(id), task), parts.is_stateful))
    });
    let processes: BTreeSet<&str> = spec.members.values().map(|member| &*member.process_id).collect();
    for (task, is_stateful) in all {
        assert!(owned.remove(&task), "{task:?} has no owner");
        let replicas = if is_stateful { spec.standby_replicas as usize } else { 0 };
        assert_eq!(holders[&task].len(), (1 + replicas).min(processes.len()), "{task:?}");
    }
    assert!(owned.is_empty(), "tasks that there are not");
    let counts: Vec<usize> = target.values().map(|lists| count(&lists.active)).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(most - least <= 1, "{counts:?}");
}

#[test]
fn random_groups_are_balanced_and_sticky() {
    for seed in 0..3_000 {
        let mut random = Random(seed);
        let mut spec = AssignmentSpec {
            standby_replicas: u32::try_from(random.below(3)).unwrap(),
            ..AssignmentSpec::default()
        };
        for id in 0..1 + random.below(3) {
            let tasks = i32::try_from(1 + random.below(12)).unwrap();
            let parts = SubtopologySpec { tasks, is_stateful: random.one_in(2) };
            spec.subtopologies.insert(Arc::from(id.to_string()), parts);
        }
        let mut ids = 0;
        for _ in 0..12 {
            if spec.members.is_empty() || random.one_in(2) {
                ids += 1;
                let process_id = Arc::from(format!("p{}", random.below(4)));
                let member = MemberSpec { process_id, ..MemberSpec::default() };
                spec.members.insert(format!("m{ids}").into(), member);
            } else if spec.members.len() > 1 {
                let gone = usize::try_from(random.below(spec.members.len() as u64)).unwrap();
                let gone = spec.members.keys().nth(gone).unwrap().clone();
                spec.members.remove(&gone);
            }
            let target = assign(&spec);
            check(&spec, &target);
            again(&mut spec, &target);
            let next = assign(&spec);
            let is_same = next.iter().all(|(id, lists)| lists.active == target[id].active);
            assert!(is_same, "seed {seed}: a balanced target was changed");
        }
    }
}
