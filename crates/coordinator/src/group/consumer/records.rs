//! The records of a consumer group (KIP-848); the formats are in `group/records.rs`.

use std::sync::Arc;

use bytes::Bytes;

use super::member::{ClassicMember, Current, EpochPartitions, Subscription};
use crate::group::assignor::TopicPartitions;
use crate::group::records::{Key, Reader, Writer};
use crate::group::requests::Protocol;
use crate::group::{GroupId, GroupInstanceId, MemberId};
use crate::state_machine::{Record, RecordError, TooLong};

/// The persistent part of a consumer group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupEpochs {
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub metadata_hash: u64,
    /// Wall clock, milliseconds.
    pub empty_since_ms: i64,
}

impl Record {
    /// The record of a group's epochs.
    pub fn consumer_group(group: &GroupId, epochs: &ConsumerGroupEpochs) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        out.i32(epochs.epoch);
        out.i32(epochs.assignment_epoch);
        out.u64(epochs.metadata_hash);
        out.i64(epochs.empty_since_ms);
        Record::value(&Key::ConsumerGroup { group: group.clone() }, out)
    }

    /// The record of what a member said of itself.
    ///
    /// # Errors
    /// If a list or a string in it is longer than can be stored.
    pub fn consumer_member(
        group: &GroupId,
        member: &MemberId,
        said: &Subscription,
    ) -> Result<Record, TooLong> {
        let key = Key::ConsumerMember { group: group.clone(), member: member.clone() };
        Record::value(&key, encode_subscription(said))
    }

    /// The record of a member's target assignment.
    ///
    /// # Errors
    /// If a list or a string in it is longer than can be stored.
    pub fn target_assignment(
        group: &GroupId,
        member: &MemberId,
        target: &TopicPartitions,
    ) -> Result<Record, TooLong> {
        let mut out = Writer::value();
        out.list(target.iter(), |out, (topic, partitions)| {
            out.uuid(*topic);
            out.list(partitions.iter(), |out, partition| out.i32(*partition));
        });
        let key = Key::TargetAssignment { group: group.clone(), member: member.clone() };
        Record::value(&key, out)
    }

    /// The record of a member's current assignment.
    ///
    /// # Errors
    /// If a list or a string in it is longer than can be stored.
    pub fn current_assignment(
        group: &GroupId,
        member: &MemberId,
        current: &Current,
    ) -> Result<Record, TooLong> {
        let key = Key::CurrentAssignment { group: group.clone(), member: member.clone() };
        Record::value(&key, current.encode(put_partitions))
    }
}

/// Reads the value of a consumer group's record.
///
/// # Errors
/// If it is of a newer version, or does not parse to its last byte.
pub fn decode_epochs(value: &[u8]) -> Result<ConsumerGroupEpochs, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let epochs = ConsumerGroupEpochs {
        epoch: from.i32()?,
        assignment_epoch: from.i32()?,
        metadata_hash: from.u64()?,
        empty_since_ms: from.i64()?,
    };
    from.end()?;
    Ok(epochs)
}

fn encode_subscription(said: &Subscription) -> Writer {
    let mut out = Writer::value();
    out.option_string(said.group_instance_id.as_ref().map(GroupInstanceId::as_str));
    out.option_string(said.rack_id.as_deref());
    out.string(&said.client_id);
    out.string(&said.client_host);
    out.u32(said.rebalance_timeout_ms);
    out.list(said.topic_names.iter(), |out, name| out.string(name));
    out.option_string(said.topic_regex.as_deref());
    out.option_string(said.server_assignor.as_deref());
    out.flag(said.classic.is_some());
    if let Some(classic) = &said.classic {
        out.u32(classic.session_timeout_ms);
        out.list(classic.protocols.iter(), |out, protocol| {
            out.string(&protocol.name);
            out.bytes(&protocol.metadata);
        });
    }
    out
}

/// Reads the value of a member's record.
///
/// # Errors
/// If it is of a newer version, or does not parse to its last byte.
pub fn decode_subscription(value: &[u8]) -> Result<Subscription, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let mut said = Subscription {
        group_instance_id: from.option(Reader::str)?.map(GroupInstanceId::from),
        rack_id: from.option(Reader::str)?.map(Arc::from),
        client_id: from.str()?.into(),
        client_host: from.str()?.into(),
        rebalance_timeout_ms: from.u32()?,
        ..Subscription::default()
    };
    for _ in 0..from.count()? {
        said.topic_names.insert(from.str()?.into());
    }
    said.topic_regex = from.option(Reader::str)?.map(Arc::from);
    said.server_assignor = from.option(Reader::str)?.map(Arc::from);
    said.classic = from.option(|from| {
        let mut classic = ClassicMember { session_timeout_ms: from.u32()?, protocols: Vec::new() };
        for _ in 0..from.count()? {
            let name = Arc::from(from.str()?);
            classic.protocols.push(Protocol { name, metadata: Bytes::copy_from_slice(from.bytes()?) });
        }
        Ok(classic)
    })?;
    from.end()?;
    Ok(said)
}

/// Reads the value of a target assignment.
///
/// # Errors
/// If it is of a newer version, or does not parse to its last byte.
pub fn decode_target(value: &[u8]) -> Result<TopicPartitions, RecordError> {
    let mut from = Reader::new(value);
    from.version()?;
    let mut target = TopicPartitions::new();
    for _ in 0..from.count()? {
        let partitions = target.entry(from.uuid()?).or_default();
        for _ in 0..from.count()? {
            partitions.insert(from.i32()?);
        }
    }
    from.end()?;
    Ok(target)
}

/// Reads the value of a current assignment.
///
/// # Errors
/// If it is of a newer version, or does not parse to its last byte.
pub fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    Current::decode(value, partitions)
}

fn put_partitions(out: &mut Writer, topics: &EpochPartitions) {
    out.list(topics.iter(), |out, (topic, partitions)| {
        out.uuid(*topic);
        out.list(partitions.iter(), |out, (partition, epoch)| {
            out.i32(*partition);
            out.i32(*epoch);
        });
    });
}

fn partitions(from: &mut Reader<'_>) -> Result<EpochPartitions, RecordError> {
    let mut topics = EpochPartitions::new();
    for _ in 0..from.count()? {
        let partitions = topics.entry(from.uuid()?).or_default();
        for _ in 0..from.count()? {
            let partition = from.i32()?;
            partitions.insert(partition, from.i32()?);
        }
    }
    Ok(topics)
}

#[cfg(test)]
mod tests;
