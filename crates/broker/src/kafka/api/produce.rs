//! Produce, key 0: appends a record batch to each partition named.
//!
//! Versions 0–13:
//! - v1: the answer's throttle time.
//! - v2: its append time. Before v3 the records may be a message set of format v0 or v1, which becomes a
//!   batch on arrival (`services/append/batch.rs`).
//! - v3: record batches, and the transactional id (KIP-98).
//! - v4: as v3; KAFKA_STORAGE_ERROR (KIP-112); before, NOT_LEADER_OR_FOLLOWER in its place.
//! - v5: the answer's log start offset.
//! - v6: as v5 (KIP-219).
//! - v7: zstd (KIP-110).
//! - v8: the records at fault (KIP-467).
//! - v9: flexible.
//! - v10: a hint at the new leader (KIP-951).
//! - v11: the error TRANSACTION_ABORTABLE (KIP-890); before, INVALID_TXN_STATE.
//! - v12: a partition joins a transaction by the request itself (KIP-890).
//! - v13: topic ids (KIP-516).
//!
//! Kafka 4 refuses 0–2, though it tells of them (KAFKA-18659).
//!
//! All batches of a request that pass their checks go to storage as one append, whose place in the log is
//! taken before the first await; what is wrong with a partition is answered for that partition. With acks=0
//! there is no answer, and an error closes the connection, as in Kafka.
//!
//! Transactional batches are answered when they are on the disk, whatever acks they ask for.
//!
//! Gaps: `timeout_ms` is not looked at, since an append waits for nothing but the disk; there is no other leader to hint at; a transactional batch
//! with sequences of an ended transaction is refused with UNKNOWN_PRODUCER_ID, where Kafka acknowledges it and writes nothing.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use codec::messages::{ProduceRequest, ProduceResponse};
use coordinator::transaction::Protocol;
use storage::Acks;

use super::{Answer, Api, Disconnect, Reply};
use crate::kafka::access::{Access, Operation, TOPIC, TRANSACTIONAL_ID, each, whole};
use crate::kafka::context::Context;
use crate::kafka::error::{error_text, known_to_client};
use crate::services::append::batch::{ProduceError, ProducerFormats};
use crate::services::append::transaction::InTransaction;
use crate::services::append::{PartitionBatch, PartitionOutcome, TopicBatches, are_transactional};
use crate::session::authorizer::{Internal, Permit};
use crate::topics::names::TopicRef;

/// From here on the records must be a batch (KIP-98).
const BATCHES_FROM: i16 = 3;
/// From here on consumers can be expected to know zstd (KIP-110).
const ZSTD_FROM: i16 = 7;
/// From here on producers know TRANSACTION_ABORTABLE (KIP-890).
const ABORTABLE_FROM: i16 = 11;
/// From here on a batch makes its partition a part of its transaction (KIP-890).
const ANNOUNCES_FROM: i16 = 12;
/// From here on topics are named by id alone (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;
/// From here on an answer has a text, and the records at fault (KIP-467).
const RECORD_ERRORS_FROM: i16 = 8;
/// From here on clients know KAFKA_STORAGE_ERROR (KIP-112).
const STORAGE_ERROR_FROM: i16 = 4;
/// Wire value for no offset and for no time.
const NONE: i64 = -1;

/// See the file's header.
pub(super) struct Produce;

impl Api for Produce {
    type Request = ProduceRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const ACCESS: Access = Access::Needs(&[
        whole(TRANSACTIONAL_ID, Operation::Write).when("a batch is transactional"),
        each(TOPIC, Operation::Write),
    ]);
    const CARRIES_RECORDS: bool = true;
    // Each takes its place in its partitions' order before its first wait.
    const OVERLAPS: bool = true;

    async fn handle(cx: &Context, request: ProduceRequest) -> Answer<Self> {
        // Before the next request is read: one that comes while this one waits for the disk would pass by the throttle.
        cx.quota().charge_produced();
        let (version, is_answered) = (cx.api_version(), request.acks != 0);
        let (answers, batches): (Vec<_>, Vec<_>) =
            request.topic_data.into_iter().map(|topic| wanted(topic, version)).unzip();
        let formats = ProducerFormats { message_sets: version < BATCHES_FROM, zstd: version >= ZSTD_FROM };
        let permit = &Permit::internal(Internal::AsksItself);
        let transaction = InTransaction {
            coordinator: cx.transactions(permit),
            id: request.transactional_id.as_deref().map(|id| id.as_str()),
            protocol: if version >= ANNOUNCES_FROM { Protocol::V2 } else { Protocol::V1 },
            verifies: cx.broker_config().transaction_partition_verification_enable,
            connection: cx.peer().number,
        };
        let outcomes = match cx.unrestricted() {
            Some(permit) => {
                cx.appender(&permit).append(batches, required_acks(request.acks), formats, transaction).await
            }
            None => append_permitted(cx, batches, required_acks(request.acks), formats, transaction).await,
        };
        if !is_answered {
            // A client that awaits no answer learns of an error only by a closed connection, on which it
            // refreshes its metadata (`KafkaApis.handleProduceRequest`).
            let failed = outcomes.into_iter().flatten().find_map(|outcome| outcome.result.err());
            return match failed {
                None => Ok(Reply::None),
                Some(error) => {
                    Err(Disconnect::Refused(format!("a Produce request with acks=0 failed: {error}")))
                }
            };
        }
        let answer = |(answer, outcomes): (TopicProduceResponse, Vec<PartitionOutcome>)| {
            let partitions = outcomes.iter().map(|outcome| partition_answer(outcome, version));
            answer.with_partition_responses(partitions.collect())
        };
        let responses = answers.into_iter().zip(outcomes).map(answer).collect();
        Ok(Reply::Response(ProduceResponse::default().with_responses(responses)))
    }

