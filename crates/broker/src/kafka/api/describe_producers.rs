//! DescribeProducers, key 61: who writes to a partition, with epochs and sequences (KIP-664).
//!
//! Version 0. A producer is told of until `producer.id.expiration.ms` has passed since its last batch; its
//! timestamp is when that came, by the broker's clock. Only idempotent and transactional producers have an id, so only they
//! are listed, the latter with the epoch of the coordinator that ended their last transaction (-1: none), and with the first
//! offset of the one that is open (-1: none). A partition that is named twice is INVALID_REQUEST the second time, which keeps answers as short
//! as the state that exists.

use std::collections::HashSet;
use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::describe_producers_request::TopicRequest;
use codec::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use codec::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId, StrBytes};
use storage::{Catalog, Located, PartitionNumber};

use crate::kafka::access::{Access, Operation, TOPIC, each};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::admin::topics;
use crate::topics::error::PartitionError;

/// See the file's header.
pub(crate) struct DescribeProducers;

/// No transaction is open.
const NONE: i64 = -1;

impl Api for DescribeProducers {
    type Request = DescribeProducersRequest;
    const VERSIONS: RangeInclusive<i16> = 0..=0;
    const ACCESS: Access = Access::Needs(&[each(TOPIC, Operation::Read)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let mut seen = HashSet::new();
        let describe = |topic: TopicRequest| match cx.authorize(TOPIC, Operation::Read, &topic.name) {
            Ok(permit) => describe(&cx.catalog(&permit), topic, &mut seen),
            Err(code) => refused(topic, code),
        };
        let topics = request.topics.into_iter().map(describe).collect();
        Ok(Reply::Response(DescribeProducersResponse::default().with_topics(topics)))
    }

    fn first_error(response: &DescribeProducersResponse) -> i16 {
        let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
        super::first_code(partitions.map(|partition| partition.error_code))
    }
}

/// The refusal of each partition of a topic.
fn refused(asked: TopicRequest, code: ErrorCode) -> TopicResponse {
    let one = |index: &i32| {
        PartitionResponse::default()
            .with_partition_index(*index)
            .with_error_code(code.code())
            .with_error_message(Some(StrBytes::from_static_str(code.message())))
    };
    let partitions = asked.partition_indexes.iter().map(one).collect();
    TopicResponse::default().with_name(asked.name).with_partitions(partitions)
}

/// Describes each partition once, so that the partitions which exist bound an answer, and not those a client asks for:
/// `seen` are the ones described already.
fn describe(catalog: &Catalog, asked: TopicRequest, seen: &mut HashSet<PartitionNumber>) -> TopicResponse {
    let topic = catalog.topic(&asked.name);
    let mut one = |index: i32| {
        let answer = PartitionResponse::default().with_partition_index(index).with_error_message(None);
        match topic.and_then(|topic| topic.partition(index)) {
            Some(Located::Here(partition)) if !seen.insert(partition.number()) => {
                let text = StrBytes::from_static_str("The partition is named twice in the request.");
                answer.with_error_code(ErrorCode::InvalidRequest.code()).with_error_message(Some(text))
            }
            Some(Located::Here(partition)) => match partition.ensure_led() {
                Ok(()) => {
                    answer.with_active_producers(partition.producers().into_iter().map(producer).collect())
                }
                // It is being taken over.
                Err(error) => answer.with_error_code(ErrorCode::from(&PartitionError::from(error)).code()),
            },
            Some(Located::Elsewhere) => {
                let code = ErrorCode::from(&PartitionError::NotLeader);
                answer.with_error_code(code.code())
            }
            None => {
                let code = ErrorCode::from(&topics::absent(&asked.name));
                let text = StrBytes::from_static_str(code.message());
                answer.with_error_code(code.code()).with_error_message(Some(text))
            }
        }
    };
    let partitions = asked.partition_indexes.iter().map(|index| one(*index)).collect();
    TopicResponse::default().with_name(asked.name.clone()).with_partitions(partitions)
}

/// One producer. `last_sequence` is the sequence of the last record of its newest batch. The coordinator epoch is -1 before the first
/// marker; without a transaction the start offset is -1.
fn producer((id, state): (i64, storage::ProducerState)) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(i32::from(state.producer_epoch))
        .with_last_sequence(state.last_sequence())
        // Kafka shows the producer's own timestamp; this one is what the producer expires by.
        .with_last_timestamp(state.last_timestamp_ms)
        .with_coordinator_epoch(state.coordinator_epoch)
        .with_current_txn_start_offset(state.current_txn_start_offset.unwrap_or(NONE))
}

#[cfg(test)]
mod tests;
