//! DescribeConfigs, key 32: every key of a topic, of this broker or its loggers (KIP-412), of a client
//! metrics subscription or of a group, with value, source and documentation.
//!
//! Versions 0–4:
//! - v0: says only whether a value is the default.
//! - v1: sources and synonyms (KIP-226).
//! - v2: as v1 (KIP-219).
//! - v3: types and documentation (KIP-569).
//! - v4: flexible.
//!
//! Values of sensitive keys are null. Reads what is in force at this moment; nothing waits.
//!
//! Gaps: a resource that is named twice in one request is refused with INVALID_REQUEST.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse, StrBytes};
use security::acl::CLUSTER_NAME;

use crate::config::resources::resource_type;
use crate::config::{ConfigEntry, ConfigSynonym};
use crate::kafka::access::{Access, CLUSTER, GROUP, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Disconnect, Reply};
use crate::kafka::context::Context;
use crate::kafka::error::error_text;
use crate::services::configs::kind::ConfigsError;
use crate::services::configs::table;
use crate::session::authorizer::Permit;

/// See the file's header.
pub(crate) struct DescribeConfigs;

/// More resources than this in one request close the connection. No honest client has more topics than that.
const MAX_RESOURCES: usize = 10_000;

/// The parts of each key's description that the client asks for.
#[derive(Clone, Copy)]
struct Wanted {
    synonyms: bool,
    types: bool,
    documentation: bool,
}

impl Api for DescribeConfigs {
    type Request = DescribeConfigsRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=4;
    const ACCESS: Access = Access::Needs(&[
        each(TOPIC, Operation::DescribeConfigs),
        each(GROUP, Operation::DescribeConfigs),
        each(CLUSTER, Operation::DescribeConfigs).when("brokers, loggers, client metrics"),
    ]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let typed = cx.api_version() >= 3;
        let wanted = Wanted {
            synonyms: request.include_synonyms,
            types: typed,
            documentation: typed && request.include_documentation,
        };
        if request.resources.len() > MAX_RESOURCES {
            let asked = request.resources.len();
            return Err(Disconnect::Refused(format!(
                "{asked} resources in one request, more than {MAX_RESOURCES}"
            )));
        }
        let mut seen = HashSet::new();
        let result = |resource: DescribeConfigsResource| {
            let (kind, name) = (resource.resource_type, resource.resource_name.clone());
            // Kafka repeats itself. Here what exists bounds an answer, not what is asked.
            let permit = authorize(cx, Operation::DescribeConfigs, kind, &name);
            let described = permit.and_then(|permit| {
                if seen.insert((kind, name.clone())) {
                    return table::describe(cx.resources(&permit), kind, &name);
                }
                Err(ConfigsError::InvalidRequest(format!("Resource {name} is named twice in the request")))
            });
            // Resource by resource: for one of an unknown type Kafka refuses all of the request.
            answer(resource, described, wanted)
        };
        let results = request.resources.into_iter().map(result).collect();
        Ok(Reply::Response(DescribeConfigsResponse::default().with_results(results)))
    }

    fn first_error(response: &DescribeConfigsResponse) -> i16 {
        super::first_code(response.results.iter().map(|result| result.error_code))
    }
}

/// Asks about a resource of configurations: a topic and a group by their names, all others as parts of the cluster.
///
/// # Errors
/// The client may not do the operation to it.
pub(super) fn authorize(
    cx: &Context,
    operation: Operation,
    kind: i8,
    name: &str,
) -> Result<Permit, ConfigsError> {
    let (resource, name) = match kind {
        resource_type::TOPIC => (TOPIC, name),
        resource_type::GROUP => (GROUP, name),
        _ => (CLUSTER, CLUSTER_NAME),
    };
    cx.authorize(resource, operation, name).map_err(|_| ConfigsError::NotAuthorized(resource))
}

/// The result of one resource: the keys that were asked for, or a refusal with its text.
fn answer(
    resource: DescribeConfigsResource,
    described: Result<Vec<ConfigEntry>, ConfigsError>,
    wanted: Wanted,
) -> DescribeConfigsResult {
    let result = DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name);
    match described {
        Ok(entries) => {
            // No names asked for, and none named, both mean all (Kafka's `ConfigHelperUtils`).
            let names = resource.configuration_keys.filter(|names| !names.is_empty());
            let asked = |entry: &ConfigEntry| {
                names.as_ref().is_none_or(|names| names.iter().any(|name| name.as_str() == entry.name))
            };
            let configs = entries.into_iter().filter(asked).map(|entry| config(entry, wanted)).collect();
            result.with_configs(configs)
        }
        Err(error) => {
            let code = ErrorCode::from(&error);
            result.with_error_code(code.code()).with_error_message(Some(error_text(error.to_string())))
        }
    }
}

/// One key as far as it was asked for: synonyms, type and documentation stay empty otherwise.
fn config(entry: ConfigEntry, wanted: Wanted) -> DescribeConfigsResourceResult {
    let mut result = DescribeConfigsResourceResult::default()
        .with_name(StrBytes::from_string(entry.name))
        .with_value(entry.value.map(StrBytes::from_string))
        .with_read_only(entry.is_read_only)
        .with_config_source(entry.source.code())
        .with_is_sensitive(entry.is_sensitive);
    if wanted.synonyms {
        result = result.with_synonyms(entry.synonyms.into_iter().map(synonym).collect());
    }
    if wanted.types {
        result = result.with_config_type(entry.kind.code());
    }
    // Null has to be said: the message's default is the empty string.
    let documentation = entry.documentation.filter(|_| wanted.documentation);
    result.with_documentation(documentation.map(StrBytes::from_static_str))
}

/// One of the values that a key has somewhere, with its source. They come strongest first.
fn synonym(synonym: ConfigSynonym) -> DescribeConfigsSynonym {
    DescribeConfigsSynonym::default()
        .with_name(StrBytes::from_string(synonym.name))
        .with_value(synonym.value.map(StrBytes::from_string))
        .with_source(synonym.source.code())
}

#[cfg(test)]
mod tests;
