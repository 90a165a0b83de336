//! Entries and filters as messages. Version 1 at least: before it (Kafka 2.0) entries have no pattern type, and a filter for one would find others.

use codec::messages::create_acls_request::AclCreation;
use codec::messages::delete_acls_request::DeleteAclsFilter;
use codec::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, StrBytes};
use security::acl::{
    Acl, Entry, Filter, Operation, Pattern, PatternFilter, PatternType, Permission, ResourceType,
};

use crate::client::{Cluster, refused};
use crate::failure::Failure;

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum Error {
    /// There is no answer.
    Failure(Failure),
    /// The answer has an error code.
    Refused { doing: String, code: i16, message: Option<String> },
}

impl Error {
    fn refused(doing: &str, code: i16, message: Option<&StrBytes>) -> Self {
        Self::Refused { doing: doing.to_owned(), code, message: message.map(ToString::to_string) }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Failure(failure) => failure,
            Error::Refused { doing, code, message } => refused(&doing, code, message.as_deref()),
        }
    }
}

const AT_LEAST: i16 = 1;
/// The code of a filter that finds all (`ANY`).
const ANY: i8 = 1;
/// The code of `PatternType.MATCH`.
const MATCH: i8 = 2;

/// A message with the fields of a filter: that of a list and that of a removal have the same.
macro_rules! filtered {
    ($message:ty, $filter:expr) => {
        <$message>::default()
            .with_resource_type_filter($filter.resource_type.map_or(ANY, ResourceType::code))
            .with_resource_name_filter($filter.name.as_deref().map(text))
            .with_pattern_type_filter(pattern_code($filter.pattern))
            .with_principal_filter($filter.principal.as_deref().map(text))
            .with_host_filter($filter.host.as_deref().map(text))
            .with_operation($filter.operation.map_or(ANY, Operation::code))
            .with_permission_type($filter.permission.map_or(ANY, Permission::code))
    };
}

/// The entries that a filter finds, and the number of those that this version does not know.
///
/// # Errors
/// The broker refuses.
pub(crate) fn describe(cluster: &mut Cluster, filter: &Filter) -> Result<(Vec<Acl>, usize), Error> {
    let request = filtered!(DescribeAclsRequest, filter);
    let answer = cluster.call_from(AT_LEAST, &request)?;
    if answer.error_code != 0 {
        return Err(Error::refused("list entries", answer.error_code, answer.error_message.as_ref()));
    }
    let (mut found, mut unknown) = (Vec::new(), 0);
    for resource in &answer.resources {
        for acl in &resource.acls {
            let pattern = pattern(resource.resource_type, &resource.resource_name, resource.pattern_type);
            let entry = entry(&acl.principal, &acl.host, acl.operation, acl.permission_type);
            match (pattern, entry) {
                (Some(pattern), Some(entry)) => found.push(Acl { pattern, entry }),
                _ => unknown += 1,
            }
        }
    }
    Ok((found, unknown))
}

/// Adds entries, by one request.
///
/// # Errors
/// The broker refuses one; others may have been added.
pub(crate) fn create(cluster: &mut Cluster, acls: &[Acl]) -> Result<(), Error> {
    let creation = |Acl { pattern, entry }: &Acl| {
        AclCreation::default()
            .with_resource_type(pattern.resource_type.code())
            .with_resource_name(text(&pattern.name))
            .with_resource_pattern_type(pattern.pattern_type.code())
            .with_principal(text(&entry.principal))
            .with_host(text(&entry.host))
            .with_operation(entry.operation.code())
            .with_permission_type(entry.permission.code())
    };
    let request = CreateAclsRequest::default().with_creations(acls.iter().map(creation).collect());
    let answer = cluster.change(AT_LEAST, &request, |answer| {
        answer.results.iter().map(|result| result.error_code).collect()
    })?;
    match acls.iter().zip(&answer.results).find(|(_, result)| result.error_code != 0) {
        Some((acl, result)) => {
            let doing = format!("add {}", super::sentence(acl));
            Err(Error::refused(&doing, result.error_code, result.error_message.as_ref()))
        }
        None => Ok(()),
    }
}

/// Removes the entries that the filters find; returns them.
///
/// # Errors
/// The broker refuses one; others may have been removed.
pub(crate) fn delete(cluster: &mut Cluster, filters: &[Filter]) -> Result<Vec<Acl>, Error> {
    let wanted = |filter: &Filter| filtered!(DeleteAclsFilter, filter);
    let request = DeleteAclsRequest::default().with_filters(filters.iter().map(wanted).collect());
    let answer = cluster.change(AT_LEAST, &request, |answer| {
        answer.filter_results.iter().map(|result| result.error_code).collect()
    })?;
    let mut removed = Vec::new();
    for result in &answer.filter_results {
        if result.error_code != 0 {
            return Err(Error::refused("remove entries", result.error_code, result.error_message.as_ref()));
        }
        for acl in &result.matching_acls {
            if acl.error_code != 0 {
                return Err(Error::refused("remove an entry", acl.error_code, acl.error_message.as_ref()));
            }
            let pattern = pattern(acl.resource_type, &acl.resource_name, acl.pattern_type);
            let entry = entry(&acl.principal, &acl.host, acl.operation, acl.permission_type);
            removed.extend(pattern.zip(entry).map(|(pattern, entry)| Acl { pattern, entry }));
        }
    }
    Ok(removed)
}

fn pattern(resource_type: i8, name: &str, pattern_type: i8) -> Option<Pattern> {
    Some(Pattern {
        resource_type: ResourceType::from_code(resource_type)?,
        name: name.into(),
        pattern_type: PatternType::from_code(pattern_type)?,
    })
}

fn entry(principal: &str, host: &str, operation: i8, permission: i8) -> Option<Entry> {
    Some(Entry {
        principal: principal.into(),
        host: host.into(),
        operation: Operation::from_code(operation)?,
        permission: Permission::from_code(permission)?,
    })
}

fn pattern_code(pattern: PatternFilter) -> i8 {
    match pattern {
        PatternFilter::Any => ANY,
        PatternFilter::Match => MATCH,
        PatternFilter::Only(pattern_type) => pattern_type.code(),
    }
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}
