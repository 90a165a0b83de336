//! Configurations and features.

use std::collections::HashMap;

use codec::messages::incremental_alter_configs_request::AlterableConfig;
use codec::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse, UpdateFeaturesRequest, UpdateFeaturesResponse,
};
use serde_json::{Map, Value, json};

use super::{Audited, Change, change};
use crate::config::may_be_shown;

/// Kafka's code of loggers as resources.
const BROKER_LOGGER: i8 = 8;

impl Audited for AlterConfigsRequest {
    fn changes(&self, response: &AlterConfigsResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        let asked = self.resources.iter().map(|one| (one.resource_type, one.resource_name.as_str(), one));
        let results = response.responses.iter();
        let results = results.map(|one| (one.resource_type, one.resource_name.as_str(), one.error_code));
        altered(asked, results, |_, resource| {
            let configs = resource.into_iter().flat_map(|resource| &resource.configs);
            values(configs.map(|config| (config.name.as_str(), config.value.as_deref()))).into()
        })
    }
}

impl Audited for IncrementalAlterConfigsRequest {
    fn changes(&self, response: &IncrementalAlterConfigsResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        let asked = self.resources.iter().map(|one| (one.resource_type, one.resource_name.as_str(), one));
        let results = response.responses.iter();
        let results = results.map(|one| (one.resource_type, one.resource_name.as_str(), one.error_code));
        altered(asked, results, |kind, resource| {
            let configs = resource.into_iter().flat_map(|resource| &resource.configs);
            configs.map(|config| operation(kind, config)).collect()
        })
    }
}

/// The changes of an answer, each with what `configs` tells of the resource in the request.
fn altered<'a, T: 'a>(
    asked: impl Iterator<Item = (i8, &'a str, &'a T)>,
    results: impl Iterator<Item = (i8, &'a str, i16)>,
    configs: impl Fn(i8, Option<&'a T>) -> Value,
) -> Vec<Change> {
    let asked: HashMap<_, _> = asked.map(|(kind, name, resource)| ((kind, name), resource)).collect();
    let changes = results.map(|(kind, name, error_code)| {
        let detail = json!({ "configs": configs(kind, asked.get(&(kind, name)).copied()) });
        Change { detail, ..change(resource_type(kind), name, "AlterConfigs", error_code) }
    });
    changes.collect()
}

/// One operation of IncrementalAlterConfigs: what, on which key, with which value.
fn operation(kind: i8, config: &AlterableConfig) -> Value {
    let operation = match config.config_operation {
        0 => "SET",
        1 => "DELETE",
        2 => "APPEND",
        3 => "SUBTRACT",
        _ => "UNKNOWN",
    };
    // Levels of loggers are no secrets, and no table has their names.
    let value = match kind {
        BROKER_LOGGER => config.value.as_deref().map_or(Value::Null, Value::from),
        _ => shown(&config.name, config.value.as_deref()),
    };
    json!([operation, config.name.as_str(), value])
}

impl Audited for UpdateFeaturesRequest {
    fn changes(&self, response: &UpdateFeaturesResponse) -> Vec<Change> {
        if self.validate_only {
            return Vec::new();
        }
        let results: HashMap<_, _> =
            response.results.iter().map(|result| (result.feature.as_str(), result)).collect();
        let updated = self.feature_updates.iter().map(|update| {
            // Newer versions have one code for all.
            let own = results.get(update.feature.as_str());
            let code = own.map_or(response.error_code, |result| result.error_code);
            let detail = json!({ "level": update.max_version_level });
            Change { detail, ..change("Feature", &update.feature, "Update", code) }
        });
        updated.collect()
    }
}

/// Keys with their values. A value that no table allows to be shown is null.
pub(super) fn values<'a>(pairs: impl Iterator<Item = (&'a str, Option<&'a str>)>) -> Map<String, Value> {
    pairs.map(|(key, value)| (key.to_owned(), shown(key, value))).collect()
}

/// An unknown key may be a slip of the pen in the name of a password.
fn shown(key: &str, value: Option<&str>) -> Value {
    value.filter(|_| may_be_shown(key)).map_or(Value::Null, Value::from)
}

/// Kafka's name of a kind of resource (`ConfigResource.Type`).
fn resource_type(code: i8) -> &'static str {
    match code {
        2 => "Topic",
        4 => "Broker",
        BROKER_LOGGER => "BrokerLogger",
        16 => "ClientMetrics",
        32 => "Group",
        _ => "Unknown",
    }
}
