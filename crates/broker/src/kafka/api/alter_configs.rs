//! AlterConfigs, key 33: gives a resource a whole new configuration. Keys that are not named go back to their
//! defaults, which is why Kafka deprecates it for IncrementalAlterConfigs.
//!
//! Versions 0–2:
//! - v1: as v0 (KIP-219); KAFKA_STORAGE_ERROR (KIP-112); before, REQUEST_TIMED_OUT in its place.
//! - v2: flexible.
//!
//! Resources, rules and texts are those of `services/configs/changes.rs`. Each resource is changed as a whole
//! or not at all, and its change is on the disk when it is answered. A resource that is named twice is not
//! changed at all.
//!
//! Gaps: broker keys that cannot change while the broker runs are refused with INVALID_REQUEST, keys of share
//! groups with INVALID_CONFIG.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::alter_configs_request::AlterConfigsResource;
use codec::messages::alter_configs_response::AlterConfigsResourceResponse;
use codec::messages::{AlterConfigsRequest, AlterConfigsResponse, StrBytes};

use super::describe_configs::authorize;
use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, known_to_admin};
use crate::services::admin::error::TopicError;
use crate::services::configs::changes::{self, KeyChange, WantedConfigs};
use crate::services::configs::kind::ConfigsError;
use crate::session::authorizer::Permit;

/// From here on clients know KAFKA_STORAGE_ERROR (KIP-112): the first version after Kafka 1.0.
const STORAGE_ERROR_FROM: i16 = 1;

/// See the file's header.
pub(crate) struct AlterConfigs;

impl Api for AlterConfigs {
    type Request = AlterConfigsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=2;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::AlterConfigs),
        each(GROUP, Operation::AlterConfigs),
        each(CLUSTER, Operation::AlterConfigs).when("brokers, loggers, client metrics"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let wanted: Vec<WantedConfigs> = request.resources.into_iter().map(wanted).collect();
        let outcomes = alter_permitted(cx, &wanted, request.validate_only).await;
        let version = cx.api_version();
        let responses =
            wanted.into_iter().zip(outcomes).map(|(wanted, outcome)| answer(wanted, outcome, version));
        let response = AlterConfigsResponse::default().with_responses(responses.collect());
        Ok(Reply::Response(response))
    }

    fn first_error(response: &AlterConfigsResponse) -> i16 {
        super::first_code(response.responses.iter().map(|resource| resource.error_code))
    }
}

/// Changes the resources that the client may change; the outcomes of the others are refusals. In the order of `wanted`.
pub(super) async fn alter_permitted(
    cx: &Context,
    wanted: &[WantedConfigs],
    validate_only: bool,
) -> Vec<Result<(), ConfigsError>> {
    let ask =
        |wanted: &WantedConfigs| authorize(cx, Operation::AlterConfigs, wanted.resource_type, &wanted.name);
    let permits: Vec<Result<Permit, ConfigsError>> = wanted.iter().map(ask).collect();
    let of_allowed = wanted.iter().zip(&permits).filter(|(_, permit)| permit.is_ok());
    let allowed: Vec<WantedConfigs> = of_allowed.map(|(wanted, _)| wanted.clone()).collect();
    let altered = match permits.iter().flatten().next() {
        Some(permit) => changes::alter(cx.resources(permit), &allowed, validate_only).await,
        None => Vec::new(),
    };
    let mut altered = altered.into_iter();
    let one = |permit: Result<Permit, ConfigsError>| {
        // One outcome for each that is allowed, in their order.
        permit.and_then(|_| altered.next().unwrap_or(Err(TopicError::Storage.into())))
    };
    permits.into_iter().map(one).collect()
}

/// The change to make of one resource of the request. Every key is set, since this API has no other
/// operation; a null value is refused later, as Kafka refuses it.
fn wanted(resource: AlterConfigsResource) -> WantedConfigs {
    let changes = resource.configs.into_iter().map(|config| KeyChange {
        name: config.name.to_string(),
        operation: KeyChange::SET,
        value: config.value.map(|value| value.to_string()),
    });
    WantedConfigs {
        resource_type: resource.resource_type,
        name: resource.resource_name.to_string(),
        // Two clients that change one key each undo the change of the other: the reason for KIP-339.
        replace: true,
        changes: changes.collect(),
    }
}

/// The result of one resource: code 0 and no text where it was changed, or could be with `validate_only`.
fn answer(
    wanted: WantedConfigs,
    outcome: Result<(), ConfigsError>,
    version: i16,
) -> AlterConfigsResourceResponse {
    let code = outcome.as_ref().err().map_or(ErrorCode::None, ErrorCode::from);
    let code = known_to_admin(code, version, STORAGE_ERROR_FROM).code();
    let text = outcome.err().map(|error| error_text(error.to_string()));
    AlterConfigsResourceResponse::default()
        .with_resource_type(wanted.resource_type)
        .with_resource_name(StrBytes::from_string(wanted.name))
        .with_error_code(code)
        .with_error_message(text)
}

#[cfg(test)]
mod tests;
