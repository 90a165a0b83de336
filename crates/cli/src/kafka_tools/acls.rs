//! `kafka-acls`: lists, adds and removes entries of the authorizer.
//!
//! Resources and entries are printed in their order; Kafka prints sets of Java, which have another order in every process.
//!
//! | module | what |
//! | --- | --- |
//! | `wanted` | the entries and filters that the flags mean |
//! | `lines` | patterns, entries and filters in Kafka's words |

mod lines;
mod wanted;

use std::collections::BTreeSet;

use security::acl::{Acl, Filter, Pattern, PatternFilter};

use super::flags::{Flags, Given, flag, maybe, not_served, value};
use super::refusal::Refusal;
use super::{FILE_ALONE, Tool, target};
use crate::acl::{warn_of, wire};
use crate::client::{Cluster, Target};
use crate::confirm::answer;
use crate::output::print;

pub(super) const TOOL: Tool = Tool {
    name: "kafka-acls",
    about: "This tool helps to manage acls on kafka.",
    flags: Flags(&[
        flag("add"),
        value("allow-host"),
        value("allow-principal"),
        not_served(
            "bootstrap-controller",
            true,
            "give --bootstrap-server, as `ottla acl` takes it; a broker passes changes on to the controller",
        ),
        value("bootstrap-server"),
        flag("cluster"),
        value("command-config"),
        flag("consumer"),
        value("delegation-token"),
        value("deny-host"),
        value("deny-principal"),
        flag("force"),
        value("group"),
        flag("idempotent"),
        flag("list"),
        value("operation"),
        maybe("principal"),
        flag("producer"),
        flag("remove"),
        value("resource-pattern-type"),
        value("topic"),
        value("transactional-id"),
        value("user-principal"),
    ]),
    run,
    report,
};

const ACTIONS: [&str; 3] = ["list", "add", "remove"];

fn report(refusal: &Refusal) -> u8 {
    let text = match refusal {
        Refusal::Usage(text) | Refusal::Flags(text) => {
            eprint!("{text}\n{}", TOOL.flags.help());
            return 1;
        }
        Refusal::NotServed(text) => {
            eprintln!("{}: {text}", TOOL.name);
            return 1;
        }
        Refusal::Argument(text) => text.clone(),
        Refusal::Error { exception, text } => format!("{exception}: {text}"),
        Refusal::Silent => return 1,
    };
    // A reader that is gone changes nothing about the exit code.
    let _ = print(&format!("Error while executing ACL command: {text}\n"));
    1
}

fn run(given: &Given) -> Result<(), Refusal> {
    check(given)?;
    // Kafka's words for one that is given twice differ from those for flags that cannot be read.
    for once in ["bootstrap-server", "command-config"] {
        given.value(once)?;
    }
    let target = target(given, &FILE_ALONE)?;
    match ACTIONS.into_iter().find(|action| given.has(action)) {
        Some("list") => list(given, &target),
        Some("add") => add(given, &target),
        _ => remove(given, &target),
    }
}

/// The rules of `AclCommandOptions.checkArgs`, in their order.
fn check(given: &Given) -> Result<(), Refusal> {
    let usage = |text: &str| Err(Refusal::Usage(text.to_owned()));
    if !given.has("bootstrap-server") {
        return usage("One of --bootstrap-server or --bootstrap-controller must be specified");
    }
    if ACTIONS.iter().filter(|action| given.has(action)).count() != 1 {
        return usage("Command must include exactly one action: --list, --add, --remove. ");
    }
    given.forbid(
        "list",
        &["producer", "consumer", "allow-host", "allow-principal", "deny-host", "deny-principal"],
    )?;
    for role in ["producer", "consumer"] {
        given.forbid(role, &["operation", "deny-principal", "deny-host"])?;
    }
    if given.has("principal") && !given.has("list") {
        return usage("The --principal option is only available if --list is set");
    }
    if given.has("producer") && !given.has("topic") {
        return usage("With --producer you must specify a --topic");
    }
    if given.has("idempotent") && !given.has("producer") {
        return usage("The --idempotent option is only available if --producer is set");
    }
    let has_topic_and_group = given.has("topic") && given.has("group");
    let has_others = !given.has("producer") && (given.has("cluster") || given.has("transactional-id"));
    if given.has("consumer") && (!has_topic_and_group || has_others) {
        return usage(
            "With --consumer you must specify a --topic and a --group and no --cluster or --transactional-id option should be specified.",
        );
    }
    check_ignored(given)
}

