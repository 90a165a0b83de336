//! Balance, stickiness and completeness of both assignors, by cases and by random groups.

use super::*;

fn topic(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn id(name: &str) -> MemberId {
    MemberId::from(name)
}

fn member(topics: &[u128]) -> MemberSpec {
    MemberSpec { subscribed: topics.iter().map(|number| topic(*number)).collect(), ..MemberSpec::default() }
}

fn spec(topics: &[(u128, i32)], members: &[(&str, &[u128])]) -> AssignmentSpec {
    AssignmentSpec {
        members: members.iter().map(|(name, topics)| (id(name), member(topics))).collect(),
        topics: topics.iter().map(|(number, partitions)| (topic(*number), *partitions)).collect(),
    }
}

fn again(spec: &mut AssignmentSpec, target: &BTreeMap<MemberId, TopicPartitions>) {
    for (id, member) in &mut spec.members {
        member.previous = target.get(id).cloned().unwrap_or_default();
    }
}

fn load(target: &TopicPartitions) -> usize {
    target.values().map(BTreeSet::len).sum()
}

fn moves(before: &BTreeMap<MemberId, TopicPartitions>, after: &BTreeMap<MemberId, TopicPartitions>) -> usize {
    let kept = |id: &MemberId, topic: &Uuid, partition: &i32| {
        after.get(id).and_then(|topics| topics.get(topic)).is_some_and(|kept| kept.contains(partition))
    };
    let all = before.iter().flat_map(|(id, topics)| {
        topics.iter().flat_map(move |(topic, partitions)| partitions.iter().map(move |p| (id, topic, p)))
    });
    all.filter(|(id, topic, partition)| !kept(id, topic, partition)).count()
}

fn check_complete(spec: &AssignmentSpec, target: &BTreeMap<MemberId, TopicPartitions>) {
    for (&topic, &partitions) in &spec.topics {
        let mut owned: Vec<i32> = Vec::new();
        for (id, topics) in target {
            let mine = topics.get(&topic).into_iter().flatten();
            assert!(topics.get(&topic).is_none() || spec.members[id].subscribed.contains(&topic));
            owned.extend(mine);
        }
        owned.sort_unstable();
        let expected: Vec<i32> =
            if spec.subscribers(topic).is_empty() { Vec::new() } else { (0..partitions).collect() };
        assert_eq!(owned, expected, "topic {topic}");
    }
}

#[test]
fn range_gives_runs_that_are_alike_over_topics() {
    let spec = spec(&[(1, 5), (2, 5)], &[("a", &[1, 2]), ("b", &[1, 2]), ("c", &[1, 2])]);
    let target = Assignor::Range.assign(&spec);
    for number in [1, 2] {
        let of = |name: &str| target[&id(name)][&topic(number)].iter().copied().collect::<Vec<_>>();
        assert_eq!([of("a"), of("b"), of("c")], [vec![0, 1], vec![2, 3], vec![4]]);
    }
}

#[test]
fn range_keeps_what_members_had_when_one_joins() {
    let mut spec = spec(&[(1, 6)], &[("b", &[1]), ("c", &[1])]);
    let before = Assignor::Range.assign(&spec);
    again(&mut spec, &before);
    spec.members.insert(id("a"), member(&[1]));
    let after = Assignor::Range.assign(&spec);
    check_complete(&spec, &after);
    assert_eq!(moves(&before, &after), 2);
    assert!(after.values().all(|topics| load(topics) == 2), "{after:?}");
}

#[test]
fn range_gives_members_beyond_the_partitions_nothing() {
    let spec = spec(&[(1, 1)], &[("a", &[1]), ("b", &[1])]);
    let target = Assignor::Range.assign(&spec);
    assert_eq!(target[&id("a")], BTreeMap::from([(topic(1), BTreeSet::from([0]))]));
    assert_eq!(target[&id("b")], TopicPartitions::new());
}

#[test]
fn uniform_is_even_over_all_topics_together() {
    let topics: Vec<(u128, i32)> = (1..=5).map(|number| (number, 1)).collect();
    let all: &[u128] = &[1, 2, 3, 4, 5];
    let spec = spec(&topics, &[("a", all), ("b", all)]);
    let mut loads: Vec<usize> = Assignor::Uniform.assign(&spec).values().map(load).collect();
    loads.sort_unstable();
    assert_eq!(loads, [2, 3]);
}

#[test]
fn uniform_moves_the_surplus_only() {
    let mut spec = spec(&[(1, 10)], &[("a", &[1]), ("b", &[1])]);
    let before = Assignor::Uniform.assign(&spec);
    again(&mut spec, &before);
    assert_eq!(Assignor::Uniform.assign(&spec), before, "a balanced group stays as it is");
    spec.members.insert(id("c"), member(&[1]));
    let after = Assignor::Uniform.assign(&spec);
    check_complete(&spec, &after);
    assert_eq!(moves(&before, &after), 3);
}

#[test]
fn uniform_lets_those_with_less_choice_keep_their_topics() {
    let spec = spec(&[(1, 4), (2, 4)], &[("a", &[1, 2]), ("b", &[2])]);
    let target = Assignor::Uniform.assign(&spec);
    assert_eq!(target[&id("a")].keys().collect::<Vec<_>>(), [&topic(1)]);
    assert_eq!(load(&target[&id("b")]), 4);
}

#[test]
fn both_are_complete_balanced_and_settle_in_random_groups() {
    let mut seed = 7_u64;
    let mut random = move |bound: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % bound
    };
    for round in 0..400 {
        let mut spec = AssignmentSpec::default();
        for number in 0..1 + random(4) {
            spec.topics.insert(topic(u128::from(number)), i32::try_from(random(9)).unwrap());
        }
        let alike = random(2) == 0;
        for number in 0..1 + random(6) {
            let topics = spec.topics.keys().copied().filter(|_| alike || random(3) > 0).collect();
            let member = MemberSpec { subscribed: topics, previous: TopicPartitions::new() };
            spec.members.insert(id(&format!("m{number}")), member);
        }
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let mut spec = spec.clone();
            let first = assignor.assign(&spec);
            check_complete(&spec, &first);
            again(&mut spec, &first);
            assert_eq!(assignor.assign(&spec), first, "round {round}: settles at once");
            spec.members.pop_first();
            let second = assignor.assign(&spec);
            check_complete(&spec, &second);
            if alike && assignor == Assignor::Uniform {
                let loads = second.values().map(load);
                let spread = loads.clone().max().unwrap_or(0) - loads.min().unwrap_or(0);
                assert!(spread <= 1, "round {round}: {second:?}");
            }
        }
    }
}
