//! GetTelemetrySubscriptions, key 71: which metrics a client is to push, and how often (KIP-714).
//!
//! Version 0. Advertised, as PushTelemetry is, while there is any subscription. Without a subscription that
//! concerns the client none are asked for. A client without an instance id (nil) gets one, which it sends
//! from then on. Rules are in `services/client_metrics.rs`.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse, StrBytes};

use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::client_metrics::instances::ClientFacts;

/// See the file's header.
pub(crate) struct GetTelemetrySubscriptions;

impl Api for GetTelemetrySubscriptions {
    type Request = GetTelemetrySubscriptionsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Open("A client gets what was subscribed for it.");

    /// librdkafka prints a line about telemetry at each start where it is offered and nothing is asked for.
    fn is_advertised(cx: &Context) -> bool {
        cx.client_metrics().has_subscriptions()
    }

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let metrics = cx.client_metrics();
        let subscribed = metrics.subscribed(request.client_instance_id, &facts(cx), cx.clock().now_ms());
        let response = GetTelemetrySubscriptionsResponse::default();
        Ok(Reply::Response(match subscribed {
            Ok(subscribed) => response
                .with_client_instance_id(subscribed.client_instance_id)
                .with_subscription_id(subscribed.subscription_id)
                .with_accepted_compression_types(subscribed.compression_types.to_vec())
                .with_push_interval_ms(subscribed.interval_ms)
                .with_telemetry_max_bytes(cx.config().telemetry_max_bytes.as_i32())
                // Always, as in Kafka's `ClientMetricsManager`.
                .with_delta_temporality(true)
                .with_requested_metrics(subscribed.metrics.into_iter().map(StrBytes::from_string).collect()),
            Err(error) => response.with_error_code(ErrorCode::from(&error).code()),
        }))
    }

    fn first_error(response: &GetTelemetrySubscriptionsResponse) -> i16 {
        response.error_code
    }
}

/// The facts about a client that the patterns of subscriptions are compared with.
pub(super) fn facts(cx: &Context) -> ClientFacts {
    // A client that sent no ApiVersions from version 3 on has not said (KIP-511).
    let (name, version) = cx.peer().software().map(|software| software.parts()).unwrap_or_default();
    ClientFacts {
        client_id: cx.client_id().to_owned(),
        software_name: name.to_owned(),
        software_version: version.to_owned(),
        address: cx.peer().address.ip().to_canonical().to_string(),
        port: cx.peer().address.port().to_string(),
    }
}

#[cfg(test)]
mod tests;
