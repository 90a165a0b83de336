//! The entries and filters that the flags mean, as `AclCommand` reads them: in the terms of `ottla acl`, refused in Kafka's words.

use clap::ValueEnum as _;
use security::acl::{Acl, Filter, Operation, PatternFilter, ResourceType};

use super::super::flags::Given;
use super::super::refusal::Refusal;
use super::lines;
use crate::acl::arguments::{ListArguments, PatternName, Resources, Wanted};

/// The filters of `--list`: one of each resource.
pub(super) fn to_list(given: &Given) -> Result<Vec<Filter>, Refusal> {
    let arguments = ListArguments {
        resources: resources(given),
        resource_pattern_type: pattern_type(given)?,
        principal: Vec::new(),
    };
    let has_no_resource = arguments.resources.all().is_empty();
    check_cluster(given, arguments.resource_pattern_type)?;
    let mut filters = arguments.filters();
    if has_no_resource {
        if given.has("resource-pattern-type")
            && matches!(arguments.resource_pattern_type.filter(), PatternFilter::Only(_))
        {
            // Kafka lists patterns of all types then.
            return Err(no_resource());
        }
        filters.iter_mut().for_each(|filter| filter.pattern = PatternFilter::Any);
    }
    Ok(filters)
}

/// The entries of `--add`, in their order.
pub(super) fn to_add(given: &Given) -> Result<Vec<Acl>, Refusal> {
    let pattern = pattern_type(given)?.filter();
    if !matches!(pattern, PatternFilter::Only(_)) {
        return Err(Refusal::Usage(format!(
            "A '--resource-pattern-type' value of '{}' is not valid when adding acls.",
            lines::pattern_type(pattern)
        )));
    }
    let wanted = wanted(given)?;
    if wanted.allow_principal.is_empty() && wanted.deny_principal.is_empty() {
        return Err(Refusal::Usage(
            "You must specify one of: --allow-principal, --deny-principal when trying to add ACLs."
                .to_owned(),
        ));
    }
    let mut acls = wanted.unchecked()?;
    acls.sort();
    Ok(acls)
}

/// The filters of `--remove`; those of one resource follow one another.
pub(super) fn to_remove(given: &Given) -> Result<Vec<Filter>, Refusal> {
    Ok(wanted(given)?.filters()?)
}

/// The principals of a flag.
///
/// # Errors
/// One is not of the form `Type:name`.
pub(super) fn principals(given: &Given, flag: &str) -> Result<Vec<String>, Refusal> {
    let principals = trimmed(given, flag);
    match principals.iter().find(|text| !text.contains(':')) {
        Some(wrong) => Err(Refusal::Argument(format!(
            "expected a string in format principalType:principalName but got {}",
            wrong.escape_debug()
        ))),
        None => Ok(principals),
    }
}

fn wanted(given: &Given) -> Result<Wanted, Refusal> {
    let resource_pattern_type = pattern_type(given)?;
    let operations = operations(given);
    let allow_principal = principals(given, "allow-principal")?;
    let deny_principal = principals(given, "deny-principal")?;
    let has_principal = !allow_principal.is_empty() || !deny_principal.is_empty();
    if has_principal && operations.iter().any(|one| matches!(one, Named::Any)) {
        return Err(Refusal::Argument("operation must not be ANY".to_owned()));
    }
    let resources = resources(given);
    let all = resources.all();
    if all.is_empty() {
        return Err(no_resource());
    }
    check_cluster(given, resource_pattern_type)?;
    let is_wrong = |kind: &ResourceType| operations.iter().any(|one| !one.is_of(*kind));
    if let Some((kind, _)) = all.iter().find(|(kind, _)| has_principal && is_wrong(kind)) {
        return Err(Refusal::Usage(lines::only_supports(*kind)));
    }
    Ok(Wanted {
        resources,
        resource_pattern_type,
        allow_principal,
        deny_principal,
        allow_host: trimmed(given, "allow-host"),
        deny_host: trimmed(given, "deny-host"),
        operation: operations.into_iter().filter_map(Named::known).collect(),
        producer: given.has("producer"),
        consumer: given.has("consumer"),
        idempotent: given.has("idempotent"),
    })
}

fn no_resource() -> Refusal {
    Refusal::Usage(
        "You must provide at least one resource: --topic <topic> or --cluster or --group <group> or --delegation-token <Delegation Token ID>"
            .to_owned(),
    )
}

/// Kafka passes over `--cluster` with any other type of pattern; a list is of all resources then.
fn check_cluster(given: &Given, pattern: PatternName) -> Result<(), Refusal> {
    match given.has("cluster") && pattern != PatternName::Literal {
        true => Err(Refusal::Usage(format!(
            "A '--resource-pattern-type' value of '{}' is not valid with --cluster.",
            lines::pattern_type(pattern.filter())
        ))),
        false => Ok(()),
    }
}

fn pattern_type(given: &Given) -> Result<PatternName, Refusal> {
    const FLAG: &str = "resource-pattern-type";
    let Some(text) = given.value(FLAG)? else { return Ok(PatternName::Literal) };
    PatternName::from_str(text, true).map_err(|_| {
        Refusal::Argument(format!("Cannot parse argument '{}' of option {FLAG}", text.escape_debug()))
    })
}

/// The resources, each once and in their order.
fn resources(given: &Given) -> Resources {
    let each_once = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    Resources {
        topic: each_once(trimmed(given, "topic")),
        group: each_once(trimmed(given, "group")),
        cluster: given.has("cluster"),
        // Kafka takes blanks around this one as they are.
        transactional_id: each_once(given.values("transactional-id").map(str::to_owned).collect()),
        delegation_token: each_once(trimmed(given, "delegation-token")),
        user_principal: each_once(trimmed(given, "user-principal")),
    }
}

/// The values of a flag without what Java trims: blanks and control characters.
fn trimmed(given: &Given, flag: &str) -> Vec<String> {
    given.values(flag).map(|text| text.trim_matches(|letter| letter <= ' ').to_owned()).collect()
}

/// An operation by a name.
#[derive(Debug, Clone, Copy)]
enum Named {
    Known(Operation),
    /// The one that filters have.
    Any,
    Unknown,
}

impl Named {
    fn known(self) -> Option<Operation> {
        match self {
            Self::Known(operation) => Some(operation),
            Self::Any | Self::Unknown => None,
        }
    }

    fn is_of(self, kind: ResourceType) -> bool {
        self.known().is_some_and(|one| one == Operation::All || kind.operations().contains(&one))
    }
}

/// Names of operations in any case (`SecurityUtils.operation`), but without underscores.
fn operations(given: &Given) -> Vec<Named> {
    let named = |text: &String| {
        let known = Operation::ALL.into_iter().find(|one| one.name().eq_ignore_ascii_case(text));
        match known {
            Some(operation) => Named::Known(operation),
            None if text.eq_ignore_ascii_case("any") => Named::Any,
            None => Named::Unknown,
        }
    };
    trimmed(given, "operation").iter().map(named).collect()
}
