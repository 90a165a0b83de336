//! ListConfigResources, key 74: what has a configuration (KIP-714, KIP-1142).
//!
//! Versions 0–1. v0: client metrics subscriptions alone. v1: any kinds, all of them if none is named. A kind that does
//! not exist is refused with UNSUPPORTED_VERSION, as in Kafka's `KafkaApis.handleListConfigResources`.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::list_config_resources_response::ConfigResource;
use codec::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse, StrBytes};

use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::configs::{BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP, TOPIC};

/// See the file's header.
pub(crate) struct ListConfigResources;

impl Api for ListConfigResources {
    type Request = ListConfigResourcesRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let all = [TOPIC, BROKER, BROKER_LOGGER, CLIENT_METRICS, GROUP];
        let asked: BTreeSet<i8> = match request.resource_types {
            _ if cx.api_version() == 0 => BTreeSet::from([CLIENT_METRICS]),
            kinds if kinds.is_empty() => all.into_iter().collect(),
            kinds => kinds.into_iter().collect(),
        };
        let response = ListConfigResourcesResponse::default();
        if !asked.iter().all(|kind| all.contains(kind)) {
            return Ok(Reply::Response(response.with_error_code(ErrorCode::UnsupportedVersion.code())));
        }
        let resources = asked.into_iter().flat_map(|kind| {
            let one = move |name| {
                ConfigResource::default()
                    .with_resource_type(kind)
                    .with_resource_name(StrBytes::from_string(name))
            };
            names(cx, kind).into_iter().map(one)
        });
        Ok(Reply::Response(response.with_config_resources(resources.collect())))
    }

    fn first_error(response: &ListConfigResourcesResponse) -> i16 {
        response.error_code
    }
}

fn names(cx: &Context, kind: i8) -> Vec<String> {
    match kind {
        TOPIC => cx.io().catalog().topics().map(|topic| topic.name.clone()).collect(),
        BROKER | BROKER_LOGGER => vec![cx.node_id().to_string()],
        // Those of them that were given something.
        _ => cx.services().configs.names(kind),
    }
}

#[cfg(test)]
mod tests;
