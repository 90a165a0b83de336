//! Produce (key 0), versions 0–13: appends a record batch to each partition named.
//!
//! What the versions changed here: 1 the answer's throttle time, 2 its append time; before 3 the records may be a message
//! set of format v0 or v1, which becomes a batch on arrival (`services/append.rs`); 5 the answer's log start offset, 7 zstd (KIP-110), 8 the records at fault
//! (KIP-467), 9 flexible, 10 a hint at the new leader (KIP-951), 12 transactions in two phases (KIP-890), 13 topic ids
//! (KIP-516). Kafka 4 refuses 0–2, though it tells of them (KAFKA-18659).
//!
//! All batches of a request that pass their checks go to storage as one append, whose place in the log is taken before
//! the first await; what is wrong with a partition is answered for that partition. With acks=0 there is no answer, and
//! an error closes the connection, as in Kafka.
//!
//! Gaps: transactional batches are refused (INVALID_TXN_STATE); `timeout_ms` is not looked at, since an append waits
//! for nothing but the disk; there is no other leader to hint at.

use std::ops::RangeInclusive;
use std::sync::Arc;

use bytes::Bytes;
use codec::ErrorCode;
use codec::messages::produce_request::{PartitionProduceData, TopicProduceData};
use codec::messages::produce_response::{
    BatchIndexAndErrorMessage, PartitionProduceResponse, TopicProduceResponse,
};
use codec::messages::{ProduceRequest, ProduceResponse, StrBytes};
use storage::{Acks, AppendEntry, AppendRequest, AppendResult, Appended, StorageError};

use super::{Answer, Api, Disconnect, Reply};
use crate::kafka::context::Context;
use crate::services::append::{ProduceError, ProduceRules, check};
use crate::topics::TopicState;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

const TOPIC_IDS_FROM: i16 = 13;
const RECORD_ERRORS_FROM: i16 = 8;
/// What stands for an offset or a time that there is not.
const NONE: i64 = -1;

pub(super) struct Produce;

impl Api for Produce {
    type Request = ProduceRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const CARRIES_RECORDS: bool = true;
    // Each takes its place in its partitions' order before its first wait.
    const OVERLAPS: bool = true;

    async fn handle(cx: &Context, request: ProduceRequest) -> Answer<Self> {
        let version = cx.api_version();
        let answered = request.acks != 0;
        let mut reading = Reading { cx, acks: request.acks, version, entries: Vec::new() };
        let topics: Vec<PendingTopic> =
            request.topic_data.into_iter().map(|topic| reading.topic(topic)).collect();
        let entries = reading.entries;
        let appended = match required_acks(request.acks) {
            Ok(acks) if !entries.is_empty() => cx.io().append(AppendRequest { entries, acks }).await,
            _ => Ok(Vec::new()),
        };
        let mut failures = Failures::default();
        let mut results = Results(appended.map(Vec::into_iter));
        let responses =
            topics.into_iter().map(|topic| topic.answer(&mut results, version, &mut failures)).collect();
        match failures.first {
            _ if answered => Ok(Reply::Response(ProduceResponse::default().with_responses(responses))),
            None => Ok(Reply::None),
            Some(error) => Err(Disconnect::Refused(format!("a Produce request with acks=0 failed: {error}"))),
        }
    }

    fn first_error(response: &ProduceResponse) -> i16 {
        let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.map(|partition| partition.error_code).find(|code| *code != 0).unwrap_or(0)
    }
}

/// When to answer, by a request's `acks`.
fn required_acks(acks: i16) -> Result<Acks, ProduceError> {
    match acks {
        0 => Ok(Acks::None),
        1 => Ok(Acks::Leader),
        -1 => Ok(Acks::All),
        other => Err(ProduceError::RequiredAcks(other)),
    }
}

/// A request being read; the batches that passed their checks gather in `entries`.
struct Reading<'a> {
    cx: &'a Context,
    acks: i16,
    version: i16,
    entries: Vec<AppendEntry>,
}

/// A topic of the request, its answer to be completed.
struct PendingTopic {
    answer: TopicProduceResponse,
    state: Result<Arc<TopicState>, PartitionError>,
    partitions: Vec<PendingPartition>,
}

struct PendingPartition {
    index: i32,
    bytes: usize,
    records: i32,
    /// If there is none, storage has an answer for it.
    refused: Option<ProduceError>,
}

