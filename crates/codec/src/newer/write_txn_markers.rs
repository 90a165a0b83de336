//! WriteTxnMarkers, the request by hand because kafka-protocol's has no room for the field of version 2.
//!
//! - 1: the only version that kafka-protocol has, flexible.
//! - 2 (KIP-1228): the level of `transaction.version`. The answer is laid out as that of 1.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout, never_by_kafka_protocol};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use crate::messages::{ProducerId, TopicName, WriteTxnMarkersRequest, WriteTxnMarkersResponse};

const TRANSACTION_VERSION_FROM: i16 = 2;

never_by_kafka_protocol!(WriteTxnMarkersRequest);

impl Extended for WriteTxnMarkersRequest {
    const NAME: &'static str = "WriteTxnMarkersRequest";
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE_FROM: i16 = 1;

    fn layout(_version: i16) -> Layout {
        Layout::Own
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        // Producer, epoch, result, no topics, coordinator's epoch, no tagged fields.
        let markers = from.array(17, "Markers", |from| {
            let mut marker = WritableTxnMarker::default()
                .with_producer_id(ProducerId(from.i64("ProducerId")?))
                .with_producer_epoch(from.i16("ProducerEpoch")?)
                .with_transaction_result(from.bool("TransactionResult")?);
            // An empty name, no partitions, no tagged fields.
            marker.topics = from.array(3, "Topics", |from| {
                let topic = WritableTxnMarkerTopic::default().with_name(TopicName(from.string("Name")?));
                let indexes = from.array(4, "PartitionIndexes", |from| from.i32("PartitionIndexes"))?;
                from.tags()?;
                Ok(topic.with_partition_indexes(indexes))
            })?;
            marker.coordinator_epoch = from.i32("CoordinatorEpoch")?;
            if version >= TRANSACTION_VERSION_FROM {
                marker.transaction_version = from.i8("TransactionVersion")?;
            }
            from.tags()?;
            Ok(marker)
        })?;
        from.tags()?;
        Ok(WriteTxnMarkersRequest::default().with_markers(markers))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.array(&self.markers, |to, marker| {
            to.out.put_i64(*marker.producer_id);
            to.out.put_i16(marker.producer_epoch);
            to.bool(marker.transaction_result);
            to.array(&marker.topics, |to, topic| {
                to.string(&topic.name)?;
                to.array(&topic.partition_indexes, |to, index| {
                    to.out.put_i32(*index);
                    Ok(())
                })?;
                to.tags();
                Ok(())
            })?;
            to.out.put_i32(marker.coordinator_epoch);
            if version >= TRANSACTION_VERSION_FROM {
                to.out.put_i8(marker.transaction_version);
            }
            to.tags();
            Ok(())
        })?;
        to.tags();
        Ok(())
    }
}

impl Extended for WriteTxnMarkersResponse {
    const NAME: &'static str = "WriteTxnMarkersResponse";
    const VERSIONS: RangeInclusive<i16> = 1..=2;
    const FLEXIBLE_FROM: i16 = 1;

    fn layout(_version: i16) -> Layout {
        Layout::KafkaProtocol(1)
    }
}
