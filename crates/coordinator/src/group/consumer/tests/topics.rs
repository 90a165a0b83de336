//! Topics that members subscribe to, by name and by regular expression.

use super::*;

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
