//! Fetch 0–3, by hand because kafka-protocol begins with version 4. The partitions of these answers hold message sets:
//! [`downgrade`](fn@crate::message_set::downgrade).
//!
//! - 0: no limit of all bytes, no isolation level.
//! - 1: a throttle time in the answer.
//! - 2: laid out as 1; clients read messages of format v1.
//! - 3 (KIP-74): `max_bytes`.
//! - 4 (KIP-98): isolation level, transactions. kafka-protocol's, as all that follow.
//!
//! [`fetch_response`](crate::fetch_response) writes the answers of all versions; here those of these are read.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::fetch_request::{FetchPartition, FetchTopic};
use crate::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use crate::messages::{BrokerId, FetchRequest, FetchResponse, TopicName};

/// No version of this file is flexible.
const FLEXIBLE_FROM: i16 = 12;
/// The first version with a limit for the whole answer.
const MAX_BYTES_FROM: i16 = 3;

impl Extended for FetchRequest {
    const NAME: &'static str = "FetchRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=18;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(version: i16) -> Layout {
        if version < 4 { Layout::Own } else { Layout::KafkaProtocol(version) }
    }

    /// Before version 3 `max_bytes` is at its default, the largest.
    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut request = FetchRequest::default()
            .with_replica_id(BrokerId(from.i32("ReplicaId")?))
            .with_max_wait_ms(from.i32("MaxWaitMs")?)
            .with_min_bytes(from.i32("MinBytes")?);
        if version >= MAX_BYTES_FROM {
            request.max_bytes = from.i32("MaxBytes")?;
        }
        // Sessions, epochs and racks came later: their defaults are those of a consumer without a session.
        let topics = from.array(6, "Topics", |from| {
            let topic = FetchTopic::default().with_topic(TopicName(from.string("Topic")?));
            let partitions = from.array(16, "Partitions", |from| {
                Ok(FetchPartition::default()
                    .with_partition(from.i32("Partition")?)
                    .with_fetch_offset(from.i64("FetchOffset")?)
                    .with_partition_max_bytes(from.i32("PartitionMaxBytes")?))
            })?;
            Ok(topic.with_partitions(partitions))
        })?;
        Ok(request.with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.out.put_i32(*self.replica_id);
        to.out.put_i32(self.max_wait_ms);
        to.out.put_i32(self.min_bytes);
        if version >= MAX_BYTES_FROM {
            to.out.put_i32(self.max_bytes);
        }
        to.array(&self.topics, |to, topic| {
            to.string(&topic.topic)?;
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition);
                to.out.put_i64(partition.fetch_offset);
                to.out.put_i32(partition.partition_max_bytes);
                Ok(())
            })
        })
    }
}

impl Extended for FetchResponse {
    const NAME: &'static str = "FetchResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=18;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(version: i16) -> Layout {
        if version < 4 { Layout::Own } else { Layout::KafkaProtocol(version) }
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let mut response = FetchResponse::default();
        if version >= 1 {
            response.throttle_time_ms = from.i32("ThrottleTimeMs")?;
        }
        let responses = from.array(6, "Responses", |from| {
            let topic = FetchableTopicResponse::default().with_topic(TopicName(from.string("Topic")?));
            // Number, code, high watermark, and null record data: 4 + 2 + 8 + 4.
            let partitions = from.array(18, "Partitions", |from| {
                let partition = PartitionData::default()
                    .with_partition_index(from.i32("PartitionIndex")?)
                    .with_error_code(from.i16("ErrorCode")?)
                    .with_high_watermark(from.i64("HighWatermark")?);
                // A slice of the answer, with messages of format v0 or v1 in it, or null.
                Ok(partition.with_records(from.nullable_bytes("Records")?))
            })?;
            Ok(topic.with_partitions(partitions))
        })?;
        Ok(response.with_responses(responses))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        if version >= 1 {
            to.out.put_i32(self.throttle_time_ms);
        }
        to.array(&self.responses, |to, topic| {
            to.string(&topic.topic)?;
            to.array(&topic.partitions, |to, partition| {
                to.out.put_i32(partition.partition_index);
                to.out.put_i16(partition.error_code);
                to.out.put_i64(partition.high_watermark);
                to.nullable_bytes(partition.records.as_deref())
            })
        })
    }
}
