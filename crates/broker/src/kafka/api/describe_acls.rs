//! DescribeAcls, key 29: who may do what (KIP-140). Kafka's answer where no `authorizer.class.name` is set,
//! as none has an effect here.
//!
//! Versions 0–3:
//! - v1: pattern types (KIP-290).
//! - v2: flexible.
//! - v3: users as a resource.
//!
//! Version 2 must stay in the range: kafka-python 2.0 infers from it that a broker is Kafka 2.5.
//!
//! Gaps: there is no authorizer yet, so every request is answered with SECURITY_DISABLED, as by a Kafka
//! without one.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{DescribeAclsRequest, DescribeAclsResponse, StrBytes};

use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;

/// See the file's header.
pub(crate) struct DescribeAcls;

impl Api for DescribeAcls {
    type Request = DescribeAclsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=3;

    async fn handle(_: &Context, _: Self::Request) -> Answer<Self> {
        let message = StrBytes::from_static_str("No Authorizer is configured on the broker");
        let response = DescribeAclsResponse::default().with_error_code(ErrorCode::SecurityDisabled.code());
        Ok(Reply::Response(response.with_error_message(Some(message))))
    }

    fn first_error(response: &DescribeAclsResponse) -> i16 {
        response.error_code
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::create_acls_request::AclCreation;
    use codec::messages::delete_acls_request::DeleteAclsFilter;
    use codec::messages::{CreateAclsRequest, DeleteAclsRequest};

    use super::super::produce::tests::broker_with;
    use super::*;

    #[tokio::test]
    async fn there_is_no_authorizer() {
        let running = broker_with(&[]).await;
        let mut client = running.client().await;
        for version in 0..=3 {
            let described = client.call(version, &DescribeAclsRequest::default()).await;
            assert_eq!((described.error_code, described.error_message.is_some()), (54, true));

            let creations = vec![AclCreation::default(), AclCreation::default()];
            let created = client.call(version, &CreateAclsRequest::default().with_creations(creations)).await;
            let results = created.results.iter().map(|one| (one.error_code, one.error_message.is_some()));
            assert_eq!(results.collect::<Vec<_>>(), [(54, true), (54, true)]);

            let filters = vec![DeleteAclsFilter::default(), DeleteAclsFilter::default()];
            let deleted = client.call(version, &DeleteAclsRequest::default().with_filters(filters)).await;
            let results = deleted.filter_results.iter();
            let results =
                results.map(|one| (one.error_code, one.error_message.is_some(), one.matching_acls.len()));
            assert_eq!(results.collect::<Vec<_>>(), [(54, true, 0), (54, true, 0)]);
        }
    }
}
