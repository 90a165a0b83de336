//! `kafka-topics --create`, `--alter` and `--delete`.

use std::collections::BTreeSet;

use codec::ErrorCode;
use codec::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use codec::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use codec::messages::{
    BrokerId, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, StrBytes,
};

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::existing;
use crate::client::{Leaders, topic_name};
use crate::output::print;
use crate::topic::TIMEOUT_MS;

pub(super) fn create(given: &Given, leaders: &mut Leaders) -> Result<(), Refusal> {
    let (name, request) = creation(given)?;
    if name.contains(['.', '_']) {
        print(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. \
             To avoid issues it is best to use either, but not both.\n",
        )?;
    }
    let numbers = numbers(given)?;
    let topic = request.with_num_partitions(numbers.0).with_replication_factor(numbers.1);
    // The broker's own numbers are since version 4 (KIP-464).
    let at_least = if topic.assignments.is_empty() && (numbers.0 < 0 || numbers.1 < 0) { 4 } else { 0 };
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    let answer = leaders
        .cluster()
        .change(at_least, &request, |answer| answer.topics.iter().map(|topic| topic.error_code).collect())?;
    let code = answer.topics.first().map_or(ErrorCode::UnknownServerError as i16, |topic| topic.error_code);
    match code {
        0 => Ok(print(&format!("Created topic {name}.\n"))?),
        code if code == ErrorCode::TopicAlreadyExists as i16 && given.has("if-not-exists") => Ok(()),
        code => {
            let message = answer.topics.first().and_then(|topic| topic.error_message.as_deref());
            Err(Refusal::of(code, message))
        }
    }
}

/// The topic to create, without its numbers.
fn creation(given: &Given) -> Result<(String, CreatableTopic), Refusal> {
    let name = given.required("topic")?.to_owned();
    let assignments = assignment(given)?;
    let mut configs = Vec::new();
    for text in given.values("config") {
        let (key, value) = pair(text).ok_or_else(|| {
            let text = "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".";
            Refusal::Argument(text.to_owned())
        })?;
        // The last one of a key counts.
        configs.retain(|config: &CreatableTopicConfig| &*config.name != key);
        let config = CreatableTopicConfig::default().with_name(StrBytes::from_string(key.to_owned()));
        configs.push(config.with_value(Some(StrBytes::from_string(value.to_owned()))));
    }
    let assignment = |(index, nodes): (i32, Vec<BrokerId>)| {
        CreatableReplicaAssignment::default().with_partition_index(index).with_broker_ids(nodes)
    };
    let topic = CreatableTopic::default()
        .with_name(topic_name(&name))
        .with_assignments((0..).zip(assignments).map(assignment).collect())
        .with_configs(configs);
    Ok((name, topic))
}

/// `key=value` with blanks around any part, and nothing else.
fn pair(text: &str) -> Option<(&str, &str)> {
    let (key, value) = text.split_once('=')?;
    let (key, value) = (key.trim(), value.trim());
    (!value.is_empty() && !value.contains('=')).then_some((key, value))
}

/// Number of partitions and replication factor, -1 where the broker chooses.
fn numbers(given: &Given) -> Result<(i32, i16), Refusal> {
    let factor: Option<i32> = given.number("replication-factor")?;
    let partitions: Option<i32> = given.number("partitions")?;
    let factor = factor.map(|factor| i16::try_from(factor).ok().filter(|factor| *factor >= 1));
    match (factor, partitions) {
        (Some(None), _) => {
            Err(Refusal::Argument("The replication factor must be between 1 and 32767 inclusive".to_owned()))
        }
        (_, Some(partitions)) if partitions < 1 => {
            Err(Refusal::Argument("The partitions must be greater than 0".to_owned()))
        }
        (factor, partitions) => Ok((partitions.unwrap_or(-1), factor.flatten().unwrap_or(-1))),
    }
}

/// The brokers of each partition, as `--replica-assignment` has them.
fn assignment(given: &Given) -> Result<Vec<Vec<BrokerId>>, Refusal> {
    let Some(text) = given.value("replica-assignment")?.filter(|text| !text.is_empty()) else {
        return Ok(Vec::new());
    };
    let mut all: Vec<Vec<BrokerId>> = Vec::new();
    for partition in text.split(',') {
        let number = |node: &str| {
            let wrong =
                |_| Refusal::Argument(format!("For input string: \"{}\"", node.trim().escape_debug()));
            node.trim().parse().map(BrokerId).map_err(wrong)
        };
        let nodes: Vec<BrokerId> = partition.split(':').map(number).collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        let twice: BTreeSet<i32> =
            nodes.iter().map(|node| node.0).filter(|node| !seen.insert(*node)).collect();
        if !twice.is_empty() {
            let twice: Vec<String> = twice.iter().map(ToString::to_string).collect();
            return Err(Refusal::error(
                "org.apache.kafka.tools.AdminCommandFailedException",
                format!("Partition replica lists may not contain duplicate entries: {}", twice.join(",")),
            ));
        }
        if all.first().is_some_and(|first| first.len() != nodes.len()) {
            let nodes: Vec<String> = nodes.iter().map(|node| node.0.to_string()).collect();
            return Err(Refusal::error(
                "org.apache.kafka.server.common.AdminOperationException",
                format!("Partition {} has different replication factor: [{}]", all.len(), nodes.join(", ")),
            ));
        }
        all.push(nodes);
    }
    Ok(all)
}

