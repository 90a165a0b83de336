//! PushTelemetry, key 72: a client's own metrics, to be shown on `/metrics` as `kafka_client_…` (KIP-714).
//!
//! Version 0. Rules are in `services/client_metrics.rs`; what is pushed is an OTLP message in one of four
//! codecs, or in none. A push that is longer than `telemetry.max.bytes`, comes before its interval is over or
//! names an old subscription is refused with a code of its own.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::{PushTelemetryRequest, PushTelemetryResponse};

use super::get_telemetry_subscriptions::facts;
use crate::kafka::access::Access;
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::client_metrics::Push;

/// See the file's header.
pub(crate) struct PushTelemetry;

impl Api for PushTelemetry {
    type Request = PushTelemetryRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Open("A client pushes what was subscribed for it.");

    /// librdkafka prints a line about telemetry at each start where it is offered and nothing is asked for.
    fn is_advertised(cx: &Context) -> bool {
        cx.client_metrics().has_subscriptions()
    }

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let push = Push {
            client_instance_id: request.client_instance_id,
            subscription_id: request.subscription_id,
            terminating: request.terminating,
            compression_type: request.compression_type,
            metrics: request.metrics,
        };
        let max_bytes = cx.config().telemetry_max_bytes.as_usize();
        let pushed = cx.client_metrics().push(&push, &facts(cx), max_bytes, cx.clock().now_ms());
        let response = PushTelemetryResponse::default();
        Ok(Reply::Response(match pushed {
            Ok(()) => response,
            Err(error) => {
                // At debug, as no limit holds for it: a client can cause as many lines as it likes.
                tracing::debug!(client_id = cx.client_id(), %error, "a client's metrics are refused");
                response.with_error_code(ErrorCode::from(&error).code())
            }
        }))
    }

    fn first_error(response: &PushTelemetryResponse) -> i16 {
        response.error_code
    }
}
