//! Patterns, entries and filters as Kafka's classes print them (`ResourcePattern`, `AccessControlEntry`, `AclBinding`), and the lines around them.

use std::fmt::Write as _;

use security::acl::{Acl, Entry, Filter, Operation, Pattern, PatternFilter, ResourceType};

use crate::output::escaped;

/// The entries by their patterns.
pub(super) fn current(acls: &[&Acl]) -> String {
    let mut text = String::new();
    for of_one in acls.chunk_by(|one, next| one.pattern == next.pattern) {
        let Some(first) = of_one.first() else { continue };
        let entries: Vec<String> = of_one.iter().map(|acl| entry(&acl.entry)).collect();
        // Writing to a `String` does not fail.
        let _ =
            writeln!(text, "Current ACLs for resource `{}`:\n{}\n", pattern(&first.pattern), rows(&entries));
    }
    text
}

/// The heading above the entries of a principal.
pub(super) fn of_principal(principal: &str) -> String {
    format!("ACLs for principal `{}`\n", escaped(principal))
}

/// The entries of one pattern that exist, and those that are added.
pub(super) fn adding(old: &[Acl], new: &[Acl]) -> String {
    let mut text = String::new();
    for acl in old {
        let _ = writeln!(
            text,
            "Acl (pattern={}, entry={}) already exists.",
            pattern(&acl.pattern),
            entry(&acl.entry)
        );
    }
    if let Some(first) = new.first() {
        let entries: Vec<String> = new.iter().map(|acl| entry(&acl.entry)).collect();
        let _ =
            writeln!(text, "Adding ACLs for resource `{}`: \n {}\n", pattern(&first.pattern), rows(&entries));
    }
    text
}

/// The question before the entries that these filters of one resource find are removed.
pub(super) fn question(filters: &[Filter]) -> String {
    let resource = filters.first().map(filter).unwrap_or_default();
    let entries: Vec<String> = filters.iter().filter_map(entry_of).collect();
    match entries.is_empty() {
        true => {
            format!("Are you sure you want to delete all ACLs for resource filter `{resource}`? (y/n)\n")
        }
        false => format!(
            "Are you sure you want to remove ACLs: \n {}\n from resource filter `{resource}`? (y/n)\n",
            rows(&entries)
        ),
    }
}

/// The operations that mean something on a type of resource.
pub(super) fn only_supports(resource_type: ResourceType) -> String {
    let all = [Operation::All];
    let known = all.iter().chain(resource_type.operations()).map(|one| constant(*one));
    format!(
        "ResourceType {} only supports operations [{}]",
        resource_type.name(),
        known.collect::<Vec<_>>().join(", ")
    )
}

/// Kafka's name of the pattern type of a filter.
pub(super) fn pattern_type(pattern: PatternFilter) -> &'static str {
    match pattern {
        PatternFilter::Any => "ANY",
        PatternFilter::Match => "MATCH",
        PatternFilter::Only(pattern_type) => pattern_type.name(),
    }
}

fn rows(entries: &[String]) -> String {
    entries.iter().map(|entry| format!("\t{entry}")).collect::<Vec<_>>().join("\n")
}

fn pattern(pattern: &Pattern) -> String {
    resource(pattern.resource_type, &pattern.name, pattern.pattern_type.name())
}

fn filter(filter: &Filter) -> String {
    let Filter { resource_type: Some(resource_type), name: Some(name), .. } = filter else {
        return String::new();
    };
    resource(*resource_type, name, pattern_type(filter.pattern))
}

fn resource(resource_type: ResourceType, name: &str, pattern_type: &str) -> String {
    let kind = resource_type.name();
    format!("ResourcePattern(resourceType={kind}, name={}, patternType={pattern_type})", escaped(name))
}

/// The entry that a filter finds; `None` for a filter of all entries.
fn entry_of(filter: &Filter) -> Option<String> {
    let found = Entry {
        principal: filter.principal.as_deref()?.into(),
        host: filter.host.as_deref()?.into(),
        operation: filter.operation?,
        permission: filter.permission?,
    };
    Some(entry(&found))
}

fn entry(entry: &Entry) -> String {
    format!(
        "(principal={}, host={}, operation={}, permissionType={})",
        escaped(&entry.principal),
        escaped(&entry.host),
        constant(entry.operation),
        entry.permission.name()
    )
}

/// The operation as the constant of Java: `DescribeConfigs` is `DESCRIBE_CONFIGS`.
fn constant(operation: Operation) -> String {
    let mut text = String::new();
    for letter in operation.name().chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}
