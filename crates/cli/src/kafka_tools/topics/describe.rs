//! `kafka-topics --describe`: partitions by DescribeTopicPartitions (Kafka 3.8 and later) or Metadata, configs, and reassignments under way.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::describe_topic_partitions_request::{Cursor, TopicRequest};
use codec::messages::describe_topic_partitions_response::{
    DescribeTopicPartitionsResponsePartition as Partition, DescribeTopicPartitionsResponseTopic as Topic,
};
use codec::messages::list_partition_reassignments_request::ListPartitionReassignmentsTopics;
use codec::messages::list_partition_reassignments_response::OngoingPartitionReassignment;
use codec::messages::metadata_response::MetadataResponseTopic;
use codec::messages::{
    BrokerId, DescribeConfigsRequest, DescribeTopicPartitionsRequest, ListPartitionReassignmentsRequest,
    StrBytes,
};

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::{REPORTS, existing, names};
use crate::client::{Cluster, Leaders, topic_name};
use crate::output::{escaped, print};
use crate::topic::{TIMEOUT_MS, id_text};

/// Partitions of one answer, unless a flag says otherwise.
const LIMIT: i32 = 2_000;
/// Types and sources of configs, as in DescribeConfigs.
const TOPIC: i8 = 2;
const DEFAULT_CONFIG: i8 = 5;

/// The values of a topic's configs with their sources.
type Configs = Vec<(String, String, i8)>;
/// Reassignments by topic and partition.
type Reassignments = BTreeMap<(String, i32), OngoingPartitionReassignment>;

/// The facts in the lines of a topic, besides the topic itself.
struct Around {
    configs: BTreeMap<String, Configs>,
    reassignments: Reassignments,
    live: BTreeSet<i32>,
}

pub(super) fn run(given: &Given, leaders: &mut Leaders) -> Result<(), Refusal> {
    let limit = given.number("partition-size-limit-per-response")?.unwrap_or(LIMIT);
    let names = match given.value("topic-id")?.map(topic_id).transpose()? {
        Some(id) if id != 0 => by_id(id, given, leaders)?,
        _ => existing(given, leaders)?,
    };
    if names.is_empty() {
        return Ok(());
    }
    let live = leaders.refresh(Some(&[]))?.brokers.iter().map(|broker| broker.node_id.0).collect();
    let topics = described(&names, limit, leaders)?;
    let cluster = leaders.cluster();
    let around =
        Around { configs: configs(cluster, &names)?, reassignments: reassignments(cluster, &topics)?, live };
    let mut text = String::new();
    topics.iter().for_each(|topic| write(&mut text, given, topic, &around));
    Ok(print(&text)?)
}

/// The name of the topic with an id; none with `--if-exists`.
fn by_id(id: u128, given: &Given, leaders: &mut Leaders) -> Result<Vec<String>, Refusal> {
    // The id alone counts.
    let without_topic = Given::default();
    let found: Vec<String> = names(&without_topic, leaders)?
        .into_iter()
        .filter(|(_, of)| *of == id)
        .map(|(name, _)| name)
        .collect();
    match found.is_empty() && !given.has("if-exists") {
        true => Err(Refusal::Argument(format!("TopicId '{}' does not exist as expected", id_text(id)))),
        false => Ok(found),
    }
}

/// An id as Kafka writes it.
fn topic_id(text: &str) -> Result<u128, Refusal> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let bytes = GeneralPurpose::new(&URL_SAFE, config).decode(text);
    let bytes =
        bytes.map_err(|error| Refusal::Argument(format!("`{}` is no topic id: {error}", escaped(text))))?;
    let id = <[u8; 16]>::try_from(bytes.as_slice()).map(u128::from_be_bytes);
    id.map_err(|_| {
        Refusal::Argument(format!(
            "Input string `{}` decoded as {} bytes, which is not equal to the expected 16 bytes of a base64-encoded UUID",
            escaped(text),
            bytes.len()
        ))
    })
}

