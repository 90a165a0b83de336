//! `ottla topic describe`: a section for each topic, with its configs and its partitions.

use codec::ErrorCode;
use codec::messages::BrokerId;
use codec::messages::metadata_response::MetadataResponsePartition;
use serde_json::{Value, json};

use super::offsets::{self, Range, Ranges};
use super::select::{self, ShowArguments, Topic};
use crate::client::Leaders;
use crate::configs::{Config, Configs};
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped};

pub(super) fn run(
    arguments: &ShowArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<Outcome, Failure> {
    let (topics, is_good) = select::shown(arguments, leaders)?.reported();
    let configs = select::configs(&topics, leaders)?;
    let ranges = offsets::ranges(leaders, &topics)?;
    let text = match format {
        Format::Json | Format::Yaml => {
            format.document(&topics.iter().map(|topic| object(topic, &configs, &ranges)).collect())
        }
        _ if topics.is_empty() && is_good => "no topics\n".to_owned(),
        _ => {
            let is_wide = format == Format::Wide;
            let sections = topics.iter().map(|topic| section(topic, &configs, &ranges, is_wide));
            sections.collect::<Vec<_>>().join("\n")
        }
    };
    Ok(Outcome { text, is_good })
}

/// First offset and end of a partition, or the error code of its leader.
fn range(topic: &Topic, partition: &MetadataResponsePartition, ranges: &Ranges) -> Result<Range, i16> {
    let unknown = Err(ErrorCode::UnknownServerError as i16);
    ranges.get(&topic.key(partition.partition_index)).copied().unwrap_or(unknown)
}

/// The records of all partitions, if all are known.
pub(super) fn records(topic: &Topic, ranges: &Ranges) -> Option<i64> {
    let each = topic.partitions.iter().map(|partition| range(topic, partition, ranges).ok());
    each.map(|range| range.map(Range::records)).try_fold(0_i64, |sum, one| sum.checked_add(one?))
}

fn section(topic: &Topic, configs: &Configs, ranges: &Ranges, is_wide: bool) -> String {
    let records = records(topic, ranges).map_or_else(|| "unknown".to_owned(), |records| records.to_string());
    let mut text = format!(
        "topic        {}{}\nid           {}\npartitions   {}\nreplicas     {}\nrecords      {records}\n\n",
        escaped(&topic.name),
        if topic.is_internal { " (internal)" } else { "" },
        topic.id.as_deref().unwrap_or("-"),
        topic.partitions.len(),
        topic.replication_factor(),
    );
    match configs.get(&topic.name) {
        Some(Ok(configs)) if configs.is_empty() => text.push_str("all configs have their defaults\n"),
        Some(Ok(configs)) => text.push_str(&config_table(configs)),
        Some(Err(refusal)) => {
            text.push_str(&format!("the configs cannot be read: {}\n", name_of(refusal.code)));
        }
        None => text.push_str("the configs are missing in the broker's answer\n"),
    }
    text.push('\n');
    text.push_str(&partition_table(topic, ranges, is_wide));
    text
}

fn config_table(configs: &[Config]) -> String {
    let mut table = Table::new(&["CONFIG", "VALUE", "SOURCE"]);
    for config in configs {
        table.push([config.key.clone(), config.shown(), config.source().to_owned()]);
    }
    table.text("")
}

fn partition_table(topic: &Topic, ranges: &Ranges, is_wide: bool) -> String {
    const TITLES: &[&str] =
        &["PARTITION", "LEADER", "REPLICAS", "ISR", "FIRST", "END", "RECORDS", "EPOCH", "OFFLINE"];
    let titles = if is_wide { TITLES.len() } else { TITLES.len() - 2 };
    let mut table = Table::new(TITLES.get(..titles).unwrap_or(TITLES));
    for partition in &topic.partitions {
        let offsets = match range(topic, partition, ranges) {
            Ok(range) => [range.first, range.end, range.records()].map(|number| number.to_string()),
            Err(code) => [name_of(code), "-".to_owned(), "-".to_owned()],
        };
        let leader =
            if partition.leader_id.0 < 0 { "none".to_owned() } else { partition.leader_id.0.to_string() };
        let nodes = [partition.partition_index.to_string(), leader];
        let nodes = nodes
            .into_iter()
            .chain([&partition.replica_nodes, &partition.isr_nodes].map(|nodes| list(nodes)));
        let more = [partition.leader_epoch.to_string(), list(&partition.offline_replicas)];
        table.push(nodes.chain(offsets).chain(more.into_iter().filter(|_| is_wide)));
    }
    table.text("no partitions")
}

/// Such as `1,2,3`.
fn list(nodes: &[BrokerId]) -> String {
    match nodes {
        [] => "-".to_owned(),
        nodes => nodes.iter().map(|node| node.0.to_string()).collect::<Vec<_>>().join(","),
    }
}

fn name_of(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.name().to_owned())
}

fn object(topic: &Topic, configs: &Configs, ranges: &Ranges) -> Value {
    let nodes = |nodes: &[BrokerId]| nodes.iter().map(|node| node.0).collect::<Vec<_>>();
    let partition = |partition: &MetadataResponsePartition| {
        let range = range(topic, partition, ranges);
        json!({
            "partition": partition.partition_index,
            "leader": (partition.leader_id.0 >= 0).then_some(partition.leader_id.0),
            "leader_epoch": (partition.leader_epoch >= 0).then_some(partition.leader_epoch),
            "replicas": nodes(&partition.replica_nodes),
            "isr": nodes(&partition.isr_nodes),
            "offline_replicas": nodes(&partition.offline_replicas),
            "first_offset": range.ok().map(|range| range.first),
            "end_offset": range.ok().map(|range| range.end),
            "records": range.ok().map(Range::records),
            "error": range.err().map(name_of),
        })
    };
    let configs = configs.get(&topic.name).and_then(|configs| configs.as_ref().ok());
    json!({
        "topic": topic.name,
        "id": topic.id,
        "internal": topic.is_internal,
        "replication_factor": topic.replication_factor(),
        "records": records(topic, ranges),
        "configs": configs.map(|configs| configs.iter().map(Config::object).collect::<Vec<_>>()),
        "partitions": topic.partitions.iter().map(partition).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use codec::messages::metadata_response::MetadataResponseTopic;

    use super::*;
    use crate::client::topic_name;

    #[test]
    fn a_partition_without_a_leader_shows_its_error() {
        let partition = |index, leader| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(BrokerId(leader))
                .with_replica_nodes(vec![BrokerId(1), BrokerId(2)])
                .with_isr_nodes(vec![BrokerId(2)])
        };
        let topic = MetadataResponseTopic::default()
            .with_name(Some(topic_name("t")))
            .with_partitions(vec![partition(1, -1), partition(0, 2)]);
        let topic = Topic::of(topic).unwrap();
        let ranges = Ranges::from([(topic.key(0), Ok(Range { first: 2, end: 5 })), (topic.key(1), Err(5))]);
        let text = partition_table(&topic, &ranges, false);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[1], ["0", "2", "1,2", "2", "2", "5", "3"], "{text}");
        assert_eq!(lines[2], ["1", "none", "1,2", "2", "LEADER_NOT_AVAILABLE", "-", "-"], "{text}");
        assert_eq!(records(&topic, &ranges), None, "one is unknown");
        let value = object(&topic, &Configs::new(), &ranges);
        assert_eq!(value["partitions"][0]["records"], 3);
        assert_eq!(value["partitions"][1]["leader"], Value::Null);
    }
}
