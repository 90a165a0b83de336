//! `ottla txn describe`

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::coordinated::{Described, describe};
use crate::client::{Coordinators, Partition, refused};
use crate::clock;
use crate::failure::Failure;
use crate::output::{Format, Outcome, Table, escaped, shown};
use crate::time::date;

/// # Errors
/// A coordinator cannot be found or reached.
pub(super) fn run(ids: &[String], cluster: &mut Coordinators, format: Format) -> Result<Outcome, Failure> {
    let (mut found, mut is_good) = (Vec::new(), true);
    for id in ids {
        match describe(cluster, id)? {
            Ok(described) => found.push(described),
            Err(code) => {
                is_good = false;
                eprintln!(
                    "ottla: {}",
                    refused(&format!("describe transactional id {}", escaped(id)), code, None)
                );
            }
        }
    }
    let now = clock::now_ms();
    let text = shown(
        format,
        || found.iter().map(|one| object(one, now)).collect(),
        || if found.is_empty() { String::new() } else { table(&found, now) },
    );
    Ok(Outcome { text, is_good })
}

/// The start of the open transaction, in ms since 1970.
fn started(described: &Described) -> Option<i64> {
    Some(described.state.transaction_start_time_ms).filter(|start| *start >= 0)
}

fn table(found: &[Described], now: i64) -> String {
    let mut table = Table::new(&[
        "TRANSACTIONAL-ID",
        "COORDINATOR",
        "PRODUCER-ID",
        "EPOCH",
        "STATE",
        "TIMEOUT",
        "STARTED",
        "SECONDS",
        "PARTITIONS",
    ]);
    for one in found {
        let state = &one.state;
        let start = started(one);
        table.push([
            state.transactional_id.to_string(),
            one.coordinator.to_string(),
            state.producer_id.0.to_string(),
            state.producer_epoch.to_string(),
            state.transaction_state.to_string(),
            format!("{}ms", state.transaction_timeout_ms),
            start.map_or_else(|| "-".to_owned(), date),
            start.map_or_else(|| "-".to_owned(), |start| ((now - start) / 1000).max(0).to_string()),
            names(&one.partitions()),
        ]);
    }
    table.text("")
}

/// `orders-0,orders-2`, or a hyphen.
fn names(partitions: &[Partition]) -> String {
    let mut text = String::new();
    for Partition { topic, index } in partitions {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to a `String` does not fail.
        let _ = write!(text, "{comma}{topic}-{index}");
    }
    if text.is_empty() { "-".to_owned() } else { text }
}

fn object(one: &Described, now: i64) -> Value {
    let state = &one.state;
    let start = started(one);
    let partitions: Vec<Value> = one
        .partitions()
        .into_iter()
        .map(|Partition { topic, index }| json!({"topic": topic, "partition": index}))
        .collect();
    json!({
        "transactional_id": state.transactional_id.as_str(), "coordinator": one.coordinator, "producer_id": state.producer_id.0,
        "producer_epoch": state.producer_epoch, "state": state.transaction_state.as_str(),
        "timeout_ms": state.transaction_timeout_ms, "started": start.map(date),
        "running_ms": start.map(|start| (now - start).max(0)), "partitions": partitions,
    })
}
