//! Configs of resources: read by DescribeConfigs, changed by IncrementalAlterConfigs.
//!
//! | module | what |
//! | --- | --- |
//! | `entry` | a config as a broker shows it, and where its value comes from |
//! | `alter` | changes |

mod alter;
mod entry;

use std::collections::BTreeMap;

use clap::ValueEnum;
use codec::messages::describe_configs_request::DescribeConfigsResource;
use codec::messages::{DescribeConfigsRequest, DescribeConfigsResponse, StrBytes};

pub(crate) use alter::{Operation, alter, change, try_alter};
pub(crate) use entry::Config;

use crate::client::{Cluster, ErrorAnswer};
use crate::failure::Failure;

/// A kind of resource that has configs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// A topic, by its name.
    Topic,
    /// A broker, by its number; `default` is all brokers.
    Broker,
    /// The levels of a broker's loggers, by the broker's number.
    BrokerLogger,
    /// A group, by its name.
    Group,
    /// A subscription to metrics of clients, by its name.
    ClientMetrics,
}

impl Kind {
    /// Its code on the wire (`ConfigResource.Type`).
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Topic => 2,
            Self::Broker => 4,
            Self::BrokerLogger => 8,
            Self::ClientMetrics => 16,
            Self::Group => 32,
        }
    }

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Topic => "topic",
            Self::Broker => "broker",
            Self::BrokerLogger => "broker-logger",
            Self::Group => "group",
            Self::ClientMetrics => "client-metrics",
        }
    }
}

/// The configs of each resource, or why they cannot be read.
pub(crate) type Configs = BTreeMap<String, Result<Vec<Config>, ErrorAnswer>>;

/// The failure to read the configs of a resource.
pub(crate) fn unread(error: &ErrorAnswer, kind: Kind, name: &str) -> Failure {
    error.failure(&format!("read the configs of {} {name}", kind.name()))
}

/// Asks for the configs of resources, without those that have their defaults unless `with_defaults` is set. With synonyms, every source of a
/// value is told.
///
/// # Errors
/// The connection fails.
pub(crate) fn ask<'a>(
    cluster: &mut Cluster,
    kind: Kind,
    names: impl Iterator<Item = &'a str>,
    with_defaults: bool,
    with_synonyms: bool,
) -> Result<Configs, Failure> {
    let resource = |name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind.code())
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let resources: Vec<_> = names.map(resource).collect();
    if resources.is_empty() {
        return Ok(Configs::new());
    }
    let request =
        DescribeConfigsRequest::default().with_resources(resources).with_include_synonyms(with_synonyms);
    // Version 0 does not name sources.
    let mut found = read(cluster.call_from(1, &request)?);
    if !with_defaults {
        found.values_mut().flatten().for_each(|configs| configs.retain(|config| !config.is_default()));
    }
    Ok(found)
}

fn read(answer: DescribeConfigsResponse) -> Configs {
    let mut found = Configs::new();
    for result in answer.results {
        let configs = match result.error_code {
            0 => {
                let mut configs: Vec<_> = result.configs.into_iter().map(Config::of).collect();
                configs.sort_by(|one, other| one.key.cmp(&other.key));
                Ok(configs)
            }
            code => {
                // Kafka sends an empty one for a missing topic.
                let message = result.error_message.filter(|text| !text.is_empty());
                Err(ErrorAnswer { code, message: message.map(|text| text.to_string()) })
            }
        };
        found.insert(result.resource_name.to_string(), configs);
    }
    found
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

#[cfg(test)]
mod tests {
    use codec::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};

    use super::*;

    #[test]
    fn configs_are_sorted_and_errors_kept() {
        let config = |key: &str| DescribeConfigsResourceResult::default().with_name(text(key));
        let result = |name: &str, code| {
            DescribeConfigsResult::default().with_resource_name(text(name)).with_error_code(code)
        };
        let configs = vec![config("segment.ms"), config("flush.ms")];
        let refusal = result("b", 29).with_error_message(Some(text("no")));
        let found = read(DescribeConfigsResponse::default().with_results(vec![
            result("a", 0).with_configs(configs),
            refusal,
            result("c", 3).with_error_message(Some(text(""))),
        ]));
        let keys: Vec<_> = found["a"].as_ref().unwrap().iter().map(|one| one.key.as_str()).collect();
        assert_eq!(keys, ["flush.ms", "segment.ms"]);
        let refusal = found["b"].as_ref().unwrap_err();
        let text = unread(refusal, Kind::Topic, "b").to_string();
        assert!(
            text.starts_with("cannot read the configs of topic b: TOPIC_AUTHORIZATION_FAILED: no"),
            "{text}"
        );
        let missing = unread(found["c"].as_ref().unwrap_err(), Kind::Topic, "c").to_string();
        assert!(!missing.ends_with(": "), "{missing}");
    }

    #[test]
    fn kinds_have_the_codes_of_kafka() {
        let codes: Vec<i8> = Kind::value_variants().iter().map(|kind| kind.code()).collect();
        assert_eq!(codes, [2, 4, 8, 32, 16]);
        for kind in Kind::value_variants() {
            assert_eq!(Kind::from_str(kind.name(), false), Ok(*kind));
        }
    }
}
