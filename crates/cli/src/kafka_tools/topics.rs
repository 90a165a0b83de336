//! `kafka-topics`: lists, describes, creates, alters and deletes topics.
//!
//! | module | what |
//! | --- | --- |
//! | `describe` | `--describe` |
//! | `change` | `--create`, `--alter`, `--delete` |

mod change;
mod describe;

use std::collections::BTreeMap;

use super::filter::Filter;
use super::flags::{Flags, Given, flag, not_served, value};
use super::refusal::Refusal;
use super::{FILE_ALONE, Tool, target};
use crate::client::{Cluster, Leaders};
use crate::output::{escaped, print};

pub(super) const TOOL: Tool = Tool {
    name: "kafka-topics",
    about: "This tool helps to create, delete, describe, or change a topic.",
    flags: Flags(&[
        flag("alter"),
        flag("at-min-isr-partitions"),
        value("bootstrap-server"),
        value("command-config"),
        value("config"),
        flag("create"),
        flag("delete"),
        not_served(
            "delete-config",
            true,
            "use `ottla topic alter TOPIC --delete-config KEY`; Kafka's tool ignores it",
        ),
        flag("describe"),
        flag("exclude-internal"),
        flag("if-exists"),
        flag("if-not-exists"),
        flag("list"),
        value("partition-size-limit-per-response"),
        value("partitions"),
        value("replica-assignment"),
        value("replication-factor"),
        value("topic"),
        value("topic-id"),
        flag("topics-with-overrides"),
        flag("unavailable-partitions"),
        flag("under-min-isr-partitions"),
        flag("under-replicated-partitions"),
    ]),
    run,
    report,
};

/// The actions, of which exactly one is given.
const ACTIONS: [&str; 5] = ["list", "describe", "create", "alter", "delete"];
/// The flags of `--describe` that show some partitions alone.
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];

fn report(refusal: &Refusal) -> u8 {
    match refusal {
        Refusal::Usage(text) => eprint!("{text}\n{}", TOOL.flags.help()),
        Refusal::NotServed(text) => eprintln!("{}: {text}", TOOL.name),
        Refusal::Flags(text) => eprintln!("{text}"),
        Refusal::Argument(text) | Refusal::Error { text, .. } => {
            // A reader that is gone changes nothing about the exit code.
            let _ = print(&format!("Error while executing topic command : {text}\n"));
        }
        Refusal::Silent => (),
    }
    1
}

fn run(given: &Given) -> Result<(), Refusal> {
    check(given)?;
    let mut leaders = Leaders::of(Cluster::connect(&target(given, &FILE_ALONE)?)?);
    match ACTIONS.into_iter().find(|action| given.has(action)) {
        Some("list") => {
            let names: Vec<String> = names(given, &mut leaders)?.into_keys().collect();
            Ok(print(&format!("{}\n", names.join("\n")))?)
        }
        Some("describe") => describe::run(given, &mut leaders),
        Some("create") => change::create(given, &mut leaders),
        Some("alter") => change::alter(given, &mut leaders),
        _ => change::delete(given, &mut leaders),
    }
}

