//! IncrementalAlterConfigs, key 44: changes single keys of topics, of this broker or of all brokers, of its
//! loggers (KIP-412), of client metrics subscriptions and of groups (KIP-339).
//!
//! Versions 0–1:
//! - v1: flexible.
//!
//! Operations are SET, DELETE, and for lists APPEND and SUBTRACT. Each resource is changed as a whole or not
//! at all, and its change is on the disk when it is answered; levels of loggers hold until the process ends.
//! A resource or a key that is named twice is refused. Rules and texts are in `services/configs/changes.rs`.
//!
//! Gaps: broker keys that cannot change while the broker runs are refused with INVALID_REQUEST, keys of share
//! groups with INVALID_CONFIG.

use std::ops::RangeInclusive;

use codec::messages::incremental_alter_configs_request::AlterConfigsResource;
use codec::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use codec::messages::{IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, StrBytes};

use super::alter_configs::alter_permitted;
use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::code_and_text;
use crate::services::configs::changes::{KeyChange, WantedConfigs};
use crate::services::configs::kind::ConfigsError;

/// See the file's header.
pub(crate) struct IncrementalAlterConfigs;

impl Api for IncrementalAlterConfigs {
    type Request = IncrementalAlterConfigsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=1;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::AlterConfigs),
        each(GROUP, Operation::AlterConfigs),
        each(CLUSTER, Operation::AlterConfigs).when("brokers, loggers, client metrics"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let wanted: Vec<WantedConfigs> = request.resources.into_iter().map(wanted).collect();
        let outcomes = alter_permitted(cx, &wanted, request.validate_only).await;
        let responses = wanted.into_iter().zip(outcomes).map(|(wanted, outcome)| answer(wanted, outcome));
        let response = IncrementalAlterConfigsResponse::default().with_responses(responses.collect());
        Ok(Reply::Response(response))
    }

    fn first_error(response: &IncrementalAlterConfigsResponse) -> i16 {
        super::first_code(response.responses.iter().map(|resource| resource.error_code))
    }
}

/// The changes to make of one resource. The number of an operation is passed on as it came; an unknown one is
/// refused with the whole resource.
fn wanted(resource: AlterConfigsResource) -> WantedConfigs {
    let changes = resource.configs.into_iter().map(|config| KeyChange {
        name: config.name.to_string(),
        // Checked with its resource: for one that does not exist Kafka fails with the whole request.
        operation: config.config_operation,
        value: config.value.map(|value| value.to_string()),
    });
    WantedConfigs {
        resource_type: resource.resource_type,
        name: resource.resource_name.to_string(),
        // KIP-339: keys that are not named stay as they are.
        replace: false,
        changes: changes.collect(),
    }
}

/// The result of one resource: code 0 and no text where it was changed, or could be with `validate_only`.
fn answer(wanted: WantedConfigs, outcome: Result<(), ConfigsError>) -> AlterConfigsResourceResponse {
    let (code, text) = code_and_text(outcome);
    AlterConfigsResourceResponse::default()
        .with_resource_type(wanted.resource_type)
        .with_resource_name(StrBytes::from_string(wanted.name))
        .with_error_code(code)
        .with_error_message(text)
}

#[cfg(test)]
pub(super) mod broker_tests;
#[cfg(test)]
mod expiration_tests;
#[cfg(test)]
mod group_tests;
#[cfg(test)]
mod size_tests;
#[cfg(test)]
pub(super) mod tests;
