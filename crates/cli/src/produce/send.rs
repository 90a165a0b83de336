//! Sends batches to the leaders of their partitions and waits until they are acknowledged.
//!
//! A batch that a broker did not take, as it does not lead the partition any more, is sent to the next leader. One whose answer is missing, or leaves
//! open if it was taken, is not sent again: without an idempotent producer it could be written twice.

use std::collections::BTreeMap;
use std::time::Duration;

use codec::ErrorCode;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::PartitionProduceResponse;
use codec::messages::{ProduceRequest, ProduceResponse};
use codec::records::Compression;

use super::batches::Batch;
use crate::client::{Leaders, Partition, by_topic, refused, topic_name};

/// Versions with batches of format v2, and topics by name.
const VERSIONS: (i16, i16) = (3, 12);
/// The first version that has zstd (KIP-110).
const ZSTD_FROM: i16 = 7;

/// The wishes about a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wishes {
    /// -1: all replicas in sync, 1: the leader.
    pub(super) acks: i16,
    pub(super) timeout: Duration,
    pub(super) is_zstd: bool,
}

impl Wishes {
    pub(super) fn of(acks: i16, compression: Compression, leaders: &Leaders) -> Self {
        Self { acks, timeout: leaders.timeout(), is_zstd: compression == Compression::Zstd }
    }
}

/// The broker's no to a batch.
#[derive(Debug, Default, PartialEq, Eq)]
struct Refusal {
    code: i16,
    /// The broker's words.
    message: Option<String>,
    /// True if the broker may have written the batch all the same.
    is_open: bool,
}

/// The offset of a batch's first record, or the refusal.
type Answer = Result<i64, Refusal>;

/// The outcome of some batches.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// The offset of the first record of each batch that was written.
    pub(super) written: Vec<(Partition, i64)>,
    /// Refusals, and the failure of a connection, for people.
    pub(super) refusals: Vec<String>,
}

/// Sends the batches. A connection that fails ends it: batches for other leaders may not have been sent.
pub(super) fn send(leaders: &mut Leaders, batches: &BTreeMap<Partition, Batch>, wishes: Wishes) -> Sent {
    let partitions: Vec<Partition> = batches.keys().cloned().collect();
    let versions = (if wishes.is_zstd { ZSTD_FROM } else { VERSIONS.0 }, VERSIONS.1);
    let answers = leaders.ask(&partitions, versions, |asked| request(asked, batches, wishes), read);
    let mut sent = Sent::default();
    for (partition, answer) in answers.results {
        // An answer without the partition leaves it open.
        let is_open = |code| code == ErrorCode::UnknownServerError as i16;
        let of_code = |code| Err(Refusal { code, message: None, is_open: is_open(code) });
        match answer.unwrap_or_else(of_code) {
            Ok(offset) => sent.written.push((partition, offset)),
            Err(refused) => sent.refusals.push(refusal(&partition, &refused)),
        }
    }
    let open = match answers.unanswered.is_empty() {
        true => "",
        false => "; the batches that were on the way may have been written, or not",
    };
    sent.refusals.extend(answers.failure.map(|failure| format!("{failure}{open}")));
    sent
}

fn request(asked: &[Partition], batches: &BTreeMap<Partition, Batch>, wishes: Wishes) -> ProduceRequest {
    let topic_data = by_topic(asked).into_iter().map(|(topic, indexes)| {
        let data = indexes.into_iter().map(|index| {
            let partition = Partition { topic: topic.to_owned(), index };
            let records = batches.get(&partition).map(|batch| batch.bytes.clone());
            PartitionProduceData::default().with_index(index).with_records(records)
        });
        TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(data.collect())
    });
    ProduceRequest::default()
        .with_acks(wishes.acks)
        .with_timeout_ms(i32::try_from(wishes.timeout.as_millis()).unwrap_or(i32::MAX))
        .with_topic_data(topic_data.collect())
}

fn read(answer: ProduceResponse) -> Vec<(Partition, Result<Answer, i16>)> {
    let mut found = Vec::new();
    for topic in answer.responses {
        for response in topic.partition_responses {
            let partition = Partition { topic: topic.name.to_string(), index: response.index };
            found.push((partition, outcome(response)));
        }
    }
    found
}

/// The outer error is that of a batch which was not taken, and which another leader may take.
fn outcome(response: PartitionProduceResponse) -> Result<Answer, i16> {
    use ErrorCode as Of;
    let code = response.error_code;
    let known = ErrorCode::from_code(code);
    // A leader that has appended a batch answers its offset, also with an error: it may have stopped leading before all replicas had it.
    let is_appended = response.base_offset >= 0;
    match known {
        _ if code == 0 => Ok(Ok(response.base_offset)),
        Some(Of::NotLeaderOrFollower | Of::LeaderNotAvailable | Of::UnknownTopicOrPartition)
            if !is_appended =>
        {
            Err(code)
        }
        _ => {
            let is_open = is_appended
                || matches!(
                    known,
                    Some(
                        Of::KafkaStorageError
                            | Of::RequestTimedOut
                            | Of::NotEnoughReplicasAfterAppend
                            | Of::UnknownServerError
                    )
                );
            // The first record's reason says more than the batch's.
            let of_record = response.record_errors.into_iter().find_map(|one| one.batch_index_error_message);
            let message = of_record.or(response.error_message).map(|text| text.to_string());
            Ok(Err(Refusal { code, message, is_open }))
        }
    }
}