/// The rules of `TopicCommandOptions.checkArgs`, in their order.
fn check(given: &Given) -> Result<(), Refusal> {
    if ACTIONS.iter().filter(|action| given.has(action)).count() != 1 {
        let text =
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        return Err(Refusal::Usage(text.to_owned()));
    }
    if !given.has("bootstrap-server") {
        return Err(Refusal::Argument("--bootstrap-server must be specified".to_owned()));
    }
    if given.has("describe") && given.has("if-exists") {
        match (given.has("topic"), given.has("topic-id")) {
            (false, false) => {
                return Err(Refusal::Usage(
                    "--topic or --topic-id is required to describe a topic".to_owned(),
                ));
            }
            (true, true) => print(
                "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID\n",
            )?,
            _ => (),
        }
    }
    if !given.has("list") && !given.has("describe") {
        given.require(&["topic"])?;
    }
    if given.has("alter") {
        if given.has("config") {
            let text = "Option combination \"[[bootstrap-server], [config]]\" can't be used with option \"[alter]\" \
                        (To alter topic configurations, the kafka-configs tool can be used.)";
            return Err(Refusal::Usage(text.to_owned()));
        }
        given.require(&["partitions"])?;
    }
    for (name, actions) in [
        ("config", &["alter", "create"][..]),
        ("partitions", &["alter", "create"]),
        ("replication-factor", &["create"]),
        ("replica-assignment", &["alter", "create"]),
    ] {
        only_with(given, name, actions)?;
    }
    if given.has("create") {
        given.forbid("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for name in REPORTS {
        only_with(given, name, &["describe"])?;
        given.forbid(name, &["topics-with-overrides"])?;
    }
    only_with(given, "topics-with-overrides", &["describe"])?;
    only_with(given, "if-exists", &["alter", "delete", "describe"])?;
    only_with(given, "if-not-exists", &["create"])?;
    only_with(given, "exclude-internal", &["list", "describe"])?;
    // Kafka takes these three with every action, and then ignores them.
    only_with(given, "topic-id", &["describe"])?;
    only_with(given, "partition-size-limit-per-response", &["describe"])
}

fn only_with(given: &Given, name: &str, actions: &[&str]) -> Result<(), Refusal> {
    let others: Vec<&str> = ACTIONS.into_iter().filter(|action| !actions.contains(action)).collect();
    given.forbid(name, &others)
}

/// The topics that `--topic` fits, or all, with their ids.
fn names(given: &Given, leaders: &mut Leaders) -> Result<BTreeMap<String, u128>, Refusal> {
    let filter = given.value("topic")?.map(Filter::new).transpose()?;
    let without_internal = given.has("exclude-internal");
    let answer = leaders.refresh(None)?;
    let mut names = BTreeMap::new();
    for topic in answer.topics {
        let Some(name) = topic.name else { continue };
        let is_left_out = without_internal && topic.is_internal;
        if !is_left_out && filter.as_ref().is_none_or(|filter| filter.fits(&name)) {
            names.insert(escaped(&name), topic.topic_id.as_u128());
        }
    }
    Ok(names)
}

/// As [`names`], and an error if `--topic` fits none, unless `--if-exists` is given.
fn existing(given: &Given, leaders: &mut Leaders) -> Result<Vec<String>, Refusal> {
    let names: Vec<String> = names(given, leaders)?.into_keys().collect();
    match given.value("topic")? {
        Some(topic) if names.is_empty() && !topic.is_empty() && !given.has("if-exists") => {
            Err(Refusal::Argument(format!("Topic '{topic}' does not exist as expected")))
        }
        _ => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let given = TOOL.flags.parse(&words);
        given
            .and_then(|given| check(&given))
            .map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
    }

    #[test]
    fn flags_fit_together_as_kafka_has_it() {
        let with = |line: &str| refused(&format!("--bootstrap-server a:1 {line}"));
        assert_eq!(refused("--list"), "--bootstrap-server must be specified");
        let one =
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete";
        assert_eq!(with("--topic a"), one);
        assert_eq!(with("--list --describe"), one);
        assert_eq!(with("--create"), "Missing required argument \"[topic]\"");
        assert_eq!(with("--alter --topic a"), "Missing required argument \"[partitions]\"");
        assert!(with("--alter --topic a --config b=c").starts_with("Option combination"));
        assert_eq!(
            with("--list --partitions 1"),
            "Option \"[partitions]\" can't be used with option \"[list]\""
        );
        let both = "--describe --topics-with-overrides --unavailable-partitions";
        assert!(with(both).ends_with("can't be used with option \"[topics-with-overrides]\""));
        assert!(with("--delete --topic a --topic-id b").starts_with("Option \"[topic-id]\""));
        for good in [
            "--list --exclude-internal",
            "--describe",
            "--create --topic a",
            "--delete --topic a --if-exists",
        ] {
            assert_eq!(with(good), "", "{good}");
        }
        assert!(with("--alter --topic a --delete-config b").contains("`ottla topic alter TOPIC"));
    }
}
