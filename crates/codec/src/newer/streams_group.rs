//! The layouts of the parts that messages of streams groups have in common.
//!
//! A struct that may be null begins with a byte: negative for null, else the struct follows.

use bytes::BufMut;
use kafka_protocol::messages::TopicName;

use crate::error::{DecodeError, EncodeError};
use crate::fields::{FieldReader, FieldWriter};
use crate::messages::streams_group::{Endpoint, KeyValue, TaskIds, TaskOffset, TopicInfo};

/// The fewest bytes of an element; the tagged fields take one.
pub(super) const TASK_IDS_BYTES: usize = 3;
pub(super) const KEY_VALUE_BYTES: usize = 3;
pub(super) const TOPIC_INFO_BYTES: usize = 9;
pub(super) const TASK_OFFSET_BYTES: usize = 14;

/// A struct that may be null.
pub(super) fn read_nullable<T>(
    from: &mut FieldReader<'_>,
    expected: &'static str,
    read: impl FnOnce(&mut FieldReader<'_>) -> Result<T, DecodeError>,
) -> Result<Option<T>, DecodeError> {
    if from.i8(expected)? < 0 { Ok(None) } else { read(from).map(Some) }
}

/// As [`read_nullable`], for writing.
pub(super) fn write_nullable<T>(
    to: &mut FieldWriter<'_>,
    value: Option<&T>,
    write: impl FnOnce(&mut FieldWriter<'_>, &T) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    to.out.put_i8(if value.is_some() { 1 } else { -1 });
    value.map_or(Ok(()), |value| write(to, value))
}

pub(super) fn read_task_ids(from: &mut FieldReader<'_>) -> Result<TaskIds, DecodeError> {
    let task_ids = TaskIds::default()
        .with_subtopology_id(from.string("SubtopologyId")?)
        .with_partitions(from.array(4, "Partitions", |from| from.i32("Partitions"))?);
    from.tags()?;
    Ok(task_ids)
}

pub(super) fn write_task_ids(to: &mut FieldWriter<'_>, task_ids: &TaskIds) -> Result<(), EncodeError> {
    to.string(&task_ids.subtopology_id)?;
    write_i32s(to, &task_ids.partitions)?;
    to.tags();
    Ok(())
}

pub(super) fn write_i32s(to: &mut FieldWriter<'_>, numbers: &[i32]) -> Result<(), EncodeError> {
    to.array(numbers, |to, number| {
        to.out.put_i32(*number);
        Ok(())
    })
}

pub(super) fn read_topics(
    from: &mut FieldReader<'_>,
    expected: &'static str,
) -> Result<Vec<TopicName>, DecodeError> {
    from.array(1, expected, |from| Ok(TopicName(from.string(expected)?)))
}

pub(super) fn write_topics(to: &mut FieldWriter<'_>, topics: &[TopicName]) -> Result<(), EncodeError> {
    to.array(topics, |to, topic| to.string(topic))
}

pub(super) fn read_task_offset(from: &mut FieldReader<'_>) -> Result<TaskOffset, DecodeError> {
    let offset = TaskOffset::default()
        .with_subtopology_id(from.string("SubtopologyId")?)
        .with_partition(from.i32("Partition")?)
        .with_offset(from.i64("Offset")?);
    from.tags()?;
    Ok(offset)
}

pub(super) fn write_task_offset(to: &mut FieldWriter<'_>, offset: &TaskOffset) -> Result<(), EncodeError> {
    to.string(&offset.subtopology_id)?;
    to.out.put_i32(offset.partition);
    to.out.put_i64(offset.offset);
    to.tags();
    Ok(())
}

pub(super) fn read_endpoint(from: &mut FieldReader<'_>) -> Result<Endpoint, DecodeError> {
    let endpoint =
        Endpoint::default().with_host(from.string("Host")?).with_port(from.i16("Port")?.cast_unsigned());
    from.tags()?;
    Ok(endpoint)
}

pub(super) fn write_endpoint(to: &mut FieldWriter<'_>, endpoint: &Endpoint) -> Result<(), EncodeError> {
    to.string(&endpoint.host)?;
    to.out.put_u16(endpoint.port);
    to.tags();
    Ok(())
}

pub(super) fn read_key_value(from: &mut FieldReader<'_>) -> Result<KeyValue, DecodeError> {
    let pair = KeyValue::default().with_key(from.string("Key")?).with_value(from.string("Value")?);
    from.tags()?;
    Ok(pair)
}

pub(super) fn write_key_value(to: &mut FieldWriter<'_>, pair: &KeyValue) -> Result<(), EncodeError> {
    to.string(&pair.key)?;
    to.string(&pair.value)?;
    to.tags();
    Ok(())
}

pub(super) fn read_topic_info(from: &mut FieldReader<'_>) -> Result<TopicInfo, DecodeError> {
    let topic = TopicInfo::default()
        .with_name(TopicName(from.string("Name")?))
        .with_partitions(from.i32("Partitions")?)
        .with_replication_factor(from.i16("ReplicationFactor")?)
        .with_topic_configs(from.array(KEY_VALUE_BYTES, "TopicConfigs", read_key_value)?);
    from.tags()?;
    Ok(topic)
}

pub(super) fn write_topic_info(to: &mut FieldWriter<'_>, topic: &TopicInfo) -> Result<(), EncodeError> {
    to.string(&topic.name)?;
    to.out.put_i32(topic.partitions);
    to.out.put_i16(topic.replication_factor);
    to.array(&topic.topic_configs, write_key_value)?;
    to.tags();
    Ok(())
}
