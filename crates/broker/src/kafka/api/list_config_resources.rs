//! ListConfigResources, key 74: what has a configuration (KIP-714, KIP-1142).
//!
//! Versions 0–1:
//! - v0: client metrics subscriptions alone.
//! - v1: any kinds, all of them if none is named.
//!
//! A kind that does not exist is refused with UNSUPPORTED_VERSION, as in Kafka's
//! `KafkaApis.handleListConfigResources`; then nothing is listed. A kind that is named twice is listed once.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::list_config_resources_response::ConfigResource;
use codec::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse, StrBytes};

use crate::config::resources::resource_type::CLIENT_METRICS;
use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::configs::kind::ResourceKind;
use crate::services::configs::table;

/// See the file's header.
pub(crate) struct ListConfigResources;

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[whole(CLUSTER, Operation::DescribeConfigs)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let permit = match cx.authorize_cluster(Operation::DescribeConfigs) {
            Ok(permit) => permit,
            Err(code) => {
                let response = ListConfigResourcesResponse::default().with_error_code(code.code());
                return Ok(Reply::Response(response));
            }
        };
        let asked: BTreeSet<i8> = match request.resource_types {
            // That version was ListClientMetricsResources (KIP-1000), which knew no other kind.
            _ if cx.api_version() == 0 => BTreeSet::from([CLIENT_METRICS]),
            kinds if kinds.is_empty() => table::kinds().map(|kind| kind.code).collect(),
            kinds => kinds.into_iter().collect(),
        };
        let response = ListConfigResourcesResponse::default();
        let kinds: Option<Vec<&ResourceKind>> = asked.into_iter().map(table::kind).collect();
        let Some(kinds) = kinds else {
            return Ok(Reply::Response(response.with_error_code(ErrorCode::UnsupportedVersion.code())));
        };
        let resources = kinds.into_iter().flat_map(|kind| {
            let one = |name| {
                ConfigResource::default()
                    .with_resource_type(kind.code)
                    .with_resource_name(StrBytes::from_string(name))
            };
            kind.names(cx.resources(&permit)).into_iter().map(one)
        });
        Ok(Reply::Response(response.with_config_resources(resources.collect())))
    }

    fn first_error(response: &ListConfigResourcesResponse) -> i16 {
        response.error_code
    }
}

#[cfg(test)]
mod tests;