/// The flags that Kafka takes and then ignores. In a removal it may remove all entries of a resource then.
fn check_ignored(given: &Given) -> Result<(), Refusal> {
    given.forbid("list", &["operation"])?;
    for role in ["producer", "consumer"] {
        given.forbid(role, &["cluster", "delegation-token", "user-principal"])?;
    }
    if given.has("producer") && !given.has("consumer") {
        given.forbid("producer", &["group"])?;
    }
    let needs = |flag: &str, principal: &str| {
        Err(Refusal::Usage(format!("The --{flag} option is only available if --{principal} is set")))
    };
    for (host, principal) in [("allow-host", "allow-principal"), ("deny-host", "deny-principal")] {
        if given.has(host) && !given.has(principal) {
            return needs(host, principal);
        }
    }
    let has_principal = given.has("allow-principal") || given.has("deny-principal");
    for flag in ["operation", "producer", "consumer"] {
        if given.has("remove") && given.has(flag) && !has_principal {
            return needs(flag, "allow-principal");
        }
    }
    Ok(())
}

impl From<wire::Error> for Refusal {
    fn from(error: wire::Error) -> Self {
        match error {
            wire::Error::Failure(failure) => failure.into(),
            wire::Error::Refused { code, message, .. } => Self::of(code, message.as_deref()),
        }
    }
}

fn list(given: &Given, target: &Target) -> Result<(), Refusal> {
    let filters = wanted::to_list(given)?;
    let principals: BTreeSet<String> = wanted::principals(given, "principal")?.into_iter().collect();
    let mut cluster = Cluster::connect(target)?;
    let (mut acls, mut unknown) = (BTreeSet::new(), 0);
    for filter in &filters {
        let (found, others) = wire::describe(&mut cluster, filter)?;
        acls.extend(found);
        unknown += others;
    }
    warn_of(unknown);
    Ok(print(&listed(&acls, &principals))?)
}

/// The lines of all entries, or of those of each principal.
fn listed(acls: &BTreeSet<Acl>, principals: &BTreeSet<String>) -> String {
    if principals.is_empty() {
        return lines::current(&acls.iter().collect::<Vec<_>>());
    }
    let of_one = |principal: &String| {
        let acls: Vec<&Acl> = acls.iter().filter(|acl| *acl.entry.principal == **principal).collect();
        lines::of_principal(principal) + &lines::current(&acls)
    };
    principals.iter().map(of_one).collect()
}

fn add(given: &Given, target: &Target) -> Result<(), Refusal> {
    let acls = wanted::to_add(given)?;
    let mut cluster = Cluster::connect(target)?;
    for of_one in acls.chunk_by(|one, next| one.pattern == next.pattern) {
        let Some(first) = of_one.first() else { continue };
        let existing = wire::describe(&mut cluster, &all_of(&first.pattern))?.0;
        let is_old = |acl: &Acl| existing.contains(acl);
        let (old, new): (Vec<Acl>, Vec<Acl>) = of_one.iter().cloned().partition(is_old);
        print(&lines::adding(&old, &new))?;
        if !new.is_empty() {
            wire::create(&mut cluster, &new)?;
        }
    }
    Ok(())
}

/// A filter of all entries of a pattern.
fn all_of(pattern: &Pattern) -> Filter {
    Filter {
        resource_type: Some(pattern.resource_type),
        pattern: PatternFilter::Only(pattern.pattern_type),
        name: Some(pattern.name.to_string()),
        principal: None,
        host: None,
        operation: None,
        permission: None,
    }
}

fn remove(given: &Given, target: &Target) -> Result<(), Refusal> {
    let filters = wanted::to_remove(given)?;
    let mut cluster = Cluster::connect(target)?;
    for of_one in filters.chunk_by(is_of_one) {
        if given.has("force") || is_yes(&lines::question(of_one))? {
            wire::delete(&mut cluster, of_one)?;
        }
    }
    Ok(())
}

/// True for filters of one resource.
fn is_of_one(one: &Filter, next: &Filter) -> bool {
    (one.resource_type, &one.name) == (next.resource_type, &next.name)
}

/// Asks; any answer but `y` is a no.
fn is_yes(question: &str) -> Result<bool, Refusal> {
    print(question)?;
    let answer = answer("--force").map_err(|failure| Refusal::Argument(failure.to_string()))?;
    match answer {
        Some(answer) => Ok(answer.eq_ignore_ascii_case("y")),
        None => Err(Refusal::Argument("the question has no answer".to_owned())),
    }
}

#[cfg(test)]
mod tests;