pub(super) fn alter(given: &Given, leaders: &mut Leaders) -> Result<(), Refusal> {
    let assignments = assignment(given)?;
    let count: i32 = given.required_number("partitions")?;
    let names = existing(given, leaders)?;
    if names.is_empty() {
        return Ok(());
    }
    let mut topics = Vec::new();
    for topic in leaders.refresh(Some(&names))?.topics {
        let Some(name) = topic.name else { continue };
        let new = assignments.iter().skip(topic.partitions.len());
        let new = new.map(|nodes| CreatePartitionsAssignment::default().with_broker_ids(nodes.clone()));
        let new = (!assignments.is_empty()).then(|| new.collect());
        topics.push(CreatePartitionsTopic::default().with_name(name).with_count(count).with_assignments(new));
    }
    let request = CreatePartitionsRequest::default().with_topics(topics).with_timeout_ms(TIMEOUT_MS);
    let answer = leaders
        .cluster()
        .change(0, &request, |answer| answer.results.iter().map(|one| one.error_code).collect())?;
    match answer.results.iter().find(|one| one.error_code != 0) {
        Some(one) => Err(Refusal::of(one.error_code, one.error_message.as_deref())),
        None => Ok(()),
    }
}

pub(super) fn delete(given: &Given, leaders: &mut Leaders) -> Result<(), Refusal> {
    let names = existing(given, leaders)?;
    if names.is_empty() {
        return Ok(());
    }
    let request = DeleteTopicsRequest::default()
        .with_topic_names(names.iter().map(|name| topic_name(name)).collect())
        .with_timeout_ms(TIMEOUT_MS);
    // From version 6 on topics are in another field, where they may have ids.
    let answer = leaders.cluster().change_between(0, 5, &request, |answer| {
        answer.responses.iter().map(|topic| topic.error_code).collect()
    })?;
    match answer.responses.iter().find(|topic| topic.error_code != 0) {
        Some(topic) => Err(Refusal::of(topic.error_code, topic.error_message.as_deref())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::TOOL;
    use super::*;

    fn given(line: &str) -> Given {
        let words: Vec<String> = line.split('|').map(str::to_owned).collect();
        TOOL.flags.parse(&words).unwrap()
    }

    #[test]
    fn configs_are_pairs() {
        let configs = |line: &str| {
            let (_, topic) = creation(&given(&format!("--topic|t|{line}")))?;
            let text = |one: &CreatableTopicConfig| {
                format!("{}={}", &*one.name, one.value.as_deref().unwrap_or_default())
            };
            Ok(topic.configs.iter().map(text).collect::<Vec<_>>())
        };
        assert_eq!(
            configs("--config|a = b|--config|c=1|--config|c=2"),
            Ok(vec!["a=b".to_owned(), "c=2".to_owned()])
        );
        for wrong in ["a", "a=", "a=b=c"] {
            let refusal: Refusal = configs(&format!("--config|{wrong}")).unwrap_err();
            assert!(refusal.text().starts_with("requirement failed: Invalid topic config"), "{wrong}");
        }
    }

    #[test]
    fn numbers_are_checked_in_kafkas_words() {
        assert_eq!(numbers(&given("--create")), Ok((-1, -1)));
        assert_eq!(numbers(&given("--partitions|3|--replication-factor|1")), Ok((3, 1)));
        let text = |line: &str| numbers(&given(line)).unwrap_err().text().to_owned();
        assert_eq!(text("--partitions|0"), "The partitions must be greater than 0");
        let factor = "The replication factor must be between 1 and 32767 inclusive";
        assert_eq!(text("--replication-factor|0"), factor);
        assert_eq!(text("--replication-factor|40000"), factor);
    }

    #[test]
    fn assignments_name_the_brokers_of_each_partition() {
        let of = |text: &str| {
            let all = assignment(&given(&format!("--replica-assignment|{text}")))?;
            Ok(all.iter().map(|nodes| nodes.iter().map(|node| node.0).collect()).collect())
        };
        assert_eq!(of("1:2,2:1"), Ok(vec![vec![1, 2], vec![2, 1]]));
        let text = |line: &str| {
            let refused: Result<Vec<Vec<i32>>, Refusal> = of(line);
            refused.unwrap_err().text().to_owned()
        };
        assert_eq!(text("1:1"), "Partition replica lists may not contain duplicate entries: 1");
        assert_eq!(text("1,1:2"), "Partition 1 has different replication factor: [1, 2]");
        assert_eq!(text("x"), "For input string: \"x\"");
    }
}