fn refusal(partition: &Partition, refusal: &Refusal) -> String {
    use ErrorCode as Of;
    let Partition { topic, index } = partition;
    let remedy = match ErrorCode::from_code(refusal.code) {
        Some(Of::MessageTooLarge | Of::RecordListTooLarge) => {
            "; raise max.message.bytes of the topic, or send shorter records"
        }
        Some(Of::TopicAuthorizationFailed) => {
            "; the user that this command logs in as needs Write on the topic: `ottla acl add --allow-principal User:NAME --operation Write --topic NAME`, by an administrator"
        }
        Some(Of::InvalidRecord) => "; a compacted topic takes no record without a key (-k, -K)",
        Some(Of::InvalidTimestamp) => "; see --timestamp, and message.timestamp.before.max.ms of the topic",
        Some(Of::NotEnoughReplicas | Of::NotEnoughReplicasAfterAppend) => {
            "; start the missing brokers, or lower min.insync.replicas of the topic"
        }
        Some(Of::UnsupportedCompressionType) => "; choose another codec (-z)",
        Some(Of::UnknownTopicOrPartition) => "; the topic was deleted meanwhile",
        Some(Of::LeaderNotAvailable | Of::NotLeaderOrFollower) if !refusal.is_open => {
            "; the partition has no leader: start its brokers"
        }
        _ => "",
    };
    let open = if refusal.is_open { "; its batch may have been written, or not" } else { "" };
    let doing = format!("produce to {topic} partition {index}");
    format!("{}{remedy}{open}", refused(&doing, refusal.code, refusal.message.as_deref()))
}

#[cfg(test)]
mod tests {
    use codec::messages::StrBytes;
    use codec::messages::produce_response::BatchIndexAndErrorMessage;

    use super::*;

    #[test]
    fn a_refusal_names_partition_code_reason_and_remedy() {
        let partition = Partition { topic: "orders".to_owned(), index: 3 };
        let text = refusal(&partition, &Refusal { code: Of::MessageTooLarge.code(), ..Refusal::default() });
        assert!(text.starts_with("cannot produce to orders partition 3: MESSAGE_TOO_LARGE: "), "{text}");
        assert!(text.contains("raise max.message.bytes"), "{text}");
        let response = PartitionProduceResponse::default()
            .with_base_offset(-1)
            .with_error_code(Of::InvalidRecord.code())
            .with_error_message(Some(StrBytes::from_static_str("no\u{1b}key")));
        let Ok(Err(refused)) = outcome(response.clone()) else { panic!() };
        let text = refusal(&partition, &refused);
        assert!(text.contains("INVALID_RECORD: no\\u{1b}key; a compacted topic"), "{text}");
        let of_record = BatchIndexAndErrorMessage::default()
            .with_batch_index_error_message(Some(StrBytes::from_static_str("the third has no key")));
        let Ok(Err(refused)) = outcome(response.with_record_errors(vec![of_record])) else { panic!() };
        assert_eq!((refused.message.as_deref(), refused.is_open), (Some("the third has no key"), false));
    }

    use ErrorCode as Of;

    fn of(code: Of, base_offset: i64) -> Result<Answer, i16> {
        let response = PartitionProduceResponse::default().with_error_code(code.code());
        outcome(response.with_base_offset(base_offset))
    }

    #[test]
    fn only_batches_that_were_not_taken_are_sent_again() {
        assert_eq!(of(Of::NotLeaderOrFollower, -1), Err(Of::NotLeaderOrFollower.code()));
        assert!(of(Of::NotEnoughReplicasAfterAppend, -1).is_ok() && of(Of::RequestTimedOut, -1).is_ok());
        assert_eq!(of(Of::None, 7), Ok(Ok(7)));
    }

    /// A disk that fails may have taken the batch, and a leader that steps down after it has appended one answers NOT_LEADER_OR_FOLLOWER.
    #[test]
    fn a_batch_that_may_have_been_written_is_not_sent_again() {
        let partition = Partition { topic: "orders".to_owned(), index: 3 };
        for (code, base_offset) in [(Of::KafkaStorageError, -1), (Of::NotLeaderOrFollower, 7)] {
            let Ok(Err(refused)) = of(code, base_offset) else { panic!("{code:?} is sent again") };
            let text = refusal(&partition, &refused);
            assert!(text.contains(code.name()), "{text}");
            assert!(text.ends_with("; its batch may have been written, or not"), "{text}");
            assert!(!text.contains("has no leader"), "{text}");
        }
        let Ok(Err(refused)) = of(Of::MessageTooLarge, -1) else { panic!() };
        assert!(!refusal(&partition, &refused).contains("may have been written"));
    }
}
