//! DeleteAcls, key 31: removes the access control entries that filters find, and answers with them (KIP-140). The answer is sent
//! once their removal is on the disk and in force.
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::delete_acls_request::DeleteAclsFilter;
use codec::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use codec::messages::{DeleteAclsRequest, DeleteAclsResponse, StrBytes};
use security::acl::{Acl, Filter};

use super::create_acls::reach;
use super::describe_acls::{AskedFilter, filter};
use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::acls::{self, AclError, MAX_CHANGES, Reach};

/// See the file's header.
pub(crate) struct DeleteAcls;

impl Api for DeleteAcls {
    type Request = DeleteAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let count = request.filters.len();
        let results = match reach(cx) {
            Ok(reach) => delete(reach, request.filters).await.into_iter().map(result).collect(),
            // One for each, as `DeleteAclsRequest.getErrorResponse`.
            Err((code, text)) => vec![refused(code, text); count],
        };
        Ok(Reply::Response(DeleteAclsResponse::default().with_filter_results(results)))
    }

    fn first_error(response: &DeleteAclsResponse) -> i16 {
        super::first_code(response.filter_results.iter().map(|one| one.error_code))
    }
}

/// Removes what the filters find, all or nothing; one outcome for each filter.
async fn delete(reach: Reach, filters: Vec<DeleteAclsFilter>) -> Vec<Result<Vec<Acl>, AclError>> {
    if filters.len() > MAX_CHANGES {
        return vec![Err(AclError::TooMany); filters.len()];
    }
    let filters: Vec<Result<Filter, AclError>> = filters.into_iter().map(asked).collect();
    let mut removed = match acls::remove(reach, filters.iter().flatten().cloned().collect()).await {
        Ok(found) => found.into_iter(),
        Err(error) => return filters.into_iter().map(|filter| filter.and(Err(error.clone()))).collect(),
    };
    let mut next = || removed.next().expect("`remove` has one list for each filter that it was given");
    filters.into_iter().map(|filter| filter.map(|_| next())).collect()
}

fn asked(asked: DeleteAclsFilter) -> Result<Filter, AclError> {
    filter(AskedFilter {
        resource_type: asked.resource_type_filter,
        pattern_type: asked.pattern_type_filter,
        name: asked.resource_name_filter,
        principal: asked.principal_filter,
        host: asked.host_filter,
        operation: asked.operation,
        permission: asked.permission_type,
    })
}

fn result(outcome: Result<Vec<Acl>, AclError>) -> DeleteAclsFilterResult {
    match outcome {
        Ok(gone) => DeleteAclsFilterResult::default()
            .with_error_message(None)
            .with_matching_acls(gone.iter().map(matching).collect()),
        Err(error) => refused(ErrorCode::from(&error), error.to_string()),
    }
}

fn refused(code: ErrorCode, text: String) -> DeleteAclsFilterResult {
    DeleteAclsFilterResult::default().with_error_code(code.code()).with_error_message(Some(error_text(text)))
}

/// An entry that was removed.
fn matching(acl: &Acl) -> DeleteAclsMatchingAcl {
    let text = |text: &str| StrBytes::from_string(text.to_owned());
    let Acl { pattern, entry } = acl;
    DeleteAclsMatchingAcl::default()
        .with_error_message(None)
        .with_resource_type(pattern.resource_type.code())
        .with_resource_name(text(&pattern.name))
        .with_pattern_type(pattern.pattern_type.code())
        .with_principal(text(&entry.principal))
        .with_host(text(&entry.host))
        .with_operation(entry.operation.code())
        .with_permission_type(entry.permission.code())
}