/// The topics with their partitions, in the order of their names.
fn described(names: &[String], limit: i32, leaders: &mut Leaders) -> Result<Vec<Topic>, Refusal> {
    let mut topics: BTreeMap<String, Topic> = BTreeMap::new();
    let cluster = leaders.cluster();
    if !cluster.serves::<DescribeTopicPartitionsRequest>(0) {
        let answer = leaders.refresh(Some(names))?;
        return answer.topics.into_iter().map(of_metadata).map(checked).collect();
    }
    let topic = |name: &String| TopicRequest::default().with_name(topic_name(name));
    let mut request = DescribeTopicPartitionsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_response_partition_limit(limit);
    loop {
        let answer = cluster.call(&request)?;
        for topic in answer.topics {
            let topic = checked(topic)?;
            let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
            match topics.get_mut(&name) {
                Some(known) => known.partitions.extend(topic.partitions),
                None => drop(topics.insert(name, topic)),
            }
        }
        let Some(next) = answer.next_cursor else { break };
        let cursor =
            Cursor::default().with_topic_name(next.topic_name).with_partition_index(next.partition_index);
        // The same place again would never end.
        if request.cursor.as_ref() == Some(&cursor) {
            break;
        }
        request.topics.retain(|topic| topic.name >= cursor.topic_name);
        request.cursor = Some(cursor);
    }
    let sorted = topics.into_values().map(|mut topic| {
        topic.partitions.sort_by_key(|partition| partition.partition_index);
        topic
    });
    Ok(sorted.collect())
}

fn checked(topic: Topic) -> Result<Topic, Refusal> {
    if topic.error_code == 0 { Ok(topic) } else { Err(Refusal::of(topic.error_code, None)) }
}

/// A topic of an older broker, which tells of no eligible leaders.
fn of_metadata(topic: MetadataResponseTopic) -> Topic {
    let partition = |one: codec::messages::metadata_response::MetadataResponsePartition| {
        Partition::default()
            .with_partition_index(one.partition_index)
            .with_leader_id(one.leader_id)
            .with_replica_nodes(one.replica_nodes)
            .with_isr_nodes(one.isr_nodes)
            .with_eligible_leader_replicas(None)
            .with_last_known_elr(None)
    };
    let mut partitions: Vec<Partition> = topic.partitions.into_iter().map(partition).collect();
    partitions.sort_by_key(|partition| partition.partition_index);
    Topic::default()
        .with_error_code(topic.error_code)
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions)
}

/// All configs of the topics, also those with default values.
fn configs(cluster: &mut Cluster, names: &[String]) -> Result<BTreeMap<String, Configs>, Refusal> {
    let resource = |name: &String| {
        DescribeConfigsResource::default()
            .with_resource_type(TOPIC)
            .with_resource_name(StrBytes::from_string(name.clone()))
            .with_configuration_keys(None)
    };
    let request = DescribeConfigsRequest::default().with_resources(names.iter().map(resource).collect());
    let mut all = BTreeMap::new();
    for result in cluster.call_from(1, &request)?.results {
        if result.error_code != 0 {
            return Err(Refusal::of(result.error_code, result.error_message.as_deref()));
        }
        let config = |one: codec::messages::describe_configs_response::DescribeConfigsResourceResult| {
            let value = one.value.map_or_else(|| "null".to_owned(), |value| escaped(&value));
            (escaped(&one.name), value, one.config_source)
        };
        all.insert(result.resource_name.to_string(), result.configs.into_iter().map(config).collect());
    }
    Ok(all)
}

/// The reassignments under way; none where the broker is too old or the user may not know.
fn reassignments(cluster: &mut Cluster, topics: &[Topic]) -> Result<Reassignments, Refusal> {
    if !cluster.serves::<ListPartitionReassignmentsRequest>(0) {
        return Ok(Reassignments::new());
    }
    let topic = |topic: &Topic| {
        ListPartitionReassignmentsTopics::default()
            .with_name(topic.name.clone().unwrap_or_default())
            .with_partition_indexes(topic.partitions.iter().map(|one| one.partition_index).collect())
    };
    let request = ListPartitionReassignmentsRequest::default()
        .with_timeout_ms(TIMEOUT_MS)
        .with_topics(Some(topics.iter().map(topic).collect()));
    let answer = cluster.change(0, &request, |answer| vec![answer.error_code])?;
    let found = answer.topics.into_iter().flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |one| ((name.clone(), one.partition_index), one))
    });
    Ok(found.collect())
}

