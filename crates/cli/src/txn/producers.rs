//! `ottla txn producers`

use serde_json::{Value, json};

use super::active::{Active, partitions, producers};
use crate::client::Leaders;
use crate::failure::Failure;
use crate::output::{Format, Table, escaped, shown};
use crate::time::date;

/// # Errors
/// The topic or a partition does not exist, or a leader refuses.
pub(super) fn run(
    topic: &str,
    wanted: &[i32],
    leaders: &mut Leaders,
    format: Format,
) -> Result<String, Failure> {
    let mut all = partitions(leaders, &[topic.to_owned()])?;
    if let Some(missing) = wanted.iter().find(|index| !all.iter().any(|one| one.index == **index)) {
        return Err(Failure::failed(format!(
            "topic {} has no partition {missing} with a leader; see `ottla topic describe`",
            escaped(topic)
        )));
    }
    all.retain(|one| wanted.is_empty() || wanted.contains(&one.index));
    let found = producers(leaders, &all)?;
    Ok(shown(format, || found.iter().map(object).collect(), || table(&found)))
}

/// A time in ms since 1970; a hyphen for none.
fn time(ms: i64) -> String {
    if ms < 0 { "-".to_owned() } else { date(ms) }
}

fn table(found: &[Active]) -> String {
    let mut table = Table::new(&[
        "PARTITION",
        "PRODUCER-ID",
        "EPOCH",
        "COORDINATOR-EPOCH",
        "LAST-SEQUENCE",
        "LAST-TIMESTAMP",
        "TRANSACTION-START",
    ]);
    for one in found {
        let state = &one.state;
        table.push([
            one.partition.index.to_string(),
            state.producer_id.0.to_string(),
            state.producer_epoch.to_string(),
            state.coordinator_epoch.to_string(),
            state.last_sequence.to_string(),
            time(state.last_timestamp),
            one.start().map_or_else(|| "-".to_owned(), |start| start.to_string()),
        ]);
    }
    table.text("no producers with ids")
}

/// A producer for programs.
pub(super) fn object(one: &Active) -> Value {
    let state = &one.state;
    json!({
        "topic": one.partition.topic, "partition": one.partition.index, "producer_id": state.producer_id.0,
        "producer_epoch": state.producer_epoch, "coordinator_epoch": state.coordinator_epoch,
        "last_sequence": state.last_sequence,
        "last_timestamp": Some(state.last_timestamp).filter(|ms| *ms >= 0).map(date),
        "transaction_start": one.start(),
    })
}
