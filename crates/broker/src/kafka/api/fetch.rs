//! Fetch, key 1: reads from partitions, waiting for records if there are too few.
//!
//! Versions 0–18:
//! - v1: throttle time.
//! - v2: messages with timestamps (KIP-32).
//! - v3: a limit for the whole answer (KIP-74).
//! - v4: record batches and isolation (KIP-98); before, they are converted to message sets
//!   (`services/fetch/down_conversion.rs`).
//! - v5: the log start offset.
//! - v6: as v5; KAFKA_STORAGE_ERROR (KIP-112); before, NOT_LEADER_OR_FOLLOWER in its place.
//! - v7: sessions (KIP-227).
//! - v8: as v7 (KIP-219).
//! - v9: the leader epoch (KIP-320).
//! - v10: zstd (KIP-110).
//! - v11: rack and preferred replica (KIP-392).
//! - v12: flexible, with the last fetched epoch (KIP-595).
//! - v13: topic ids (KIP-516).
//! - v14: as v13; an error of tiered storage (KIP-405).
//! - v15: the replica's state (KIP-903).
//! - v16: where the leaders are (KIP-951).
//! - v17, v18: fields of followers.
//!
//! How a fetch is served is in `services/fetch.rs`; here messages become what it speaks, and back. Replica
//! ids are not looked at: there are no followers, and a client that calls itself one gets what consumers get.
//!
//! From version 4 on records are the batches as they lie in the log, never copied and never converted for
//! clients that do not know zstd; before 4 zstd is UNSUPPORTED_COMPRESSION_TYPE. Also before version 3 a
//! consumer gets its first batch whole, however little it asks for, and no part of one.
//!
//! Gaps: there is one replica, so none is preferred, and the leader is never elsewhere.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use bytes::Bytes;
use codec::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use codec::messages::fetch_response::{
    AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData,
};
use codec::messages::{self, FetchRequest, ProducerId, StrBytes, TopicName};
use codec::{ErrorCode, FetchResponse};
use storage::Isolation;

use super::{Answer, Api, Reply};
use crate::kafka::access::{Access, Operation, TOPIC, each};
use crate::kafka::context::Context;
use crate::kafka::error::known_to_client;
use crate::services::fetch::answer::{Fetched, PartitionAnswer, Served};
use crate::services::fetch::budget::FetchShare;
use crate::services::fetch::down_conversion::{FetchOffsets, down_convert, message_format};
use crate::services::fetch::limits::bytes_from_wire;
use crate::services::fetch::request::{self, FetchTerms};
use crate::services::fetch::set::PartitionFetch;
use crate::session::authorizer::{Internal, Permit};
use crate::topics::names::TopicRef;

/// From this version on topics are named by id alone (KIP-516).
const TOPIC_IDS_FROM: i16 = 13;
/// Wire value of `isolation.level=read_committed`; any other number reads everything below the high
/// watermark.
const READ_COMMITTED: i8 = 1;
/// From here on clients know KAFKA_STORAGE_ERROR (KIP-112).
const STORAGE_ERROR_FROM: i16 = 6;
/// Wire value for no offset.
const NONE: i64 = -1;

/// See the file's header.
pub(super) struct Fetch;

impl Api for Fetch {
    type Request = FetchRequest;
    // Without `OVERLAPS`: a client has one Fetch of a connection on its way, so nothing is won (ADR 6).
    const VERSIONS: RangeInclusive<i16> = 0..=18;
    const ACCESS: Access = Access::Needs(&[each(TOPIC, Operation::Read)]);

