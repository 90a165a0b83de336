//! `kafka-consumer-groups --delete` and `--delete-offsets`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use codec::ErrorCode;

use super::super::flags::Given;
use super::super::refusal::{Refusal, exception, words};
use super::{error, named};
use crate::client::{Coordinators, Partition};
use crate::group::delete::delete;
use crate::group::offsets::try_delete;
use crate::output::{escaped, print};

pub(super) fn groups(given: &Given, cluster: &mut Coordinators) -> Result<(), Refusal> {
    let (mut deleted, mut failed) = (Vec::new(), Vec::new());
    for name in named(given, cluster)? {
        match delete(cluster, &name)? {
            0 => deleted.push(format!("'{}'", escaped(&name))),
            code => failed.push((escaped(&name), code)),
        }
    }
    let deleted = deleted.join(", ");
    if failed.is_empty() {
        return Ok(print(&format!("Deletion of requested consumer groups ({deleted}) was successful.\n"))?);
    }
    error("Deletion of some consumer groups failed:")?;
    let mut text = String::new();
    for (name, code) in failed {
        // Writing to a `String` does not fail.
        let _ = writeln!(text, "* Group '{name}' could not be deleted due to: {}", full(code));
    }
    if !deleted.is_empty() {
        let _ = writeln!(text, "\nThese consumer groups were deleted successfully: {deleted}");
    }
    Ok(print(&text)?)
}

/// The class of Kafka's exception, and its words.
fn full(code: i16) -> String {
    format!("{}: {}", exception(code), words(code, None))
}

pub(super) fn offsets(given: &Given, cluster: &mut Coordinators) -> Result<(), Refusal> {
    let group = given.required("group")?;
    let (partitions, mut results) = chosen(given, cluster)?;
    let code = match try_delete(cluster, group, &partitions)? {
        Ok(done) => {
            let first = done.values().copied().find(|code| *code != 0).unwrap_or(0);
            results.extend(done);
            first
        }
        Err(code) => {
            results.extend(partitions.into_iter().map(|partition| (partition, code)));
            code
        }
    };
    match ErrorCode::from_code(code) {
        Some(ErrorCode::None) => {
            print(&format!("Request succeeded for deleting offsets from group {}.\n", escaped(group)))?;
        }
        Some(
            ErrorCode::InvalidGroupId
            | ErrorCode::GroupIdNotFound
            | ErrorCode::GroupAuthorizationFailed
            | ErrorCode::NonEmptyGroup,
        ) => error(&words(code, None))?,
        Some(
            ErrorCode::GroupSubscribedToTopic
            | ErrorCode::TopicAuthorizationFailed
            | ErrorCode::UnknownTopicOrPartition,
        ) => error("Encountered some partition-level error, see the follow-up details.")?,
        known => {
            let name = known.map_or_else(|| code.to_string(), |known| known.name().to_owned());
            error(&format!("Encountered some unknown error: {name}"))?;
        }
    }
    Ok(print(&table(&results))?)
}

/// The partitions to delete, and those that the topics do not have, with their errors. A topic that does not exist has the partition -1.
fn chosen(
    given: &Given,
    cluster: &mut Coordinators,
) -> Result<(Vec<Partition>, BTreeMap<Partition, i16>), Refusal> {
    let (mut partitions, mut missing) = (Vec::new(), BTreeMap::new());
    let mut topics = Vec::new();
    for text in given.values("topic") {
        match text.contains(':') {
            true => partitions.extend(super::reset::named(text)?),
            false => topics.push(text.to_owned()),
        }
    }
    if !topics.is_empty() {
        for topic in cluster.leaders().refresh(Some(&topics))?.topics {
            let Some(name) = topic.name.map(|name| name.to_string()) else { continue };
            let key = |index| Partition { topic: name.clone(), index };
            match topic.error_code {
                0 => partitions.extend(topic.partitions.iter().map(|one| key(one.partition_index))),
                code => drop(missing.insert(key(-1), code)),
            }
        }
    }
    partitions.sort();
    partitions.dedup();
    Ok((partitions, missing))
}

fn table(results: &BTreeMap<Partition, i16>) -> String {
    let width = results.keys().map(|one| one.topic.chars().count()).fold(15, usize::max);
    // Writing to a `String` does not fail.
    let mut text = String::new();
    let _ = write!(text, "\n{:<width$} {:<10} {:<15}", "TOPIC", "PARTITION", "STATUS");
    let mut rows: Vec<_> = results.iter().collect();
    // Kafka compares the texts, so that partition 10 comes before 2.
    rows.sort_by_key(|(partition, _)| format!("{}{}", partition.topic, partition.index));
    for (partition, code) in rows {
        let index = if partition.index < 0 { "-".to_owned() } else { partition.index.to_string() };
        let status = if *code == 0 { "Successful".to_owned() } else { format!("Error: {}", full(*code)) };
        let _ = write!(text, "\n{:<width$} {index:<10} {status:<15}", escaped(&partition.topic));
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_partition_has_its_result() {
        let key = |topic: &str, index| Partition { topic: topic.to_owned(), index };
        let results = BTreeMap::from([(key("t", 2), 0), (key("t", 10), 0), (key("nowhere", -1), 3)]);
        let text = table(&results);
        let lines: Vec<String> =
            text.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(lines[0], "TOPIC PARTITION STATUS");
        assert!(lines[1].starts_with(
            "nowhere - Error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: "
        ));
        assert_eq!(lines[2..], ["t 10 Successful", "t 2 Successful"]);
    }
}
