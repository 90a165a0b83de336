//! The records of consumer groups (KIP-848); see the table and the formats in the parent's header.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use uuid::Uuid;

use super::super::{
    GroupId, GroupInstanceId, MemberId,
    assignor::TopicPartitions,
    consumer::{ClassicMember, Current, EpochPartitions, MemberState, Subscription},
    member::Protocol,
};
use super::{Key, Reader, Record, RecordError, VERSION, put_bytes, put_length, put_option, put_string};

/// The persistent part of a consumer group as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerGroupEpochs {
    pub epoch: i32,
    pub assignment_epoch: i32,
    pub metadata_hash: u64,
    pub empty_since_ms: i64,
}

impl Record {
    pub fn consumer_group(group: &GroupId, epochs: &ConsumerGroupEpochs) -> Record {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_i32(epochs.epoch);
        out.put_i32(epochs.assignment_epoch);
        out.put_u64(epochs.metadata_hash);
        out.put_i64(epochs.empty_since_ms);
        Record { key: Key::ConsumerGroup { group: group.clone() }.encode(), value: Some(out.freeze()) }
    }

    pub fn consumer_member(group: &GroupId, member: &MemberId, said: &Subscription) -> Record {
        let key = Key::ConsumerMember { group: group.clone(), member: member.clone() };
        Record { key: key.encode(), value: Some(encode_subscription(said)) }
    }

    pub fn target_assignment(group: &GroupId, member: &MemberId, target: &TopicPartitions) -> Record {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        put_length(&mut out, target.len());
        for (topic, partitions) in target {
            out.put_slice(topic.as_bytes());
            put_length(&mut out, partitions.len());
            partitions.iter().for_each(|partition| out.put_i32(*partition));
        }
        let key = Key::TargetAssignment { group: group.clone(), member: member.clone() };
        Record { key: key.encode(), value: Some(out.freeze()) }
    }

    pub fn current_assignment(group: &GroupId, member: &MemberId, current: &Current) -> Record {
        let mut out = BytesMut::new();
        out.put_u8(VERSION);
        out.put_u8(match current.state {
            MemberState::Stable => 0,
            MemberState::UnrevokedPartitions => 1,
            MemberState::UnreleasedPartitions => 2,
        });
        out.put_i32(current.epoch);
        out.put_i32(current.previous_epoch);
        put_partitions(&mut out, &current.assigned);
        put_partitions(&mut out, &current.revoking);
        let key = Key::CurrentAssignment { group: group.clone(), member: member.clone() };
        Record { key: key.encode(), value: Some(out.freeze()) }
    }
}

pub fn decode_epochs(value: &[u8]) -> Result<ConsumerGroupEpochs, RecordError> {
    let mut from = Reader(value);
    from.version()?;
    let epochs = ConsumerGroupEpochs {
        epoch: i32::from_be_bytes(from.array()?),
        assignment_epoch: i32::from_be_bytes(from.array()?),
        metadata_hash: u64::from_be_bytes(from.array()?),
        empty_since_ms: i64::from_be_bytes(from.array()?),
    };
    from.end()?;
    Ok(epochs)
}

fn encode_subscription(said: &Subscription) -> Bytes {
    let mut out = BytesMut::new();
    out.put_u8(VERSION);
    put_option(&mut out, said.group_instance_id.as_ref().map(GroupInstanceId::as_str));
    put_option(&mut out, said.rack_id.as_deref());
    put_string(&mut out, &said.client_id);
    put_string(&mut out, &said.client_host);
    out.put_u32(said.rebalance_timeout_ms);
    put_length(&mut out, said.topic_names.len());
    said.topic_names.iter().for_each(|name| put_string(&mut out, name));
    put_option(&mut out, said.topic_regex.as_deref());
    put_option(&mut out, said.server_assignor.as_deref());
    match &said.classic {
        None => out.put_u8(0),
        Some(classic) => {
            out.put_u8(1);
            out.put_u32(classic.session_timeout_ms);
            put_length(&mut out, classic.protocols.len());
            for protocol in &classic.protocols {
                put_string(&mut out, &protocol.name);
                put_bytes(&mut out, &protocol.metadata);
            }
        }
    }
    out.freeze()
}

pub fn decode_subscription(value: &[u8]) -> Result<Subscription, RecordError> {
    let mut from = Reader(value);
    from.version()?;
    let mut said = Subscription {
        group_instance_id: from.option(Reader::str)?.map(GroupInstanceId::from),
        rack_id: from.option(Reader::str)?.map(Arc::from),
        client_id: from.str()?.into(),
        client_host: from.str()?.into(),
        rebalance_timeout_ms: from.u32()?,
        ..Subscription::default()
    };
    for _ in 0..from.u32()? {
        said.topic_names.insert(from.str()?.into());
    }
    said.topic_regex = from.option(Reader::str)?.map(Arc::from);
    said.server_assignor = from.option(Reader::str)?.map(Arc::from);
    said.classic = from.option(|from| {
        let mut classic = ClassicMember { session_timeout_ms: from.u32()?, protocols: Vec::new() };
        for _ in 0..from.u32()? {
            let name = Arc::from(from.str()?);
            classic.protocols.push(Protocol { name, metadata: Bytes::copy_from_slice(from.bytes()?) });
        }
        Ok(classic)
    })?;
    from.end()?;
    Ok(said)
}

pub fn decode_target(value: &[u8]) -> Result<TopicPartitions, RecordError> {
    let mut from = Reader(value);
    from.version()?;
    let mut target = TopicPartitions::new();
    for _ in 0..from.u32()? {
        let partitions = target.entry(Uuid::from_bytes(from.array()?)).or_default();
        for _ in 0..from.u32()? {
            partitions.insert(i32::from_be_bytes(from.array()?));
        }
    }
    from.end()?;
    Ok(target)
}

pub fn decode_current(value: &[u8]) -> Result<Current, RecordError> {
    let mut from = Reader(value);
    from.version()?;
    let state = match from.u8()? {
        0 => MemberState::Stable,
        1 => MemberState::UnrevokedPartitions,
        2 => MemberState::UnreleasedPartitions,
        _ => return Err(RecordError::Damaged("has a member in an unknown state")),
    };
    let current = Current {
        state,
        epoch: i32::from_be_bytes(from.array()?),
        previous_epoch: i32::from_be_bytes(from.array()?),
        assigned: partitions(&mut from)?,
        revoking: partitions(&mut from)?,
    };
    from.end()?;
    Ok(current)
}

fn put_partitions(out: &mut BytesMut, topics: &EpochPartitions) {
    put_length(out, topics.len());
    for (topic, partitions) in topics {
        out.put_slice(topic.as_bytes());
        put_length(out, partitions.len());
        for (partition, epoch) in partitions {
            out.put_i32(*partition);
            out.put_i32(*epoch);
        }
    }
}

fn partitions(from: &mut Reader<'_>) -> Result<EpochPartitions, RecordError> {
    let mut topics = EpochPartitions::new();
    for _ in 0..from.u32()? {
        let partitions = topics.entry(Uuid::from_bytes(from.array()?)).or_default();
        for _ in 0..from.u32()? {
            let partition = i32::from_be_bytes(from.array()?);
            partitions.insert(partition, i32::from_be_bytes(from.array()?));
        }
    }
    Ok(topics)
}
