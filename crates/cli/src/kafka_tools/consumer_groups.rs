//! `kafka-consumer-groups`: lists and describes groups of consumers, moves and deletes their offsets, and deletes them.
//!
//! Its exit code is Kafka's, which is 0 also where a line begins with `Error:`; 1 is for flags that do not fit.
//!
//! | module | what |
//! | --- | --- |
//! | `list`, `describe` | `--list`, `--describe` |
//! | `reset`, `position` | `--reset-offsets`, and the new positions |
//! | `delete` | `--delete`, `--delete-offsets` |

mod delete;
mod describe;
mod list;
mod position;
mod reset;

use super::flags::{Flags, Given, flag, maybe, not_served, value};
use super::refusal::Refusal;
use super::{FILE_ALONE, Tool, target};
use crate::client::{Cluster, Coordinators};
use crate::group::list::{Listed, all};
use crate::output::print;

pub(super) const TOOL: Tool = Tool {
    name: "kafka-consumer-groups",
    about: "This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, or reset consumer group offsets.",
    flags: Flags(&[
        flag("all-groups"),
        flag("all-topics"),
        value("bootstrap-server"),
        value("by-duration"),
        value("command-config"),
        flag("delete"),
        flag("delete-offsets"),
        flag("describe"),
        flag("dry-run"),
        flag("execute"),
        flag("export"),
        value("from-file"),
        value("group"),
        flag("list"),
        flag("members"),
        flag("offsets"),
        flag("reset-offsets"),
        value("shift-by"),
        maybe("state"),
        not_served(
            "timeout",
            true,
            "set request.timeout.ms in a file for --command-config; `ottla group` reads the same",
        ),
        flag("to-current"),
        value("to-datetime"),
        flag("to-earliest"),
        flag("to-latest"),
        value("to-offset"),
        value("topic"),
        maybe("type"),
        not_served(
            "validate-regex",
            true,
            "the broker checks the expression of a consumer when it subscribes; `ottla topic list PATTERN` shows the topics of one",
        ),
        flag("verbose"),
    ]),
    run,
    report,
};

const ACTIONS: [&str; 5] = ["list", "describe", "delete", "reset-offsets", "delete-offsets"];
const SCENARIOS: [&str; 8] = [
    "to-offset",
    "shift-by",
    "to-datetime",
    "by-duration",
    "to-earliest",
    "to-latest",
    "to-current",
    "from-file",
];

fn report(refusal: &Refusal) -> u8 {
    match refusal {
        // Kafka prints all its flags after an argument that makes no sense, too.
        Refusal::Usage(text) | Refusal::Argument(text) => eprint!("{text}\n{}", TOOL.flags.help()),
        Refusal::Flags(text) => eprintln!("{text}"),
        Refusal::NotServed(text) => eprintln!("{}: {text}", TOOL.name),
        Refusal::Error { text, .. } => {
            let _ = error(&format!("Executing consumer group command failed due to {text}"));
            return 0;
        }
        Refusal::Silent => (),
    }
    1
}

/// Prints an error that does not end the tool.
fn error(text: &str) -> Result<(), Refusal> {
    Ok(print(&format!("\nError: {text}\n"))?)
}

fn run(given: &Given) -> Result<(), Refusal> {
    check(given)?;
    let mut cluster = Coordinators::of(Cluster::connect(&target(given, &FILE_ALONE)?)?);
    match ACTIONS.into_iter().find(|action| given.has(action)) {
        Some("list") => list::run(given, &mut cluster),
        Some("describe") => describe::run(given, &mut cluster),
        Some("delete") => delete::groups(given, &mut cluster),
        Some("delete-offsets") => delete::offsets(given, &mut cluster),
        _ => reset::run(given, &mut cluster),
    }
}

/// The rules of `ConsumerGroupCommandOptions.checkArgs`, in their order; those that are about one action alone are with it.
fn check(given: &Given) -> Result<(), Refusal> {
    for (name, actions) in [
        ("members", &["describe"][..]),
        ("verbose", &["describe"]),
        ("offsets", &["describe"]),
        ("state", &["describe", "list"]),
        ("type", &["list"]),
    ] {
        if given.has(name) && !actions.iter().any(|action| given.has(action)) {
            let text = format!("Option(s) [{name}] are unavailable given other options on the command line");
            return Err(Refusal::Flags(text));
        }
    }
    given.require(&["bootstrap-server"])?;
    let usage = |text: &str| Err(Refusal::Usage(text.to_owned()));
    let has_group = given.has("group") || given.has("all-groups");
    if given.has("describe") {
        if !has_group {
            return usage("Option [describe] takes one of these options: [group], [all-groups]");
        }
        if ["members", "offsets", "state"].iter().filter(|name| given.has(name)).count() > 1 {
            return usage(
                "Option [describe] takes at most one of these options: [members], [offsets], [state]",
            );
        }
        if given.values("state").next().is_some() {
            return usage("Option [describe] does not take a value for [state]");
        }
    }
    if given.has("delete") {
        if !has_group {
            return usage("Option [delete] takes one of these options: [group], [all-groups]");
        }
        if given.has("topic") {
            return usage(
                "The consumer does not support topic-specific offset deletion from a consumer group.",
            );
        }
    }
    if given.has("delete-offsets") && !(given.has("group") && given.has("topic")) {
        return usage("Option [delete-offsets] takes the following options: [topic], [group]");
    }
    if given.has("reset-offsets") {
        check_reset(given, has_group)?;
    }
    given.forbid("group", &["all-groups"])?;
    given.forbid("group", &["list"])?;
    given.forbid("topic", &["list", "describe"])?;
    if ACTIONS.iter().filter(|action| given.has(action)).count() != 1 {
        return usage(
            "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex",
        );
    }
    ignored_by_kafka(given)
}

