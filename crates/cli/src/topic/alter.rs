//! `ottla topic alter`: configs (IncrementalAlterConfigs), then partitions (CreatePartitions).

use std::collections::BTreeMap;

use clap::Args;
use codec::messages::CreatePartitionsRequest;
use codec::messages::create_partitions_request::CreatePartitionsTopic;
use codec::messages::incremental_alter_configs_request::AlterableConfig;
use serde_json::json;

use super::report::{Done, Facts, report};
use super::wanted::Wanted;
use super::{TIMEOUT_MS, pair, select};
use crate::client::{Cluster, Leaders, refused, topic_name};
use crate::configs::{self, Kind, Operation, change};
use crate::failure::Failure;
use crate::output::{Format, Outcome, escaped};

/// Arguments of `ottla topic alter`.
#[derive(Debug, Args)]
pub(crate) struct AlterArguments {
    /// Names, or regular expressions that match whole names; these match no internal topics.
    #[arg(value_name = "NAME|PATTERN", required = true)]
    topics: Vec<Wanted>,
    #[command(flatten)]
    changes: Changes,
    /// Lets the broker check everything, and changes nothing.
    #[arg(long)]
    dry_run: bool,
}

/// The changes of each topic. A config may be changed once.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Changes {
    /// Number of partitions, which only grows; keys are spread differently from then on.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: Option<i32>,
    /// Sets a config, such as retention.ms=3600000; may be given several times, as each of these.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
    /// Resets a config to its default.
    #[arg(long, value_name = "KEY")]
    delete_config: Vec<String>,
    /// Adds values to a config that is a list, such as cleanup.policy=compact
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    append: Vec<(String, String)>,
    /// Removes values from a config that is a list.
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    subtract: Vec<(String, String)>,
}

impl Changes {
    /// The changes of configs.
    fn configs(&self) -> Vec<AlterableConfig> {
        let with_value = [
            (Operation::Set, &self.config),
            (Operation::Append, &self.append),
            (Operation::Subtract, &self.subtract),
        ];
        let with_value = with_value.into_iter().flat_map(|(operation, pairs)| {
            pairs.iter().map(move |(key, value)| change(operation, key, Some(value)))
        });
        with_value.chain(self.delete_config.iter().map(|key| change(Operation::Unset, key, None))).collect()
    }
}