fn write(text: &mut String, given: &Given, topic: &Topic, around: &Around) {
    let name = topic.name.as_ref().map(|name| name.to_string()).unwrap_or_default();
    let no_configs = Vec::new();
    let configs = around.configs.get(&name).unwrap_or(&no_configs);
    let are_all = !REPORTS.iter().any(|report| given.has(report));
    let reassignment =
        |partition: &Partition| around.reassignments.get(&(name.clone(), partition.partition_index));
    // Writing to a `String` does not fail.
    if are_all {
        let own: Vec<String> = configs
            .iter()
            .filter(|(_, _, source)| *source != DEFAULT_CONFIG)
            .map(|(key, value, _)| format!("{key}={value}"))
            .collect();
        if !given.has("topics-with-overrides") || !own.is_empty() {
            let factor = topic.partitions.first().map_or(0, |first| replicas(first, reassignment(first)));
            let _ = write!(text, "Topic: {}", escaped(&name));
            if !topic.topic_id.is_nil() {
                let _ = write!(text, "\tTopicId: {}", id_text(topic.topic_id.as_u128()));
            }
            let count = topic.partitions.len();
            let _ = writeln!(
                text,
                "\tPartitionCount: {count}\tReplicationFactor: {factor}\tConfigs: {}",
                own.join(",")
            );
        }
    }
    if given.has("topics-with-overrides") {
        return;
    }
    let least = configs.iter().find(|(key, _, _)| key == "min.insync.replicas");
    let least = least.and_then(|(_, value, _)| value.parse().ok()).unwrap_or(1);
    for partition in &topic.partitions {
        let moved = reassignment(partition);
        if are_all || is_reported(given, partition, moved, least, &around.live) {
            line(text, &name, partition, moved);
        }
    }
}

/// The number of replicas, without those that a reassignment adds.
fn replicas(partition: &Partition, moved: Option<&OngoingPartitionReassignment>) -> usize {
    let is_changing = |node: &BrokerId| {
        moved.is_some_and(|moved| {
            moved.adding_replicas.contains(node) || moved.removing_replicas.contains(node)
        })
    };
    match moved {
        // One that ended in the meantime changes no replica of the partition.
        Some(moved) if partition.replica_nodes.iter().any(is_changing) => {
            moved.replicas.len().saturating_sub(moved.adding_replicas.len())
        }
        _ => partition.replica_nodes.len(),
    }
}

/// True for a partition that one of the report flags asks for.
fn is_reported(
    given: &Given,
    partition: &Partition,
    moved: Option<&OngoingPartitionReassignment>,
    least: usize,
    live: &BTreeSet<i32>,
) -> bool {
    let in_sync = partition.isr_nodes.len();
    let has_leader = partition.leader_id.0 >= 0;
    given.has("under-replicated-partitions") && replicas(partition, moved) > in_sync
        || given.has("unavailable-partitions") && !(has_leader && live.contains(&partition.leader_id.0))
        || given.has("under-min-isr-partitions") && (!has_leader || in_sync < least)
        || given.has("at-min-isr-partitions") && in_sync == least
}

fn line(text: &mut String, name: &str, partition: &Partition, moved: Option<&OngoingPartitionReassignment>) {
    let list = |nodes: &[BrokerId]| nodes.iter().map(|node| node.0.to_string()).collect::<Vec<_>>().join(",");
    let leader =
        if partition.leader_id.0 < 0 { "none".to_owned() } else { partition.leader_id.0.to_string() };
    // Writing to a `String` does not fail.
    let _ = write!(
        text,
        "\tTopic: {}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}",
        escaped(name),
        partition.partition_index,
        list(&partition.replica_nodes),
        list(&partition.isr_nodes)
    );
    if let Some(moved) = moved {
        let [adding, removing] = [&moved.adding_replicas, &moved.removing_replicas].map(|nodes| list(nodes));
        let _ = write!(text, "\tAdding Replicas: {adding}\tRemoving Replicas: {removing}");
    }
    let known =
        |nodes: &Option<Vec<BrokerId>>| nodes.as_ref().map_or_else(|| "N/A".to_owned(), |nodes| list(nodes));
    let [eligible, last] = [&partition.eligible_leader_replicas, &partition.last_known_elr].map(known);
    let _ = writeln!(text, "\tElr: {eligible}\tLastKnownElr: {last}");
}

