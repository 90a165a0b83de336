//! `ottla txn list`

use std::time::Duration;

use clap::Args;
use codec::messages::{ListTransactionsRequest, ProducerId, StrBytes};
use serde_json::json;

use super::coordinated::list;
use crate::client::Coordinators;
use crate::failure::Failure;
use crate::output::{Format, Table, shown};
use crate::patterns::Patterns;
use crate::time::period;

/// First version of ListTransactions with ages (KIP-994, Kafka 3.8).
const WITH_AGES: i16 = 1;

#[derive(Debug, Args)]
pub(super) struct ListArguments {
    /// Regular expressions, of which one must match a whole transactional id [default: every one]
    #[arg(value_name = "REGEX")]
    patterns: Vec<String>,
    /// Transactions in one of these states alone.
    #[arg(long, value_name = "STATE,…", value_delimiter = ',', value_parser = STATES)]
    state: Vec<String>,
    /// Those of these producers alone.
    #[arg(long, value_name = "ID,…", value_delimiter = ',')]
    producer_id: Vec<i64>,
    /// Those that run for longer than this, such as 15min; Kafka 3.8 and later.
    #[arg(long, value_name = "TIME", value_parser = period)]
    longer_than: Option<Duration>,
}

const STATES: [&str; 8] = [
    "Empty",
    "Ongoing",
    "PrepareCommit",
    "PrepareAbort",
    "CompleteCommit",
    "CompleteAbort",
    "PrepareEpochFence",
    "Dead",
];

/// # Errors
/// An expression is wrong, or a broker does not answer.
pub(super) fn run(
    arguments: &ListArguments,
    cluster: &mut Coordinators,
    format: Format,
) -> Result<String, Failure> {
    let patterns = Patterns::new(&arguments.patterns)?;
    let at_least = if arguments.longer_than.is_some() { WITH_AGES } else { 0 };
    let mut found = list(cluster, at_least, &request(arguments))?;
    found.retain(|one| patterns.fit(&one.id));
    Ok(shown(
        format,
        || {
            let object = |one: &super::coordinated::Listed| {
                json!({"transactional_id": one.id, "producer_id": one.producer_id, "state": one.state,
                       "coordinator": one.coordinator})
            };
            found.iter().map(object).collect()
        },
        || {
            let mut table = Table::new(&["TRANSACTIONAL-ID", "PRODUCER-ID", "STATE", "COORDINATOR"]);
            for one in &found {
                let numbers = (one.producer_id.to_string(), one.coordinator.to_string());
                table.push([one.id.clone(), numbers.0, one.state.clone(), numbers.1]);
            }
            table.text("no transactional ids")
        },
    ))
}

fn request(arguments: &ListArguments) -> ListTransactionsRequest {
    let ms = |age: Duration| i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    ListTransactionsRequest::default()
        .with_state_filters(arguments.state.iter().cloned().map(StrBytes::from_string).collect())
        .with_producer_id_filters(arguments.producer_id.iter().copied().map(ProducerId).collect())
        .with_duration_filter(arguments.longer_than.map_or(-1, ms))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        list: ListArguments,
    }

    #[test]
    fn filters_are_those_of_the_request() {
        let line = "list a.* --state Ongoing,Empty --producer-id 7 --longer-than 15min";
        let list = Line::try_parse_from(line.split(' ')).unwrap().list;
        let request = request(&list);
        let states: Vec<&str> = request.state_filters.iter().map(|state| state.as_str()).collect();
        assert_eq!(states, ["Ongoing", "Empty"]);
        assert_eq!((request.producer_id_filters[0].0, request.duration_filter), (7, 900_000));
        assert!(Line::try_parse_from(["list", "--state", "Openn"]).is_err());
    }
}
