//! DeleteAcls, key 31: takes such rights back (KIP-140). Refused as by a Kafka without an authorizer: see
//! `describe_acls.rs`.
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.
//!
//! Gaps: as DescribeAcls.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::delete_acls_response::DeleteAclsFilterResult;
use codec::messages::{DeleteAclsRequest, DeleteAclsResponse, StrBytes};

use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct DeleteAcls;

impl Api for DeleteAcls {
    type Request = DeleteAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle(_: &Context, request: Self::Request) -> Answer<Self> {
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(ErrorCode::SecurityDisabled.code())
            .with_error_message(Some(StrBytes::from_static_str("No Authorizer is configured.")));
        // One for each, as `DeleteAclsRequest.getErrorResponse`.
        let results = vec![refused; request.filters.len()];
        Ok(Reply::Response(DeleteAclsResponse::default().with_filter_results(results)))
    }

    fn first_error(response: &DeleteAclsResponse) -> i16 {
        // All have the same code.
        response.filter_results.first().map_or(0, |one| one.error_code)
    }
}
