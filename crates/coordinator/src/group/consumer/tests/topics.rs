//! Topics that members subscribe to, by name and by regular expression.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::group::topics::Viewer;

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

/// The expiry of offsets looked at the topics first, and the next heartbeat took the new one for known.
#[test]
fn another_look_at_the_topics_hides_no_change_from_the_next_heartbeat() {
    let mut bench = bench();
    bench.beat("a", 0, |said| said.topic_regex = Some("t|u".into())).unwrap();
    bench.set_topic("u", 2);
    let topics = bench.topics.clone();
    bench.on_machine(|machine, env, out| {
        assert_eq!(topics.version, env.topics.version);
        machine.delete_offsets(env, &[("t".into(), 0)], out).unwrap();
    });
    assert_eq!(assigned(&bench.beat("a", 2, |_| {}).unwrap()).len(), 6);
}

/// A client that may describe all topics except these.
#[derive(Debug)]
struct Client {
    name: Arc<str>,
    hidden: BTreeSet<&'static str>,
    /// It may not describe `t-secret`, either.
    revoked: Arc<AtomicBool>,
}

impl Viewer for Client {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn may_describe(&self, topic: &str) -> bool {
        let revoked = topic == "t-secret" && self.revoked.load(Ordering::Relaxed);
        !revoked && !self.hidden.contains(topic)
    }
}

/// A heartbeat of a client, by the expression `t.*`.
fn sees_all_except(name: &str, hidden: &[&'static str]) -> impl Fn(&mut HeartbeatRequest) + use<> {
    let viewer: Arc<dyn Viewer> = Arc::new(Client {
        name: name.into(),
        hidden: hidden.iter().copied().collect(),
        revoked: Arc::default(),
    });
    move |said| {
        if said.member_epoch == 0 {
            said.topic_names = None;
            said.topic_regex = Some("t.*".into());
        }
        said.viewer = Some(Arc::clone(&viewer));
    }
}

fn restricted() -> Bench {
    let mut bench = bench();
    bench.topics.are_restricted = true;
    bench.set_topic("t-secret", 1);
    bench
}

fn topics(bench: &Bench, told: HeartbeatReply) -> Vec<String> {
    let ids = told.assignment.expect("told its assignment").into_keys();
    let mut names: Vec<String> = ids.map(|id| bench.topics.image.name(id).unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_expression_finds_what_the_client_of_its_member_may_describe() {
    let mut bench = restricted();
    let told = bench.beat("a", 0, sees_all_except("alice", &["t-secret"])).unwrap();
    assert_eq!(topics(&bench, told), ["t"]);
    // Another client with the same expression, in the same group.
    let told = bench.beat("b", 0, sees_all_except("bob", &[])).unwrap();
    assert_eq!(topics(&bench, told), ["t-secret"]);
    // Topics that come are found by each member for itself.
    bench.set_topic("t-new", 1);
    let told = bench.beat("a", 2, sees_all_except("alice", &["t-secret"])).unwrap();
    assert!(!topics(&bench, told).contains(&"t-secret".to_owned()));
}

/// Neither the topics nor what all members find together changes: only the one member finds less, and then more.
#[test]
fn a_permission_that_is_taken_away_or_given_moves_partitions_at_the_next_heartbeat() {
    let mut bench = restricted();
    let revoked = Arc::new(AtomicBool::new(false));
    let alice: Arc<dyn Viewer> =
        Arc::new(Client { name: "alice".into(), hidden: BTreeSet::new(), revoked: Arc::clone(&revoked) });
    let alices = |said: &mut HeartbeatRequest| {
        sees_all_except("replaced below", &[])(said);
        said.viewer = Some(Arc::clone(&alice));
    };
    bench.beat("a", 0, alices).unwrap();
    let mut epoch_of_b = bench.beat("b", 0, sees_all_except("bob", &[])).unwrap().member_epoch;
    for now in [true, false] {
        revoked.store(now, Ordering::Relaxed);
        // As the broker does when the rules change.
        bench.topics.version += 1;
        let epoch = bench.group().epoch();
        for _ in 0..2 {
            epoch_of_b = bench.beat("b", epoch_of_b, sees_all_except("bob", &[])).unwrap().member_epoch;
            assert_eq!(bench.group().epoch(), epoch + 1, "once for a change");
        }
        let target = &bench.group().target[&MemberId::from("a")];
        assert!(!now || !target.contains_key(&bench.topic("t-secret")));
    }
}

/// The same member from another address, say: its permissions may be others.
#[test]
fn another_client_under_the_id_of_a_member_finds_what_it_may_describe() {
    let mut bench = restricted();
    bench.beat("a", 0, sees_all_except("alice at work", &[])).unwrap();
    let told = bench.beat("a", 2, sees_all_except("alice at home", &["t-secret"])).unwrap();
    // It has to give up the other one first.
    assert_eq!((told.member_epoch, topics(&bench, told)), (2, vec!["t".to_owned()]));
}

#[test]
fn a_restart_moves_no_partition_while_permissions_are_the_same() {
    let mut bench = restricted();
    for name in ["a", "b"] {
        bench.beat(name, 0, sees_all_except("alice", &["t-secret"])).unwrap();
    }
    let epoch = bench.group().epoch();
    bench.restart();
    bench.beat("b", 3, sees_all_except("alice", &["t-secret"])).unwrap();
    bench.beat("a", 2, sees_all_except("alice", &["t-secret"])).unwrap();
    assert_eq!(bench.group().epoch(), epoch);
    // A topic that came meanwhile is shared at once, also with members that were not heard yet.
    bench.restart();
    bench.set_topic("t-new", 2);
    bench.beat("a", 2, sees_all_except("alice", &["t-secret"])).unwrap();
    assert_eq!(bench.group().epoch(), epoch + 1);
    bench.beat("b", 3, sees_all_except("alice", &["t-secret"])).unwrap();
    assert_eq!(bench.group().epoch(), epoch + 1);
    // One that lost a permission while the broker was down keeps nothing of it.
    bench.restart();
    bench.beat("a", 2, sees_all_except("alice", &["t-secret", "t-new"])).unwrap();
    assert_eq!(bench.group().epoch(), epoch + 2);
}

/// As in Kafka: what no member subscribes to is no change of the group.
#[test]
fn a_first_member_without_topics_leaves_the_group_epoch_as_it_is() {
    let mut bench = bench();
    let none = |said: &mut HeartbeatRequest| said.topic_names = Some(BTreeSet::new());
    assert_eq!(bench.beat("a", 0, none).unwrap().member_epoch, 1);
    bench.restart();
    assert_eq!(bench.beat("a", 1, |_| {}).unwrap().member_epoch, 1);
    assert_eq!(bench.beat("b", 0, none).unwrap().member_epoch, 1);
    let names = |said: &mut HeartbeatRequest| said.topic_names = Some(BTreeSet::from(["t".into()]));
    assert_eq!(bench.beat("a", 1, names).unwrap().member_epoch, 2);
}
