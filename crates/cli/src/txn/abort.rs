//! `ottla txn abort`: a marker that ends one transaction of one partition (WriteTxnMarkers, API 27), as the coordinator would write it.

use clap::Args;
use codec::messages::WriteTxnMarkersRequest;
use codec::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use codec::messages::write_txn_markers_response::WriteTxnMarkersResponse;
use serde_json::json;

use super::active::{Active, producers};
use super::producers::object;
use crate::client::{Leaders, Partition, by_topic, refused, topic_name};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Format, escaped, shown};

#[derive(Debug, Args)]
pub(super) struct AbortArguments {
    #[arg(value_name = "TOPIC")]
    topic: String,
    #[arg(value_name = "PARTITION", value_parser = clap::value_parser!(i32).range(0..))]
    partition: i32,
    /// Offset of the first record of the transaction, as `ottla txn hanging` and `ottla txn producers` show it
    #[arg(long, value_name = "OFFSET", value_parser = clap::value_parser!(i64).range(0..))]
    start: i64,
    /// Aborts it without a question.
    #[arg(short, long)]
    yes: bool,
}

/// # Errors
/// No transaction begins there, the answer to the question is no, or the leader refuses.
pub(super) fn run(
    arguments: &AbortArguments,
    leaders: &mut Leaders,
    format: Format,
) -> Result<String, Failure> {
    let partition = Partition { topic: arguments.topic.clone(), index: arguments.partition };
    let name = format!("{} partition {}", escaped(&partition.topic), partition.index);
    let found = producers(leaders, std::slice::from_ref(&partition))?;
    let Some(open) = found.into_iter().find(|one| one.start() == Some(arguments.start)) else {
        return Err(Failure::failed(format!(
            "{name} has no open transaction that begins at offset {}; see `ottla txn producers`",
            arguments.start
        )));
    };
    let producer = format!("producer {} (epoch {})", open.state.producer_id.0, open.state.producer_epoch);
    confirm(
        &format!(
            "abort the transaction of {producer} in {name}? Its records from offset {} on will not be seen by readers of committed records.",
            arguments.start
        ),
        "--yes",
        arguments.yes,
    )?;
    let answers = leaders.ask(std::slice::from_ref(&partition), (0, 1), |asked| request(asked, &open), read);
    match answers.whole()?.remove(&partition) {
        Some(Ok(())) => Ok(shown(
            format,
            || json!({"aborted": object(&open)}),
            || format!("aborted the transaction of {producer} in {name}\n"),
        )),
        Some(Err(code)) => Err(refused(&format!("abort the transaction in {name}"), code, None)),
        None => Err(Failure::failed(format!("the leader says nothing about {name}"))),
    }
}

fn request(asked: &[Partition], open: &Active) -> WriteTxnMarkersRequest {
    let topic = |(name, indexes): (&str, Vec<i32>)| {
        WritableTxnMarkerTopic::default().with_name(topic_name(name)).with_partition_indexes(indexes)
    };
    let state = &open.state;
    let marker = WritableTxnMarker::default()
        .with_producer_id(state.producer_id)
        .with_producer_epoch(i16::try_from(state.producer_epoch).unwrap_or(i16::MAX))
        // Without a coordinator's epoch none is compared: the first marker of this producer.
        .with_coordinator_epoch(state.coordinator_epoch.max(0))
        .with_transaction_result(false)
        .with_topics(by_topic(asked).into_iter().map(topic).collect());
    WriteTxnMarkersRequest::default().with_markers(vec![marker])
}

fn read(answer: WriteTxnMarkersResponse) -> Vec<(Partition, Result<(), i16>)> {
    let topics = answer.markers.into_iter().flat_map(|marker| marker.topics);
    let partitions = topics.flat_map(|topic| {
        let name = topic.name.to_string();
        topic.partitions.into_iter().map(move |one| {
            let partition = Partition { topic: name.clone(), index: one.partition_index };
            (partition, if one.error_code == 0 { Ok(()) } else { Err(one.error_code) })
        })
    });
    partitions.collect()
}

#[cfg(test)]
mod tests {
    use codec::messages::ProducerId;
    use codec::messages::describe_producers_response::ProducerState;
    use codec::messages::write_txn_markers_response::{
        WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
    };

    use super::*;

    #[test]
    fn the_marker_is_that_of_the_producer() {
        let partition = Partition { topic: "a".to_owned(), index: 3 };
        let state = ProducerState::default()
            .with_producer_id(ProducerId(7))
            .with_producer_epoch(2)
            .with_coordinator_epoch(-1)
            .with_current_txn_start_offset(5);
        let open = Active { partition: partition.clone(), state };
        let request = request(std::slice::from_ref(&partition), &open);
        let marker = &request.markers[0];
        assert_eq!(
            (
                marker.producer_id.0,
                marker.producer_epoch,
                marker.coordinator_epoch,
                marker.transaction_result
            ),
            (7, 2, 0, false)
        );
        assert_eq!(
            (&*marker.topics[0].name.0, marker.topics[0].partition_indexes.as_slice()),
            ("a", &[3][..])
        );
    }

    #[test]
    fn an_answer_has_a_code_for_each_partition() {
        let one = |index, code| {
            WritableTxnMarkerPartitionResult::default().with_partition_index(index).with_error_code(code)
        };
        let topic = WritableTxnMarkerTopicResult::default()
            .with_name(topic_name("a"))
            .with_partitions(vec![one(0, 0), one(1, 31)]);
        let marker = WritableTxnMarkerResult::default().with_topics(vec![topic]);
        let found = read(WriteTxnMarkersResponse::default().with_markers(vec![marker]));
        let key = |index| Partition { topic: "a".to_owned(), index };
        assert_eq!(found, [(key(0), Ok(())), (key(1), Err(31))]);
    }
}
