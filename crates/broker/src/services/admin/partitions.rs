//! How many partitions a topic may have and where their replicas may be, on one node.
//!
//! Guarantees Kafka's codes and texts (`ReplicationControlManager`) with the remedy added where Kafka's text has none.

use std::collections::HashSet;

use storage::Catalog;
use uuid::Uuid;

use crate::clock;
use crate::config::BrokerConfig;
use crate::io::ClusterIo;
use crate::services::admin::Pay;
use crate::services::admin::error::{TopicError, no_increase, refusal};
use crate::services::admin::wanted::{WantedPartitions, WantedTopic};
use crate::services::disk_reserve::{DiskReserve, Write};

/// Partitions that one request may create (Kafka's `MAX_PARTITIONS_PER_BATCH`).
const MAX_PARTITIONS_PER_REQUEST: usize = 10_000;

/// The number of partitions that a new topic gets, if it may be created: at least 1.
pub(crate) fn count_for_new(wanted: &WantedTopic, config: &BrokerConfig) -> Result<u32, TopicError> {
    if !wanted.assignments.is_empty() {
        return count_assigned(wanted, config.node_id);
    }
    // In the order of `ReplicationControlManager.createTopic`: both numbers first, then the brokers that there are.
    let factor = wanted.replication_factor;
    if factor < -1 || factor == 0 {
        return Err(TopicError::InvalidReplicationFactor(
            "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
        ));
    }
    let count = match wanted.partitions {
        -1 => config.num_partitions,
        ..=0 => {
            return Err(TopicError::InvalidPartitions(
                "Number of partitions was set to an invalid non-positive value.".to_owned(),
            ));
        }
        count => count.unsigned_abs(),
    };
    if factor > 1 {
        return Err(TopicError::InvalidReplicationFactor(format!(
            "Unable to replicate the partition {factor} time(s): The target replication factor of {factor} cannot be \
             reached because only 1 broker(s) are registered. Ask for replication factor 1 or -1 (the default)."
        )));
    }
    Ok(count)
}

/// The number of partitions that are assigned by hand. Their indexes are those from 0 on, in any order.
fn count_assigned(wanted: &WantedTopic, node_id: i32) -> Result<u32, TopicError> {
    let contradiction = |what| {
        Err(TopicError::InvalidRequest(format!(
            "A manual partition assignment was specified, but {what} was not set to -1."
        )))
    };
    // Kafka does not compare the numbers: with assignments both must be -1
    // (`ReplicationControlManager.createTopic`).
    if wanted.replication_factor != -1 {
        return contradiction("replication factor");
    }
    if wanted.partitions != -1 {
        return contradiction("numPartitions");
    }
    let mut indexes = HashSet::new();
    for (index, nodes) in &wanted.assignments {
        if !indexes.insert(*index) {
            return Err(TopicError::InvalidAssignment(format!(
                "Found multiple manual partition assignments for partition {index}"
            )));
        }
        check_assignment(nodes, node_id)?;
    }
    let count = u32::try_from(indexes.len()).map_err(|_| too_many())?;
    // Distinct, and each below their number: then none is missing.
    let consecutive = indexes.iter().all(|index| u32::try_from(*index).is_ok_and(|index| index < count));
    if !consecutive {
        return Err(TopicError::InvalidAssignment(
            "partitions should be a consecutive 0-based integer sequence".to_owned(),
        ));
    }
    Ok(count)
}

/// The replicas of one partition, given by hand: this node, once.
pub(crate) fn check_assignment(nodes: &[i32], node_id: i32) -> Result<(), TopicError> {
    let text = match nodes {
        [] => "The manual partition assignment includes an empty replica list.".to_owned(),
        [node] if *node == node_id => return Ok(()),
        nodes => match nodes.iter().find(|node| **node != node_id) {
            Some(other) => format!(
                "The manual partition assignment includes broker {other}, but no such broker is registered. The only \
                 broker is {node_id}."
            ),
            None => format!("The manual partition assignment includes the broker {node_id} more than once."),
        },
    };
    Err(TopicError::InvalidAssignment(text))
}

/// How many partitions a request creates with `more` added, if that is not too many; what is refused does not count.
pub(crate) fn within_one_request(created: usize, more: usize) -> Result<usize, TopicError> {
    created.checked_add(more).filter(|all| *all <= MAX_PARTITIONS_PER_REQUEST).ok_or_else(too_many)
}

fn too_many() -> TopicError {
    TopicError::TooMuch(format!(
        "Excessively large number of partitions per request: at most {MAX_PARTITIONS_PER_REQUEST}."
    ))
}

