//! Positions in logs, also of partitions that may be missing.

use std::collections::BTreeSet;

use codec::ErrorCode;

use crate::client::{Coordinators, Offsets, Partition, Position, offsets};
use crate::failure::Failure;

/// The partitions of topics that exist.
///
/// # Errors
/// The connection fails.
pub(crate) fn partitions(
    cluster: &mut Coordinators,
    topics: &BTreeSet<String>,
) -> Result<BTreeSet<Partition>, Failure> {
    let topics: Vec<String> = topics.iter().cloned().collect();
    let metadata = cluster.leaders().refresh(Some(&topics))?;
    let mut found = BTreeSet::new();
    for topic in &metadata.topics {
        let Some(name) = &topic.name else { continue };
        let indexes = topic.partitions.iter().map(|partition| partition.partition_index);
        found.extend(indexes.map(|index| Partition { topic: name.to_string(), index }));
    }
    Ok(found)
}

/// Looks up a position in partitions. Those that do not exist, or that the user may not describe, get UNKNOWN_TOPIC_OR_PARTITION, without a search for them.
///
/// # Errors
/// A connection fails.
pub(crate) fn find(
    cluster: &mut Coordinators,
    wanted: &BTreeSet<Partition>,
    position: Position,
) -> Result<Offsets, Failure> {
    if wanted.is_empty() {
        return Ok(Offsets::new());
    }
    let topics = wanted.iter().map(|partition| partition.topic.clone()).collect();
    let existing = partitions(cluster, &topics)?;
    let asked: Vec<Partition> = wanted.intersection(&existing).cloned().collect();
    let mut found = offsets(cluster.leaders(), &asked, position, 0)?;
    let missing = ErrorCode::UnknownTopicOrPartition as i16;
    found.extend(wanted.difference(&existing).map(|partition| (partition.clone(), Err(missing))));
    Ok(found)
}

/// The name of an error code.
pub(crate) fn name_of(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |known| known.name().to_owned())
}
