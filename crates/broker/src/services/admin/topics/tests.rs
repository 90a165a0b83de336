//! The rules alone; APIs and storage are driven in their own tests.

use super::*;

fn config(pairs: &[(&str, &str)]) -> BrokerConfig {
    BrokerConfig::from_pairs(pairs).unwrap()
}

fn wanted(name: &str) -> WantedTopic {
    WantedTopic::with_defaults(name.to_owned())
}

fn plan(wanted: &WantedTopic) -> Result<NewTopic, TopicError> {
    let config = config(&[("num.partitions", "5")]);
    Plan::new(&Catalog::default(), &config).add(wanted)
}

#[test]
fn names_follow_kafkas_rules() {
    let longest = "a".repeat(249);
    for valid in ["a", "A.b_c-9", "...", longest.as_str()] {
        assert_eq!(check_name(valid), Ok(()), "{valid}");
    }
    let too_long = "a".repeat(250);
    for invalid in ["", ".", "..", "a b", "a/b", "ä", "a\0", too_long.as_str()] {
        assert!(matches!(check_name(invalid), Err(TopicError::InvalidName(_))), "{invalid}");
    }
}

#[test]
fn defaults_fill_what_is_left_open() {
    let new = plan(&wanted("t")).unwrap();
    assert_eq!((new.name.as_str(), new.partitions, new.configs.len()), ("t", 5, 0));
    assert_eq!(
        plan(&WantedTopic { partitions: 3, replication_factor: 1, ..wanted("t") }).unwrap().partitions,
        3
    );
}

#[test]
fn reserved_names_are_refused() {
    for name in ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"] {
        assert!(matches!(plan(&wanted(name)), Err(TopicError::InvalidName(_))), "{name}");
    }
}

#[test]
fn counts_that_cannot_be_are_refused() {
    for partitions in [0, -2, i32::MIN] {
        let refused = plan(&WantedTopic { partitions, ..wanted("t") });
        assert!(matches!(refused, Err(TopicError::InvalidPartitions(_))), "{partitions}");
    }
    for replication_factor in [0, -2, 2, 3, i16::MAX, i16::MIN] {
        let refused = plan(&WantedTopic { replication_factor, ..wanted("t") });
        assert!(matches!(refused, Err(TopicError::InvalidReplicationFactor(_))), "{replication_factor}");
    }
    // As Kafka: the number of partitions is looked at before the brokers are.
    let both = |replication_factor| plan(&WantedTopic { replication_factor, partitions: 0, ..wanted("t") });
    assert!(matches!(both(3), Err(TopicError::InvalidPartitions(_))));
    assert!(matches!(both(0), Err(TopicError::InvalidReplicationFactor(_))));
    let Err(error) = plan(&WantedTopic { replication_factor: 3, ..wanted("t") }) else { panic!() };
    assert!(error.to_string().contains("replication factor 1 or -1"), "{error}");
}

#[test]
fn one_request_has_a_bound() {
    let config = config(&[]);
    let catalog = Catalog::default();
    let mut plan = Plan::new(&catalog, &config);
    assert!(plan.add(&WantedTopic { partitions: 9_999, ..wanted("a") }).is_ok());
    assert!(plan.add(&WantedTopic { partitions: 1, ..wanted("b") }).is_ok());
    let refused = plan.add(&WantedTopic { partitions: 1, ..wanted("c") });
    assert!(matches!(refused, Err(TopicError::TooMuch(_))), "{refused:?}");
    let refused = Plan::new(&catalog, &config).add(&WantedTopic { partitions: i32::MAX, ..wanted("d") });
    assert!(matches!(refused, Err(TopicError::TooMuch(_))), "{refused:?}");
}

#[test]
fn assignments_must_name_this_node_and_every_partition() {
    let assigned = |assignments: &[(i32, &[i32])]| WantedTopic {
        assignments: assignments.iter().map(|(index, nodes)| (*index, nodes.to_vec())).collect(),
        ..wanted("t")
    };
    assert_eq!(plan(&assigned(&[(1, &[1]), (0, &[1])])).unwrap().partitions, 2);
    for wrong in [
        assigned(&[(0, &[])]),
        assigned(&[(0, &[2])]),
        assigned(&[(0, &[1, 1])]),
        assigned(&[(0, &[1]), (2, &[1])]),
        assigned(&[(0, &[1]), (0, &[1])]),
        assigned(&[(-1, &[1])]),
    ] {
        let refused = plan(&wrong);
        assert!(matches!(refused, Err(TopicError::InvalidAssignment(_))), "{refused:?}");
    }
    for wrong in [
        WantedTopic { partitions: 1, ..assigned(&[(0, &[1])]) },
        WantedTopic { replication_factor: 1, ..assigned(&[(0, &[1])]) },
    ] {
        assert!(matches!(plan(&wrong), Err(TopicError::InvalidRequest(_))));
    }
}

#[test]
fn configs_are_checked_and_kept() {
    let pair = |key: &str, value: &str| vec![(key.to_owned(), Some(value.to_owned()))];
    let new = plan(&WantedTopic { configs: pair("retention.ms", "1000"), ..wanted("t") }).unwrap();
    assert_eq!(new.configs.get("retention.ms").map(String::as_str), Some("1000"));
    for configs in [pair("no.such.key", "1"), pair("retention.ms", "soon")] {
        assert!(matches!(plan(&WantedTopic { configs, ..wanted("t") }), Err(TopicError::InvalidConfig(_))));
    }
}