/// Gives topics more partitions, or only checks whether they can have them; one result per topic, in their
/// order. One topic's refusal leaves the others alone. `pay` is asked about each that would grow. New partitions are durable when the future ends.
pub(crate) async fn create(
    cluster: &ClusterIo,
    disk: &DiskReserve,
    node_id: i32,
    wanted: &[WantedPartitions],
    validate_only: bool,
    pay: Pay<'_>,
) -> Vec<Result<(), TopicError>> {
    let catalog = cluster.catalog();
    let mut created = 0;
    // What is only validated costs nothing.
    let pay = if validate_only { &mut |_| Ok(()) } else { pay };
    let planned: Vec<Result<(Uuid, u32), TopicError>> =
        wanted.iter().map(|wanted| plan(&catalog, node_id, wanted, &mut created, pay)).collect();
    let counts: Vec<(Uuid, u32)> = planned.iter().flatten().copied().collect();
    if validate_only || counts.is_empty() {
        return planned.into_iter().map(|planned| planned.map(|_| ())).collect();
    }
    if !disk.has_room(Write::Topics, clock::now()) {
        return planned.into_iter().map(|planned| planned.and(Err(TopicError::DiskFull))).collect();
    }
    let mut outcomes = match cluster.create_partitions(counts).await {
        Ok(outcomes) => outcomes.into_iter(),
        // Storage has logged the cause. Without outcomes every topic below is answered with `Storage`.
        Err(_) => Vec::new().into_iter(),
    };
    planned
        .into_iter()
        .zip(wanted)
        .map(|(planned, wanted)| {
            // A refused topic takes no outcome: storage was asked for the others only, in this order.
            planned?;
            match outcomes.next() {
                Some(Ok(_)) => Ok(()),
                Some(Err(error)) => Err(refusal(error, &wanted.name)),
                None => Err(TopicError::Storage),
            }
        })
        .collect()
}

/// The topic's id and the partitions that it is to have in all.
fn plan(
    catalog: &Catalog,
    node_id: i32,
    wanted: &WantedPartitions,
    created: &mut usize,
    pay: Pay<'_>,
) -> Result<(Uuid, u32), TopicError> {
    let topic = catalog.topic(&wanted.name).ok_or(TopicError::UnknownTopic)?;
    let more = check_increase(&wanted.name, topic.partition_count() as usize, wanted, node_id)?;
    // Last: what is refused above takes nothing from the request's allowance.
    *created = within_one_request(*created, more)?;
    pay(u32::try_from(more).unwrap_or(u32::MAX))?;
    Ok((topic.id, wanted.count.unsigned_abs()))
}

/// How many partitions are added.
fn check_increase(
    name: &str,
    current: usize,
    wanted: &WantedPartitions,
    node_id: i32,
) -> Result<usize, TopicError> {
    // A negative count is no increase either; the refusal shows it as it came.
    let count = usize::try_from(wanted.count).unwrap_or(0);
    if count <= current {
        return Err(no_increase(name, current as i64, i64::from(wanted.count)));
    }
    let more = count - current;
    if let Some(assignments) = &wanted.assignments {
        // Assignments are for the new partitions only (KIP-195).
        if assignments.len() != more {
            return Err(TopicError::InvalidAssignment(format!(
                "Attempted to add {more} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            )));
        }
        for nodes in assignments {
            check_assignment(nodes, node_id)?;
        }
    }
    Ok(more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increase(current: usize, count: i32, assignments: Option<Vec<Vec<i32>>>) -> Result<usize, TopicError> {
        let wanted = WantedPartitions { name: "t".to_owned(), count, assignments };
        check_increase("t", current, &wanted, 1)
    }

    #[test]
    fn partitions_only_grow() {
        assert_eq!(increase(2, 5, None), Ok(3));
        for count in [2, 1, 0, -1, i32::MIN] {
            assert!(matches!(increase(2, count, None), Err(TopicError::InvalidPartitions(_))), "{count}");
        }
    }

    #[test]
    fn assignments_match_what_is_added() {
        assert_eq!(increase(2, 4, Some(vec![vec![1], vec![1]])), Ok(2));
        for assignments in [vec![], vec![vec![1]], vec![vec![1], vec![2]], vec![vec![1], vec![]]] {
            let refused = increase(2, 4, Some(assignments));
            assert!(matches!(refused, Err(TopicError::InvalidAssignment(_))), "{refused:?}");
        }
    }
}