fn check_reset(given: &Given, has_group: bool) -> Result<(), Refusal> {
    if given.has("dry-run") && given.has("execute") {
        let text = "Option [reset-offsets] only accepts one of [execute] and [dry-run]";
        return Err(Refusal::Usage(text.to_owned()));
    }
    if !given.has("dry-run") && !given.has("execute") {
        eprintln!(
            "WARN: No action will be performed as the --execute option is missing. In version 5.0, this command will require either \
             --dry-run or --execute to be specified. You should add the --dry-run option explicitly if you are scripting this command \
             and want to keep the current default behavior without prompting."
        );
    }
    if !has_group {
        let text = "Option [reset-offsets] takes one of these options: [group], [all-groups]";
        return Err(Refusal::Usage(text.to_owned()));
    }
    SCENARIOS.iter().try_for_each(|scenario| given.forbid(scenario, &SCENARIOS))
}

/// Kafka takes these flags with every action, and ignores them with most.
fn ignored_by_kafka(given: &Given) -> Result<(), Refusal> {
    let of_reset = ["all-topics", "dry-run", "execute", "export"].iter().chain(&SCENARIOS);
    for flag in of_reset {
        given.forbid(flag, &["list", "describe", "delete", "delete-offsets"])?;
    }
    given.forbid("all-groups", &["list", "delete-offsets"])
}

/// The groups of consumers: classic ones, also those without members, and those of the consumer protocol.
fn listed(cluster: &mut Coordinators, at_least: i16) -> Result<Vec<Listed>, Refusal> {
    let is_of_consumers = |group: &Listed| {
        matches!(group.kind.as_str(), "classic" | "consumer" | "")
            && matches!(group.protocol.as_str(), "consumer" | "")
    };
    Ok(all(cluster, at_least)?.into_iter().filter(is_of_consumers).collect())
}

/// The groups that the flags name, sorted.
fn named(given: &Given, cluster: &mut Coordinators) -> Result<Vec<String>, Refusal> {
    let mut names: Vec<String> = match given.has("all-groups") {
        true => listed(cluster, 0)?.into_iter().map(|group| group.name).collect(),
        false => given.values("group").map(str::to_owned).collect(),
    };
    names.sort();
    names.dedup();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        let words: Vec<String> =
            format!("--bootstrap-server a:1 {line}").split(' ').map(str::to_owned).collect();
        let given = TOOL.flags.parse(&words);
        given
            .and_then(|given| check(&given))
            .map_or_else(|refusal| refusal.text().to_owned(), |()| String::new())
    }

    #[test]
    fn flags_fit_together_as_kafka_has_it() {
        for good in [
            "--list",
            "--list --state --type classic",
            "--describe --group a --members --verbose",
            "--describe --all-groups --state",
            "--delete --group a --group b",
            "--delete-offsets --group a --topic b:0,1 --topic c",
            "--reset-offsets --group a --topic b --shift-by -2 --execute",
        ] {
            assert_eq!(refused(good), "", "{good}");
        }
        for (line, start) in [
            ("--list --members", "Option(s) [members] are unavailable"),
            ("--describe", "Option [describe] takes one of"),
            ("--describe --group a --members --state", "Option [describe] takes at most one of"),
            ("--describe --group a --state empty", "Option [describe] does not take a value for [state]"),
            ("--delete --group a --topic b", "The consumer does not support topic-specific"),
            ("--delete-offsets --group a", "Option [delete-offsets] takes the following"),
            ("--reset-offsets --group a --execute --dry-run", "Option [reset-offsets] only accepts one of"),
            (
                "--reset-offsets --group a --to-earliest --to-latest",
                "Option \"[to-earliest]\" can't be used with",
            ),
            ("--list --group a", "Option \"[group]\" can't be used with option \"[list]\""),
            ("--group a", "Command must include exactly one action"),
            ("--list --execute", "Option \"[execute]\" can't be used with option \"[list]\""),
            ("--list --timeout 5000", "--timeout is not served here: set request.timeout.ms"),
        ] {
            assert!(refused(line).starts_with(start), "{line}: {}", refused(line));
        }
    }
}
