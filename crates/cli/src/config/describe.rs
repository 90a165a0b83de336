//! `ottla config describe`.

use clap::Args;
use serde_json::{Value, json};

use super::list;
use super::resource::Resource;
use crate::client::{Cluster, ErrorAnswer};
use crate::configs::{self, Config, Kind};
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table};

/// Arguments of `ottla config describe`.
#[derive(Debug, Args)]
pub struct DescribeArguments {
    /// Kind of resource.
    #[arg(value_enum)]
    resource: Kind,
    /// Names, for brokers numbers or `default` [default: those of `ottla config list`]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Shows all configs.
    #[arg(long)]
    all: bool,
}

/// A resource and its configs, or why they cannot be read.
type Described = (Resource, Result<Vec<Config>, Failure>);

/// The configs of a resource, or the broker's error; the outer error is about the connection.
pub(crate) type Answered = Result<Result<Vec<Config>, ErrorAnswer>, Failure>;

pub(super) fn run(
    arguments: &DescribeArguments,
    cluster: &mut Cluster,
    format: Format,
) -> Result<Outcome, Failure> {
    let kind = arguments.resource;
    let resource = |name: &String| Resource::of(kind, name);
    let mut resources: Vec<_> = arguments.names.iter().map(resource).collect::<Result<_, _>>()?;
    if resources.is_empty() {
        let names = list::names(kind, cluster)?;
        resources = names.iter().map(resource).collect::<Result<_, _>>()?;
    }
    let one = |(resource, answered): (Resource, Answered)| {
        let unread = |error| configs::unread(&error, resource.kind, &resource.name);
        let configs = answered.and_then(|configs| configs.map_err(unread));
        (resource, configs)
    };
    let described: Vec<Described> = ask(resources, cluster, arguments.all)?.into_iter().map(one).collect();
    let errors = described.iter().filter_map(|(_, configs)| configs.as_ref().err());
    errors.for_each(|error| eprintln!("ottla: {error}"));
    let is_good = described.iter().all(|(_, configs)| configs.is_ok());
    let text = match format {
        Format::Table | Format::Wide if !is_good && described.iter().all(|(_, configs)| configs.is_err()) => {
            String::new()
        }
        Format::Table => table(&described, false),
        Format::Wide => table(&described, true),
        Format::Json | Format::Yaml => format.document(&described.iter().map(object).collect()),
    };
    Ok(Outcome { text, is_good })
}

/// The configs of resources of one kind, with all sources of each; brokers come first. Asks once for all that any broker knows, and once for each
/// broker.
///
/// # Errors
/// The connection fails.
pub(crate) fn ask(
    resources: Vec<Resource>,
    cluster: &mut Cluster,
    all: bool,
) -> Result<Vec<(Resource, Answered)>, Failure> {
    let (of_nodes, others): (Vec<_>, Vec<_>) = resources.into_iter().partition(Resource::is_of_node);
    let names = others.iter().map(Resource::wire_name);
    let mut found = match others.first() {
        Some(first) => configs::ask(cluster, first.kind, names, all, true)?,
        None => configs::Configs::new(),
    };
    let mut described = Vec::new();
    for resource in of_nodes {
        let one = std::iter::once(resource.wire_name());
        let configs = resource.at(cluster, |node| configs::ask(node, resource.kind, one, all, true));
        let configs = configs.and_then(|mut found| answer(&resource, found.remove(resource.wire_name())));
        described.push((resource, configs));
    }
    for resource in others {
        let configs = answer(&resource, found.remove(resource.wire_name()));
        described.push((resource, configs));
    }
    Ok(described)
}

fn answer(resource: &Resource, answer: Option<Result<Vec<Config>, ErrorAnswer>>) -> Answered {
    match answer {
        Some(answer) => Ok(answer),
        None => {
            let kind = resource.kind.name();
            Err(Failure::failed(format!("the broker's answer lacks {kind} {:?}", resource.name)))
        }
    }
}

fn table(described: &[Described], is_wide: bool) -> String {
    const TITLES: &[&str] = &["NAME", "CONFIG", "VALUE", "SOURCE", "TYPE", "READ-ONLY", "SYNONYMS"];
    let titles = if is_wide { TITLES.len() } else { TITLES.len() - 3 };
    let mut table = Table::new(TITLES.get(..titles).unwrap_or(TITLES));
    for (resource, configs) in described {
        for config in configs.iter().flatten() {
            let cells =
                [resource.name.clone(), config.key.clone(), config.shown(), config.source().to_owned()];
            let more = || {
                let read_only = if config.is_read_only() { "yes" } else { "no" };
                [config.type_name().to_owned(), read_only.to_owned(), config.synonyms()]
            };
            table.push(cells.into_iter().chain(is_wide.then(more).into_iter().flatten()));
        }
    }
    table.text("no config differs from its default")
}

fn object((resource, configs): &Described) -> Value {
    let of = |rest: (&str, Value)| json!({"resource": resource.kind.name(), "name": resource.name, rest.0: rest.1});
    match configs {
        Ok(configs) => of(("configs", configs.iter().map(Config::whole_object).collect())),
        Err(error) => of(("error", json!(error.to_string()))),
    }
}

#[cfg(test)]
mod tests {
    use codec::messages::StrBytes;
    use codec::messages::describe_configs_response::DescribeConfigsResourceResult;

    use super::*;

    #[test]
    fn a_row_for_each_config_and_an_object_for_each_resource() {
        let config = DescribeConfigsResourceResult::default()
            .with_name(StrBytes::from_static_str("flush.ms"))
            .with_value(Some(StrBytes::from_static_str("7")))
            .with_config_source(1)
            .with_config_type(5);
        let described = [
            (Resource::of(Kind::Topic, "a").unwrap(), Ok(vec![Config::of(config)])),
            (Resource::of(Kind::Topic, "b").unwrap(), Err(Failure::failed("no"))),
        ];
        assert_eq!(
            table(&described, true),
            "NAME  CONFIG    VALUE  SOURCE                TYPE  READ-ONLY  SYNONYMS\n\
             a     flush.ms  7      DYNAMIC_TOPIC_CONFIG  LONG  no         -\n"
        );
        assert_eq!(table(&[], false), "no config differs from its default\n");
        assert_eq!(object(&described[0])["configs"][0]["value"], "7");
        assert_eq!(object(&described[1]), json!({"resource": "topic", "name": "b", "error": "no"}));
    }
}
