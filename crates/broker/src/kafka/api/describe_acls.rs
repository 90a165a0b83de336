//! DescribeAcls, key 29: the access control entries that a filter finds, by pattern (KIP-140).
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.
//!
//! Version 2 must stay in the range: kafka-python 2.0 infers from it that a broker is Kafka 2.5.
//!
//! Without an authorizer it is answered with SECURITY_DISABLED, as are CreateAcls and DeleteAcls: consoles look for exactly that.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use codec::messages::{DescribeAclsRequest, DescribeAclsResponse, StrBytes};
use security::acl::{Acl, Filter, Pattern, PatternFilter, PatternType, Permission, ResourceType};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::acls::AclError;

/// See the file's header.
pub(crate) struct DescribeAcls;

/// Wire value of a code that a filter leaves open.
const ANY: i8 = 1;
/// Wire value of the pattern type that finds whatever would fit the filter's name.
const MATCH: i8 = 2;

impl Api for DescribeAcls {
    type Request = DescribeAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Describe)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        Ok(Reply::Response(match find(cx, request) {
            Ok(acls) => {
                DescribeAclsResponse::default().with_error_message(None).with_resources(by_pattern(acls))
            }
            Err((code, text)) => DescribeAclsResponse::default()
                .with_error_code(code.code())
                .with_error_message(Some(error_text(text))),
        }))
    }

    fn first_error(response: &DescribeAclsResponse) -> i16 {
        response.error_code
    }
}

/// The entries, ordered by pattern.
fn find(cx: &Context, request: DescribeAclsRequest) -> Result<Vec<Acl>, (ErrorCode, String)> {
    let permit =
        cx.authorize_cluster(Operation::Describe).map_err(|code| (code, code.message().to_owned()))?;
    let Some(authorizer) = cx.authorizer(&permit) else {
        return Err((ErrorCode::SecurityDisabled, "No Authorizer is configured on the broker".to_owned()));
    };
    let filter = filter(AskedFilter {
        resource_type: request.resource_type_filter,
        pattern_type: request.pattern_type_filter,
        name: request.resource_name_filter,
        principal: request.principal_filter,
        host: request.host_filter,
        operation: request.operation,
        permission: request.permission_type,
    });
    let filter = filter.map_err(|error| (ErrorCode::from(&error), error.to_string()))?;
    Ok(authorizer.in_force().rules.find(&filter))
}

/// A filter as requests have it.
pub(super) struct AskedFilter {
    pub(super) resource_type: i8,
    pub(super) pattern_type: i8,
    pub(super) name: Option<StrBytes>,
    pub(super) principal: Option<StrBytes>,
    pub(super) host: Option<StrBytes>,
    pub(super) operation: i8,
    pub(super) permission: i8,
}

/// The filter that a request means.
///
/// # Errors
/// A code that means nothing.
pub(super) fn filter(asked: AskedFilter) -> Result<Filter, AclError> {
    fn known<T>(code: i8, what: &'static str, of: fn(i8) -> Option<T>) -> Result<Option<T>, AclError> {
        if code == ANY { Ok(None) } else { of(code).map(Some).ok_or(AclError::Code(what)) }
    }
    let text = |text: Option<StrBytes>| text.map(|text| text.to_string());
    Ok(Filter {
        resource_type: known(asked.resource_type, "the resource type", ResourceType::from_code)?,
        pattern: match asked.pattern_type {
            ANY => PatternFilter::Any,
            MATCH => PatternFilter::Match,
            code => {
                PatternFilter::Only(PatternType::from_code(code).ok_or(AclError::Code("the pattern type"))?)
            }
        },
        name: text(asked.name),
        principal: text(asked.principal),
        host: text(asked.host),
        operation: known(asked.operation, "the operation", Operation::from_code)?,
        permission: known(asked.permission, "the permission", Permission::from_code)?,
    })
}

/// One resource of the answer for each pattern. The entries come ordered by pattern.
fn by_pattern(acls: Vec<Acl>) -> Vec<DescribeAclsResource> {
    let mut resources: Vec<(Pattern, DescribeAclsResource)> = Vec::new();
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    for Acl { pattern, entry } in acls {
        let described = AclDescription::default()
            .with_principal(text(&entry.principal))
            .with_host(text(&entry.host))
            .with_operation(entry.operation.code())
            .with_permission_type(entry.permission.code());
        match resources.last_mut().filter(|(last, _)| *last == pattern) {
            Some((_, same)) => same.acls.push(described),
            None => {
                let resource = DescribeAclsResource::default()
                    .with_resource_type(pattern.resource_type.code())
                    .with_resource_name(text(&pattern.name))
                    .with_pattern_type(pattern.pattern_type.code())
                    .with_acls(vec![described]);
                resources.push((pattern, resource));
            }
        }
    }
    resources.into_iter().map(|(_, resource)| resource).collect()
}

#[cfg(test)]
mod tests;