    fn first_error(response: &ProduceResponse) -> i16 {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// Appends the batches of topics that the client may write to; the outcomes of the others are refusals. First of all it is
/// asked about the transactional id, if there are batches of a transaction (`KafkaApis.handleProduceRequest`).
async fn append_permitted(
    cx: &Context,
    batches: Vec<TopicBatches>,
    acks: Result<Acks, ProduceError>,
    formats: ProducerFormats,
    transaction: InTransaction<'_>,
) -> Vec<Vec<PartitionOutcome>> {
    if are_transactional(&batches) {
        // Without an id there is nothing that could be allowed (CVE-2018-17196).
        let id = transaction.id.map(|id| cx.authorize(TRANSACTIONAL_ID, Operation::Write, id));
        if id.is_none_or(|permit| permit.is_err()) {
            return batches.iter().map(|topic| refused(topic, &ProduceError::NoTransactionalId)).collect();
        }
    }
    let (mut permit, mut allowed, mut outcomes) = (None, Vec::new(), Vec::new());
    for topic in batches {
        match cx.authorize_topic(Operation::Write, &topic.topic) {
            Ok(granted) => {
                permit = Some(granted);
                allowed.push(topic);
                // Its outcomes come in this place.
                outcomes.push(None);
            }
            Err(error) => outcomes.push(Some(refused(&topic, &ProduceError::Partition(error)))),
        }
    }
    let appended = match permit {
        Some(permit) => cx.appender(&permit).append(allowed, acks, formats, transaction).await,
        None => Vec::new(),
    };
    let mut appended = appended.into_iter();
    let mut next = || appended.next().expect("`append` has outcomes for each topic that it was given");
    outcomes.into_iter().map(|refused| refused.unwrap_or_else(&mut next)).collect()
}

/// The outcomes of a topic that is refused.
fn refused(topic: &TopicBatches, error: &ProduceError) -> Vec<PartitionOutcome> {
    let outcome =
        |batch: &PartitionBatch| PartitionOutcome { index: batch.index, result: Err(error.clone()) };
    topic.partitions.iter().map(outcome).collect()
}

/// When to answer, by a request's `acks`.
///
/// # Errors
/// Any number besides 0, 1 and -1: each sound batch of the request is answered INVALID_REQUIRED_ACKS.
fn required_acks(acks: i16) -> Result<Acks, ProduceError> {
    match acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        // As `ReplicaManager.isValidRequiredAcks`.
        other => Err(ProduceError::RequiredAcks(other)),
    }
}

/// The batches for a topic of the request, and its answer, to be completed.
fn wanted(topic: TopicProduceData, version: i16) -> (TopicProduceResponse, TopicBatches) {
    let named = match version {
        TOPIC_IDS_FROM.. => TopicRef::Id(topic.topic_id),
        _ => TopicRef::named(&topic.name),
    };
    let batch = |data: PartitionProduceData| PartitionBatch { index: data.index, records: data.records };
    let partitions = topic.partition_data.into_iter().map(batch).collect();
    // The version decides which of the two is written.
    let answer = TopicProduceResponse::default().with_name(topic.name).with_topic_id(topic.topic_id);
    (answer, TopicBatches { topic: named, partitions })
}

/// The answer of one partition: the offset of its first record, the append time (-1 unless the topic stamps
/// records itself), the log start offset; all -1 with an error.
fn partition_answer(outcome: &PartitionOutcome, version: i16) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default().with_index(outcome.index);
    let error = match &outcome.result {
        Ok(appended) => {
            return answer
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms)
                .with_log_start_offset(appended.log_start_offset);
        }
        Err(error) => error,
    };
    let code = match known_to_client(ErrorCode::from(error), version, STORAGE_ERROR_FROM) {
        ErrorCode::TransactionAbortable if version < ABORTABLE_FROM => ErrorCode::InvalidTxnState,
        ErrorCode::ConcurrentTransactions if version < ANNOUNCES_FROM => ErrorCode::NotEnoughReplicas,
        code => code,
    };
    let answer = answer
        .with_error_code(code.code())
        .with_base_offset(NONE)
        .with_log_append_time_ms(NONE)
        .with_log_start_offset(NONE);
    if version < RECORD_ERRORS_FROM {
        return answer;
    }
    let records = error.records().iter().map(|record| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(record.index)
            .with_batch_index_error_message(Some(error_text(record.message.clone())))
    });
    answer.with_record_errors(records.collect()).with_error_message(Some(error_text(error.to_string())))
}

#[cfg(test)]
pub(super) mod tests;