#[cfg(test)]
mod tests {
    use super::super::TOOL;
    use super::*;

    fn partition(index: i32, leader: i32, in_sync: &[i32]) -> Partition {
        let nodes = |nodes: &[i32]| nodes.iter().copied().map(BrokerId).collect::<Vec<_>>();
        Partition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(leader))
            .with_replica_nodes(nodes(&[1, 2]))
            .with_isr_nodes(nodes(in_sync))
            .with_eligible_leader_replicas(None)
            .with_last_known_elr(Some(Vec::new()))
    }

    fn text(flags: &str) -> String {
        let words: Vec<String> = flags.split_whitespace().map(str::to_owned).collect();
        let given = TOOL.flags.parse(&words).unwrap();
        let partitions = vec![partition(0, 1, &[1, 2]), partition(1, 2, &[2]), partition(2, -1, &[])];
        let topic = Topic::default().with_name(Some(topic_name("t"))).with_partitions(partitions);
        let config = |key: &str, source| (key.to_owned(), "1".to_owned(), source);
        let configs = vec![config("retention.ms", 1), config("min.insync.replicas", DEFAULT_CONFIG)];
        let around = Around {
            configs: BTreeMap::from([("t".to_owned(), configs)]),
            reassignments: Reassignments::new(),
            live: BTreeSet::from([1]),
        };
        let mut text = String::new();
        write(&mut text, &given, &topic, &around);
        text
    }

    /// The numbers of the partitions that are shown.
    fn shown(flags: &str) -> Vec<String> {
        let number = |line: &str| line.split('\t').nth(2).unwrap().replace("Partition: ", "");
        text(flags).lines().map(number).collect()
    }

    #[test]
    fn a_topic_has_kafkas_lines() {
        let expected = "Topic: t\tPartitionCount: 3\tReplicationFactor: 2\tConfigs: retention.ms=1\n\
                        \tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2\tIsr: 1,2\tElr: N/A\tLastKnownElr: \n";
        assert!(text("--describe").starts_with(expected), "{}", text("--describe"));
        assert!(text("--describe").contains("\tPartition: 2\tLeader: none\t"));
        assert_eq!(text("--topics-with-overrides").lines().count(), 1);
    }

    #[test]
    fn reports_show_the_partitions_that_they_are_about() {
        assert_eq!(shown("--under-replicated-partitions"), ["1", "2"]);
        assert_eq!(shown("--unavailable-partitions"), ["1", "2"]);
        assert_eq!(shown("--under-min-isr-partitions"), ["2"]);
        assert_eq!(shown("--at-min-isr-partitions"), ["1"]);
        assert_eq!(shown("--at-min-isr-partitions --under-min-isr-partitions"), ["1", "2"]);
    }

    #[test]
    fn replicas_that_a_reassignment_adds_do_not_count() {
        let moved = OngoingPartitionReassignment::default()
            .with_replicas(vec![BrokerId(1), BrokerId(2), BrokerId(3)])
            .with_adding_replicas(vec![BrokerId(2), BrokerId(3)]);
        assert_eq!(replicas(&partition(0, 1, &[1]), Some(&moved)), 1);
        assert_eq!(replicas(&partition(0, 1, &[1]), None), 2);
        let mut line_text = String::new();
        line(&mut line_text, "t", &partition(0, 1, &[1]), Some(&moved));
        assert!(line_text.contains("\tAdding Replicas: 2,3\tRemoving Replicas: \t"), "{line_text}");
    }

    #[test]
    fn ids_are_read_as_kafka_writes_them() {
        for id in [1, u128::MAX, 1 << 64] {
            assert_eq!(topic_id(&id_text(id)), Ok(id));
        }
        let short = topic_id("shorter").unwrap_err();
        assert!(
            short.text().starts_with("Input string `shorter` decoded as 5 bytes, which"),
            "{}",
            short.text()
        );
        assert!(topic_id("!").unwrap_err().text().contains("no topic id"));
    }
}
