//! The names of kafka_exporter (danielqsj's), so that its dashboards work without the exporter.
//!
//! Lag is the high watermark minus the committed offset, never below 0, for every group that has committed offsets, also
//! without members (`offset.show-all`). A committed offset of a partition that is gone is shown, its lag is not.

use std::collections::{BTreeMap, HashMap};

use super::families::{Families, Family};
use super::{GroupSnapshot, PartitionSnapshot, Snapshot};

/// Adds brokers, groups and partitions, coarse families first.
pub(super) fn families(snapshot: &Snapshot, out: &mut Families) {
    brokers(snapshot, out);
    out.bounded_gauge(
        "kafka_topic_partitions",
        "Partitions of the topic.",
        snapshot.topics.len(),
        |family| {
            for topic in &snapshot.topics {
                family.push(&[("topic", &topic.name)], topic.partitions.len() as f64);
            }
        },
    );
    groups(snapshot, out);
    partitions(snapshot, out);
}

fn brokers(snapshot: &Snapshot, out: &mut Families) {
    let broker = &snapshot.broker;
    let id = broker.node_id.to_string();
    out.gauge("kafka_brokers", "Brokers of the cluster.", |family| family.push(&[], 1.0));
    out.gauge("kafka_broker_info", "Address of the broker; the value is its id.", |family| {
        family.push(&[("address", &broker.address), ("id", &id)], f64::from(broker.node_id));
    });
}

/// The offsets that one group has committed in one topic, and its lags.
#[derive(Default)]
struct Consumed {
    /// Partition and committed offset.
    offsets: Vec<(i32, i64)>,
    /// Partition and lag, for partitions that exist.
    lags: Vec<(i32, i64)>,
}

/// The offsets and lags of a group by topic. `ends` are the high watermarks of all partitions.
fn consumed<'a>(group: &'a GroupSnapshot, ends: &HashMap<(&str, i32), i64>) -> BTreeMap<&'a str, Consumed> {
    let mut by_topic: BTreeMap<&str, Consumed> = BTreeMap::new();
    for offset in &group.offsets {
        let consumed = by_topic.entry(&offset.topic).or_default();
        consumed.offsets.push((offset.partition, offset.committed_offset));
        if let Some(end) = ends.get(&(offset.topic.as_str(), offset.partition)) {
            // A committed offset may be beyond the end: clients commit what they like, and a crash may take
            // records back.
            consumed.lags.push((offset.partition, end.saturating_sub(offset.committed_offset).max(0)));
        }
    }
    by_topic
}

/// Members, then lag and offset of each group: sums per topic, then per partition.
fn groups(snapshot: &Snapshot, out: &mut Families) {
    let groups = &snapshot.groups;
    out.bounded_gauge("kafka_consumergroup_members", "Members of the group.", groups.len(), |family| {
        for group in groups {
            family.push(&[("consumergroup", &group.group_id)], group.members as f64);
        }
    });
    let topics = snapshot.topics.iter();
    let ends = topics.flat_map(|topic| {
        topic.partitions.iter().map(|each| ((topic.name.as_str(), each.partition), each.high_watermark))
    });
    // By name and index: walking all topics for each offset would cost offsets times topics.
    let ends: HashMap<_, _> = ends.collect();
    let all: Vec<_> = groups.iter().map(|group| (group.group_id.as_str(), consumed(group, &ends))).collect();
    type Pick = fn(&Consumed) -> &[(i32, i64)];
    let rows: [(&str, &str, &str, Pick); 2] = [
        ("lag", "Records the group has not read", "records not read", |consumed| &consumed.lags),
        ("current_offset", "Offset the group has committed", "committed offsets", |consumed| {
            &consumed.offsets
        }),
    ];
    // Sums before partitions: they have fewer series, and the limit leaves out what comes late.
    for (name, _, what, pick) in rows {
        let count =
            all.iter().flat_map(|(_, topics)| topics.values()).filter(|each| !pick(each).is_empty()).count();
        let (name, help) =
            (format!("kafka_consumergroup_{name}_sum"), format!("Sum of the group's {what} per topic."));
        out.bounded_gauge(&name, &help, count, |family| {
            for (group, topic, consumed) in flat(&all) {
                let values = pick(consumed);
                let sum: i64 = values.iter().fold(0, |sum, (_, value)| sum.saturating_add(*value));
                if !values.is_empty() {
                    family.push(&[("consumergroup", group), ("topic", topic)], sum as f64);
                }
            }
        });
    }
    for (name, what, _, pick) in rows {
        let count = flat(&all).map(|(_, _, consumed)| pick(consumed).len()).sum();
        let (name, help) = (format!("kafka_consumergroup_{name}"), format!("{what}, per partition."));
        out.bounded_gauge(&name, &help, count, |family| {
            for (group, topic, consumed) in flat(&all) {
                for (partition, value) in pick(consumed) {
                    let index = partition.to_string();
                    let labels = [("consumergroup", group), ("topic", topic), ("partition", &index)];
                    family.push(&labels, *value as f64);
                }
            }
        });
    }
}

type Groups<'a> = [(&'a str, BTreeMap<&'a str, Consumed>)];

fn flat<'a>(groups: &'a Groups<'a>) -> impl Iterator<Item = (&'a str, &'a str, &'a Consumed)> {
    groups
        .iter()
        .flat_map(|(group, topics)| topics.iter().map(|(topic, consumed)| (*group, *topic, consumed)))
}

/// Offsets, leader and replicas of each partition; seven series a partition.
fn partitions(snapshot: &Snapshot, out: &mut Families) {
    type Row = (&'static str, &'static str, fn(&PartitionSnapshot) -> f64);
    let rows: [Row; 7] = [
        ("current_offset", "End of what consumers see.", |each| each.high_watermark as f64),
        ("oldest_offset", "First offset of the partition.", |each| each.log_start_offset as f64),
        ("leader", "Id of the partition's leader, -1 for none.", |each| each.leader.map_or(-1.0, f64::from)),
        ("leader_is_preferred", "1 if the first replica leads.", |each| {
            f64::from(u8::from(each.leader_is_preferred()))
        }),
        ("replicas", "Replicas of the partition.", |each| each.replicas.len() as f64),
        ("in_sync_replica", "Replicas of the partition in sync.", |each| each.in_sync_replicas.len() as f64),
        ("under_replicated_partition", "1 if a replica is not in sync.", |each| {
            f64::from(u8::from(each.is_under_replicated()))
        }),
    ];
    let count = snapshot.partition_count();
    for (name, help, value) in rows {
        out.bounded_gauge(&format!("kafka_topic_partition_{name}"), help, count, |family: &mut Family| {
            for topic in &snapshot.topics {
                for partition in &topic.partitions {
                    let index = partition.partition.to_string();
                    family.push(&[("topic", &topic.name), ("partition", &index)], value(partition));
                }
            }
        });
    }
}
