//! CreateTopics 0–1, by hand because kafka-protocol begins with version 2.
//!
//! - 0: topics and a timeout; the answer has names and error codes.
//! - 1: `validate_only`, with which the request is laid out as that of version 2; error messages in the answer.
//! - 2: a throttle time in the answer. kafka-protocol's, as all that follow.

use std::ops::RangeInclusive;

use bytes::BufMut;

use crate::error::{DecodeError, EncodeError};
use crate::extended::{Extended, Layout};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use crate::messages::create_topics_response::CreatableTopicResult;
use crate::messages::{BrokerId, CreateTopicsRequest, CreateTopicsResponse, TopicName};

impl Extended for CreateTopicsRequest {
    const NAME: &'static str = "CreateTopicsRequest";
    const VERSIONS: RangeInclusive<i16> = 0..=7;
    const FLEXIBLE_FROM: i16 = 5;

    fn layout(version: i16) -> Layout {
        match version {
            // `validate_only` is missing, so it is false: a version 0 request always creates.
            0 => Layout::Own,
            // Version 2 changed the answer alone.
            1 => Layout::KafkaProtocol(2),
            version => Layout::KafkaProtocol(version),
        }
    }

    fn read(from: &mut FieldReader<'_>, _version: i16) -> Result<Self, DecodeError> {
        // An empty name, two numbers, no assignments, no configs: 2 + 4 + 2 + 4 + 4.
        let topics = from.array(16, "Topics", |from| {
            let topic = CreatableTopic::default()
                .with_name(TopicName(from.string("Name")?))
                .with_num_partitions(from.i32("NumPartitions")?)
                .with_replication_factor(from.i16("ReplicationFactor")?);
            // With assignments both numbers above have to be -1.
            let assignments = from.array(8, "Assignments", |from| {
                let one = CreatableReplicaAssignment::default();
                let one = one.with_partition_index(from.i32("PartitionIndex")?);
                Ok(one
                    .with_broker_ids(from.array(4, "BrokerIds", |from| Ok(BrokerId(from.i32("BrokerId")?)))?))
            })?;
            let configs = from.array(4, "Configs", |from| {
                let config = CreatableTopicConfig::default().with_name(from.string("Name")?);
                Ok(config.with_value(from.nullable_string("Value")?))
            })?;
            Ok(topic.with_assignments(assignments).with_configs(configs))
        })?;
        let timeout_ms = from.i32("TimeoutMs")?;
        Ok(CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(timeout_ms))
    }

    fn write(&self, to: &mut FieldWriter<'_>, _version: i16) -> Result<(), EncodeError> {
        to.array(&self.topics, |to, topic| {
            to.string(&topic.name)?;
            to.out.put_i32(topic.num_partitions);
            to.out.put_i16(topic.replication_factor);
            to.array(&topic.assignments, |to, one| {
                to.out.put_i32(one.partition_index);
                to.array(&one.broker_ids, |to, id| {
                    to.out.put_i32(id.0);
                    Ok(())
                })
            })?;
            to.array(&topic.configs, |to, config| {
                to.string(&config.name)?;
                to.nullable_string(config.value.as_deref())
            })
        })?;
        to.out.put_i32(self.timeout_ms);
        Ok(())
    }
}

impl Extended for CreateTopicsResponse {
    const NAME: &'static str = "CreateTopicsResponse";
    const VERSIONS: RangeInclusive<i16> = 0..=7;
    const FLEXIBLE_FROM: i16 = 5;

    fn layout(version: i16) -> Layout {
        if version < 2 { Layout::Own } else { Layout::KafkaProtocol(version) }
    }

    fn read(from: &mut FieldReader<'_>, version: i16) -> Result<Self, DecodeError> {
        let topics = from.array(4, "Topics", |from| {
            let topic = CreatableTopicResult::default()
                .with_name(TopicName(from.string("Name")?))
                .with_error_code(from.i16("ErrorCode")?);
            let message = if version >= 1 { from.nullable_string("ErrorMessage")? } else { None };
            Ok(topic.with_error_message(message))
        })?;
        Ok(CreateTopicsResponse::default().with_topics(topics))
    }

    fn write(&self, to: &mut FieldWriter<'_>, version: i16) -> Result<(), EncodeError> {
        to.array(&self.topics, |to, topic| {
            to.string(&topic.name)?;
            to.out.put_i16(topic.error_code);
            // Kafka too leaves a client of version 0 with the code alone.
            if version < 1 { Ok(()) } else { to.nullable_string(topic.error_message.as_deref()) }
        })
    }
}
