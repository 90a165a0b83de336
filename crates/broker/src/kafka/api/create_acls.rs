//! CreateAcls, key 30: lets principals do something (KIP-140). Refused as by a Kafka without an authorizer:
//! see `describe_acls.rs`.
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.
//!
//! Gaps: as DescribeAcls.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::create_acls_response::AclCreationResult;
use codec::messages::{CreateAclsRequest, CreateAclsResponse, StrBytes};

use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct CreateAcls;

impl Api for CreateAcls {
    type Request = CreateAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle(_: &Context, request: Self::Request) -> Answer<Self> {
        let refused = AclCreationResult::default()
            .with_error_code(ErrorCode::SecurityDisabled.code())
            .with_error_message(Some(StrBytes::from_static_str("No Authorizer is configured.")));
        // One for each, as `CreateAclsRequest.getErrorResponse`.
        let results = vec![refused; request.creations.len()];
        Ok(Reply::Response(CreateAclsResponse::default().with_results(results)))
    }

    fn first_error(response: &CreateAclsResponse) -> i16 {
        // All have the same code.
        response.results.first().map_or(0, |one| one.error_code)
    }
}
