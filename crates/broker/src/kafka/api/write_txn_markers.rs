//! WriteTxnMarkers, key 27: ends transactions in partitions by hand, as `kafka-transactions.sh abort` does (KIP-664).
//!
//! Versions 1–2:
//! - v2: the level of `transaction.version` (KIP-1228): with 2 a marker has to raise the producer's epoch, unless nothing is open.
//!
//! The coordinator here writes its markers itself. One by hand is for a transaction of which no coordinator knows. Deliberate
//! difference: an abort in a partition of a transaction that the coordinator has open ends all of it, and a commit in one is
//! INVALID_TXN_STATE; Kafka ends the named partitions alone, and so tears the transaction. An abort that has to raise the epoch of
//! the open transaction, and does not, is INVALID_PRODUCER_EPOCH as in Kafka.
//!
//! A marker that no batch can hold, because its producer id or epoch is below 0, fails the whole request as in Kafka, before
//! anything is written. One whose level of `transaction.version` is -1 (unknown) is refused in each partition; a level below 0
//! counts as 0, one above 2 as 2. A marker without partitions is left out of the answer.

use std::ops::RangeInclusive;

use codec::ErrorCode;
use codec::messages::write_txn_markers_request::WritableTxnMarker;
use codec::messages::write_txn_markers_response::{
    WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
};
use codec::messages::{WriteTxnMarkersRequest, WriteTxnMarkersResponse};
use coordinator::transaction::{ProducerId, ProducerIdAndEpoch};

use crate::kafka::access::{Access, CLUSTER, Operation, whole};
use crate::kafka::api::{Answer, Api, Reply};
use crate::kafka::context::Context;
use crate::services::coordinator::transaction::{MarkerRefused, WantedMarkers};
use crate::session::authorizer::Permit;
use crate::topics::error::PartitionError;
use crate::topics::names::TopicRef;

/// See the file's header.
pub(crate) struct WriteTxnMarkers;

/// The level of `transaction.version` that says none (`TransactionVersion.TV_UNKNOWN`).
const UNKNOWN_VERSION: i8 = -1;

impl Api for WriteTxnMarkers {
    type Request = WriteTxnMarkersRequest;
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const ACCESS: Access =
        Access::Needs(&[whole(CLUSTER, Operation::Alter).or(CLUSTER, Operation::ClusterAction)]);

    async fn handle(cx: &Context, request: Self::Request) -> Answer<Self> {
        let asked = || request.markers.iter().filter(|marker| !is_empty(marker));
        let permit = cx.may_cluster(Operation::Alter);
        let permit = match permit.or_else(|_| cx.authorize_cluster(Operation::ClusterAction)) {
            Ok(permit) => permit,
            Err(code) => {
                let markers = request.markers.iter().map(|marker| answer(marker, |_| code)).collect();
                return Ok(Reply::Response(WriteTxnMarkersResponse::default().with_markers(markers)));
            }
        };
        if asked().any(|marker| cannot_be_written(cx, &permit, marker)) {
            let markers = asked().map(|marker| answer(marker, |_| ErrorCode::UnknownServerError)).collect();
            return Ok(Reply::Response(WriteTxnMarkersResponse::default().with_markers(markers)));
        }
        let mut markers = Vec::with_capacity(request.markers.len());
        for marker in asked() {
            let results = cx.transactions(&permit).write_markers(wanted(cx, &permit, marker)).await;
            markers.push(answer(marker, |position| match results.get(position) {
                Some(Err(refused)) => ErrorCode::from(refused),
                _ => ErrorCode::None,
            }));
        }
        Ok(Reply::Response(WriteTxnMarkersResponse::default().with_markers(markers)))
    }

    fn first_error(response: &WriteTxnMarkersResponse) -> i16 {
        let topics = response.markers.iter().flat_map(|marker| &marker.topics);
        super::first_code(topics.flat_map(|topic| &topic.partitions).map(|partition| partition.error_code))
    }
}

/// True if the marker names no partition.
fn is_empty(marker: &WritableTxnMarker) -> bool {
    marker.topics.iter().all(|topic| topic.partition_indexes.is_empty())
}

/// True if the marker would be written, as a partition of it is here, and cannot be.
fn cannot_be_written(cx: &Context, permit: &Permit, marker: &WritableTxnMarker) -> bool {
    (*marker.producer_id < 0 || marker.producer_epoch < 0)
        && wanted(cx, permit, marker).partitions.iter().any(|partition| {
            // Kafka makes the batch before the log looks at the level.
            matches!(partition, Ok(_) | Err(MarkerRefused::UnknownVersion))
        })
}

/// The partitions of a marker, each if it is here.
fn wanted(cx: &Context, permit: &Permit, marker: &WritableTxnMarker) -> WantedMarkers {
    let mut partitions = Vec::new();
    for asked in &marker.topics {
        let topic = TopicRef::named(&asked.name);
        let find = |index: &i32| {
            let partition = cx.topics(permit).find(&topic, *index).map_err(|error| match error {
                PartitionError::NotLeader => MarkerRefused::NotLeader,
                _ => MarkerRefused::UnknownPartition,
            })?;
            // Where the log would take it (`ProducerAppendInfo.appendEndTxnMarker`).
            match marker.transaction_version {
                UNKNOWN_VERSION => Err(MarkerRefused::UnknownVersion),
                _ => Ok(partition),
            }
        };
        partitions.extend(asked.partition_indexes.iter().map(find));
    }
    WantedMarkers {
        producer: ProducerIdAndEpoch { id: ProducerId(*marker.producer_id), epoch: marker.producer_epoch },
        commit: marker.transaction_result,
        coordinator_epoch: marker.coordinator_epoch,
        // `TransactionVersion.TV_2`.
        raises_epoch: marker.transaction_version >= 2,
        partitions,
    }
}

/// The answer; `code` gets the position of a partition in the marker.
fn answer(marker: &WritableTxnMarker, code: impl Fn(usize) -> ErrorCode) -> WritableTxnMarkerResult {
    let mut position = 0;
    let mut one = |index: &i32| {
        let code = code(position).code();
        position += 1;
        WritableTxnMarkerPartitionResult::default().with_partition_index(*index).with_error_code(code)
    };
    let topics = marker.topics.iter().map(|topic| {
        WritableTxnMarkerTopicResult::default()
            .with_name(topic.name.clone())
            .with_partitions(topic.partition_indexes.iter().map(&mut one).collect())
    });
    WritableTxnMarkerResult::default().with_producer_id(marker.producer_id).with_topics(topics.collect())
}
