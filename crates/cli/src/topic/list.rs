//! `ottla topic list`.

use serde_json::{Value, json};

use super::select::{self, ShowArguments, Topic};
use crate::client::Leaders;
use crate::configs::Configs;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table};

pub(super) fn run(
    arguments: &ShowArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<Outcome, Failure> {
    let (topics, is_good) = select::shown(arguments, leaders)?.reported();
    let configs = match format {
        Format::Table => Configs::new(),
        _ => select::configs(&topics, leaders)?,
    };
    let text = match format {
        Format::Table => table(&topics),
        Format::Wide => wide(&topics, &configs),
        Format::Json | Format::Yaml => {
            format.document(&topics.iter().map(|topic| object(topic, &configs)).collect())
        }
    };
    Ok(Outcome { text, is_good })
}

/// The number of configs that a topic sets; `None` if this user may not see them.
fn overrides(topic: &Topic, configs: &Configs) -> Option<usize> {
    let configs = configs.get(&topic.name)?.as_ref().ok()?;
    Some(configs.iter().filter(|config| config.is_of_topic()).count())
}

fn cells(topic: &Topic) -> [String; 3] {
    [topic.name.clone(), topic.partitions.len().to_string(), topic.replication_factor().to_string()]
}

fn table(topics: &[Topic]) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS"]);
    topics.iter().for_each(|topic| table.push(cells(topic)));
    table.text("no topics")
}

fn wide(topics: &[Topic], configs: &Configs) -> String {
    let mut table = Table::new(&["TOPIC", "PARTITIONS", "REPLICAS", "ID", "OVERRIDES", "INTERNAL"]);
    for topic in topics {
        let overrides =
            overrides(topic, configs).map_or_else(|| "-".to_owned(), |overrides| overrides.to_string());
        let more = [
            topic.id.clone().unwrap_or_else(|| "-".to_owned()),
            overrides,
            if topic.is_internal { "yes" } else { "no" }.to_owned(),
        ];
        table.push(cells(topic).into_iter().chain(more));
    }
    table.text("no topics")
}

fn object(topic: &Topic, configs: &Configs) -> Value {
    json!({
        "topic": topic.name,
        "id": topic.id,
        "partitions": topic.partitions.len(),
        "replication_factor": topic.replication_factor(),
        "internal": topic.is_internal,
        "overrides": overrides(topic, configs),
    })
}
