//! Counts and faults, by the topics that exist.

use uuid::Uuid;

use super::*;
use crate::group::streams::topology::CopartitionGroup;
use crate::group::testing::Image;

fn image(topics: &[(&str, i32)]) -> Image {
    let entry = |(name, partitions): &(&str, i32)| ((*name).to_owned(), (Uuid::from_u128(1), *partitions));
    Image(topics.iter().map(entry).collect())
}

fn internal(name: &str, partitions: i32) -> InternalTopic {
    InternalTopic { name: name.into(), partitions, replication_factor: 0, configs: Vec::new() }
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn topology<const N: usize>(parts: [Subtopology; N]) -> Topology {
    let with_id = |(id, parts): (usize, Subtopology)| (Arc::from(id.to_string()), parts);
    Topology { epoch: 0, subtopologies: parts.into_iter().enumerate().map(with_id).collect() }
}

/// Reads topic `a`, writes repartition topic `r`.
fn writer() -> Subtopology {
    Subtopology {
        source_topics: names(&["a"]),
        repartition_sink_topics: names(&["r"]),
        ..Subtopology::default()
    }
}

/// Reads repartition topic `r` with that fixed count (0: none), keeps state in `log`.
fn reader(partitions: i32) -> Subtopology {
    Subtopology {
        repartition_source_topics: vec![internal("r", partitions)],
        state_changelog_topics: vec![internal("log", 0)],
        ..Subtopology::default()
    }
}

fn problem(topology: &Topology, topics: &[(&str, i32)]) -> (StatusCode, String) {
    let configured = configure(topology, &image(topics)).unwrap();
    assert!(!configured.is_ready());
    let problem = configured.problem.unwrap();
    (problem.code, problem.detail)
}

fn missing(topology: &Topology, topics: &[(&str, i32)]) -> Vec<(String, i32)> {
    let configured = configure(topology, &image(topics)).unwrap();
    let count = |topic: &InternalTopic| (topic.name.to_string(), topic.partitions);
    configured.missing.iter().map(count).collect()
}

#[test]
fn missing_source_topics_are_named_up_to_three() {
    let one = Subtopology { source_topics: names(&["e", "d", "c", "b", "a"]), ..Subtopology::default() };
    let (code, detail) = problem(&topology([one]), &[("b", 1)]);
    assert_eq!(code, StatusCode::MissingSourceTopics);
    assert_eq!(detail, "Source topics a, c, d and 1 additional topics are missing.");
}

#[test]
fn a_repartition_topic_is_as_large_as_what_its_writer_reads() {
    let topology = topology([writer(), reader(0)]);
    assert_eq!(missing(&topology, &[("a", 5)]), [("log".to_owned(), 5), ("r".to_owned(), 5)]);
    let (code, detail) = problem(&topology, &[("a", 5)]);
    assert_eq!(code, StatusCode::MissingInternalTopics);
    assert_eq!(detail, "Internal topics are missing: log, r");
    // Once they exist, everything is well, and the second subtopology has a task for each partition.
    let ready = configure(&topology, &image(&[("a", 5), ("r", 5), ("log", 5)])).unwrap();
    assert!(ready.is_ready() && ready.missing.is_empty());
    assert_eq!(ready.subtopologies["1"].tasks, 5);
    assert!(ready.subtopologies["1"].is_stateful && !ready.subtopologies["0"].is_stateful);
}

#[test]
fn a_fixed_count_wins_and_decides_the_changelog() {
    let topology = topology([writer(), reader(3)]);
    assert_eq!(missing(&topology, &[("a", 5)]), [("log".to_owned(), 3), ("r".to_owned(), 3)]);
}

#[test]
fn counts_follow_through_several_repartition_topics_in_any_order() {
    // 0 reads what 1 writes, 1 what 2 writes.
    let first = Subtopology {
        repartition_source_topics: vec![internal("r1", 0)],
        repartition_sink_topics: names(&["r0"]),
        ..Subtopology::default()
    };
    let second = Subtopology {
        repartition_source_topics: vec![internal("r2", 0)],
        repartition_sink_topics: names(&["r1"]),
        ..Subtopology::default()
    };
    let third = Subtopology {
        source_topics: names(&["a", "b"]),
        repartition_sink_topics: names(&["r2"]),
        ..Subtopology::default()
    };
    let missing = missing(&topology([first, second, third]), &[("a", 2), ("b", 7)]);
    assert_eq!(missing, [("r1".to_owned(), 7), ("r2".to_owned(), 7)]);
}

#[test]
fn loops_and_topics_that_nobody_writes_are_refused() {
    let circle = Subtopology {
        repartition_source_topics: vec![internal("r", 0)],
        repartition_sink_topics: names(&["r"]),
        ..Subtopology::default()
    };
    let refused = configure(&topology([circle]), &image(&[])).unwrap_err();
    assert_eq!(refused.error, GroupError::StreamsInvalidTopology);
    assert!(refused.message.contains("loops"), "{}", refused.message);
    let refused = configure(&topology([reader(0)]), &image(&[])).unwrap_err();
    assert_eq!(refused.error, GroupError::StreamsInvalidTopology);
    assert!(refused.message.contains("never used as a sink"), "{}", refused.message);
}

#[test]
fn an_existing_internal_topic_must_have_the_count() {
    let (code, detail) = problem(&topology([writer(), reader(0)]), &[("a", 5), ("r", 5), ("log", 4)]);
    assert_eq!(code, StatusCode::IncorrectlyPartitionedTopics);
    assert_eq!(detail, "Existing topic log has different number of partitions: expected 5, found 4");
}

/// Joins source topics and repartition topics, all in one copartition group.
fn join(sources: &[&str], repartition: &[(&str, i32)]) -> Subtopology {
    let places = |count: usize| (0..count).map(|place| i16::try_from(place).unwrap()).collect();
    Subtopology {
        source_topics: names(sources),
        repartition_source_topics: repartition.iter().map(|(name, count)| internal(name, *count)).collect(),
        copartition_groups: vec![CopartitionGroup {
            source_topics: places(sources.len()),
            repartition_source_topics: places(repartition.len()),
        }],
        ..Subtopology::default()
    }
}

#[test]
fn copartitioned_source_topics_must_have_one_count() {
    let topology = topology([join(&["b", "a"], &[])]);
    assert!(configure(&topology, &image(&[("a", 3), ("b", 3)])).unwrap().is_ready());
    let (code, detail) = problem(&topology, &[("a", 3), ("b", 4)]);
    assert_eq!(code, StatusCode::IncorrectlyPartitionedTopics);
    assert_eq!(detail, "Following topics do not have the same number of partitions: [{a=3, b=4}]");
}

#[test]
fn a_copartitioned_repartition_topic_takes_the_count_of_the_source_topic() {
    let topology_of = |fixed| topology([writer(), join(&["b"], &[("r", fixed)])]);
    // `a`, from which it is written, has 2; `b`, with which it is joined, 6.
    assert_eq!(missing(&topology_of(0), &[("a", 2), ("b", 6)]), [("r".to_owned(), 6)]);
    let (code, detail) = problem(&topology_of(4), &[("a", 2), ("b", 6)]);
    assert_eq!(code, StatusCode::IncorrectlyPartitionedTopics);
    assert_eq!(
        detail,
        "Number of partitions [4] of repartition topic [r] doesn't match number of partitions [6] of the source topic."
    );
}

#[test]
fn copartitioned_repartition_topics_take_the_fixed_count_or_the_largest() {
    let writes = |source: &str, sink: &str| Subtopology {
        source_topics: names(&[source]),
        repartition_sink_topics: names(&[sink]),
        ..Subtopology::default()
    };
    let topics = [("a", 2), ("b", 6)];
    let all = |q, r| topology([writes("a", "q"), writes("b", "r"), join(&[], &[("q", q), ("r", r)])]);
    assert_eq!(missing(&all(0, 0), &topics), [("q".to_owned(), 6), ("r".to_owned(), 6)]);
    assert_eq!(missing(&all(3, 0), &topics), [("q".to_owned(), 3), ("r".to_owned(), 3)]);
    let (code, detail) = problem(&all(3, 4), &topics);
    assert_eq!(code, StatusCode::IncorrectlyPartitionedTopics);
    assert_eq!(detail, "Following topics do not have the same number of partitions: [{q=3, r=4}]");
}
