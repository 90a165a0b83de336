//! Produce 0–2, by hand because kafka-protocol begins with version 3. The record data may be a message set:
//! [`MessageSet`](crate::message_set::MessageSet).
//!
//! - 0: no transactional id; the answer ends after the partitions.
//! - 1: a throttle time in the answer.
//! - 2 (KIP-32): the time of the append in the answer.
//! - 3 (KIP-98): the transactional id. kafka-protocol's, as all that follow.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::produce_request::{PartitionProduceData, TopicProduceData};
use crate::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use crate::messages::{ProduceRequest, ProduceResponse, TopicName};

/// No version of this file is flexible.
const FLEXIBLE_FROM: i16 = 9;

/// Request and answer change at the same version.
fn layout(version: i16) -> Layout {
    if version < 3 { Layout::Own } else { Layout::KafkaProtocol(version) }
}

impl Extended for ProduceRequest {
    const NAME: &'static str = "ProduceRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        let request =
            ProduceRequest::default().with_acks(from.i16("Acks")?).with_timeout_ms(from.i32("TimeoutMs")?);
        // No transactional id: it is null, which is no transaction.
        let topics = from.array(6, "TopicData", |from| {
            let topic = TopicProduceData::default().with_name(TopicName(from.string("Name")?));
            let partitions = from.array(8, "PartitionData", |from| {
                let partition = PartitionProduceData::default().with_index(from.i32("Index")?);
                // A slice of the request. Which format it has is seen by its magic byte, not by the version.
                Ok(partition.with_records(from.nullable_bytes("Records")?))
            })?;
            Ok(topic.with_partition_data(partitions))
        })?;
        Ok(request.with_topic_data(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.out.put_i16(self.acks);
        to.out.put_i32(self.timeout_ms);
        to.array(&self.topic_data, |to, topic| {
            to.string(&topic.name)?;
            to.array(&topic.partition_data, |to, partition| {
                to.out.put_i32(partition.index);
                to.nullable_bytes(partition.records.as_deref())
            })
        })
    }
}

impl Extended for ProduceResponse {
    const NAME: &'static str = "ProduceResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=13;
    const FLEXIBLE_FROM: i16 = FLEXIBLE_FROM;

    fn layout(version: i16) -> Layout {
        layout(version)
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let responses = from.array(6, "Responses", |from| {
            let topic = TopicProduceResponse::default().with_name(TopicName(from.string("Name")?));
            let partitions = from.array(14, "PartitionResponses", |from| {
                let mut partition = PartitionProduceResponse::default()
                    .with_index(from.i32("Index")?)
                    .with_error_code(from.i16("ErrorCode")?)
                    .with_base_offset(from.i64("BaseOffset")?);
                if version >= 2 {
                    // -1 where the topic keeps the producer's timestamps.
                    partition.log_append_time_ms = from.i64("LogAppendTimeMs")?;
                }
                Ok(partition)
            })?;
            Ok(topic.with_partition_responses(partitions))
        })?;
        let response = ProduceResponse::default().with_responses(responses);
        // After the topics, unlike in Fetch and nearly all others, where it comes first.
        if version < 1 {
            Ok(response)
        } else {
            Ok(response.with_throttle_time_ms(from.i32("ThrottleTimeMs")?))
        }
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.array(&self.responses, |to, topic| {
            to.string(&topic.name)?;
            to.array(&topic.partition_responses, |to, partition| {
                to.out.put_i32(partition.index);
                to.out.put_i16(partition.error_code);
                to.out.put_i64(partition.base_offset);
                if version >= 2 {
                    to.out.put_i64(partition.log_append_time_ms);
                }
                Ok(())
            })
        })?;
        if version >= 1 {
            to.out.put_i32(self.throttle_time_ms);
        }
        Ok(())
    }
}
