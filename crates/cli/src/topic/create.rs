//! `ottla topic create` (CreateTopics).

use clap::Args;
use codec::ErrorCode;
use codec::messages::CreateTopicsRequest;
use codec::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use codec::messages::create_topics_response::CreatableTopicResult;
use serde_json::json;

use super::report::{Done, Facts, report};
use super::{TIMEOUT_MS, pair, text};
use crate::client::{Cluster, refused, topic_name};
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Arguments of `ottla topic create`.
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// Names of the topics.
    #[arg(value_name = "NAME", required = true)]
    topics: Vec<String>,
    /// Number of partitions [default: num.partitions of the broker]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Number of replicas of each partition [default: default.replication.factor of the broker]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i16).range(1..))]
    replication_factor: Option<i16>,
    /// A config, such as retention.ms=3600000; may be given several times.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// A topic that exists is left as it is, and is no failure.
    #[arg(long)]
    if_not_exists: bool,
    /// Lets the broker check everything, and creates nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(
    arguments: &CreateArguments,
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let (at_least, request) = request(arguments);
    let answer = cluster
        .change(at_least, &request, |answer| answer.topics.iter().map(|topic| topic.error_code).collect())?;
    Ok(report(answer.topics.into_iter().map(|topic| done(topic, arguments)).collect(), format))
}

/// The request, and the first version that can express it.
fn request(arguments: &CreateArguments) -> (i16, CreateTopicsRequest) {
    let config = |(key, value): &(String, String)| {
        CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
    };
    let topic = |name: &String| {
        CreatableTopic::default()
            .with_name(topic_name(name))
            .with_num_partitions(arguments.partitions.unwrap_or(-1))
            .with_replication_factor(arguments.replication_factor.unwrap_or(-1))
            .with_configs(arguments.config.iter().map(config).collect())
    };
    let request = CreateTopicsRequest::default()
        .with_topics(arguments.topics.iter().map(topic).collect())
        .with_timeout_ms(TIMEOUT_MS)
        .with_validate_only(arguments.dry_run);
    // The broker's own numbers are since version 4 (KIP-464), dry runs since 1.
    let at_least = match (arguments.partitions, arguments.replication_factor) {
        (Some(_), Some(_)) => i16::from(arguments.dry_run),
        _ => 4,
    };
    (at_least, request)
}

fn done(topic: CreatableTopicResult, arguments: &CreateArguments) -> Done {
    let name = topic.name.to_string();
    let exists = topic.error_code == ErrorCode::TopicAlreadyExists as i16;
    let result = match topic.error_code {
        0 => Ok((if arguments.dry_run { "would create" } else { "created" }, facts(&topic))),
        _ if exists && arguments.if_not_exists => Ok(("kept", Vec::new())),
        code => {
            let doing = format!("create topic {}", escaped(&name));
            Err(refused(&doing, code, topic.error_message.as_deref()))
        }
    };
    Done::of(name, result)
}

/// Its numbers, as far as the broker tells them (since version 5, to users who may see the configs).
fn facts(topic: &CreatableTopicResult) -> Facts {
    let numbers =
        [("partitions", topic.num_partitions), ("replication_factor", i32::from(topic.replication_factor))];
    numbers
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| (name, json!(number)))
        .collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: CreateArguments,
    }

    fn arguments(line: &str) -> CreateArguments {
        Line::try_parse_from(["create"].into_iter().chain(line.split(' '))).unwrap().arguments
    }

    #[test]
    fn what_is_not_given_is_the_brokers_choice() {
        let (at_least, request) = request(&arguments("a b --config retention.ms=1 --config x=y=z"));
        assert_eq!((at_least, request.topics.len(), request.validate_only), (4, 2, false));
        let topic = &request.topics[1];
        assert_eq!((topic.num_partitions, topic.replication_factor), (-1, -1));
        let configs: Vec<_> = topic.configs.iter().map(|config| config.value.as_deref()).collect();
        assert_eq!(configs, [Some("1"), Some("y=z")]);
    }

    #[test]
    fn older_brokers_are_asked_as_they_can_be() {
        let at_least = |line: &str| request(&arguments(line)).0;
        assert_eq!(at_least("a --partitions 1 --replication-factor 1"), 0);
        assert_eq!(at_least("a --partitions 1 --replication-factor 1 --dry-run"), 1);
        assert_eq!(at_least("a --partitions 1"), 4);
        assert!(request(&arguments("a --dry-run")).1.validate_only);
    }

    #[test]
    fn a_topic_that_exists_is_a_failure_unless_it_may() {
        let exists = || CreatableTopicResult::default().with_name(topic_name("a")).with_error_code(36);
        assert!(done(exists(), &arguments("a")).error.is_some());
        assert!(done(exists(), &arguments("a --if-not-exists")).error.is_none());
    }
}
