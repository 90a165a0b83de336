//! `ottla config list`: ListConfigResources (KIP-1142), or Metadata where a broker does not serve it.

use clap::Args;
use codec::messages::{ListConfigResourcesRequest, MetadataRequest};
use serde_json::json;

use super::resource::DEFAULT;
use crate::client::{Cluster, ErrorAnswer};
use crate::configs::Kind;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table};

/// Arguments of `ottla config list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Kind of resource.
    #[arg(value_enum)]
    resource: Kind,
}

pub(super) fn run(
    arguments: &ListArguments,
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let kind = arguments.resource;
    let names = names(kind, cluster)?;
    Ok(Outcome::good(match format {
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME"]);
            names.iter().for_each(|name| table.push([name.clone()]));
            table.text("none")
        }
        Format::Json | Format::Yaml => {
            let object = |name: &String| json!({"resource": kind.name(), "name": name});
            format.document(&names.iter().map(object).collect())
        }
    }))
}

/// The names of all resources of a kind, brokers by number, others by name. Groups have to have configs.
///
/// # Errors
/// The connection fails, or the broker refuses it.
pub(super) fn names(kind: Kind, cluster: &mut Cluster) -> Result<Vec<String>, Failure> {
    let unlisted = |error: ErrorAnswer| error.failure(&format!("list resources of {}", kind.name()));
    try_names(kind, cluster)?.map_err(unlisted)
}

/// As [`names`]; the inner error is the broker's.
///
/// # Errors
/// The connection fails.
pub(crate) fn try_names(
    kind: Kind,
    cluster: &mut Cluster,
) -> Result<Result<Vec<String>, ErrorAnswer>, Failure> {
    match kind {
        Kind::Broker | Kind::BrokerLogger => {
            let all = (kind == Kind::Broker).then(|| DEFAULT.to_owned());
            let numbers = cluster.brokers()?.into_keys().map(|number| number.to_string());
            Ok(Ok(numbers.chain(all).collect()))
        }
        Kind::Topic if !cluster.serves::<ListConfigResourcesRequest>(1) => topics(cluster).map(Ok),
        // The first version lists this kind alone, and has no field for it.
        Kind::ClientMetrics => listed(0, kind, cluster),
        Kind::Topic | Kind::Group => listed(1, kind, cluster),
    }
}

fn listed(
    at_least: i16,
    kind: Kind,
    cluster: &mut Cluster,
) -> Result<Result<Vec<String>, ErrorAnswer>, Failure> {
    let mut request = ListConfigResourcesRequest::default();
    if cluster.serves::<ListConfigResourcesRequest>(1) {
        request = request.with_resource_types(vec![kind.code()]);
    }
    let answer = cluster.call_from(at_least, &request)?;
    if let Err(error) = ErrorAnswer::check(answer.error_code, None) {
        return Ok(Err(error));
    }
    let mut names: Vec<_> =
        answer.config_resources.iter().map(|resource| resource.resource_name.to_string()).collect();
    names.sort();
    Ok(Ok(names))
}

/// The names of all topics that this user may see.
///
/// # Errors
/// The connection fails.
pub(crate) fn topics(cluster: &mut Cluster) -> Result<Vec<String>, Failure> {
    let answer = cluster.call_from(1, &MetadataRequest::default().with_topics(None))?;
    let mut names: Vec<_> =
        answer.topics.into_iter().filter_map(|topic| topic.name.map(|name| name.to_string())).collect();
    names.sort();
    Ok(names)
}
