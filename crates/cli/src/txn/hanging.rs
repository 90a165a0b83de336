//! `ottla txn hanging`: a partition has an open transaction, and the coordinator of its producer does not know of it, so that none will end it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use clap::Args;

use super::active::{Active, partitions, producers};
use super::coordinated::{describe, list, of_producers};
use super::producers::object;
use crate::client::Coordinators;
use crate::clock;
use crate::failure::Failure;
use crate::output::{Format, Table, shown};
use crate::time::{date, period};

#[derive(Debug, Args)]
pub(super) struct HangingArguments {
    /// Topics [default: all]
    #[arg(value_name = "TOPIC")]
    topics: Vec<String>,
    /// Transactions whose last record is older than this, at least transaction.max.timeout.ms of the brokers: younger ones may be about to be
    /// announced.
    #[arg(long, value_name = "TIME", value_parser = period, default_value = "15min")]
    older_than: Duration,
}

/// # Errors
/// A connection fails, or a broker refuses.
pub(super) fn run(
    arguments: &HangingArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<String, Failure> {
    let all = partitions(cluster.leaders(), &arguments.topics)?;
    let mut found = producers(cluster.leaders(), &all)?;
    let limit = i64::try_from(arguments.older_than.as_millis()).unwrap_or(i64::MAX);
    let before = clock::now_ms().saturating_sub(limit);
    found.retain(|one| one.start().is_some() && one.state.last_timestamp <= before);
    let hanging = unknown(cluster, found)?;
    Ok(shown(format, || hanging.iter().map(object).collect(), || table(&hanging)))
}

/// Those that no coordinator has among its open transactions.
fn unknown(cluster: &mut Coordinators, mut found: Vec<Active>) -> Result<Vec<Active>, Failure> {
    if found.is_empty() {
        return Ok(found);
    }
    let ids: BTreeSet<i64> = found.iter().map(|one| one.state.producer_id.0).collect();
    let mut known = BTreeMap::new();
    for listed in list(cluster, 0, &of_producers(ids))? {
        // Its id may have expired meanwhile: then no coordinator will end the transaction.
        if let Ok(described) = describe(cluster, &listed.id)? {
            known.insert(listed.producer_id, described.partitions());
        }
    }
    found.retain(|one| {
        known.get(&one.state.producer_id.0).is_none_or(|partitions| !partitions.contains(&one.partition))
    });
    Ok(found)
}

fn table(hanging: &[Active]) -> String {
    let mut table =
        Table::new(&["TOPIC", "PARTITION", "PRODUCER-ID", "EPOCH", "TRANSACTION-START", "LAST-TIMESTAMP"]);
    for one in hanging {
        table.push([
            one.partition.topic.clone(),
            one.partition.index.to_string(),
            one.state.producer_id.0.to_string(),
            one.state.producer_epoch.to_string(),
            one.start().map_or_else(|| "-".to_owned(), |start| start.to_string()),
            date(one.state.last_timestamp),
        ]);
    }
    let text = table.text("no hanging transactions");
    match hanging.is_empty() {
        true => text,
        false => text + "End one with `ottla txn abort TOPIC PARTITION --start TRANSACTION-START`\n",
    }
}