    async fn handle(cx: &Context, request: FetchRequest) -> Answer<Self> {
        let version = cx.api_version();
        let mut terms = terms(&request);
        if let Some(largest) = cx.quota().largest_fetch() {
            terms.max_bytes = terms.max_bytes.min(largest);
        }
        let asked = asked(request, version);
        // Read from the wishes before `begin` takes them.
        let conversion = message_format(version).map(|format| (format, FetchOffsets::of(&asked.wanted)));
        let permit = &Permit::internal(Internal::AsksItself);
        let open = match cx.fetcher(permit).begin(asked) {
            Ok(open) => open.judged_by(cx.questions().cloned()),
            // KIP-227: the error of a session is one for the whole answer; the client begins a new session.
            Err(error) => {
                let message =
                    messages::FetchResponse::default().with_error_code(ErrorCode::from(&error).code());
                return Ok(Reply::Response(message.into()));
            }
        };
        let mut fetched = cx
            .fetcher(permit)
            .run_if(open, terms, cx.shutdown(), |bytes| cx.quota().admits_fetched(bytes))
            .await;
        if let Some((format, offsets)) = conversion {
            down_convert(&mut fetched, format, &offsets).await;
        }
        Ok(Reply::Response(response(fetched, version)))
    }

    fn first_error(response: &FetchResponse) -> i16 {
        let partitions = response.message.responses.iter().flat_map(|topic| &topic.partitions);
        let codes = std::iter::once(response.message.error_code);
        super::first_code(codes.chain(partitions.map(|partition| partition.error_code)))
    }
}

/// How long to wait and how much to answer, by the fields of the request. Negative limits of bytes are 0.
fn terms(request: &FetchRequest) -> FetchTerms {
    FetchTerms {
        // A negative time is over already, as for the timer of Kafka's purgatory.
        max_wait: Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0)),
        min_bytes: bytes_from_wire(request.min_bytes),
        max_bytes: bytes_from_wire(request.max_bytes),
        isolation: match request.isolation_level {
            READ_COMMITTED => Isolation::ReadCommitted,
            // Kafka fails at a level that does not exist; here it is the one that shows most.
            _ => Isolation::ReadUncommitted,
        },
    }
}

/// The wishes of the request, in copies of their own: what a session keeps must not keep the frame.
fn asked(request: FetchRequest, version: i16) -> request::FetchRequest {
    let uses_topic_ids = version >= TOPIC_IDS_FROM;
    let key = |name: &TopicName, id| {
        if uses_topic_ids { TopicRef::Id(id) } else { TopicRef::named(name) }
    };
    let wanted = |topic: &FetchTopic| {
        let key = key(&topic.topic, topic.topic_id);
        topic.partitions.iter().map(|partition| wanted(key.clone(), partition)).collect::<Vec<_>>()
    };
    let forgotten = |topic: &ForgottenTopic| {
        let key = key(&topic.topic, topic.topic_id);
        topic.partitions.iter().map(|index| (key.clone(), *index)).collect::<Vec<_>>()
    };
    request::FetchRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_topic_ids,
        wanted: request.topics.iter().flat_map(wanted).collect(),
        forgotten: request.forgotten_topics_data.iter().flat_map(forgotten).collect(),
    }
}

/// The wish for one partition. `max_bytes` may be exceeded by the first batch of the answer (KIP-74).
fn wanted(topic: TopicRef, partition: &FetchPartition) -> PartitionFetch {
    PartitionFetch {
        topic,
        index: partition.partition,
        fetch_offset: partition.fetch_offset,
        // Kafka fails at a negative limit; here it is 0, with which the first batch still comes.
        max_bytes: bytes_from_wire(partition.partition_max_bytes),
        current_leader_epoch: fetch_epoch(partition.current_leader_epoch),
        last_fetched_epoch: fetch_epoch(partition.last_fetched_epoch),
    }
}

/// An epoch of a fetch, where any negative one stands for none (Kafka's `FetchRequest.optionalEpoch`), as nowhere else.
fn fetch_epoch(epoch: i32) -> Option<i32> {
    (epoch >= 0).then_some(epoch)
}

