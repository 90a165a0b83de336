//! CreateAcls, key 30: adds access control entries (KIP-140). An entry that is known already succeeds. The answer is sent once the
//! entries are on the disk and in force.
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.
//!
//! Differences from Kafka: an entry that denies, and whose host is no address, is refused, as it could never fit; more than 10 000
//! entries in one request are refused.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::create_acls_request::AclCreation;
use codec::messages::create_acls_response::AclCreationResult;
use codec::messages::{CreateAclsRequest, CreateAclsResponse};
use security::acl::{Acl, Entry, Pattern, PatternType, Permission, ResourceType};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{code_and_text, error_text};
use crate::services::acls::{self, AclError, MAX_CHANGES, Reach};

/// See the file's header.
pub(crate) struct CreateAcls;

impl Api for CreateAcls {
    type Request = CreateAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::Alter)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let count = request.creations.len();
        let results = match reach(cx) {
            Ok(reach) => create(reach, request.creations).await.into_iter().map(result).collect(),
            // One for each, as `CreateAclsRequest.getErrorResponse`.
            Err((code, text)) => {
                let refused = AclCreationResult::default()
                    .with_error_code(code.code())
                    .with_error_message(Some(error_text(text)));
                vec![refused; count]
            }
        };
        Ok(Reply::Response(CreateAclsResponse::default().with_results(results)))
    }

    fn first_error(response: &CreateAclsResponse) -> i16 {
        super::first_code(response.results.iter().map(|one| one.error_code))
    }
}

/// The way to the lists.
///
/// # Errors
/// The client may not change them, or there is no authorizer: code and text for each entry of the request.
pub(super) fn reach(cx: &Context) -> Result<Reach, (ErrorCode, String)> {
    let permit = cx.authorize_cluster(Operation::Alter).map_err(|code| (code, code.message().to_owned()))?;
    let disabled = || (ErrorCode::SecurityDisabled, "No Authorizer is configured.".to_owned());
    let authorizer = cx.authorizer(&permit).ok_or_else(disabled)?.clone();
    let (cluster, tasks) = (cx.io(&permit).cluster().clone(), cx.resources(&permit).tasks.clone());
    Ok(Reach { authorizer, cluster, tasks })
}

/// Adds the entries that can be meant, all or none of them; one outcome for each that was asked for.
async fn create(reach: Reach, creations: Vec<AclCreation>) -> Vec<Result<(), AclError>> {
    if creations.len() > MAX_CHANGES {
        return vec![Err(AclError::TooMany); creations.len()];
    }
    let wanted: Vec<Result<Acl, AclError>> = creations.iter().map(wanted).collect();
    let added = acls::add(reach, wanted.iter().flatten().cloned().collect()).await;
    wanted.into_iter().map(|wanted| wanted.and_then(|_| added.clone())).collect()
}

/// The entry that is asked for.
///
/// # Errors
/// It cannot be meant.
fn wanted(creation: &AclCreation) -> Result<Acl, AclError> {
    let resource_type = ResourceType::from_code(creation.resource_type);
    let pattern_type = PatternType::from_code(creation.resource_pattern_type);
    let acl = Acl {
        pattern: Pattern {
            resource_type: resource_type.ok_or(AclError::Code("the resource type"))?,
            name: creation.resource_name.as_str().into(),
            pattern_type: pattern_type.ok_or(AclError::Code("the pattern type"))?,
        },
        entry: Entry {
            principal: creation.principal.as_str().into(),
            host: creation.host.as_str().into(),
            operation: Operation::from_code(creation.operation).ok_or(AclError::Code("the operation"))?,
            permission: Permission::from_code(creation.permission_type)
                .ok_or(AclError::Code("the permission"))?,
        },
    };
    acl.check()?;
    Ok(acl)
}

fn result(outcome: Result<(), AclError>) -> AclCreationResult {
    let (code, text) = code_and_text(outcome);
    AclCreationResult::default().with_error_code(code).with_error_message(text)
}