pub(super) fn run(
    arguments: &AlterArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<Outcome, Failure> {
    let AlterArguments { topics, changes, dry_run } = arguments;
    let topics = select::select(topics, false, leaders)?.whole()?;
    let names: Vec<&str> = topics.iter().map(|topic| topic.name.as_str()).collect();
    let cluster = leaders.cluster();
    let of_each = changes.configs();
    let of_configs = configs::alter(cluster, Kind::Topic, &names, &of_each, *dry_run)?;
    let of_partitions = match changes.partitions {
        None => Failures::new(),
        Some(count) => {
            let is_good = |name: &&str| !of_configs.contains_key(*name);
            let good: Vec<&str> = names.iter().copied().filter(is_good).collect();
            add_partitions(cluster, &good, count, *dry_run)?
        }
    };
    let verb = if *dry_run { "would alter" } else { "altered" };
    let parts = [("configs", count(of_each.len())), ("partitions", changes.partitions)];
    Ok(report(done(&names, verb, parts, [of_configs, of_partitions]), format))
}

/// The number of changed configs; `None` without any.
fn count(configs: usize) -> Option<i32> {
    i32::try_from(configs).ok().filter(|count| *count > 0)
}

/// The results, of two parts that were changed one after the other: the second not where the first failed.
fn done(
    names: &[&str],
    verb: &'static str,
    parts: [(&'static str, Option<i32>); 2],
    mut failures: [Failures; 2],
) -> Vec<Done> {
    let mut one = |name: &&str| {
        let (mut facts, mut error) = (Facts::new(), None);
        for ((part, number), failures) in parts.into_iter().zip(&mut failures) {
            error = failures.remove(*name);
            if error.is_some() {
                break;
            }
            facts.extend(number.map(|number| (part, json!(number))));
        }
        let done = (!facts.is_empty()).then_some((verb, facts));
        Done { topic: (*name).to_owned(), done, error }
    };
    names.iter().map(&mut one).collect()
}

/// Failures by topic.
type Failures = BTreeMap<String, Failure>;

fn add_partitions(
    cluster: &mut Cluster,
    names: &[&str],
    count: i32,
    dry_run: bool,
) -> Result<Failures, Failure> {
    if names.is_empty() {
        return Ok(Failures::new());
    }
    let topic = |name: &&str| {
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None)
    };
    let request = CreatePartitionsRequest::default()
        .with_topics(names.iter().map(topic).collect())
        .with_timeout_ms(TIMEOUT_MS)
        .with_validate_only(dry_run);
    let answer =
        cluster.change(0, &request, |answer| answer.results.iter().map(|one| one.error_code).collect())?;
    let failed = answer.results.into_iter().filter(|one| one.error_code != 0);
    let failed = failed.map(|one| {
        let name = one.name.to_string();
        let doing = format!("add partitions to topic {}", escaped(&name));
        (name, refused(&doing, one.error_code, one.error_message.as_deref()))
    });
    Ok(failed.collect())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use codec::Request as _;
    use codec::messages::create_partitions_response::CreatePartitionsTopicResult;
    use codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
    use codec::messages::{
        CreatePartitionsResponse, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
    };

    use super::*;
    use crate::client::fake;
    use crate::topic::text;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: AlterArguments,
    }

    fn changes(line: &str) -> Result<Vec<(i8, String, Option<String>)>, String> {
        let line = Line::try_parse_from(["alter"].into_iter().chain(line.split(' ')));
        let changes = line.map_err(|error| error.to_string())?.arguments.changes.configs();
        let change = |one: AlterableConfig| {
            (one.config_operation, one.name.to_string(), one.value.map(|value| value.to_string()))
        };
        Ok(changes.into_iter().map(change).collect())
    }

    #[test]
    fn changes_have_the_codes_of_kafka() {
        let line = "a --config x=1 --delete-config y --append z=compact --subtract w=delete,compact";
        let some = |code, key: &str, value: &str| (code, key.to_owned(), Some(value.to_owned()));
        let expected = vec![
            some(0, "x", "1"),
            some(2, "z", "compact"),
            some(3, "w", "delete,compact"),
            (1, "y".to_owned(), None),
        ];
        assert_eq!(changes(line), Ok(expected));
        assert_eq!(changes("a b --partitions 3"), Ok(vec![]));
    }

    /// Users saw: only the refusal of new partitions, after their configs were changed.
    #[test]
    fn the_part_that_was_changed_is_shown_beside_the_refusal_of_the_other() {
        let failures = |name: &str| Failures::from([(name.to_owned(), Failure::failed("refused"))]);
        let parts = [("configs", count(2)), ("partitions", Some(5))];
        let done = done(&["a", "b", "c"], "altered", parts, [failures("a"), failures("b")]);
        let outcome = report(done, Format::Table);
        assert_eq!(outcome.text, "altered topic b (configs 2)\naltered topic c (configs 2, partitions 5)\n");
        assert!(!outcome.is_good);
        let without = super::done(
            &["a"],
            "altered",
            [("configs", count(0)), ("partitions", Some(5))],
            [Failures::new(), failures("a")],
        );
        let text = report(without, Format::Json).text;
        assert_eq!(text, "[{\"error\":\"refused\",\"topic\":\"a\"}]\n");
    }

    const APIS: &[(i16, i16)] =
        &[(IncrementalAlterConfigsRequest::KEY, 1), (CreatePartitionsRequest::KEY, 3)];

    /// The broker refuses what is no dry run.
    #[test]
    fn a_dry_run_is_one_in_both_parts() {
        let code = |is_dry: bool| if is_dry { 0 } else { 44 };
        let address = fake::start(APIS, move |asked| {
            if let Some(request) = asked.of::<IncrementalAlterConfigsRequest>() {
                let resource = request.resources.first()?;
                let result = AlterConfigsResourceResponse::default()
                    .with_resource_name(resource.resource_name.clone())
                    .with_error_code(code(request.validate_only));
                let answer = IncrementalAlterConfigsResponse::default().with_responses(vec![result]);
                return asked.answer(&answer);
            }
            let request = asked.of::<CreatePartitionsRequest>()?;
            let topic = request.topics.first()?;
            let result = CreatePartitionsTopicResult::default()
                .with_name(topic.name.clone())
                .with_error_code(code(request.validate_only && topic.count == 3));
            asked.answer(&CreatePartitionsResponse::default().with_results(vec![result]))
        });
        let mut leaders = fake::leaders(&address);
        let of_each = [AlterableConfig::default().with_name(text("a"))];
        for (is_dry, failures) in [(true, 0), (false, 1)] {
            let cluster = leaders.cluster();
            assert_eq!(
                configs::alter(cluster, Kind::Topic, &["t"], &of_each, is_dry).unwrap().len(),
                failures
            );
            assert_eq!(add_partitions(cluster, &["t"], 3, is_dry).unwrap().len(), failures);
        }
    }

    #[test]
    fn a_topic_and_a_change_are_needed() {
        for line in ["a", "--partitions 3", "a --dry-run", "a --config x", "a --partitions 0"] {
            assert!(changes(line).is_err(), "{line}");
        }
    }
}