/// The message and, apart from it, the batches: for each partition in the order of the message, so that the
/// encoder need not copy them. Counts the bytes of each topic as sent.
fn response(fetched: Fetched, version: i16) -> FetchResponse {
    let Fetched { session_id, partitions, share } = fetched;
    let mut topics: Vec<(FetchableTopicResponse, Vec<Vec<Bytes>>)> = Vec::new();
    let mut places: HashMap<TopicRef, usize> = HashMap::new();
    for answer in partitions {
        let topic = answer.topic.clone();
        let place = *places.entry(topic).or_insert_with_key(|key| {
            topics.push((topic_response(key), Vec::new()));
            topics.len() - 1
        });
        let (topic, batches) =
            topics.get_mut(place).expect("a place is the index of a topic that was pushed");
        if let (Ok(served), Some(metrics)) = (&answer.outcome, &answer.metrics) {
            // As sent: batches that were converted for an old client have another size in the log.
            metrics.bytes_out.add(served.bytes as u64);
        }
        let (data, records) = partition_data(answer, version);
        topic.partitions.push(data);
        batches.push(records);
    }
    let (responses, batches): (Vec<_>, Vec<_>) = topics.into_iter().unzip();
    let mut batches: Vec<Vec<Bytes>> = batches.into_iter().flatten().collect();
    hold_until_written(share, &mut batches);
    let message = messages::FetchResponse::default().with_session_id(session_id).with_responses(responses);
    FetchResponse { message, batches }
}

/// A topic of the answer, named as the request named it: by id since version 13, by name before.
fn topic_response(key: &TopicRef) -> FetchableTopicResponse {
    match key {
        TopicRef::Name(name) => FetchableTopicResponse::default()
            .with_topic(TopicName(StrBytes::from_string(String::from(&**name)))),
        TopicRef::Id(id) => FetchableTopicResponse::default().with_topic_id(*id),
    }
}

/// The answer of one partition and its batches. Offsets are -1 with an error. Aborted transactions are null
/// unless the client reads committed records only.
fn partition_data(answer: PartitionAnswer, version: i16) -> (PartitionData, Vec<Bytes>) {
    let data = PartitionData::default().with_partition_index(answer.index);
    let served = match answer.outcome {
        Ok(served) => served,
        Err(error) => {
            let code = known_to_client(ErrorCode::from(&error), version, STORAGE_ERROR_FROM);
            // As `FetchResponse.partitionResponse`: with an error there are no offsets to trust.
            let data = data
                .with_error_code(code.code())
                .with_high_watermark(NONE)
                .with_last_stable_offset(NONE)
                .with_log_start_offset(NONE)
                .with_aborted_transactions(None);
            return (data, Vec::new());
        }
    };
    let Served {
        high_watermark,
        last_stable_offset,
        log_start_offset,
        batches,
        bytes: _,
        had_no_room: _,
        aborted,
        diverging,
    } = served;
    let aborted = aborted.map(|aborted| {
        let transactions = aborted.iter().map(|aborted| {
            AbortedTransaction::default()
                .with_producer_id(ProducerId(aborted.producer_id))
                .with_first_offset(aborted.first_offset)
        });
        transactions.collect()
    });
    let diverging = diverging.map_or_else(EpochEndOffset::default, |end| {
        EpochEndOffset::default().with_epoch(end.leader_epoch).with_end_offset(end.end_offset)
    });
    let data = data
        .with_error_code(ErrorCode::None.code())
        .with_high_watermark(high_watermark)
        .with_last_stable_offset(last_stable_offset)
        .with_log_start_offset(log_start_offset)
        .with_aborted_transactions(aborted)
        .with_diverging_epoch(diverging);
    (data, batches)
}

/// Ties the share of the budget to the largest batch: both are let go when the socket has taken it. (The encoder
/// copies very small ones, and lets go of them at once.)
fn hold_until_written(share: FetchShare, batches: &mut [Vec<Bytes>]) {
    struct Held {
        batch: Bytes,
        _share: FetchShare,
    }
    impl AsRef<[u8]> for Held {
        fn as_ref(&self) -> &[u8] {
            &self.batch
        }
    }
    if let Some(largest) = batches.iter_mut().flatten().max_by_key(|batch| batch.len()) {
        let batch = std::mem::take(largest);
        *largest = Bytes::from_owner(Held { batch, _share: share });
    }
}

#[cfg(test)]
mod leadership_tests;
#[cfg(test)]
pub(super) mod tests;