impl Reading<'_> {
    fn topic(&mut self, topic: TopicProduceData) -> PendingTopic {
        let key = if self.version >= TOPIC_IDS_FROM {
            TopicRef::Id(topic.topic_id)
        } else {
            TopicRef::named(&topic.name)
        };
        let state = self.cx.partitions().topic_for_writing(&key);
        let rules = state.as_ref().ok().map(|state| ProduceRules::of(&state.config));
        let partitions = topic
            .partition_data
            .into_iter()
            .map(|data| self.partition(&state, rules.as_ref(), data))
            .collect();
        let answer = TopicProduceResponse::default().with_name(topic.name).with_topic_id(topic.topic_id);
        PendingTopic { answer, state, partitions }
    }

    fn partition(
        &mut self,
        state: &Result<Arc<TopicState>, PartitionError>,
        rules: Option<&ProduceRules>,
        data: PartitionProduceData,
    ) -> PendingPartition {
        let index = data.index;
        let bytes = data.records.as_ref().map_or(0, Bytes::len);
        let mut records = 0;
        let refused = match self.entry(state, rules, data) {
            Ok(entry) => {
                records = entry.batch.header().records_count;
                self.entries.push(entry);
                None
            }
            Err(error) => Some(error),
        };
        PendingPartition { index, bytes, records, refused }
    }

    fn entry(
        &self,
        state: &Result<Arc<TopicState>, PartitionError>,
        rules: Option<&ProduceRules>,
        data: PartitionProduceData,
    ) -> Result<AppendEntry, ProduceError> {
        let partition = state.as_ref().map_err(|error| *error)?.partition(data.index)?.partition;
        let rules = rules.ok_or(PartitionError::UnknownTopicOrPartition)?;
        let batch = check(data.records, rules, self.version, self.cx.clock().now_ms())?;
        // As in Kafka, only a request that is sound so far is blamed for its acks.
        required_acks(self.acks)?;
        Ok(AppendEntry { partition, batch, log_append_time: rules.log_append_time })
    }
}

/// Storage's answers, in the order of the entries; all fail if storage did.
struct Results(Result<std::vec::IntoIter<AppendResult>, StorageError>);

impl Results {
    fn next(&mut self) -> Result<Appended, ProduceError> {
        match &mut self.0 {
            Ok(results) => results.next().ok_or(ProduceError::Storage)?.map_err(ProduceError::from),
            Err(_) => Err(ProduceError::Storage),
        }
    }
}

/// The first failure of a request.
#[derive(Default)]
struct Failures {
    first: Option<ProduceError>,
}

impl PendingTopic {
    fn answer(self, results: &mut Results, version: i16, failures: &mut Failures) -> TopicProduceResponse {
        let PendingTopic { answer, state, partitions } = self;
        let partitions = partitions.into_iter().map(|partition| {
            let (bytes, records) = (partition.bytes as u64, partition.records);
            let result = match partition.refused {
                Some(error) => Err(error),
                None => results.next(),
            };
            if let Ok(state) = &state {
                count(state, bytes, records, &result);
            }
            let answer = partition_answer(partition.index, &result, version);
            if let Err(error) = result {
                failures.first.get_or_insert(error);
            }
            answer
        });
        let partitions = partitions.collect();
        answer.with_partition_responses(partitions)
    }
}

fn count(state: &TopicState, bytes: u64, records: i32, result: &Result<Appended, ProduceError>) {
    let metrics = &state.metrics;
    metrics.total_produce_requests.inc();
    match result {
        Ok(_) => {
            metrics.bytes_in.add(bytes);
            metrics.messages_in.add(u64::try_from(records).unwrap_or(0));
        }
        Err(ProduceError::TooLarge { .. }) => {
            metrics.bytes_rejected.add(bytes);
            metrics.failed_produce_requests.inc();
        }
        Err(_) => metrics.failed_produce_requests.inc(),
    }
}

fn partition_answer(
    index: i32,
    result: &Result<Appended, ProduceError>,
    version: i16,
) -> PartitionProduceResponse {
    let answer = PartitionProduceResponse::default().with_index(index);
    let error = match result {
        Ok(appended) => {
            return answer
                .with_base_offset(appended.base_offset)
                .with_log_append_time_ms(appended.log_append_time_ms)
                .with_log_start_offset(appended.log_start_offset);
        }
        Err(error) => error,
    };
    let answer = answer
        .with_error_code(ErrorCode::from(error).code())
        .with_base_offset(NONE)
        .with_log_append_time_ms(NONE)
        .with_log_start_offset(NONE);
    if version < RECORD_ERRORS_FROM {
        return answer;
    }
    let records = error.records().iter().map(|record| {
        BatchIndexAndErrorMessage::default()
            .with_batch_index(record.index)
            .with_batch_index_error_message(Some(StrBytes::from_string(record.message.clone())))
    });
    answer
        .with_record_errors(records.collect())
        .with_error_message(Some(StrBytes::from_string(error.to_string())))
}

#[cfg(test)]
pub(super) mod tests;
